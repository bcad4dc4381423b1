"""Files of the worker that a task may read, and how much the attachments of a mail may weigh.

A path from a task enters, the octets of a regular file below a root leave. Apart, because this is the one
place where process data chooses what is opened on this machine.

How a path cannot leave its root, even while directories are swapped for symlinks: ``resolve`` follows every
link and tells where the path leads; that is only advice. The file is then opened by walking from the root's
own descriptor, one component at a time, with O_NOFOLLOW. The resolved path has no links in it, so a link that
turns up on the walk was put there since, and the open fails. Size and kind are read from the open descriptor,
not from the name. A hard link below a root to a file outside cannot be told from the file itself: those who
may create names below a root must be trusted that far.

Sizes are counted as they become known, from the file system, from a Content-Length, from the bytes that have
arrived: an error names the limit before the content is in memory.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Sequence
from pathlib import Path, PurePath

from connector.errors import AttachmentError, ErrorCode
from connector.settings.model import AttachmentSettings

# A directory that may be searched but not listed opens with O_PATH only, which Linux has.
_OPEN_DIRECTORY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: without it, opening a FIFO waits for a writer.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
# They hold the worker's environment and memory; not even a root of "/" gives them away.
_KERNEL_DIRECTORIES = (Path("/proc"), Path("/sys"))
_SHOWN_PATH = 200
_READ_AT_ONCE = 64 * 1024


class Allowance:
    """What all attachments of a mail together may still take; safe to use from several threads."""

    def __init__(self, settings: AttachmentSettings) -> None:
        self._settings = settings
        self._taken = 0
        self._lock = threading.Lock()

    def portion(self, field: str) -> Portion:
        """Return the share of one attachment.

        Args:
            field: The variable it came from.
        """
        return Portion(self, field)

    def check_size(self, field: str, size: int) -> None:
        """Refuse an attachment of ``size`` bytes that is too large by itself."""
        if size > self._settings.max_size:
            message = (
                f"{field}: the content has more than {self._settings.max_size} bytes (attachments.max_size)"
            )
            raise AttachmentError(ErrorCode.MESSAGE_TOO_LARGE, message, field=field)

    def take(self, field: str, size: int) -> None:
        """Take ``size`` more bytes of the total, or refuse."""
        with self._lock:
            self._taken += size
            taken = self._taken
        if taken > self._settings.max_total:
            message = (
                f"{field}: with it, the attachments of this mail have more than"
                f" {self._settings.max_total} bytes (attachments.max_total)"
            )
            raise AttachmentError(ErrorCode.MESSAGE_TOO_LARGE, message, field=field)


class Portion:
    """The share of one attachment in an :class:`Allowance`."""

    def __init__(self, allowance: Allowance, field: str) -> None:
        self._allowance = allowance
        self.field = field
        self._size = 0

    def reach(self, size: int) -> None:
        """State that the content has, or will have, at least ``size`` bytes.

        May be called again and again while a stream grows; what was stated before is not counted twice.

        Raises:
            AttachmentError: ``MESSAGE_TOO_LARGE``, with the name of the setting that says so.
        """
        if size <= self._size:
            return
        self._allowance.check_size(self.field, size)
        self._allowance.take(self.field, size - self._size)
        self._size = size


class RootedFiles:
    """Reads files below the allowed roots.

    Args:
        roots: ``attachments.roots``; each is resolved once, here, and may itself be a symlink.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = tuple(root.resolve() for root in roots)

    def read(self, path: str, portion: Portion) -> bytes:
        """Read one file; blocks, so it is called in a thread.

        A relative path is tried below each root in order, and the first file that exists is read; drive
        letters (``D:/Dump/Banner.bmp``) are directory names like any other. An absolute path has to lead
        below a root.

        Args:
            path: The path as the task gives it.
            portion: What the file may weigh.

        Raises:
            AttachmentError: ``ATTACHMENT_NOT_ALLOWED`` outside of every root, whether or not something is
                there, and for all that is not a readable regular file; ``ATTACHMENT_NOT_FOUND`` where a file
                would be allowed and is missing; ``MESSAGE_TOO_LARGE``.
        """
        refusal = _Refusal(path, portion.field)
        descriptor = self._open(path, refusal)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise refusal.not_allowed("is not a regular file")
            portion.reach(status.st_size)
            return _read_all(descriptor, status.st_size, portion)
        except OSError as error:
            raise refusal.not_allowed(f"cannot be read: {error.strerror}") from error
        finally:
            os.close(descriptor)

    def _open(self, path: str, refusal: _Refusal) -> int:
        if not self._roots:
            raise refusal.not_allowed(
                "cannot be read: no directory is allowed in the setting attachments.roots"
            )
        allowed = self._allowed_places(path, refusal)
        for root, place in allowed:
            try:
                return _open_below(root, place.relative_to(root).parts)
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError as error:
                raise refusal.for_open(error) from error
        if allowed:
            raise refusal.not_found()
        raise refusal.outside()

    def _allowed_places(self, path: str, refusal: _Refusal) -> list[tuple[Path, Path]]:
        """Where the path may lead, each with the root that it is below."""
        if ".." in PurePath(path).parts:
            raise refusal.outside()
        try:
            places = dict.fromkeys((root / path).resolve() for root in self._roots)
        # NUL or a lone surrogate; a loop of symlinks; a link that another process is changing
        except (ValueError, RuntimeError, OSError) as error:
            raise refusal.outside() from error
        return [(root, place) for place in places if (root := self._root_of(place))]

    def _root_of(self, place: Path) -> Path | None:
        if any(place.is_relative_to(directory) for directory in _KERNEL_DIRECTORIES):
            return None
        return next((root for root in self._roots if place.is_relative_to(root)), None)


