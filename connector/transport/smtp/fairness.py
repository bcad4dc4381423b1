"""A host that does not answer holds half of the worker's slots at most, over all its logins.

Each login has its own connections, so a dead host with many logins could hold every slot, and mails to other
hosts would wait behind it. A host that has answered in the last seconds may use them all.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from connector.errors import CancelReason, PostponedError
from connector.model.server import Server

# How long the last answer of a host counts, and how long a mail waits for one.
_ANSWER_SECONDS = 5.0
# When a job comes again that found a silent host.
_COME_AGAIN_SECONDS = 10.0

_Name = tuple[str, int]


@dataclass(slots=True)
class _Host:
    mails: int = 0
    heard: float = float("-inf")
    answer: asyncio.Event = field(default_factory=asyncio.Event)


class Hosts:
    """The mails that each host has in hand.

    Args:
        slots: How many mails this worker has in hand at a time; None for no limit.
    """

    def __init__(self, slots: int | None) -> None:
        self._half = None if slots is None else max(slots // 2, 1)
        self._hosts: dict[_Name, _Host] = {}

    @asynccontextmanager
    async def room(self, server: Server) -> AsyncIterator[None]:
        """Wait for room at the host, and hold it for one mail.

        Raises:
            PostponedError: The host has half of the slots, and has not answered for five seconds.
        """
        name = (server.hostname, server.port)
        host = self._hosts.setdefault(name, _Host())
        host.mails += 1
        try:
            if self._half is not None and host.mails > self._half:
                await self._answered(host, server)
            yield
        finally:
            host.mails -= 1
            if not host.mails and self._hosts.get(name) is host:
                del self._hosts[name]

    def listener(self, server: Server) -> Callable[[], None]:
        """Give what has to be called at each answer of a server."""
        name = (server.hostname, server.port)

        def heard() -> None:
            if (host := self._hosts.get(name)) is not None:
                host.heard = asyncio.get_running_loop().time()
                host.answer.set()

        return heard

    async def _answered(self, host: _Host, server: Server) -> None:
        if asyncio.get_running_loop().time() - host.heard < _ANSWER_SECONDS:
            return
        host.answer.clear()
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                await host.answer.wait()
        except TimeoutError:
            raise PostponedError(
                f"{server} has answered nothing for {_ANSWER_SECONDS:g} s, and half of the worker's slots "
                "(worker.max_jobs) wait for it already: check the server and the way to it.",
                timedelta(seconds=_COME_AGAIN_SECONDS),
                CancelReason.SILENT_SERVER,
            ) from None
