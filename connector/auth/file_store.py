"""Tokens kept in one encrypted file, for the workers of one machine.

The file is replaced as a whole, under a lock of its own that is held for milliseconds. While a refresh is
under way, a journal beside it takes what must not be lost: first that a request goes out, then its answer,
each on the disk before anything else happens, and without waiting for a lock. A journal that is found belongs
to a worker that died; its last whole line counts, and the next turn puts it into the file.
"""

from __future__ import annotations

import asyncio
import errno
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TypeVar

import structlog
from filelock import FileLock, Timeout

from connector.auth.entry import Entry
from connector.auth.sealing import Seal, WrongKeyError
from connector.auth.store import Kept, StoreUnavailableError

_log = structlog.get_logger(__name__)

T = TypeVar("T")

_TURN_SECONDS = 60.0  # longer than a request to a token endpoint may take
_WRITE_SECONDS = 10.0
_POLL = 0.05
# Taken from the disk before a request goes out, so that there is room for its answer.
_JOURNAL_OCTETS = 65_536
_NO_SUCH_CALL = frozenset({errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL})


class FileStore:
    """Keeps tokens in a file; a :class:`~connector.auth.store.TokenStore`.

    Args:
        path: The file; its directory is made if it is not there.
        seal: Gives the keys, as they are when it is asked.
    """

    def __init__(self, path: Path, seal: Callable[[], Awaitable[Seal]]) -> None:
        self._path = path
        self._seal = seal
        # What could not be written: with it lost, the provider would see the former refresh token again.
        self.unwritten: dict[str, Entry | None] = {}

    @property
    def place(self) -> str:
        """The file."""
        return str(self._path)

    async def read(self, name: str) -> Kept:
        """Read the journal, else the file."""
        if name in self.unwritten:
            return Kept(self.unwritten[name], time.time())
        return await self.run(self._read, name, await self._seal())

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[_Turn]:
        """Wait for the turn at a credential; put away what a worker left that died in its turn."""
        seal = await self._seal()
        lock = await self.run(self._locked, name)
        try:
            turn = _Turn(self, name, seal, await self.read(name))
            try:
                await self.run(turn.put_away)
                yield turn
            finally:
                turn.close()
        finally:
            lock.release()

    async def reseal(self) -> int:
        """Encrypt every entry with the first key."""
        return await self.run(self._resealed, await self._seal())

    async def aclose(self) -> None:
        """Nothing is open between two calls."""

    async def run(self, work: Callable[..., T], *arguments: object) -> T:
        """Do something with files in a thread, and say what it means when that fails."""
        try:
            return await asyncio.to_thread(work, *arguments)
        except Timeout:
            raise StoreUnavailableError(
                f"Another process has held the token store {self._path} for too long: see whether one hangs."
            ) from None
        except OSError as error:
            reason = f"The token store {self._path} cannot be used: {error.strerror or error}."
            raise StoreUnavailableError(f"{reason} Check tokens.path, its owner and its rights.") from error

    # --- in threads ---------------------------------------------------------------------------------

    def _locked(self, name: str) -> FileLock:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = FileLock(self._beside(f"{name}.lock"), thread_local=False, mode=0o600, fallback_to_soft=False)
        lock.acquire(timeout=_TURN_SECONDS, poll_interval=_POLL)
        return lock

    def _read(self, name: str, seal: Seal) -> Kept:
        # The journal first: the file is written before the journal goes.
        journal = self.journal_lines(name)
        sealed = self._entries().get(name)
        for line in (*reversed(journal), *([sealed] if sealed else [])):
            with suppress(WrongKeyError):
                return Kept(Entry.from_json(seal.open(name, line)), time.time())
        return Kept(None, time.time(), locked=sealed is not None)

    def _entries(self) -> dict[str, str]:
        try:
            content = json.loads(self._path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError:
            content = None
        if not isinstance(content, dict) or not isinstance(content.get("credentials"), dict):
            raise OSError(errno.EINVAL, "it is no token store")
        return {str(name): str(sealed) for name, sealed in content["credentials"].items()}

    def _resealed(self, seal: Seal) -> int:
        changed = 0
        with self._writing():
            entries = self._entries()
            for name, sealed in entries.items():
                if not seal.by_first_key(sealed):
                    with suppress(WrongKeyError):  # it stays as it is: its key may come back
                        entries[name] = seal.seal(name, seal.open(name, sealed))
                        changed += 1
            if changed:
                self._replace(entries)
        return changed

    def put(self, name: str, sealed: str | None) -> None:
        """Put an encrypted entry into the file, or remove it."""
        with self._writing():
            entries = self._entries()
            if sealed is None:
                entries.pop(name, None)
            else:
                entries[name] = sealed
            self._replace(entries)

    def _writing(self) -> FileLock:
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return FileLock(self._beside("lock"), timeout=_WRITE_SECONDS, mode=0o600, fallback_to_soft=False)

    def _replace(self, entries: dict[str, str]) -> None:
        fresh = self._beside("new")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            _write(descriptor, json.dumps({"version": 1, "credentials": entries}, indent=1).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        fresh.replace(self._path)
        self.sync_directory()

    def sync_directory(self) -> None:
        """Have the disk know which files there are."""
        descriptor = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def journal(self, name: str) -> Path:
        """Where a turn at this credential writes what must not be lost."""
        return self._beside(f"{name}.journal")

    def journal_lines(self, name: str) -> list[str]:
        """The whole lines of a journal; none when there is none."""
        try:
            octets = self.journal(name).read_bytes()
        except FileNotFoundError:
            return []
        return [line.decode("ascii", "replace") for line in octets.split(b"\n")[:-1]]

    def _beside(self, suffix: str) -> Path:
        return self._path.with_name(f"{self._path.name}.{suffix}")


class _Turn:
    """One turn; its journal is open from :meth:`note` to :meth:`keep`."""

    def __init__(self, store: FileStore, name: str, seal: Seal, kept: Kept) -> None:
        self.kept = kept
        self._store = store
        self._name = name
        self._seal = seal
        self._journal: int | None = None

    async def note(self, entry: Entry) -> None:
        await self._store.run(self._note, entry.asking(time.time()))

    async def keep(self, entry: Entry | None) -> None:
        self._store.unwritten[self._name] = entry
        await self._store.run(self._keep, entry)
        del self._store.unwritten[self._name]

    def put_away(self) -> None:
        """Put into the file what a journal, or this process, still has to put there."""
        waiting = self._name in self._store.unwritten
        if waiting or self._store.journal_lines(self._name):
            self._settle(self.kept.entry)
            self._store.unwritten.pop(self._name, None)

    def close(self) -> None:
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None

    def _note(self, entry: Entry) -> None:
        self._journal = os.open(self._store.journal(self._name), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        _reserve(self._journal)
        self._append(self._sealed(entry))
        self._store.sync_directory()

    def _keep(self, entry: Entry | None) -> None:
        if self._journal is None or entry is None:
            self._settle(entry)
            return
        self._append(self._sealed(entry))
        try:
            self._settle(entry)
        except (OSError, Timeout) as error:  # the journal has it, and the next turn puts it away
            _log.warning(
                "token store not written, its journal is", store=self._store.place, reason=str(error)
            )

    def _sealed(self, entry: Entry) -> str:
        return self._seal.seal(self._name, entry.as_json())

    def _append(self, line: str) -> None:
        assert self._journal is not None  # noqa: S101 - opened by note
        _write(self._journal, f"{line}\n".encode())
        os.fsync(self._journal)

    def _settle(self, entry: Entry | None) -> None:
        self._store.put(self._name, None if entry is None else self._sealed(entry))
        self.close()
        self._store.journal(self._name).unlink(missing_ok=True)


def _reserve(descriptor: int) -> None:
    try:
        os.posix_fallocate(descriptor, 0, _JOURNAL_OCTETS)
    except OSError as error:
        if error.errno not in _NO_SUCH_CALL:
            raise


def _write(descriptor: int, octets: bytes) -> None:
    while octets:
        octets = octets[os.write(descriptor, octets) :]
