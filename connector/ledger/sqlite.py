"""A ledger's entries in an SQLite file: one writer thread, and one statement for a whole group.

Each call into SQLite lets go of Python's lock and has to win it back from a busy event loop. So a group is
written by a single call however large it is: its entries are guessed first, as absent when a mail begins and
as this process wrote them afterwards, and the statement fails as a whole if the file knows better. Only then
is what it knows read, and decided anew, in a transaction.

In WAL mode ``synchronous = FULL`` makes a commit wait for fsync, ``NORMAL`` does not. The log is written in
order, so a durable group makes durable what was committed before it too; that is what lets a group of mere
``begin`` go without. What was committed survives ``kill -9`` in either mode: only a loss of power does not
spare it.

The file is its owner's alone (0600), since responses name recipients. Several processes of one machine may
share it; several machines may not, because SQLite's write-ahead log lives in shared memory.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from time import time
from typing import Any, TypeVar

import structlog

from connector.ledger import rules
from connector.ledger.port import Answer, Entry, LedgerVanishedError, Operation, State
from connector.ledger.schema import SEAL, absent, emptied, listing, vanished
from connector.ledger.sqlite_file import identity, open_file, open_to_read, unavailable

# How long another process may hold the file. A group takes milliseconds, so longer means that it hangs.
_BUSY_SECONDS = 5.0

_log = structlog.get_logger(__name__)

_T = TypeVar("_T")
_COLUMNS = "key, state, request_hash, attempt, crashes, owner, held_until, changed, response, progress"
_ABSENT = (None,) * len(Entry._fields)
_SEAL = "(SELECT response FROM entries WHERE key = '')"
_READ = f"SELECT {_COLUMNS} FROM entries WHERE key IN (SELECT value FROM json_each(?))"  # noqa: S608
_LISTED = {  # each in the order of an index, so that no listing reads a million entries
    "key": "key = :key",
    "in doubt": "state = :state AND state IN ('uncertain', 'acknowledged')",
    "state": "state = :state",
    "latest": "true",
}
_LIST = f"SELECT {_COLUMNS} FROM entries WHERE key <> '' AND %s ORDER BY changed DESC, key LIMIT :limit"  # noqa: S608
_KEYS = "SELECT key FROM entries WHERE key > :after AND changed >= :since ORDER BY key LIMIT :limit"
_OLD = "key <> '' AND changed > :after AND changed <= :before"
_LAST_OF_CHUNK = f"""
    SELECT max(changed) FROM (SELECT changed FROM entries WHERE {_OLD} ORDER BY changed LIMIT :chunk)
"""  # noqa: S608 - a constant
_PRUNE = f"""
    DELETE FROM entries WHERE {_OLD} AND held_until <= :now
    AND (:doubtful OR state NOT IN ('committing', 'uncertain'))
