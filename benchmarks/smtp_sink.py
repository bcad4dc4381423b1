"""A mail server that takes everything and keeps nothing, with AUTH and STARTTLS, which smtp-sink has not.

``python -m benchmarks.smtp_sink CERTIFICATE`` prints its port and runs until it is terminated: a process of
its own, so that its work is not counted as a client's.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
from pathlib import Path
from typing import cast

_REPLIES = {
    b"EHLO": b"250-sink\r\n250-PIPELINING\r\n250-SIZE 100000000\r\n250-AUTH PLAIN\r\n250 STARTTLS\r\n",
    b"DATA": b"354 Go on\r\n",
    b"AUTH": b"235 2.7.0 Ok\r\n",
    b"STAR": b"220 2.0.0 Ready\r\n",
    b"QUIT": b"221 2.0.0 Bye\r\n",
}
_OK = b"250 2.0.0 Ok\r\n"


class _Sink(asyncio.Protocol):
    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._unread = b""
        self._content = False
        self._securing: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        if transport.get_extra_info("sslcontext") is None:
            self._transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._unread += data
        if self._securing is None or self._securing.done():
            self._answer()

    def _answer(self) -> None:
        answers = []
        while (answer := self._next()) is not None:
            answers.append(answer)
        if not answers:
            return
        if answers[-1] is _REPLIES[b"STAR"]:
            self._transport.pause_reading()  # what comes next is the handshake's
            self._securing = asyncio.get_running_loop().create_task(self._secure())
        self._transport.write(b"".join(answers))
        if answers[-1] is _REPLIES[b"QUIT"]:
            self._transport.close()

    def _next(self) -> bytes | None:
        """Take one command, or a whole content, off what has come, and give the reply to it."""
        end, length = (b"\r\n.\r\n", 5) if self._content else (b"\r\n", 2)
        place = self._unread.find(end)
        if place < 0:
            return None
        verb, self._unread = self._unread[:4].upper(), self._unread[place + length :]
        if self._content:
            self._content = False
            return _OK
        self._content = verb == b"DATA"
        return _REPLIES.get(verb, _OK)

    async def _secure(self) -> None:
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(self._transport, self, self._context, server_side=True)
        self._transport = cast("asyncio.Transport", transport)
        self._answer()  # the first command may have come with the end of the handshake


async def _serve(certificate: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Sink(context), "127.0.0.1", 0, backlog=500
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
