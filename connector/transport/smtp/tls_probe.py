"""Find out whether a server that says nothing waits for TLS, long before the time limit for its greeting.

A connection that waits for a greeting enters; it is ended once a second one has met TLS at the same port. The
first keeps waiting meanwhile, since a server may just be slow. Nothing is sent into a conversation that a
server has not opened: postscreen of Postfix, which listens on port 25, takes offence at that, so that port is
left alone.
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import Self

from connector.model.server import Security, Server
from connector.tls.faults import TlsAwaitedError
from connector.transport.smtp.wire import Wire

# Greetings come at once; a server that is silent for longer is slow, or waits for the other side.
_SILENT_SECONDS = 3.0
_HANDSHAKE_SECONDS = 10.0
_RELAY_PORT = 25


class TlsProbe:
    """Watches one connection until its greeting.

    Args:
        wire: The connection; it fails with ``TlsAwaitedError`` when the server waits for TLS.
        server: Where it leads.
    """

    def __init__(self, wire: Wire, server: Server) -> None:
        self._wire = wire
        self._server = server
        self._task: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def __enter__(self) -> Self:
        if self._server.security is not Security.TLS and self._server.port != _RELAY_PORT:
            self._timer = asyncio.get_running_loop().call_later(_SILENT_SECONDS, self._begin)
        return self

    def __exit__(self, *_: object) -> None:
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()

    def _begin(self) -> None:
        self._task = asyncio.create_task(self._look())

    async def _look(self) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # it is asked whether it speaks TLS; nothing is told to it
        with suppress(OSError, TimeoutError):
            async with asyncio.timeout(_HANDSHAKE_SECONDS):
                _, writer = await asyncio.open_connection(
                    self._wire.address("peername"),
                    self._server.port,
                    ssl=context,
                    server_hostname=self._server.hostname,
                )
            writer.transport.abort()
            self._wire.abort(TlsAwaitedError("the server waits for a handshake"))
