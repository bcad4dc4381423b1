"""A ledger's entries in an SQLite file: one writer thread, and one transaction for a whole group.

A group costs five calls into SQLite however large it is: begin, read all its entries, write the changed
ones, commit. Each call lets go of Python's lock once and has to win it back from a busy event loop, so rows
travel as one JSON text either way rather than one by one.

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
import os
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from time import monotonic, sleep, time
from typing import TypeVar

import structlog

from connector.ledger import rules
from connector.ledger.port import Answer, Entry, LedgerUnavailableError, LedgerVanishedError, Operation, State
from connector.ledger.schema import SQLITE, absent, emptied, listing, pending, vanished

# How long another process may hold the file. A group takes milliseconds, so longer means that it hangs.
_BUSY_SECONDS = 5.0
_PAUSE = 0.02

_log = structlog.get_logger(__name__)

_REMEDIES = {
    "SQLITE_FULL": "the disk is full: make room",
    "SQLITE_READONLY": "it is read-only: let the worker's user write the file, its directory and the disk",
    "SQLITE_BUSY": "another process holds it: end what keeps it open, such as a backup or a database shell",
    "SQLITE_LOCKED": "another process holds it: end what keeps it open, such as a backup or a database shell",
    "SQLITE_CORRUPT": "the file is damaged: restore it from a backup",
    "SQLITE_NOTADB": "the file is not an SQLite database: restore it, or set ledger.path to another",
    "SQLITE_CANTOPEN": "it cannot be opened: let the worker's user write the file and its directory",
    "SQLITE_IOERR": "reading or writing failed: check the disk and the kernel's log",
    "SQLITE_PERM": "it may not be opened: let the worker's user write the file and its directory",
}
_T = TypeVar("_T")
_COLUMNS = "key, state, request_hash, attempt, crashes, owner, held_until, changed, response, progress"
_SEAL = "(SELECT response FROM entries WHERE key = '')"
_READ = f"""
    SELECT json_group_array(json_array({_COLUMNS})), {_SEAL} FROM entries
    WHERE key IN (SELECT value FROM json_each(?))
"""  # noqa: S608 - a constant
_WRITE = f"""
    INSERT INTO entries ({_COLUMNS})
    SELECT {", ".join(f"json_extract(value, '$[{n}]')" for n in range(10))} FROM json_each(?) WHERE true
    ON CONFLICT (key) DO UPDATE SET
        state = excluded.state, request_hash = excluded.request_hash, attempt = excluded.attempt,
        crashes = excluded.crashes, owner = excluded.owner, held_until = excluded.held_until,
        changed = excluded.changed, response = excluded.response, progress = excluded.progress
"""  # noqa: S608 - a constant
_LISTED = {  # each in the order of an index, so that no listing reads a million entries
    "key": "key = :key",
    "in doubt": "state = :state AND state IN ('uncertain', 'acknowledged')",
    "state": "state = :state",
    "latest": "true",
}
_LIST = f"SELECT {_COLUMNS} FROM entries WHERE key <> '' AND %s ORDER BY changed DESC, key LIMIT :limit"  # noqa: S608
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


def _unavailable(path: Path, error: sqlite3.Error | OSError) -> LedgerUnavailableError:
    """Say what to change when the file cannot be used."""
    if isinstance(error, sqlite3.Error):
        # Extended names, such as SQLITE_READONLY_DBMOVED, begin with those of the table.
        name = getattr(error, "sqlite_errorname", "")
        primary = "_".join(name.split("_")[:2])
        reason = f"{_REMEDIES.get(primary, 'it cannot be used')} ({error})"
    else:
        reason = f"{error.strerror or error}: set ledger.path to a file that the worker's user may write"
    return LedgerUnavailableError(f"The ledger {path} cannot be used; {reason}. Nothing is sent meanwhile.")


def _identity(path: Path) -> tuple[int, int] | None:
    """Tell which file the path names now; None when there is none, or an empty one."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_size else None


