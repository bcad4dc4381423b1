"""An engine of their own for the faults, since they also strike it; and the table of what they did."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pyzeebe import create_insecure_channel

from connector.devengine.local import LocalEngine
from connector.testing.smtp import SmtpServer
from tests.engine.records import Records
from tests.faults.outcomes import Outcomes
from tests.faults.site import Site
from tests.faults.verdicts import Table

_TABLE = pytest.StashKey[Table]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TABLE] = Table()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    table = config.stash[_TABLE]
    if table.rows:
        terminalreporter.section("faults")
        for line in table.lines():
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def table(pytestconfig: pytest.Config) -> Table:
    """Where each test tells what its fault did."""
    return pytestconfig.stash[_TABLE]


@pytest.fixture(scope="package")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the engine of the faults writes."""
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(scope="package")
def struck_engine(files: Path) -> Iterator[LocalEngine]:
    """The project's own engine, whatever ``--engine`` chooses: it is killed, and its records are read."""
    engine = LocalEngine(journal=files / "journal.jsonl", records=files / "records.jsonl")
    asyncio.run(engine.start())
    try:
        yield engine
    finally:
        asyncio.run(engine.stop())


@pytest.fixture
async def site(struck_engine: LocalEngine, files: Path, tmp_path: Path) -> AsyncIterator[Site]:
    """The engine, a mail server that behaves well until told otherwise, and an empty ledger."""
    channel = create_insecure_channel(grpc_address=struck_engine.grpc_address)
    records = files / "records.jsonl"
    outcomes = Outcomes(Records(records, records.stat().st_size))
    try:
        async with SmtpServer() as smtp:
            engine = struck_engine
            site = Site(engine.grpc_address, engine.rest_address, channel, outcomes, smtp, tmp_path)
            yield site
            await site.end_faults()
    finally:
        await channel.close(None)
