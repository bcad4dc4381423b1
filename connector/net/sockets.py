"""What an account says of the sockets to its servers: where they start, and how they are kept open.

Stands apart because mail is submitted from an event loop and mailboxes are read from threads.
"""

from __future__ import annotations

import socket
from typing import Protocol


class Options(Protocol):
    """The part of a socket that takes options; asyncio gives no more of it."""

    def setsockopt(self, level: int, option: int, value: int, /) -> object:
        """Set an option."""
        ...


# RFC 9293 section 3.8.4; macOS has another name for the time before the first probe.
_IDLE_TIME = getattr(socket, "TCP_KEEPIDLE", None) or getattr(socket, "TCP_KEEPALIVE", None)


def keep_alive(connection: Options, seconds: int | None) -> None:
    """Have the other side asked for a sign of life after so long without traffic; None for never."""
    if seconds is None:
        return
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option in filter(None, (_IDLE_TIME, getattr(socket, "TCP_KEEPINTVL", None))):
        connection.setsockopt(socket.IPPROTO_TCP, option, seconds)


def family_of(address: str) -> socket.AddressFamily:
    """The family of an IP address."""
    return socket.AF_INET6 if ":" in address else socket.AF_INET
