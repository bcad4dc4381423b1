"""A ledger's entries in PostgreSQL, for several workers on several machines.

The rules run here, as for every store, and the database guards what they decided: each entry carries a
version, and a write is a compare-and-swap on it in one statement for the whole group. No transaction stays
open, so a worker that dies or hangs between two statements locks nothing.

A mail's way costs three statements. Its entry is guessed first, as absent when it begins and as we wrote it
afterwards; only a guess that the database refuted is read and decided anew. Leases are on the server's clock:
workers' own clocks are never compared.

``begin`` and ``extend`` do not wait for the server's fsync (``synchronous_commit``). A server that crashes
may forget them while the workers live on: the next swap finds another version, or inserts what was lost.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import asyncpg

from connector.ledger import rules
from connector.ledger.port import Answer, Entry, LedgerUnavailableError, State, Step
from connector.ledger.schema import POSTGRES, pending

_TABLE = "smtp_connector_ledger"
_COLUMNS = "key, state, request_hash, attempt, crashes, owner, held_until, changed, response"
_NOW = "extract(epoch FROM clock_timestamp())::double precision"
_SWAP = f"""
    INSERT INTO {_TABLE} AS kept ({_COLUMNS}, follows, version)
    SELECT offered.*, $11::bigint FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::integer[], $5::integer[], $6::text[],
        $7::double precision[], $8::double precision[], $9::text[], $10::bigint[]
    ) AS offered (key) ORDER BY offered.key  -- one order for all workers: no deadlocks
    ON CONFLICT (key) DO UPDATE SET
        state = excluded.state, request_hash = excluded.request_hash, attempt = excluded.attempt,
        crashes = excluded.crashes, owner = excluded.owner, held_until = excluded.held_until,
        changed = excluded.changed, response = excluded.response,
        follows = excluded.follows, version = excluded.version
    WHERE kept.version = excluded.follows
    RETURNING key, {_NOW} AS now
"""  # noqa: S608 - a constant
_SWAP_SOON = f"{_SWAP}, set_config('synchronous_commit', 'off', true)"
_READ = f"SELECT {_COLUMNS}, version, {_NOW} AS now FROM {_TABLE} WHERE key = ANY($1::text[])"  # noqa: S608
_LIST = f"""
    SELECT {_COLUMNS} FROM {_TABLE}
    WHERE ($1::text IS NULL OR key = $1) AND ($2::text IS NULL OR state = $2)
    ORDER BY changed DESC, key LIMIT $3
"""  # noqa: S608 - a constant
_PRUNE = f"""
    WITH looked_at AS (SELECT key FROM {_TABLE} WHERE key > $1 ORDER BY key LIMIT 2000),
    forgotten AS (
        DELETE FROM {_TABLE} WHERE key IN (SELECT key FROM looked_at)
        AND changed <= {_NOW} - $2::double precision AND held_until <= {_NOW}
        AND ($3 OR state NOT IN ('committing', 'uncertain')) RETURNING 1
    )
    SELECT (SELECT max(key) FROM looked_at), (SELECT count(*) FROM forgotten)
