"""A ledger's entries in memory, for tests and demonstrations: a restart forgets them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import time

from connector.ledger import rules
from connector.ledger.port import Answer, Entry, Operation, State


class MemoryStore:
    """Keeps entries in a dictionary.

    Args:
        clock: Gives the present in seconds since the epoch; a test may stop it.
    """

    def __init__(self, clock: Callable[[], float] = time) -> None:
        self._clock = clock
        self._entries: dict[str, Entry] = {}

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        """Take the operations in their order."""
        applied = rules.apply(operations, self._entries, self._clock())
        self._entries |= applied.changed
        return applied.answers

    async def check(self) -> None:
        """Memory can always be written."""

    async def entries(self, *, key: str | None, state: State | None, limit: int) -> list[Entry]:
        """Give entries, the latest changed first."""
        wanted = [
            entry
            for entry in self._entries.values()
            if key in {None, entry.key} and state in {None, entry.state}
        ]
        return sorted(wanted, key=lambda entry: (-entry.changed, entry.key))[:limit]

    async def keys(self, *, after: str, since: float, limit: int) -> list[str]:
        """Give keys in their order."""
        wanted = (key for key, entry in self._entries.items() if key > after and entry.changed >= since)
        return sorted(wanted)[:limit]

    async def prune(self, older_than: float, *, doubtful: bool) -> int:
        """Forget what has not changed for ``older_than`` seconds and is not held."""
        now = self._clock()
        before = now - older_than
        kept = {
            key: entry
            for key, entry in self._entries.items()
            if not rules.may_be_forgotten(entry, before=before, now=now, doubtful=doubtful)
        }
        forgotten = len(self._entries) - len(kept)
        self._entries = kept
        return forgotten

    async def aclose(self) -> None:
        """Nothing to let go of; who opens it again in the same process finds it as it was."""
