"""A small HTTP/1.1 server in the event loop, for the engine's REST API; h11 reads and writes the protocol.

One request at a time on each connection, which is kept open. When a client hangs up its request is cancelled,
so that a long poll takes no job for a client that has gone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Self

import h11

LARGEST_BODY = 4_194_304
_JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Request:
    """One request; header names are in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Response:
    """One answer."""

    status: HTTPStatus
    body: bytes = b""
    content_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Request], Awaitable[Response]]


class HttpServer:
    """Answers requests while the context lasts.

    Args:
        handle: Answers one request; it must not raise.
        host: The address to listen on.
        port: The port; 0 takes a free one.

    Attributes:
        port: The port that is listened on.
    """

    def __init__(self, handle: Handler, host: str = "127.0.0.1", port: int = 0) -> None:
        self._handle = handle
        self._host = host
        self.port = port
        self._connections: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            OSError: The port is taken.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connect, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        tasks = [connection.abort() for connection in list(self._connections)]
        await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)

    def _connect(self) -> _Connection:
        return _Connection(self._handle, self._connections)


class _Connection(asyncio.Protocol):
    """One client: its octets enter, requests are handled in turn."""

    def __init__(self, handle: Handler, all_of_them: set[_Connection]) -> None:
        self._handle = handle
        self._all = all_of_them
        self._protocol = h11.Connection(h11.SERVER, max_incomplete_event_size=65_536)
        self._transport: asyncio.BaseTransport | None = None
        self._head = h11.Request(method="GET", target="/", headers=[("Host", "none")])
        self._body = bytearray()
        self._serving: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._all.add(self)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._all.discard(self)
        if self._serving is not None:
            self._serving.cancel()

    def data_received(self, data: bytes) -> None:
        self._protocol.receive_data(data)
        self._read_on()

    def eof_received(self) -> None:
        self._protocol.receive_data(b"")
        self._read_on()

    def abort(self) -> asyncio.Task[None] | None:
        """Break the connection; the task that still has to end, if there is one."""
        if isinstance(self._transport, asyncio.WriteTransport):
            self._transport.abort()
        return self._serving

    def _read_on(self) -> None:
        """Take events until a request is complete, or until there are no more octets."""
        while self._serving is None:
            try:
                event = self._protocol.next_event()
            except h11.RemoteProtocolError as error:
                self._refuse(HTTPStatus(error.error_status_hint), str(error))
                return
            if not self._took(event):
                return

    def _took(self, event: object) -> bool:
        """Take one event; False when there is nothing more to take now."""
        match event:
            case h11.Request():
                self._head, self._body = event, bytearray()
                self._go_ahead()
            case h11.Data():
                self._body += event.data
                if len(self._body) > LARGEST_BODY:
                    self._refuse(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"more than {LARGEST_BODY} octets")
                    return False
            case h11.EndOfMessage():
                self._serving = asyncio.create_task(self._serve())
            case h11.ConnectionClosed():
                self._close()
                return False
            case _:
                return False
        return True

    def _go_ahead(self) -> None:
        if self._protocol.they_are_waiting_for_100_continue:
            self._write(h11.InformationalResponse(status_code=100, headers=[]))

    async def _serve(self) -> None:
        head = self._head
        request = Request(
            head.method.decode("ascii"),
            head.target.decode("ascii"),
            {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
            bytes(self._body),
        )
        self._answer(await self._handle(request), with_body=request.method != "HEAD")
        self._serving = None
        if self._protocol.our_state is h11.MUST_CLOSE:
            self._close()
        else:
            self._protocol.start_next_cycle()
            self._read_on()

    def _answer(self, response: Response, *, with_body: bool = True) -> None:
        headers = [("Content-Length", str(len(response.body))), *response.headers.items()]
        if response.body:
            headers.append(("Content-Type", response.content_type))
        if response.status == HTTPStatus.NO_CONTENT:
            headers = list(response.headers.items())
        self._write(h11.Response(status_code=response.status, reason=response.status.phrase, headers=headers))
        if with_body and response.body:
            self._write(h11.Data(data=response.body))
        self._write(h11.EndOfMessage())

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        """Answer what is no request that can be read, and close."""
        if self._protocol.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
            self._answer(Response(status, reason.encode(), "text/plain; charset=utf-8"))
        self._close()

    def _write(self, event: h11.Event) -> None:
        octets = self._protocol.send(event)
        if octets and isinstance(self._transport, asyncio.WriteTransport):
            self._transport.write(octets)

    def _close(self) -> None:
        if self._transport is not None:
            self._transport.close()
