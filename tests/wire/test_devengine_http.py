"""The engine's HTTP server: kept connections, broken requests, clients that hang up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http import HTTPStatus

import pytest

from connector.devengine.http_server import LARGEST_BODY, HttpServer, Request, Response


class Site:
    """A server that echoes, and can be made to wait."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.go_on = asyncio.Event()
        self.waiting = asyncio.Event()
        self.cancelled = asyncio.Event()
        self.go_on.set()

    async def handle(self, request: Request) -> Response:
        self.requests.append(request)
        self.waiting.set()
        try:
            await self.go_on.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        if request.path == "/nothing":
            return Response(HTTPStatus.NO_CONTENT)
        return Response(HTTPStatus.OK, request.body or b"empty", "text/plain")


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture
async def server(site: Site) -> AsyncIterator[HttpServer]:
    async with HttpServer(site.handle) as server:
        yield server


@asynccontextmanager
async def connected(
    server: HttpServer,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield reader, writer
    finally:
        writer.close()


async def answer(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    """Read one answer: its head and its body."""
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    return head, await reader.readexactly(int(lengths[0].split(b":")[1]) if lengths else 0)


async def test_requests_in_turn_on_one_connection(server: HttpServer) -> None:
    async with connected(server) as (reader, writer):
        for path in (b"/a", b"/b"):
            writer.write(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
            head, body = await answer(reader)
            assert head.startswith(b"HTTP/1.1 200 OK")
            assert body == b"empty"


async def test_requests_that_come_at_once_are_answered_in_order(server: HttpServer) -> None:
    async with connected(server) as (reader, writer):
        for body in (b"one", b"two", b"six"):
            writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n" + body)
        assert [(await answer(reader))[1] for _ in range(3)] == [b"one", b"two", b"six"]


async def test_a_body_in_chunks_octet_by_octet(server: HttpServer) -> None:
    request = (
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    )
    async with connected(server) as (reader, writer):
        for index in range(len(request)):
            writer.write(request[index : index + 1])
            await writer.drain()
            await asyncio.sleep(0)
        assert (await answer(reader))[1] == b"abcde"


async def test_a_client_that_asks_first_is_told_to_go_on(server: HttpServer) -> None:
    async with connected(server) as (reader, writer):
        writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100")
        writer.write(b"ok")
        assert (await answer(reader))[1] == b"ok"


async def test_no_content_has_no_length(server: HttpServer) -> None:
    async with connected(server) as (reader, writer):
        writer.write(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        head, body = await answer(reader)
        assert head.startswith(b"HTTP/1.1 204")
        assert b"content-length" not in head.lower()
        assert body == b""
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await answer(reader))[1] == b"empty", "the connection goes on"


async def test_an_old_client_is_answered_and_left(server: HttpServer) -> None:
    async with connected(server) as (reader, writer):
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        assert (await reader.read()).endswith(b"empty")


@pytest.mark.parametrize(
    "junk", [b"hello\r\n\r\n", b"GET / HTTP/1.1\r\nBroken\r\n\r\n", b"\x16\x03\x01\r\n\r\n"]
)
async def test_what_is_no_request_is_refused(server: HttpServer, site: Site, junk: bytes) -> None:
    async with connected(server) as (reader, writer):
        writer.write(junk)
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 400")
    assert site.requests == []


async def test_headers_without_end_are_refused(server: HttpServer) -> None:
    async with connected(server) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 20_000)
        assert (await asyncio.wait_for(reader.read(), 10)).startswith(b"HTTP/1.1 431")


async def test_a_body_that_is_too_large_is_refused(server: HttpServer, site: Site) -> None:
    async with connected(server) as (reader, writer):
        size = LARGEST_BODY + 1
        writer.write(f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode())
        writer.write(bytes(size))
        assert (await asyncio.wait_for(reader.readline(), 10)).startswith(b"HTTP/1.1 413")
    assert site.requests == []


async def test_a_client_that_hangs_up_cancels_its_request(server: HttpServer, site: Site) -> None:
    site.go_on.clear()
    async with connected(server) as (_, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(site.waiting.wait(), 10)
    await asyncio.wait_for(site.cancelled.wait(), 10)


async def test_stopping_breaks_what_is_open(site: Site) -> None:
    site.go_on.clear()
    async with HttpServer(site.handle) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        await asyncio.wait_for(site.waiting.wait(), 10)
    with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
        await reader.readexactly(1)
    writer.close()
    assert site.cancelled.is_set()
