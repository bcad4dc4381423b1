"""A ledger in PostgreSQL: what it keeps and says when the server crashes, refuses or cannot be found."""

from __future__ import annotations

import asyncio
import ssl

import pytest
from pydantic import SecretStr

from connector.ledger import open_ledger
from connector.ledger.ledger import Ledger
from connector.ledger.port import AlreadySent, Granted, LedgerUnavailableError, OvertakenError, Sent
from connector.ledger.postgres import PostgresStore
from connector.settings.ledger import LedgerSettings
from tests.contract.attempts import MARK
from tests.contract.conftest import database, works
from tests.servers.postgres import Postgres


def in_postgres(url: str) -> LedgerSettings:
    return LedgerSettings(kind="postgres", url=SecretStr(url))


async def test_a_server_that_crashes_is_said_and_recovered_from(own_postgres: Postgres) -> None:
    async with open_ledger(in_postgres(own_postgres.create_database())) as ledger:
        decision = await ledger.begin("held", "h", 3600)
        assert isinstance(decision, Granted)
        await ledger.committing(decision.attempt, MARK)
        await asyncio.to_thread(own_postgres.stop)
        try:
            for operation in (ledger.check(), ledger.begin("k", "h", 60), ledger.entries(), ledger.prune(0)):
                with pytest.raises(LedgerUnavailableError, match="cannot be used; it cannot be reached"):
                    await operation
        finally:
            await asyncio.to_thread(own_postgres.start)
        await ledger.settle(decision.attempt, Sent("{}"))
        assert await ledger.begin("held", "h", 60) == AlreadySent("{}")
        assert await works(ledger, "k")


async def test_a_check_writes_each_time(postgres: Postgres) -> None:
    """A standby can be read, so only a write shows that the ledger works."""
    url = postgres.create_database()
    async with open_ledger(in_postgres(url)) as ledger:
        written = set()
        for _ in range(2):
            await ledger.check()
            written.add(postgres.sql("SELECT at FROM smtp_connector_probe", database(url)))
    assert len(written) == 2


async def test_a_server_that_is_read_only_is_said_and_recovered_from(postgres: Postgres) -> None:
    url = postgres.create_database()
    name = database(url)
    async with open_ledger(in_postgres(url)) as ledger:
        await ledger.check()
        postgres.sql(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        postgres.sql(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
        with pytest.raises(LedgerUnavailableError):
            await ledger.check()
        with pytest.raises(LedgerUnavailableError, match=r"is read-only: point ledger\.url at the primary"):
            await ledger.begin("k", "h", 60)
        postgres.sql(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        assert await works(ledger, "k")


async def test_a_server_that_forgot_a_begin_lets_nobody_send_twice(postgres: Postgres) -> None:
    url = postgres.create_database()
    async with open_ledger(in_postgres(url)) as first, open_ledger(in_postgres(url)) as second:
        forgotten = [await first.begin(key, "h", 60) for key in ("a", "b")]
        assert all(isinstance(decision, Granted) for decision in forgotten)
        postgres.sql("DELETE FROM smtp_connector_ledger WHERE key <> ''", database(url))
        overtaking = await second.begin("a", "h", 60)
        assert isinstance(overtaking, Granted)
        attempts = {d.attempt.key: d.attempt for d in forgotten if isinstance(d, Granted)}
        with pytest.raises(OvertakenError):
            await first.committing(attempts["a"], MARK)
        with pytest.raises(OvertakenError):
            await first.committing(attempts["b"], MARK)
        await second.committing(overtaking.attempt, MARK)


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("postgresql://ann:hush-hush@localhost:notaport/db", "expected postgresql://"),
        ("postgresql://ann:hush-hush@/db?host=/nowhere/at/all", "cannot be reached"),
    ],
)
async def test_a_url_that_leads_nowhere_is_said_without_its_password(url: str, reason: str) -> None:
    async with open_ledger(in_postgres(url)) as ledger:
        with pytest.raises(LedgerUnavailableError, match=reason) as caught:
            await ledger.begin("k", "h", 60)
    assert "hush-hush" not in str(caught.value)


async def test_a_certificate_that_nobody_trusts_is_not_taken_for_a_wrong_url(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def refused(*_: object, **__: object) -> None:
        error = ssl.SSLCertVerificationError(1, "certificate verify failed")
        error.verify_code = 18
        raise error

    monkeypatch.setattr("asyncpg.create_pool", refused)
    async with open_ledger(in_postgres("postgresql://ann:hush-hush@localhost/db")) as ledger:
        with pytest.raises(LedgerUnavailableError, match="its certificate is self-signed"):
            await ledger.check()


async def test_a_database_that_is_not_there_is_said(postgres: Postgres) -> None:
    async with open_ledger(in_postgres(postgres.url("nowhere"))) as ledger:
        with pytest.raises(LedgerUnavailableError, match="there is no such database: create it"):
            await ledger.check()


@pytest.mark.parametrize(("configured", "used"), [("off", "on"), ("remote_write", "remote_write")])
async def test_a_mark_lasts_even_on_a_server_that_is_told_not_to_wait(
    postgres: Postgres, configured: str, used: str
) -> None:
    url = postgres.create_database()
    postgres.sql(f"ALTER DATABASE {database(url)} SET synchronous_commit = {configured}")
    store = PostgresStore(url)
    ledger = Ledger(store)
    for key in "ab":  # the relaxation for a begin ends with its statement
        assert isinstance(await ledger.begin(key, "h", 60), Granted)
        async with store._server.connection() as connection:
            assert await connection.fetchval("SHOW synchronous_commit") == used
    await ledger.aclose()


async def test_only_a_mark_and_a_settlement_wait_for_the_servers_disk(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_ledger(in_postgres(postgres.create_database())) as ledger:
        decision = await ledger.begin("k", "h", 60)
        assert isinstance(decision, Granted)
        monkeypatch.setattr("connector.ledger.postgres._SWAP_SOON", "SELECT 'not waiting' WHERE broken")
        await ledger.committing(decision.attempt, MARK)
        await ledger.settle(decision.attempt, Sent("{}"))
        with pytest.raises(LedgerUnavailableError):
            await ledger.begin("other", "h", 60)