def _open_file(path: Path, *, make: bool) -> tuple[sqlite3.Connection, bool]:
    """Open the ledger for writing and bring its schema up to date.

    Args:
        path: The file.
        make: Make it, and its directory, if it is not there.

    Returns:
        The connection, and whether the ledger is new.

    Raises:
        LedgerUnavailableError: It is not there and may not be made, a newer version wrote it, or it is on a
            network file system.
        OSError, sqlite3.Error: See :func:`_unavailable`.
    """
    if make:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    elif _identity(path) is None:
        raise absent(str(path))
    os.close(os.open(path, os.O_RDWR | (os.O_CREAT if make else 0) | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _use_write_ahead_log(connection, path)
        created = _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection, created


def _open_to_read(path: Path) -> sqlite3.Connection:
    """Open a ledger that is there, for reading only.

    Raises:
        LedgerUnavailableError: A newer version wrote it.
        sqlite3.Error: See :func:`_unavailable`.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=_BUSY_SECONDS, uri=True)
    try:
        pending(_schema(connection), SQLITE, str(path))
    except BaseException:
        connection.close()
        raise
    return connection


def _use_write_ahead_log(connection: sqlite3.Connection, path: Path) -> None:
    """Switch to WAL; when several processes do so at once SQLite answers "locked" without waiting."""
    deadline = monotonic() + _BUSY_SECONDS
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY" or monotonic() > deadline:
                raise
            sleep(_PAUSE)
            continue
        if mode != "wal":
            raise LedgerUnavailableError(
                f"The ledger {path} is on a file system without shared memory: set ledger.path to a local "
                "disk, or use PostgreSQL."
            )
        return


def _migrate(connection: sqlite3.Connection, path: Path) -> bool:
    """Apply the migrations that are missing; whether that made the ledger."""
    if not pending(_schema(connection), SQLITE, str(path)):
        return False
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have done it while this one waited.
        created = _schema(connection) == 0
        for number, statements in pending(_schema(connection), SQLITE, str(path)):
            for statement in statements:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number:d}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
    return created


def _schema(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


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

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        """Take the operations in one transaction."""
        return await self._run(lambda: self._apply(operations))

    async def check(self) -> None:
        """Write the present into a row of its own."""
        await self._run(self._probe)

    async def entries(self, *, key: str | None, state: State | None, limit: int) -> list[Entry]:
        """Give entries, the latest changed first; on a connection of its own, which holds up no mail."""
        wanted: dict[str, object] = {"key": key, "state": state, "limit": limit}
        return await asyncio.to_thread(self._list, listing(key, state), wanted)

    async def prune(self, older_than: float, *, doubtful: bool) -> int:
        """Forget old entries, a chunk at a time between the groups of mails in flight."""
        now = self._now()
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

    def _now(self) -> float:
        # SQLite's JSON writes numbers with 15 digits.
        return round(self._clock(), 5)

    async def _run(self, work: Callable[[], _T]) -> _T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    # --- in the writer thread -----------------------------------------------------------------------

    def _apply(self, operations: Sequence[Operation]) -> list[Answer]:
        with self._transaction(durable=any(operation.durable for operation in operations)) as connection:
            keys = json.dumps(list({operation.key for operation in operations}))
            found, seal = connection.execute(_READ, (keys,)).fetchone()
            self._check(seal)
            entries = {row[0]: _entry(row) for row in json.loads(found)}
            applied = rules.apply(operations, entries, self._now())
            if applied.changed:
                connection.execute(_WRITE, (json.dumps(list(applied.changed.values())),))
        return applied.answers

    def _probe(self) -> None:
        with self._transaction(durable=False) as connection:
            self._check(connection.execute(f"SELECT {_SEAL}").fetchone()[0])
            connection.execute("INSERT OR REPLACE INTO probes VALUES (1, ?)", (self._now(),))

    def _check(self, seal: str | None) -> None:
        """Stop for good where the ledger is not the one that this worker has begun with."""
        if seal is None or self._seal not in {None, seal}:
            self._vanished = self._seal is not None
            raise (vanished if self._vanished else emptied)(str(self._path))
        self._seal = seal

    def _prune_chunk(self, after: float, bounds: dict[str, float | bool]) -> tuple[float, int]:
        """Delete what is old among the next entries; gives where they end, infinity after the last."""
        with self._transaction(durable=False) as connection:
            chunk = {**bounds, "after": after, "chunk": _CHUNK}
            (last,) = connection.execute(_LAST_OF_CHUNK, chunk).fetchone()
            if last is None:
                return float("inf"), 0
            deleted = connection.execute(_PRUNE, {**chunk, "before": last})
            return last, deleted.rowcount

    def _list(self, by: str, wanted: dict[str, object]) -> list[Entry]:
        try:
            with closing(_open_to_read(self._path)) as reader:
                rows = reader.execute(_LIST % _LISTED[by], wanted)
                return [entry for row in rows if (entry := _entry(row)) is not None]
        except sqlite3.Error as error:
            raise _unavailable(self._path, error) from error

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
                raise _unavailable(self._path, error) from error
            raise

    def _opened(self) -> sqlite3.Connection:
        """Give the connection to the file that the path names now, which may have been replaced."""
        if self._vanished:
            raise vanished(str(self._path))
        if self._connection is not None and _identity(self._path) != self._file:
            self._close()
        if self._connection is None:
            begun = self._seal is not None
            try:
                self._connection, created = _open_file(self._path, make=self._make and not begun)
            except LedgerVanishedError:
                self._vanished = begun
                raise (vanished if begun else absent)(str(self._path)) from None
            self._file = _identity(self._path)
            if created:
                _log.warning("new ledger: mails sent before are unknown", path=str(self._path))
        return self._connection

    def _close(self) -> None:
        connection, self._connection, self._durable = self._connection, None, None
        if connection is not None:
            with suppress(sqlite3.Error):  # what could not be written was reported already
                connection.close()


def _entry(row: Sequence[object]) -> Entry | None:
    """Read a row; None for one that is damaged."""
    key, state, *others = row
    try:
        return Entry(key, State(state), *others)  # type: ignore[arg-type]
    except ValueError:
        return None
