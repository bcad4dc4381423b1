"""A ledger that is removed, replaced or emptied under a running worker, or not there at its start."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import structlog
from pydantic import SecretStr

from connector.ledger import LedgerUnavailableError, open_ledger, open_upkeep
from connector.ledger.ledger import Ledger
from connector.ledger.port import AlreadySent, Granted, LedgerVanishedError, Sent, Store
from connector.ledger.postgres import PostgresStore
from connector.ledger.sqlite import SqliteStore
from connector.settings.ledger import LedgerSettings
from tests.contract.attempts import HASH, KEY, LONG, MARK, begun
from tests.contract.conftest import database, store, works
from tests.servers.postgres import Postgres

Harm = Callable[[Path], None]
FILES = ("ledger.db", "ledger.db-wal", "ledger.db-shm")


def removed(directory: Path) -> None:
    for name in FILES:
        (directory / name).unlink()


def truncated(directory: Path) -> None:
    with closing(sqlite3.connect(directory / "ledger.db")) as file:  # or SQLite writes it anew from its log
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for name in FILES[1:]:
        (directory / name).unlink()
    (directory / "ledger.db").write_bytes(b"")


def emptied(directory: Path) -> None:
    with closing(sqlite3.connect(directory / "ledger.db")) as file, file:
        file.execute("DELETE FROM entries")


def replaced(directory: Path) -> None:
    (directory / "another").mkdir()
    with closing(SqliteStore(directory / "another" / "ledger.db")._opened()):
        pass
    removed(directory)
    for file in (directory / "another").iterdir():
        shutil.move(file, directory / file.name)


@pytest.mark.parametrize("harm", [removed, truncated, emptied, replaced])
async def test_a_file_that_is_not_what_it_was_stops_all_mails(tmp_path: Path, harm: Harm) -> None:
    ledger = Ledger(SqliteStore(tmp_path / "ledger.db"))
    assert await works(ledger, "sent")
    under_way = await begun(ledger)
    harm(tmp_path)
    with pytest.raises(LedgerUnavailableError):
        await ledger.begin("sent", HASH, LONG)
    for _ in range(2):  # and nothing but a restart mends it
        with pytest.raises(LedgerVanishedError, match="removed, replaced or emptied"):
            await ledger.begin("sent", HASH, LONG)
        with pytest.raises(LedgerVanishedError, match="restart the worker"):
            await ledger.committing(under_way, MARK)
        with pytest.raises(LedgerVanishedError):
            await ledger.check()
    await ledger.aclose()


@pytest.mark.parametrize(
    "harm",
    [
        "TRUNCATE smtp_connector_ledger",
        "DELETE FROM smtp_connector_ledger",
        "UPDATE smtp_connector_ledger SET response = 'another' WHERE key = ''",
    ],
)
async def test_a_table_that_is_not_what_it_was_stops_all_mails(postgres: Postgres, harm: str) -> None:
    url = postgres.create_database()
    ledger = Ledger(PostgresStore(url))
    assert await works(ledger, "sent")
    under_way = await begun(ledger)
    postgres.sql(harm, database(url))
    for _ in range(2):
        with pytest.raises(LedgerVanishedError, match="removed, replaced or emptied"):
            await ledger.begin("sent", HASH, LONG)
        with pytest.raises(LedgerVanishedError):
            await ledger.committing(under_way, MARK)
        with pytest.raises(LedgerVanishedError):
            await ledger.check()
    await ledger.aclose()


async def test_a_restart_begins_anew_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    for number in (1, 2):
        with structlog.testing.capture_logs() as logs:
            ledger = Ledger(SqliteStore(path))
            await ledger.check()
            await ledger.aclose()
        new = [log for log in logs if log["event"].startswith("new ledger")]
        assert len(new) == (number == 1)
        assert all(log["log_level"] == "warning" for log in new)


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_ledger_that_must_exist_and_does_not_ends_the_start(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    settings = LedgerSettings(path=tmp_path / "ledger.db", must_exist=True)
    if kind == "postgres":
        server: Postgres = request.getfixturevalue("postgres")
        url = SecretStr(server.create_database())
        settings = LedgerSettings(kind="postgres", url=url, must_exist=True)
    with pytest.raises(LedgerUnavailableError, match=r"ledger\.must_exist"):
        async with open_upkeep(settings, timedelta(seconds=60)):
            pass
    assert not (tmp_path / "ledger.db").exists()
    async with open_ledger(settings.model_copy(update={"must_exist": False})) as ledger:
        await ledger.check()
    async with open_upkeep(settings, timedelta(seconds=60)) as upkeep:
        await upkeep.ledger.check()


async def test_a_damaged_entry_fails_its_own_mail_only(place: str, request: pytest.FixtureRequest) -> None:
    ledger = Ledger(store(place))
    for key in ("state", "progress", "whole"):
        attempt = await begun(ledger, key=key)
        await ledger.committing(attempt, MARK)
    for statement in (
        "UPDATE {0} SET state = 'nonsense' WHERE key = 'state'",
        "UPDATE {0} SET progress = 'no JSON', held_until = 0 WHERE key = 'progress'",
    ):
        if place.startswith("postgresql://"):
            server: Postgres = request.getfixturevalue("postgres")
            server.sql(statement.format("smtp_connector_ledger"), urlsplit(place).path[1:])
        else:
            with closing(sqlite3.connect(place)) as file, file:
                file.execute(statement.format("entries"))
    await ledger.aclose()
    ledger = Ledger(store(place))
    for key in ("state", "progress"):
        with pytest.raises(LedgerUnavailableError, match=f"entry {key} is damaged"):
            await ledger.begin(key, HASH, LONG)
    assert isinstance(await ledger.begin("new", HASH, LONG), Granted)
    await ledger.settle(attempt, Sent("{}"))
    assert await ledger.begin("whole", HASH, LONG) == AlreadySent("{}")
    await ledger.aclose()


async def test_a_ledger_that_was_emptied_while_no_worker_ran_is_said(tmp_path: Path) -> None:
    ledger = Ledger(SqliteStore(tmp_path / "ledger.db"))
    assert await works(ledger, "sent")
    await ledger.aclose()
    emptied(tmp_path)
    ledger = Ledger(SqliteStore(tmp_path / "ledger.db"))
    for _ in range(2):
        with pytest.raises(LedgerVanishedError, match=r"was emptied: .* or remove it to begin a new one"):
            await ledger.begin("sent", HASH, LONG)
    await ledger.aclose()


async def test_the_seal_is_no_entry(place: str) -> None:
    kept: Store = store(place)
    ledger = Ledger(kept)
    assert await works(ledger, KEY)
    assert [entry.key for entry in await ledger.entries()] == [KEY]
    assert await ledger.prune(-3600) == 1
    assert await ledger.entries() == []
    await ledger.check()
    await ledger.aclose()
