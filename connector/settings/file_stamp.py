"""Whether a file is still the one that was read.

A path enters, a value leaves that is another one as soon as the file is written, replaced, made or gone.
Files are looked at, not watched: an editor or Kubernetes puts another file in place of the one that would be
watched, and on a network file system nobody would tell.
"""

from __future__ import annotations

from pathlib import Path

FileStamp = tuple[int, int, int]


def file_stamp(file: Path) -> FileStamp | None:
    """Inode, time of last change and size; None where there is none: whoever reads it says what is wrong."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns, status.st_size
