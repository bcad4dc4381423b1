"""Whether a file is still the one that was read.

The stamp of a file changes as soon as the file is written, replaced, created or deleted. Files are polled,
not
watched: an editor or Kubernetes replaces the file that would be watched, and a network file system sends no
events.
"""

from __future__ import annotations

from pathlib import Path

FileStamp = tuple[int, int, int]


def file_stamp(file: Path) -> FileStamp | None:
    """Return inode, time of last change and size; None without a file, which reading it will report."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
