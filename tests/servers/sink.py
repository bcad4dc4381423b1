"""A mail server that takes everything, in a thread of its own: what a relay passes mail on to."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from connector.testing.smtp import Offer, ReceivedMail, SmtpServer

_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Sink:
    """A running server."""

    server: SmtpServer

    @property
    def address(self) -> tuple[str, int]:
        return self.server.hostname, self.server.port

    @property
    def received(self) -> list[ReceivedMail]:
        """Every mail it has taken, oldest first."""
        return list(self.server.received)


@contextmanager
def running() -> Iterator[Sink]:
    """Run a server until the block ends."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = SmtpServer(offer=Offer(auth=()))
    try:
        asyncio.run_coroutine_threadsafe(server.start(), loop).result(_SECONDS)
        yield Sink(server)
    finally:
        asyncio.run_coroutine_threadsafe(server.aclose(), loop).result(_SECONDS)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
