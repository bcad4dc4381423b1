"""An SQLite file as a ledger has it: made or opened, its schema brought up to date, its failures explained.

A path enters, a connection leaves. Apart from the store, which writes entries and need not know what can be
wrong with a file.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from time import monotonic, sleep

from connector.ledger.port import LedgerUnavailableError
from connector.ledger.schema import SQLITE, absent, pending

_PAUSE = 0.02

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


def unavailable(path: Path, error: sqlite3.Error | OSError) -> LedgerUnavailableError:
    """Say what to change when the file cannot be used."""
    if isinstance(error, sqlite3.Error):
        # Extended names, such as SQLITE_READONLY_DBMOVED, begin with those of the table.
        name = getattr(error, "sqlite_errorname", "")
        primary = "_".join(name.split("_")[:2])
        reason = _REMEDIES.get(primary) or f"SQLite says: {error}"
    else:
        reason = f"{error.strerror or error}: set ledger.path to a file that the worker's user may write"
    return LedgerUnavailableError(f"The ledger {path} cannot be used; {reason}. Nothing is sent meanwhile.")


def identity(path: Path) -> tuple[int, int] | None:
    """Tell which file the path names now; None when there is none, or an empty one."""
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino) if status.st_size else None


def open_file(path: Path, patience: float, *, make: bool) -> tuple[sqlite3.Connection, bool]:
    """Open the ledger for writing and bring its schema up to date.

    Args:
        path: The file.
        patience: How long another process may hold it, in seconds.
        make: Make it, and its directory, if it is not there.

    Returns:
        The connection, and whether the ledger is new.

    Raises:
        LedgerUnavailableError: It is not there and may not be made, a newer version wrote it, or it is on a
            network file system.
        OSError, sqlite3.Error: See :func:`unavailable`.
    """
    if make:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    elif identity(path) is None:
        raise absent(str(path))
    os.close(os.open(path, os.O_RDWR | (os.O_CREAT if make else 0) | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        _use_write_ahead_log(connection, path, patience)
        created = _migrate(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection, created


def open_to_read(path: Path, patience: float) -> sqlite3.Connection:
    """Open a ledger that is there, for reading only.

    Raises:
        LedgerUnavailableError: A newer version wrote it.
        sqlite3.Error: See :func:`unavailable`.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", timeout=patience, uri=True)
    try:
        pending(_schema(connection), SQLITE, str(path))
    except BaseException:
        connection.close()
        raise
    return connection


def _use_write_ahead_log(connection: sqlite3.Connection, path: Path, patience: float) -> None:
    """Switch to WAL; when several processes do so at once SQLite answers "locked" without waiting."""
    deadline = monotonic() + patience
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
