"""An engine of their own for the faults, since they also strike it; and the table of what they did."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from pyzeebe import create_insecure_channel

from connector.devengine.local import LocalEngine, LocalEngineError
from connector.testing.smtp import SmtpServer
from tests.engine.records import Records
from tests.faults.outcomes import Outcomes
from tests.faults.site import Site
from tests.faults.verdicts import Table

_TABLE = pytest.StashKey[Table]()


def pytest_configure(config: pytest.Config) -> None:
    config.stash[_TABLE] = Table()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Download the engine before the clock of any test runs; pytest-timeout counts fixtures."""
    wanted = any("struck_engine" in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not session.config.option.collectonly:
        with contextlib.suppress(LocalEngineError):  # the fixture says it again, to the tests that need it
            asyncio.run(LocalEngine().install())


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
def struck_engine() -> Iterator[LocalEngine]:
    """A real engine. Ours also where ``ZEEBE_ADDRESS`` names another: it is killed, and its log is read."""
    engine = LocalEngine(records=True, environ={k: v for k, v in os.environ.items() if k != "ZEEBE_ADDRESS"})
    asyncio.run(engine.start())
    try:
        yield engine
    finally:
        asyncio.run(engine.stop())


@pytest.fixture
async def site(struck_engine: LocalEngine, tmp_path: Path) -> AsyncIterator[Site]:
    """The engine, a mail server that behaves well until told otherwise, and an empty ledger."""
    channel = create_insecure_channel(grpc_address=struck_engine.grpc_address)
    log = struck_engine.log
    outcomes = Outcomes(Records(log, log.stat().st_size))
    try:
        async with SmtpServer() as smtp:
            yield Site(struck_engine.grpc_address, channel, outcomes, smtp, tmp_path)
    finally:
        await channel.close(None)
