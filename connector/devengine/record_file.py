"""The engine's records as JSON lines in a file, for those who watch an engine in another process."""

from __future__ import annotations

import json
from pathlib import Path

from connector.devengine.records import Record

_WRITER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class RecordFile:
    """Appends records to a file, one JSON object a line.

    Records that the file has already, because a replay makes them again, are passed over: a reader who
    follows the file over a restart sees each record once.

    Args:
        path: The file; made if it is absent.

    Raises:
        OSError: It cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b", buffering=0)
        self._file.seek(0)
        whole, _, torn = self._file.read().rpartition(b"\n")
        if torn:
            self._file.truncate(len(whole) + 1 if whole else 0)
        self._there = whole.count(b"\n") + 1 if whole else 0
        self._waiting: list[str] = []

    def add(self, record: Record) -> None:
        """Take a record; it is written by the next `flush`."""
        if record["position"] > self._there:
            self._waiting.append(_WRITER.encode(record))

    def flush(self) -> None:
        """Write what has been taken."""
        if self._waiting:
            text = "\n".join(self._waiting) + "\n"
            self._file.write(text.encode("utf-8", "surrogatepass"))
            self._waiting.clear()

    def close(self) -> None:
        """Close the file."""
        self._file.close()
