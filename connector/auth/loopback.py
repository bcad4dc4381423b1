"""Receive the answer to a request for consent on this machine (RFC 8252 section 7.3).

A redirect address enters, sockets of both address families leave: a browser that is sent to ``localhost``
takes the one or the other. Microsoft's portal takes ``http://localhost`` and not ``http://127.0.0.1``, and
knows no ``[::1]``; with ``localhost`` it does not compare ports.
"""

from __future__ import annotations

import errno
import socket
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

USUAL = "http://localhost"

_ADDRESSES = {
    "localhost": ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")),
    "127.0.0.1": ((socket.AF_INET, "127.0.0.1"),),
    "::1": ((socket.AF_INET6, "::1"),),
}
_TRIES = 20
_NO_FAMILY = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})


class NotListeningError(Exception):
    """The redirect address cannot be listened on; the text says why."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """Where the browser will come back.

    Attributes:
        url: The redirect address, with its port.
        path: What the browser will ask for.
        sockets: Bound, and not listening yet.
    """

    url: str
    path: str
    sockets: tuple[socket.socket, ...]


def is_loopback(url: str) -> bool:
    """Whether the browser comes back to the machine that it runs on."""
    parts = urlsplit(url)
    return parts.scheme == "http" and parts.hostname in _ADDRESSES


def receiver(url: str = USUAL) -> Receiver:
    """Bind sockets for a redirect address; one without a port gets a free one.

    Raises:
        NotListeningError: The port is taken, or the address not this machine's.
    """
    parts = urlsplit(url)
    bound = sockets_at(parts.hostname or "", parts.port)
    port = bound[0].getsockname()[1]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    complete = urlunsplit((parts.scheme, f"{host}:{port}", parts.path, parts.query, ""))
    return Receiver(complete, parts.path or "/", bound)


def sockets_at(host: str, port: int | None) -> tuple[socket.socket, ...]:
    """Bind sockets for a host and port, of both address families where the host is localhost.

    Args:
        host: A name or an address of this machine.
        port: None or 0 for any that is free.

    Raises:
        NotListeningError: The port is taken, or the address not this machine's.
    """
    families = _ADDRESSES.get(host) or ((socket.AF_INET6 if ":" in host else socket.AF_INET, host),)
    for _ in range(1 if port else _TRIES):
        bound: list[socket.socket] = []
        try:
            for family, address in families:
                _bind(bound, family, address, port)
        except OSError as error:
            for one in bound:
                one.close()
            if port:
                raise NotListeningError(
                    f"port {port} of {host} cannot be listened on: {error.strerror}"
                ) from None
        else:
            if bound:
                return tuple(bound)
    raise NotListeningError(f"no free port of {host} can be listened on")


def _bind(bound: list[socket.socket], family: int, address: str, port: int | None) -> None:
    """Bind one more socket, to the port of the first; a family that this machine lacks is left out."""
    try:
        one = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return
    number = port or (bound[0].getsockname()[1] if bound else 0)
    with suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        one.bind((address, number))
    except OSError as error:
        one.close()
        if error.errno not in _NO_FAMILY:
            raise
    else:
        bound.append(one)