class _Refusal:
    """The errors about one path; they say the same whether a file outside the roots exists or not."""

    def __init__(self, path: str, field: str) -> None:
        self._subject = f"{field}: the file {path[:_SHOWN_PATH]!r}"
        self._field = field

    def not_allowed(self, why: str) -> AttachmentError:
        return AttachmentError(ErrorCode.ATTACHMENT_NOT_ALLOWED, f"{self._subject} {why}", field=self._field)

    def outside(self) -> AttachmentError:
        return self.not_allowed("is not below a directory of the setting attachments.roots")

    def not_found(self) -> AttachmentError:
        message = f"{self._subject} does not exist below the directories of the setting attachments.roots"
        return AttachmentError(ErrorCode.ATTACHMENT_NOT_FOUND, message, field=self._field)

    def for_open(self, error: OSError) -> AttachmentError:
        if error.errno == errno.ENAMETOOLONG:
            return self.not_found()
        if error.errno == errno.ELOOP:  # a link where there was none a moment ago
            return self.outside()
        if error.errno == errno.ENXIO:  # a Unix socket
            return self.not_allowed("is not a regular file")
        return self.not_allowed(f"cannot be read by the worker: {error.strerror}")


def _open_below(root: Path, parts: tuple[str, ...]) -> int:
    """Open ``parts`` from ``root`` down without following a link on the way."""
    directory = os.open(root, _OPEN_DIRECTORY)
    try:
        for name in parts[:-1]:
            deeper = os.open(name, _OPEN_DIRECTORY, dir_fd=directory)
            os.close(directory)
            directory = deeper
        return os.open(parts[-1] if parts else ".", _OPEN_FILE, dir_fd=directory)
    finally:
        os.close(directory)


def _read_all(descriptor: int, size: int, portion: Portion) -> bytes:
    """Read to the end; one read and one bytes object unless the file changes meanwhile."""
    pieces: list[bytes] = []
    total = 0
    while piece := os.read(descriptor, max(size - total, _READ_AT_ONCE)):
        pieces.append(piece)
        total += len(piece)
        portion.reach(total)
    return b"".join(pieces)
