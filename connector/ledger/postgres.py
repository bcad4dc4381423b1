"""A ledger's entries in PostgreSQL, for several workers on several machines.

The rules run here, as for every store, and the database guards what they decided: each entry carries a
version, and a write is a compare-and-swap on it in one statement for the whole group. No transaction stays
open, so a worker that dies or hangs between two statements locks nothing.

A mail's way costs three statements. Its entry is guessed first, as absent when it begins and as we wrote it
afterwards; only a guess that the database refuted is read and decided anew. Leases are on the server's clock:
workers' own clocks are never compared.

``begin`` and ``extend`` do not wait for the server's fsync (``synchronous_commit``). A server that crashes
may forget them while the workers live on: their next swap finds another version, or nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from connector.ledger import rules
from connector.ledger.port import Answer, Entry, LedgerUnavailableError, LedgerVanishedError, Operation, State
from connector.ledger.postgres_server import NOW, PostgresServer
from connector.ledger.schema import SEAL, emptied, listing, vanished

_TABLE = "smtp_connector_ledger"
_COLUMNS = "key, state, request_hash, attempt, crashes, owner, held_until, changed, response, progress"
_SEAL = f"(SELECT seal.response FROM {_TABLE} AS seal WHERE seal.key = '')"  # noqa: S608 - a constant
_SWAP = f"""
    INSERT INTO {_TABLE} AS kept ({_COLUMNS}, follows, version)
    SELECT offered.*, $12::bigint FROM unnest(
        $1::text[], $2::text[], $3::text[], $4::integer[], $5::integer[], $6::text[],
        $7::double precision[], $8::double precision[], $9::text[], $10::text[], $11::bigint[]
    ) AS offered ({_COLUMNS}, follows)
    -- What was forgotten meanwhile is not brought back. (Not EXISTS: that may be planned as a scan of all.)
    WHERE (follows = 0 OR (SELECT true FROM {_TABLE} AS known WHERE known.key = offered.key))
    AND {_SEAL} = $13
    ORDER BY offered.key  -- one order for all workers: no deadlocks
    ON CONFLICT (key) DO UPDATE SET
        state = excluded.state, request_hash = excluded.request_hash, attempt = excluded.attempt,
        crashes = excluded.crashes, owner = excluded.owner, held_until = excluded.held_until,
        changed = excluded.changed, response = excluded.response, progress = excluded.progress,
        follows = excluded.follows, version = excluded.version
    WHERE kept.version = excluded.follows
    RETURNING key, {NOW} AS now
"""  # noqa: S608 - a constant
_SWAP_SOON = f"{_SWAP}, set_config('synchronous_commit', 'off', true)"
_READ = f"""
    SELECT {_COLUMNS}, version, {NOW} AS now FROM {_TABLE} WHERE key = ANY($1::text[] || '{{""}}')
"""  # noqa: S608 - a constant
_LISTED = {  # each in the order of an index, so that no listing reads a million entries
    "key": "key = $1 AND $2::text IS NULL",
    "in doubt": "$1::text IS NULL AND state = $2 AND state IN ('uncertain', 'acknowledged')",
    "state": "$1::text IS NULL AND state = $2",
    "latest": "$1::text IS NULL AND $2::text IS NULL",
}
_LIST = f"SELECT {_COLUMNS} FROM {_TABLE} WHERE key <> '' AND %s ORDER BY changed DESC, key LIMIT $3"  # noqa: S608
_KEYS = f"SELECT key FROM {_TABLE} WHERE key > $1 AND changed >= $2 ORDER BY key LIMIT $3"  # noqa: S608
_PRUNE = f"""
    WITH looked_at AS (
        SELECT changed FROM {_TABLE} WHERE key <> '' AND changed > $1
        AND changed <= {NOW} - $2::double precision ORDER BY changed LIMIT 2000
    ),
    forgotten AS (
        DELETE FROM {_TABLE} WHERE key <> '' AND changed > $1
        AND changed <= (SELECT max(changed) FROM looked_at)
        AND held_until <= {NOW} AND ($3 OR state NOT IN ('committing', 'uncertain')) RETURNING 1
    )
    SELECT (SELECT max(changed) FROM looked_at), (SELECT count(*) FROM forgotten)
"""  # noqa: S608 - a constant
_PROBE = """
    INSERT INTO smtp_connector_probe VALUES (1, clock_timestamp())
    ON CONFLICT (id) DO UPDATE SET at = excluded.at