"""  # noqa: S608 - a constant
_PROBE = """
    INSERT INTO smtp_connector_probe VALUES (1, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET at = excluded.at
"""
_MIGRATING = 0x534D54504C454447  # the advisory lock's number: "SMTPLEDG"
_CONNECT, _STATEMENT = 5.0, 10.0  # seconds
# A key that so many workers in turn change between our reading and our writing is no accident.
_ROUNDS = 20
_GUESSES = 10_000

_REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "it refuses the login: check user and password in ledger.url",
    ),
    (asyncpg.InvalidCatalogNameError, "there is no such database: create it, or correct ledger.url"),
    (asyncpg.ReadOnlySQLTransactionError, "it is read-only: point ledger.url at the primary server"),
    (asyncpg.DiskFullError, "its disk is full: make room"),
    (
        asyncpg.InsufficientPrivilegeError,
        "the user in ledger.url lacks a right: grant CREATE on the schema once",
    ),
    (asyncpg.TooManyConnectionsError, "it has no connection left: raise max_connections"),
    (asyncpg.PostgresError, "it refuses"),
    (asyncpg.InterfaceError, "the connection is lost"),
    (TimeoutError, "it does not answer in time"),
    (OSError, "it cannot be reached: check the server and the host and port in ledger.url"),
)


class _ServerClock:
    """The server's present, carried forward by this machine's monotonic clock between its answers.

    Behind by no more than an answer takes to arrive, so a lease never seems over before it is.
    """

    def __init__(self) -> None:
        self._offset = 0.0

    def set(self, server: float) -> None:
        self._offset = server - monotonic()

    def __call__(self) -> float:
        return monotonic() + self._offset


class PostgresStore:
    """Keeps entries in a database; connects at the first operation, and again after every failure.

    Args:
        url: ``postgresql://user:password@host:port/database``, with libpq's parameters.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool | None = None
        self._now = _ServerClock()
        self._guesses: dict[str, tuple[Entry, int]] = {}

    async def apply(self, steps: Sequence[Step]) -> list[Answer]:
        """Take the steps, key by key if others interfere."""
        answers: dict[int, Answer] = {}
        waiting = dict(enumerate(steps))
        try:
            async with self._connection() as connection:
                await self._settle_all(connection, waiting, answers)
        except LedgerUnavailableError as error:
            answers |= dict.fromkeys(waiting, error)
        return [answers[index] for index in range(len(steps))]

    async def check(self) -> None:
        """Write the present into a row of its own."""
        async with self._connection() as connection:
            await connection.execute(_PROBE)

    async def entries(self, *, key: str | None, state: State | None, limit: int) -> list[Entry]:
        """Give entries, the latest changed first."""
        async with self._connection() as connection:
            return [_entry(row) for row in await connection.fetch(_LIST, key, state, limit)]

    async def prune(self, older_than: float, *, doubtful: bool) -> int:
        """Forget old entries, a chunk at a time."""
        forgotten, last = 0, ""
        while last is not None:
            async with self._connection() as connection:
                last, count = await connection.fetchrow(_PRUNE, last, older_than, doubtful)
            forgotten += count
        return forgotten

    async def aclose(self) -> None:
        """Close the connections."""
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()

    # --- compare and swap ---------------------------------------------------------------------------

    async def _settle_all(
        self, connection: asyncpg.Connection, waiting: dict[int, Step], answers: dict[int, Answer]
    ) -> None:
        """Move every step from ``waiting`` to ``answers``."""
        found = {step.key: self._guesses[step.key] for step in waiting.values() if step.key in self._guesses}
        certain: set[str] = set()
        for _ in range(_ROUNDS):
            applied = rules.apply(
                waiting.values(), {key: entry for key, (entry, _) in found.items()}, self._now()
            )
            durable = any(step.durable for step in waiting.values())
            swapped = await self._swap(connection, applied.changed, found, durable=durable)
            # An answer that changes nothing is right only if what it rests on was read.
            done = swapped | (certain - applied.changed.keys())
            for (index, step), answer in zip(list(waiting.items()), applied.answers, strict=True):
                if step.key in done:
                    answers[index] = answer
                    del waiting[index]
            if not waiting:
                return
            certain = {step.key for step in waiting.values()}
            found = await self._read(connection, certain)
        raise LedgerUnavailableError(
            f"The ledger {self._place} is contended: too many workers change the same mail at once."
        )

    async def _swap(
        self,
        connection: asyncpg.Connection,
        changed: Mapping[str, Entry],
        found: Mapping[str, tuple[Entry, int]],
        *,
        durable: bool,
    ) -> set[str]:
        """Write the entries whose versions are still those that were found; the keys that were written."""
        if not changed:
            return set()
        version = secrets.randbits(62) + 1
        rows = [(*_row(entry), found[key][1] if key in found else 0) for key, entry in changed.items()]
        columns = [list(column) for column in zip(*rows, strict=True)]
        swapped = await connection.fetch(_SWAP if durable else _SWAP_SOON, *columns, version)
        if swapped:
            self._now.set(swapped[-1]["now"])
        keys = {str(row["key"]) for row in swapped}
        self._remember({key: (changed[key], version) for key in keys})
        return keys

    async def _read(self, connection: asyncpg.Connection, keys: set[str]) -> dict[str, tuple[Entry, int]]:
        rows = await connection.fetch(_READ, list(keys))
        if rows:
            self._now.set(rows[-1]["now"])
        return {row["key"]: (_entry(row), row["version"]) for row in rows}

    def _remember(self, written: Mapping[str, tuple[Entry, int]]) -> None:
        """Keep the entries of mails in flight as guesses; forgetting one costs a read."""
        if len(self._guesses) > _GUESSES:
            self._guesses.clear()
        for key, (entry, version) in written.items():
            if entry.state in {State.ATTEMPTING, State.COMMITTING}:
                self._guesses[key] = entry, version
            else:
                self._guesses.pop(key, None)

    # --- connections --------------------------------------------------------------------------------

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        try:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._url,
                    min_size=0,
                    max_size=2,  # one for the mails in flight, one for probes, pruning and listing
                    timeout=_CONNECT,
                    command_timeout=_STATEMENT,
                    server_settings={"application_name": "smtp-connector"},
                    init=self._prepare,
                )
            async with self._pool.acquire(timeout=_CONNECT + _STATEMENT) as connection:
                yield connection
        except asyncpg.ClientConfigurationError:
            # Its text may quote the URL, and so the password.
            raise LedgerUnavailableError(
                "ledger.url is no URL of a PostgreSQL database: expected postgresql://user:password@host/database"
            ) from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            # After a failover the old connections lead to a server that may only be read.
            if self._pool is not None:
                await self._pool.expire_connections()
            raise self._unavailable(error) from error

    async def _prepare(self, connection: asyncpg.Connection) -> None:
        """Make a new connection useful: schema up to date, clock read."""
        if pending(await self._schema(connection), POSTGRES, self._place):
            await self._migrate(connection)
        self._now.set(await connection.fetchval(f"SELECT {_NOW}"))

    async def _schema(self, connection: asyncpg.Connection) -> int:
        if await connection.fetchval("SELECT to_regclass('smtp_connector_schema')") is None:
            return 0
        return int(await connection.fetchval("SELECT coalesce(max(number), 0) FROM smtp_connector_schema"))

    async def _migrate(self, connection: asyncpg.Connection) -> None:
        async with connection.transaction():
            # Workers that start together wait here for the first one, and find its work done.
            await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATING)
            await connection.execute(
                "CREATE TABLE IF NOT EXISTS smtp_connector_schema"
                " (number integer NOT NULL PRIMARY KEY, applied timestamptz NOT NULL DEFAULT now())"
            )
            for number, statements in pending(await self._schema(connection), POSTGRES, self._place):
                for statement in statements:
                    await connection.execute(statement)
                await connection.execute("INSERT INTO smtp_connector_schema (number) VALUES ($1)", number)

    @property
    def _place(self) -> str:
        """The database without its credentials."""
        url = urlsplit(self._url)
        return f"{url.hostname or 'local PostgreSQL'}{url.path}"

    def _unavailable(self, error: Exception) -> LedgerUnavailableError:
        remedy = next(remedy for kind, remedy in _REMEDIES if isinstance(error, kind))
        # A server's DETAIL may quote a row; its message does not.
        detail = getattr(error, "message", None) or str(error) or type(error).__name__
        return LedgerUnavailableError(
            f"The ledger {self._place} cannot be written; {remedy} ({detail}). Nothing is sent meanwhile."
        )


def _row(entry: Entry) -> tuple[object, ...]:
    return (
        entry.key,
        entry.state,
        entry.request_hash,
        entry.attempt,
        entry.crashes,
        entry.owner,
        entry.held_until,
        entry.changed,
        entry.response,
    )


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        row["key"],
        State(row["state"]),
        row["request_hash"],
        row["attempt"],
        row["crashes"],
        row["owner"],
        row["held_until"],
        row["changed"],
        row["response"],
    )
