"""What answers at ``engine.address`` and is no gateway is named, once and in the worker's own words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from connector.engine.grpc import GrpcEngine
from connector.engine.port import EngineUnavailableError
from connector.settings.model import EngineSettings, WorkerSettings
from tests.commands.terminal import command

WEB = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
PAGE = b"<!DOCTYPE HTML><html><body>Error response</body></html>\n"
MAIL = b"220 mail.example ESMTP ready\r\n"
MAIL_OF_SEVERAL_LINES = b"220-mail.example ESMTP\r\n220 ready\r\n"


@asynccontextmanager
async def saying(first: bytes) -> AsyncIterator[str]:
    """A server that says this to each client; its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while await reader.read(4096):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


async def told(address: str, *, tls: bool = False) -> str:
    async with GrpcEngine(EngineSettings(address=address, tls=tls), WorkerSettings()) as engine:
        with pytest.raises(EngineUnavailableError) as caught:
            await engine.version()
    return str(caught.value).removeprefix(f"{address} ")


@pytest.mark.parametrize(
    ("first", "words"),
    [
        (WEB, "is a web server or a REST interface, not the gateway's gRPC port"),
        (PAGE, "is a web server or a REST interface, not the gateway's gRPC port"),
        (MAIL, "is a mail server, not a Zeebe gateway"),
        (MAIL_OF_SEVERAL_LINES, "is a mail server, not a Zeebe gateway"),
        (b"\x00" * 40, "is not a Zeebe gateway"),
    ],
)
async def test_another_server_is_named(first: bytes, words: str) -> None:
    async with saying(first) as address:
        message = await told(address)
    assert message == f"{words}; set engine.address to the gateway's gRPC port, 26500 by default"


async def test_a_port_without_tls() -> None:
    async with saying(MAIL) as address:
        assert "does not speak TLS; set engine.tls to false" in await told(address, tls=True)


async def test_grpc_writes_no_line_of_its_own() -> None:
    async with saying(MAIL) as address:
        target = f"engine.address={address}"
        finished = await command(
            "check", "--engine", "--no-ledger", "--set", target, "--set", "engine.tls=true"
        )
    assert finished.code == 1
    assert "does not speak TLS" in finished.stdout
    assert finished.stderr == ""
