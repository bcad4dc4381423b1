"""A ledger's entries in an SQLite file: one writer thread, and one transaction for a whole group.

A group costs five calls into SQLite however large it is: begin, read all its entries, write the changed
ones, commit. Each call lets go of Python's lock once and has to win it back from a busy event loop, so rows
travel as one JSON text either way rather than one by one.

In WAL mode ``synchronous = FULL`` makes a commit wait for fsync, ``NORMAL`` does not. The log is written in
order, so a durable group makes durable what was committed before it too; that is what lets a group of mere
``begin`` go without. What was committed survives ``kill -9`` in either mode: only a loss of power does not
spare it.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from time import time
from typing import TypeVar

from connector.ledger import rules
from connector.ledger.port import Answer, Entry, Operation, State
from connector.ledger.sqlite_file import identity, open_file, open_to_read, unavailable

_T = TypeVar("_T")
_COLUMNS = "key, state, request_hash, attempt, crashes, owner, held_until, changed, response"
_READ = f"""
    SELECT json_group_array(json_array({_COLUMNS})) FROM entries
    WHERE key IN (SELECT value FROM json_each(?))
"""  # noqa: S608 - a constant
_WRITE = f"""
    INSERT INTO entries ({_COLUMNS})
    SELECT {", ".join(f"json_extract(value, '$[{n}]')" for n in range(9))} FROM json_each(?) WHERE true
    ON CONFLICT (key) DO UPDATE SET
        state = excluded.state, request_hash = excluded.request_hash, attempt = excluded.attempt,
        crashes = excluded.crashes, owner = excluded.owner, held_until = excluded.held_until,
        changed = excluded.changed, response = excluded.response
"""  # noqa: S608 - a constant
_LIST = f"""
    SELECT {_COLUMNS} FROM entries WHERE (:key IS NULL OR key = :key) AND (:state IS NULL OR state = :state)
    ORDER BY changed DESC, key LIMIT :limit
"""  # noqa: S608 - a constant
_PRUNE = """
    DELETE FROM entries WHERE key > :first AND key <= :last AND changed <= :before AND held_until <= :now
    AND (:doubtful OR state NOT IN ('committing', 'uncertain'))
"""
# Entries looked at in one transaction of pruning: mails in flight wait no longer than that takes.
_CHUNK = 2000


class SqliteStore:
    """Keeps entries in a file; opened by the first operation, and again after every failure.

    Args:
        path: The file; it and its directory are made if they are not there.
        clock: Gives the present in seconds since the epoch; a test may stop it.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time) -> None:
        self._path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._durable: bool | None = None

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        """Take the operations in one transaction."""
        return await self._run(lambda: self._apply(operations))

    async def check(self) -> None:
        """Write the present into a row of its own."""
        await self._run(self._probe)

    async def entries(self, *, key: str | None, state: State | None, limit: int) -> list[Entry]:
        """Give entries, the latest changed first; on a connection of its own, which holds up no mail."""
        wanted: dict[str, object] = {"key": key, "state": state, "limit": limit}
        return await asyncio.to_thread(self._list, wanted)

    async def prune(self, older_than: float, *, doubtful: bool) -> int:
        """Forget old entries, a chunk at a time between the groups of mails in flight."""
        now = self._now()
        bounds = {"before": now - older_than, "now": now, "doubtful": doubtful}
        forgotten, last = 0, ""
        while True:
            first, last, count = await self._run(partial(self._prune_chunk, last, bounds))
            forgotten += count
            if first == last:
                return forgotten

    async def aclose(self) -> None:
        """Finish what runs and close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    def _now(self) -> float:
        # SQLite's JSON writes numbers with 15 digits.
        return round(self._clock(), 5)

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- in the writer thread -----------------------------------------------------------------------

    def _apply(self, operations: Sequence[Operation]) -> list[Answer]:
        with self._transaction(durable=any(operation.durable for operation in operations)) as connection:
            keys = json.dumps(list({operation.key for operation in operations}))
            (found,) = connection.execute(_READ, (keys,)).fetchone()
            entries = {row[0]: _entry(row) for row in json.loads(found)}
            applied = rules.apply(operations, entries, self._now())
            if applied.changed:
                connection.execute(_WRITE, (json.dumps(list(applied.changed.values())),))
        return applied.answers

    def _probe(self) -> None:
        with self._transaction(durable=False) as connection:
            connection.execute("INSERT OR REPLACE INTO probes VALUES (1, ?)", (self._now(),))

    def _prune_chunk(self, start: str, bounds: dict[str, float | bool]) -> tuple[str, str, int]:
        with self._transaction(durable=False) as connection:
            (last,) = connection.execute(
                "SELECT max(key) FROM (SELECT key FROM entries WHERE key > ? ORDER BY key LIMIT ?)",
                (start, _CHUNK),
            ).fetchone()
            if last is None:
                return start, start, 0
            deleted = connection.execute(_PRUNE, {**bounds, "first": start, "last": last})
            return start, last, deleted.rowcount

    def _list(self, wanted: dict[str, object]) -> list[Entry]:
        try:
            with closing(open_to_read(self._path)) as reader:
                return [_entry(row) for row in reader.execute(_LIST, wanted)]
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error

    @contextmanager
    def _transaction(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """Run the block in a transaction that is committed, or of which nothing is left."""
        try:
            connection = self._opened()
            if durable is not self._durable:
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        except BaseException as error:
            # Closing rolls back. After a failed write nothing is assumed of the connection.
            self._close()
            if isinstance(error, sqlite3.Error | OSError):
                raise unavailable(self._path, error) from error
            raise

    def _opened(self) -> sqlite3.Connection:
        """Give the connection to the file that the path names now, which may have been replaced."""
        if self._connection is not None and identity(self._path) != self._file:
            self._close()
        if self._connection is None:
            self._connection = open_file(self._path)
            self._file = identity(self._path)
        return self._connection

    def _close(self) -> None:
        connection, self._connection, self._durable = self._connection, None, None
        if connection is not None:
            with suppress(sqlite3.Error):  # what could not be written was reported already
                connection.close()


def _entry(row: Sequence[object]) -> Entry:
    key, state, request_hash, attempt, crashes, owner, held_until, changed, response = row
    return Entry(key, State(state), request_hash, attempt, crashes, owner, held_until, changed, response)  # type: ignore[arg-type]