"""  # noqa: S608 - a constant
# Entries looked at in one transaction of pruning: mails in flight wait no longer than that takes.
_CHUNK = 2000
# Entries of mails under way that are remembered; forgetting one costs a read.
_GUESSES = 10_000


@cache
def _swap(rows: int) -> str:
    """Write the statement for so many entries, each followed by the one that it replaces, and the seal.

    An entry that is not what was guessed gets no key, and a table without a key refuses the whole statement.
    """
    names = _COLUMNS.split(", ")
    offered, guessed = (range(first, first + len(names)) for first in (1, 1 + len(names)))
    kept = ", ".join(f"kept.{name}" for name in names)
    former = ", ".join(f"column{number}" for number in guessed)
    values = ", ".join([f"({', '.join('?' * 2 * len(names))})"] * rows)
    return f"""
        INSERT INTO entries ({_COLUMNS})
        SELECT CASE WHEN ({kept}) IS ({former}) AND {_SEAL} = ? THEN column1 END,
            {", ".join(f"column{number}" for number in offered[1:])}
        FROM (VALUES {values}) LEFT JOIN entries AS kept ON kept.key = column1 WHERE true
        ON CONFLICT (key) DO UPDATE SET {", ".join(f"{name} = excluded.{name}" for name in names[1:])}
    """  # noqa: S608 - names and placeholders


class SqliteStore:
    """Keeps entries in a file; opened by the first operation, and again after every failure.

    Args:
        path: The file.
        clock: Gives the present in seconds since the epoch; a test may stop it.
        make: Make a ledger where there is none.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time, *, make: bool = True) -> None:
        self._path = path
        self._clock = clock
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ledger")
        self._connection: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._durable: bool | None = None
        self._make = make
        self._seal: str | None = None
        self._vanished = False
        self._guesses: dict[str, Entry] = {}

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        """Take the operations in one transaction."""
        return await self._run(partial(self._apply, operations))

    async def check(self) -> None:
        """Write the present into a row of its own."""
        await self._run(self._probe)

    async def entries(self, *, key: str | None, state: State | None, limit: int) -> list[Entry]:
        """Give entries, the latest changed first; on a connection of its own, which holds up no mail."""
        wanted: dict[str, object] = {"key": key, "state": state, "limit": limit}
        return await asyncio.to_thread(self._list, listing(key, state), wanted)

    async def keys(self, *, after: str, since: float, limit: int) -> list[str]:
        """Give keys in the order of the index; on a connection of its own, as above."""
        return await asyncio.to_thread(self._list_keys, {"after": after, "since": since, "limit": limit})

    async def prune(self, older_than: float, *, doubtful: bool) -> int:
        """Forget old entries, a chunk at a time between the groups of mails in flight."""
        now = self._clock()
        bounds = {"before": now - older_than, "now": now, "doubtful": doubtful}
        forgotten, after = 0, float("-inf")
        while True:
            after, count = await self._run(partial(self._prune_chunk, after, bounds))
            forgotten += count
            if after == float("inf"):
                return forgotten

    async def aclose(self) -> None:
        """Finish what runs and close the file."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- in the writer thread -----------------------------------------------------------------------

    def _apply(self, operations: Sequence[Operation]) -> list[Answer]:
        with self._connected(durable=any(operation.durable for operation in operations)) as connection:
            with suppress(sqlite3.IntegrityError):
                if (answers := self._guessed(connection, operations)) is not None:
                    return answers
            with _transaction(connection):
                found = self._read(connection, {operation.key for operation in operations})
                applied = rules.apply(operations, found, self._clock())
                self._write(connection, applied.changed, found)
            return applied.answers

    def _guessed(
        self, connection: sqlite3.Connection, operations: Sequence[Operation]
    ) -> list[Answer] | None:
        """Take the operations on what their entries are guessed to be; None where that decides nothing.

        Raises:
            sqlite3.IntegrityError: A guess was wrong, and nothing was written.
        """
        keys = {operation.key for operation in operations}
        guesses = {key: self._guesses[key] for key in keys & self._guesses.keys()}
        applied = rules.apply(operations, guesses, self._clock())
        if self._seal is None or applied.changed.keys() != keys:
            return None  # an answer that changes nothing is right only if what it rests on was read
        self._write(connection, applied.changed, guesses)
        return applied.answers

    def _read(self, connection: sqlite3.Connection, keys: set[str]) -> dict[str, Entry | None]:
        rows = connection.execute(_READ, (json.dumps([SEAL, *keys]),)).fetchall()
        found = {row[0]: _entry(row) for row in rows}
        seal = found.pop(SEAL, None)
        self._check(seal.response if seal is not None else None)
        return found

    def _write(
        self,
        connection: sqlite3.Connection,
        changed: Mapping[str, Entry],
        former: Mapping[str, Entry | None],
    ) -> None:
        """Write entries in the place of the former ones, all or none."""
        if not changed:
            return
        values: list[object] = [self._seal]
        for key, entry in changed.items():
            values += entry
            values += former.get(key) or _ABSENT
        connection.execute(_swap(len(changed)), values)
        self._remember(changed)

    def _remember(self, written: Mapping[str, Entry]) -> None:
        """Keep the entries of mails under way as guesses."""
        if len(self._guesses) > _GUESSES:
            self._guesses.clear()
        for key, entry in written.items():
            if entry.state in {State.ATTEMPTING, State.COMMITTING}:
                self._guesses[key] = entry
            else:
                self._guesses.pop(key, None)

    def _probe(self) -> None:
        with self._connected(durable=False) as connection, _transaction(connection):
            self._check(connection.execute(f"SELECT {_SEAL}").fetchone()[0])
            connection.execute("INSERT OR REPLACE INTO probes VALUES (1, ?)", (self._clock(),))

    def _check(self, seal: str | None) -> None:
        """Stop for good where the ledger is not the one that this worker has begun with."""
        if seal is None or self._seal not in {None, seal}:
            self._vanished = self._seal is not None
            raise (vanished if self._vanished else emptied)(str(self._path))
        self._seal = seal

    def _prune_chunk(self, after: float, bounds: dict[str, float | bool]) -> tuple[float, int]:
        """Delete what is old among the next entries; gives where they end, infinity after the last."""
        with self._connected(durable=False) as connection, _transaction(connection):
            chunk = {**bounds, "after": after, "chunk": _CHUNK}
            (last,) = connection.execute(_LAST_OF_CHUNK, chunk).fetchone()
            if last is None:
                return float("inf"), 0
            deleted = connection.execute(_PRUNE, {**chunk, "before": last})
            return last, deleted.rowcount

    def _list(self, by: str, wanted: dict[str, object]) -> list[Entry]:
        rows = self._rows(_LIST % _LISTED[by], wanted)
        return [entry for row in rows if (entry := _entry(row)) is not None]

    def _list_keys(self, wanted: dict[str, object]) -> list[str]:
        return [key for (key,) in self._rows(_KEYS, wanted)]

    def _rows(self, query: str, wanted: dict[str, object]) -> list[tuple[Any, ...]]:
        try:
            with closing(open_to_read(self._path, _BUSY_SECONDS)) as reader:
                return reader.execute(query, wanted).fetchall()
        except sqlite3.Error as error:
            raise unavailable(self._path, error) from error

    @contextmanager
    def _connected(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        """Lend the connection; what fails on it leaves nothing of what was not committed."""
        try:
            connection = self._opened()
            if durable is not self._durable:
                connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
                self._durable = durable
            yield connection
        except BaseException as error:
            # Closing rolls back. After a failed write nothing is assumed of the connection.
            self._close()
            if isinstance(error, sqlite3.Error | OSError):
                raise unavailable(self._path, error) from error
            raise

    def _opened(self) -> sqlite3.Connection:
        """Give the connection to the file that the path names now, which may have been replaced."""
        if self._vanished:
            raise vanished(str(self._path))
        if self._connection is not None and identity(self._path) != self._file:
            self._close()
        if self._connection is None:
            begun = self._seal is not None
            try:
                self._connection, created = open_file(
                    self._path, _BUSY_SECONDS, make=self._make and not begun
                )
            except LedgerVanishedError:
                self._vanished = begun
                raise (vanished if begun else absent)(str(self._path)) from None
            self._file = identity(self._path)
            if created:
                _log.warning("new ledger: mails sent before are unknown", path=str(self._path))
        return self._connection

    def _close(self) -> None:
        connection, self._connection, self._durable = self._connection, None, None
        if connection is not None:
            with suppress(sqlite3.Error):  # what could not be written was reported already
                connection.close()


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commit what the block does; one that fails has to close the connection, which rolls back."""
    connection.execute("BEGIN IMMEDIATE")
    yield
    connection.execute("COMMIT")


def _entry(row: Sequence[object]) -> Entry | None:
    """Read a row; None for one that is damaged."""
    key, state, *others = row
    try:
        return Entry(key, State(state), *others)  # type: ignore[arg-type]
    except ValueError:
        return None