"""
# A key that so many workers in turn change between our reading and our writing is no accident.
_ROUNDS = 20
_GUESSES = 10_000

# An entry, None where it is damaged, and its version.
_Found = tuple[Entry | None, int]


class PostgresStore:
    """Keeps entries in a database.

    Args:
        url: ``postgresql://user:password@host:port/database``, with libpq's parameters.
        make: Make a ledger where there is none.
    """

    def __init__(self, url: str, *, make: bool = True) -> None:
        self._server = PostgresServer(url, make=make)
        self._seal: str | None = None
        self._vanished = False
        self._guesses: dict[str, tuple[Entry, int]] = {}

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        """Take the operations, key by key if others interfere."""
        answers: dict[int, Answer] = {}
        waiting = dict(enumerate(operations))
        try:
            async with self._unchanged() as connection:
                await self._settle_all(connection, waiting, answers)
        except LedgerUnavailableError as error:
            answers |= dict.fromkeys(waiting, error)
        return [answers[index] for index in range(len(operations))]

    async def check(self) -> None:
        """Write the present into a row of its own."""
        async with self._unchanged() as connection:
            self._compare(await connection.fetchval(f"SELECT {_SEAL}"))
            await connection.execute(_PROBE)

    async def entries(self, *, key: str | None, state: State | None, limit: int) -> list[Entry]:
        """Give entries, the latest changed first."""
        async with self._server.connection() as connection:
            rows = await connection.fetch(_LIST % _LISTED[listing(key, state)], key, state, limit)
            return [entry for row in rows if (entry := _entry(row)) is not None]

    async def keys(self, *, after: str, since: float, limit: int) -> list[str]:
        """Give keys in the order of the index."""
        async with self._server.connection() as connection:
            return [row["key"] for row in await connection.fetch(_KEYS, after, since, limit)]

    async def prune(self, older_than: float, *, doubtful: bool) -> int:
        """Forget old entries, a chunk at a time."""
        forgotten, last = 0, float("-inf")
        while last is not None:
            async with self._server.connection() as connection:
                last, count = await connection.fetchrow(_PRUNE, last, older_than, doubtful)
            forgotten += count
        return forgotten

    async def aclose(self) -> None:
        """Close the connections."""
        await self._server.aclose()

    # --- the same ledger as before ------------------------------------------------------------------

    @asynccontextmanager
    async def _unchanged(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection to the ledger that this worker has begun with."""
        if self._vanished:
            raise vanished(self._server.place)
        try:
            async with self._server.connection() as connection:
                if self._seal is None:
                    self._compare(await connection.fetchval(f"SELECT {_SEAL}"))
                yield connection
        except LedgerVanishedError:
            if self._seal is None:
                raise
            self._vanished = True
            raise vanished(self._server.place) from None

    def _compare(self, seal: str | None) -> None:
        """Stop for good where it is another one."""
        if seal is None or self._seal not in {None, seal}:
            raise (vanished if self._seal else emptied)(self._server.place)
        self._seal, self._server.make = seal, False

    # --- compare and swap ---------------------------------------------------------------------------

    async def _settle_all(
        self, connection: asyncpg.Connection, waiting: dict[int, Operation], answers: dict[int, Answer]
    ) -> None:
        """Move every operation from ``waiting`` to ``answers``."""
        keys = {operation.key for operation in waiting.values()}
        found: dict[str, _Found] = {key: self._guesses[key] for key in keys & self._guesses.keys()}
        certain: set[str] = set()
        for _ in range(_ROUNDS):
            applied = rules.apply(
                waiting.values(), {key: entry for key, (entry, _) in found.items()}, self._server.now()
            )
            durable = any(operation.durable for operation in waiting.values())
            swapped = await self._swap(connection, applied.changed, found, durable=durable)
            # An answer that changes nothing is right only if what it rests on was read.
            done = swapped | (certain - applied.changed.keys())
            for (index, operation), answer in zip(list(waiting.items()), applied.answers, strict=True):
                if operation.key in done:
                    answers[index] = answer
                    del waiting[index]
            if not waiting:
                return
            certain = {operation.key for operation in waiting.values()}
            found = await self._read(connection, certain)
        raise LedgerUnavailableError(
            f"The ledger {self._server.place} is contended: too many workers change the same mail at once."
        )

    async def _swap(
        self,
        connection: asyncpg.Connection,
        changed: Mapping[str, Entry],
        found: Mapping[str, _Found],
        *,
        durable: bool,
    ) -> set[str]:
        """Write the entries whose versions are still those that were found; the keys that were written."""
        if not changed:
            return set()
        version = secrets.randbits(62) + 1
        rows = [(*entry, found[key][1] if key in found else 0) for key, entry in changed.items()]
        columns = [list(column) for column in zip(*rows, strict=True)]
        swapped = await connection.fetch(_SWAP if durable else _SWAP_SOON, *columns, version, self._seal)
        if swapped:
            self._server.now.set(swapped[-1]["now"])
        keys = {str(row["key"]) for row in swapped}
        self._remember({key: (changed[key], version) for key in keys})
        return keys

    async def _read(self, connection: asyncpg.Connection, keys: set[str]) -> dict[str, _Found]:
        rows = await connection.fetch(_READ, list(keys))
        seals = [row["response"] for row in rows if row["key"] == SEAL]
        self._compare(seals[0] if seals else None)
        self._server.now.set(rows[-1]["now"])
        return {row["key"]: (_entry(row), row["version"]) for row in rows if row["key"] != SEAL}

    def _remember(self, written: Mapping[str, tuple[Entry, int]]) -> None:
        """Keep the entries of mails in flight as guesses; forgetting one costs a read."""
        if len(self._guesses) > _GUESSES:
            self._guesses.clear()
        for key, (entry, version) in written.items():
            if entry.state in {State.ATTEMPTING, State.COMMITTING}:
                self._guesses[key] = entry, version
            else:
                self._guesses.pop(key, None)


def _entry(row: Mapping[str, Any]) -> Entry | None:
    """Read a row; None for one that is damaged."""
    try:
        return Entry(**{name: row[name] for name in Entry._fields} | {"state": State(row["state"])})
    except ValueError:
        return None
