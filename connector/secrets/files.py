"""Secrets from a directory with one file for each, as Docker and Kubernetes mount them.

Files are read anew at every look-up, so that a rotated secret is used without a restart.
"""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path, PurePosixPath

from connector.secrets.port import UnusableSecretError, usable

# Seconds after which an empty file is read again: who writes into one in place empties it first, and the jobs
# of that moment must not fail for good.
_WHILE_WRITTEN = (0.05, 0.2)
_MORE_THAN_ANY = 64 * 1024 + 1
# O_NONBLOCK: without it, opening a FIFO waits for a writer.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class FileSecrets:
    """Looks up ``TOKEN`` as the file ``TOKEN``, and ``mail/TOKEN`` in the sub-directory ``mail``.

    One line break at the end, as editors and ``echo`` leave it, is not part of the value. Links are followed
    as long as they stay below the directory: Kubernetes mounts ``TOKEN -> ..data/TOKEN`` and swaps
    ``..data`` when a secret changes. Whoever can write to the directory can set secrets anyway, so this is a
    guard against mistakes and odd names, not against races.

    Args:
        directory: ``secrets.directory``; it may be missing or empty.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def place(self) -> str:
        """The setting that names the directory."""
        return "files below secrets.directory"

    async def get(self, name: str) -> str | None:
        """Return the file's text, without its last line break."""
        octets = await asyncio.to_thread(self._read, name)
        for pause in _WHILE_WRITTEN:
            if octets != b"":
                break
            await asyncio.sleep(pause)
            octets = await asyncio.to_thread(self._read, name)
        return None if octets is None else usable(octets, "its file")

    def _read(self, name: str) -> bytes | None:
        if ".." in PurePosixPath(name).parts:
            reason = "a name must not lead out of the directory by '..'"
            raise UnusableSecretError(reason)
        try:
            return self._octets(name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
            reason = f"its file cannot be read: {getattr(error, 'strerror', None) or 'its links form a loop'}"
            raise UnusableSecretError(reason) from None

    def _octets(self, name: str) -> bytes | None:
        path = (self._directory / name).resolve()
        if not path.is_relative_to(self._directory.resolve()):
            reason = "its file is a link that leads out of the directory"
            raise UnusableSecretError(reason)
        descriptor = os.open(path, _FLAGS)
        try:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):  # `mail` beside `mail/TOKEN` is no secret
                return None
            if not stat.S_ISREG(status.st_mode):
                reason = "it is not a regular file"
                raise UnusableSecretError(reason)
            return os.read(descriptor, _MORE_THAN_ANY)
        finally:
            os.close(descriptor)
