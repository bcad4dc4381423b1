"""The addresses of a host, looked up so that a dead DNS holds up nobody.

A name enters, addresses leave. Apart from asyncio's own look-up, whose threads the process waits for at its
end: a resolver without an answer blocks for half a minute, longer than an operator waits for a check.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import suppress

from connector.tls.trust import host_to_verify


async def addresses_of(hostname: str, port: int) -> list[str]:
    """Give the IP addresses of a host, each once, in the order in which they would be tried.

    Raises:
        OSError: It is not known.
        UnicodeError: It is no host name.
    """
    name = host_to_verify(hostname)
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[list[str]] = loop.create_future()

    def give(found: list[str] | OSError) -> None:
        if answer.done():
            return
        if isinstance(found, OSError):
            answer.set_exception(found)
        else:
            answer.set_result(found)

    def ask() -> None:
        found = _looked_up(name, port)
        with suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(give, found)

    threading.Thread(target=ask, daemon=True, name="dns").start()
    return await answer


def _looked_up(name: str, port: int) -> list[str] | OSError:
    try:
        found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    except OSError as error:
        return error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))
