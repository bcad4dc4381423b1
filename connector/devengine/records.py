"""Every change of the engine's state as a record, kept in memory and handed to a sink."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

Record = dict[str, Any]


class RecordLog:
    """The last records, oldest first.

    Args:
        most: How many are kept.
        sink: Is called with each record, for example to write it to a file.
    """

    def __init__(self, most: int = 100_000, sink: Callable[[Record], None] | None = None) -> None:
        self._kept: deque[Record] = deque(maxlen=most)
        self._sink = sink
        self.count = 0

    def add(self, record: Record) -> None:
        """Keep a record and hand it on; its position is set here."""
        self.count += 1
        record["position"] = self.count
        self._kept.append(record)
        if self._sink is not None:
            self._sink(record)

    def since(self, position: int = 0) -> list[Record]:
        """Return the records after a position, as far as they are kept."""
        missing = self.count - len(self._kept)
        return list(self._kept)[max(0, position - missing) :]
