"""A TCP proxy between a client and its server: it can be cut, held, reset, and mended again.

What a network does to the way between a worker and its engine, at the moment that a test chooses. ::

    async with Proxy("127.0.0.1:26500") as proxy:
        ...  # a client talks to proxy.address
        proxy.cut()
        ...
        proxy.mend()
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from types import TracebackType
from typing import Self

_CHUNK = 65_536
# With this, closing a socket sends RST instead of FIN.
_LINGER_NOT = struct.pack("ii", 1, 0)

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """Passes octets on, both ways, until told otherwise.

    Args:
        target: ``host:port`` of the server.

    Attributes:
        lines: How many the clients have said.
        told: How many octets the server has said.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._server: asyncio.Server | None = None
        self._reachable = True
        self._passing = asyncio.Event()
        self._passing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.lines = 0
        self.told = 0

    @property
    def address(self) -> str:
        """``host:port`` for the client."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Close every connection, and each new one at once, as a gateway that restarts."""
        self._reachable = False
        for writer in self._writers:
            writer.close()

    def reset(self) -> None:
        """Break every connection (TCP RST); new ones are served."""
        for writer in self._writers:
            peer: socket.socket = writer.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
            writer.transport.abort()

    def hold(self) -> None:
        """Pass nothing on and close nothing, as a network that swallows packets."""
        self._passing.clear()

    def mend(self) -> None:
        """Pass on what was held, and serve new connections."""
        self._reachable = True
        self._passing.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self._writers.add(writer)
        try:
            if self._reachable:
                await self._join((reader, writer))
        except OSError:
            pass  # the server is away: the client sees its connection end
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _join(self, client: Pair) -> None:
        server = await asyncio.open_connection(*self._target)
        self._writers.add(server[1])
        try:
            await asyncio.gather(
                self._pump(client[0], server[1], self._said), self._pump(server[0], client[1], self._heard)
            )
        finally:
            self._writers.discard(server[1])
            server[1].close()

    def _said(self, data: bytes) -> None:
        self.lines += data.count(b"\n")

    def _heard(self, data: bytes) -> None:
        self.told += len(data)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[bytes], None]
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                count(data)
                await self._passing.wait()
                writer.write(data)
                await writer.drain()
        writer.close()
