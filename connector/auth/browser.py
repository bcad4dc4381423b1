"""A small web server for what a browser brings back: one request for each connection, bounded in every way.

A function from request to page enters, sockets are listened on. Speaks HTTP/1.1 by ``h11``. Nothing of a
request is logged: its query may hold the code of a consent.
"""

from __future__ import annotations

import asyncio
import html
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

import h11
import structlog

_log = structlog.get_logger(__name__)

_SECONDS = 15.0  # for a request to come, and for a page to be taken
_PAGE_SECONDS = 180.0  # for a page to be made: one may test a mail server
_LONGEST_HEAD = 32_768  # a provider's error in the query has some kilobytes
_LONGEST_BODY = 65_536
_CONNECTIONS = 32
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' https: http:; base-uri 'none'; "
    "frame-ancestors 'none'"
)
_STYLE = (
    "body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:3rem auto;padding:0 1rem;color:#222}"
    "h1{font-size:1.5rem}.bad{color:#a00}.good{color:#060}table{border-collapse:collapse;width:100%}"
    "td,th{text-align:left;vertical-align:top;padding:.4rem .8rem .4rem 0;border-bottom:1px solid #ddd}"
    "form{display:inline}button{font:inherit;padding:.2rem .8rem}input{font:inherit;padding:.2rem}"
    "@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}td,th{border-color:#444}"
    ".bad{color:#f77}.good{color:#7d7}}"
)


@dataclass(frozen=True, slots=True)
class BrowserRequest:
    """What a browser asks for.

    Attributes:
        query: Of the address; the last value of a name counts.
        form: What was posted.
        headers: By name in lower case.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(repr=False)
    form: Mapping[str, str] = field(repr=False)
    headers: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Page:
    """What a browser gets.

    Attributes:
        body: HTML inside the body.
        headers: Beside those that every page has.
    """

    title: str
    body: str
    status: HTTPStatus = HTTPStatus.OK
    headers: tuple[tuple[str, str], ...] = ()


Answer = Callable[[BrowserRequest], Awaitable[Page]]


def note(title: str, text: str, *, good: bool, status: HTTPStatus = HTTPStatus.OK) -> Page:
    """A page that says one thing."""
    kind = "good" if good else "bad"
    body = f'<h1 class="{kind}">{html.escape(title)}</h1><p>{html.escape(text)}</p>'
    return Page(title, body, status)


def redirect(url: str, *headers: tuple[str, str]) -> Page:
    """Send the browser somewhere else."""
    return Page("Go on", "", HTTPStatus.SEE_OTHER, (("Location", url), *headers))


class BrowserServer:
    """Answers browsers.

    Args:
        answer: Makes the page for a request; what it raises is logged, and the browser told that it failed.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()

    async def listen(self, sockets: Sequence[socket.socket]) -> None:
        """Listen on sockets that are bound; they are closed at the end."""
        for bound in sockets:
            self._servers.append(await asyncio.start_server(self._connected, sock=bound, limit=_LONGEST_HEAD))

    async def aclose(self) -> None:
        """Stop, once the answers under way are given; five seconds at most."""
        for server in self._servers:
            server.close()
        if self._connections:
            _, late = await asyncio.wait(self._connections, timeout=5)
            for connection in late:
                connection.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if len(self._connections) >= _CONNECTIONS:
            writer.transport.abort()
            return
        connection = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEAD)
        try:
            page, in_full = await self._answered(connection, reader)
            async with asyncio.timeout(_SECONDS):
                writer.write(_written(connection, page, in_full=in_full))
                await writer.drain()
        except (TimeoutError, OSError, asyncio.IncompleteReadError, h11.LocalProtocolError):
            pass  # the browser has left, or says nothing
        finally:
            with suppress(OSError):
                writer.close()

    async def _answered(self, connection: h11.Connection, reader: asyncio.StreamReader) -> tuple[Page, bool]:
        """Give the page, and whether in full; HEAD asks for its headers (RFC 9110 section 9.3.2)."""
        try:
            async with asyncio.timeout(_SECONDS):
                request = await _read(connection, reader)
        except (h11.RemoteProtocolError, ValueError):  # also a target that is no URL, such as //[
            return note("Bad request", "", good=False, status=HTTPStatus.BAD_REQUEST), True
        in_full = request.method != "HEAD"
        return await self._page(request if in_full else replace(request, method="GET")), in_full

    async def _page(self, request: BrowserRequest) -> Page:
        try:
            async with asyncio.timeout(_PAGE_SECONDS):
                return await self._answer(request)
        except Exception:  # noqa: BLE001 - the browser waits for a page
            _log.exception("page not made", path=request.path)
            text = "The worker failed; its log has the details."
            return note("Failed", text, good=False, status=HTTPStatus.INTERNAL_SERVER_ERROR)


async def _read(connection: h11.Connection, reader: asyncio.StreamReader) -> BrowserRequest:
    head: h11.Request | None = None
    body = bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            if not (octets := await reader.read(_LONGEST_HEAD)):
                raise asyncio.IncompleteReadError(b"", None)
            connection.receive_data(octets)
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _LONGEST_BODY:
                raise h11.RemoteProtocolError("too much")
        elif head is not None:  # the end of the message
            return _request(head, bytes(body))
        else:
            raise asyncio.IncompleteReadError(b"", None)


def _request(head: h11.Request, body: bytes) -> BrowserRequest:
    parts = urlsplit(head.target.decode("ascii", "replace"))
    return BrowserRequest(
        head.method.decode("ascii"),
        parts.path,
        dict(parse_qsl(parts.query, keep_blank_values=True)),
        dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True)),
        {name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
    )


def _written(connection: h11.Connection, page: Page, *, in_full: bool) -> bytes:
    document = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{html.escape(page.title)}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>{page.body}</html>\n'
    ).encode()
    headers = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Length", str(len(document))),
        ("Cache-Control", "no-store"),
        ("Content-Security-Policy", _POLICY),
        ("Referrer-Policy", "no-referrer"),
        ("X-Content-Type-Options", "nosniff"),
        ("Connection", "close"),
        *page.headers,
    )
    response = h11.Response(status_code=page.status, headers=list(headers))
    body = [h11.Data(data=document)] if in_full else []
    sent = (connection.send(event) for event in (response, *body, h11.EndOfMessage()))
    return b"".join(octets or b"" for octets in sent)
