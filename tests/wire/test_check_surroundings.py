"""What ``smtp-connector check`` finds of the engine and the ledger."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import grpc

from connector.check.findings import CheckStep, Finding, Status
from connector.errors import ErrorCode
from connector.testing.engine import FakeEngine
from tests.servers.gateway import FakeGateway
from tests.wire.checks import checked, finding, order


async def engine(**settings: Any) -> Finding:
    (report,) = await checked(order(engine=True, seconds=2.0), engine=settings)
    return finding(report, CheckStep.ENGINE)


async def test_the_engine_tells_its_version() -> None:
    async with FakeGateway(FakeEngine()) as gateway:
        found = await engine(address=gateway.address)
    assert (found.status, found.facts) == (
        Status.OK,
        {"version": "8.6.0", "credentials": False, "tls": False},
    )


async def test_an_engine_that_does_not_let_us_in() -> None:
    async with FakeGateway(FakeEngine()) as gateway:
        gateway.refuse("Topology", grpc.StatusCode.UNAUTHENTICATED, "no token")
        found = await engine(address=gateway.address)
    assert "no token" in found.message
    assert "engine.client_id" in (found.fix or "")


async def test_an_engine_that_is_away() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = await engine(address=f"localhost:{free.getsockname()[1]}")
    assert found.status is Status.FAILED
    assert "that engine.tls, which is off, matches the gateway" in (found.fix or "")


async def test_an_engine_that_hangs() -> None:
    async with FakeGateway(FakeEngine()) as gateway:
        gateway.hang("Topology")
        found = await engine(address=gateway.address)
    assert found.message == f"{gateway.address} did not answer within 2 s."


async def ledger(**settings: Any) -> Finding:
    (report,) = await checked(order(ledger=True), ledger=settings)
    return finding(report, CheckStep.LEDGER)


async def test_a_ledger_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    path = tmp_path / "state/ledger.db"
    found = await ledger(path=path)
    assert found.status is Status.OK
    assert "does not exist yet" in found.message
    assert not path.parent.exists()


async def test_a_ledger_is_written(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    found = await ledger(path=tmp_path / "ledger.db")
    assert (found.status, found.message) == (Status.OK, "it can be written")


async def test_a_ledger_that_is_no_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_text("no database, for longer than a header of SQLite is: " * 20)
    found = await ledger(path=tmp_path / "ledger.db")
    assert found.code is ErrorCode.LEDGER_UNAVAILABLE
    assert "not an SQLite database" in found.message
    assert "ledger.path" in (found.fix or "")


async def test_a_ledger_that_could_not_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    found = await ledger(path=tmp_path / "file/ledger.db")
    assert (found.status, found.code) == (Status.FAILED, ErrorCode.LEDGER_UNAVAILABLE)


async def test_a_ledger_in_memory_is_a_warning() -> None:
    found = await ledger(kind="memory")
    assert found.status is Status.WARNING
