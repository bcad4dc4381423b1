"""The places in which a ledger can be kept, each to be opened by several owners at once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from connector.ledger.ledger import Ledger
from connector.ledger.memory import MemoryStore
from connector.ledger.port import AlreadySent, Granted, Sent, Store
from connector.ledger.postgres import PostgresStore
from connector.ledger.sqlite import SqliteStore
from tests.contract.attempts import MARK
from tests.servers.postgres import Postgres

Open = Callable[[], Ledger]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place that outlives a process, as ``ledger_worker`` takes it."""
    if request.param == "sqlite":
        return str(tmp_path / "state" / "ledger.db")
    server: Postgres = request.getfixturevalue("postgres")
    return server.create_database()


def store(place: str) -> Store:
    """Open a place as one process of several."""
    return PostgresStore(place) if place.startswith("postgresql://") else SqliteStore(Path(place))


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def open_one(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens one more ledger, of another owner, over the same entries."""
    if request.param == "memory":
        memory = MemoryStore()
        yield lambda: Ledger(memory)
        return
    where = str(tmp_path / "ledger.db")
    if request.param == "postgres":
        server: Postgres = request.getfixturevalue("postgres")
        where = server.create_database()
    async with AsyncExitStack() as stack:

        def opened() -> Ledger:
            ledger = Ledger(store(where))
            stack.push_async_callback(ledger.aclose)
            return ledger

        yield opened


@pytest.fixture
def ledger(open_one: Open) -> Ledger:
    """A ledger with nothing in it."""
    return open_one()


def database(url: str) -> str:
    """Give the name of a database, by its URL."""
    return urlsplit(url).path[1:]


async def works(ledger: Ledger, key: str) -> bool:
    """Send a mail's way through a ledger."""
    await ledger.check()
    decision = await ledger.begin(key, "h", 60)
    assert isinstance(decision, Granted)
    await ledger.committing(decision.attempt, MARK)
    await ledger.settle(decision.attempt, Sent("{}"))
    return await ledger.begin(key, "h", 60) == AlreadySent("{}")
