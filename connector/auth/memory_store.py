"""Tokens kept in memory: for credentials that need no consent, where no store is configured."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from connector.auth.entry import Entry
from connector.auth.store import Kept


class MemoryStore:
    """Keeps tokens until the process ends; a :class:`~connector.auth.store.TokenStore`."""

    place = "memory"

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def read(self, name: str) -> Kept:
        """Give what is kept."""
        return Kept(self._entries.get(name), time.time())

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[_Turn]:
        """Wait for the turn at a credential."""
        async with self._turns[name]:
            yield _Turn(self._entries, name, await self.read(name))

    async def reseal(self) -> int:
        """Nothing is encrypted here."""
        return 0

    async def aclose(self) -> None:
        """Nothing is open here."""


class _Turn:
    def __init__(self, entries: dict[str, Entry], name: str, kept: Kept) -> None:
        self.kept = kept
        self._entries = entries
        self._name = name

    async def note(self, entry: Entry) -> None:
        self._entries[self._name] = entry.asking(self.kept.now)

    async def keep(self, entry: Entry | None) -> None:
        if entry is None:
            self._entries.pop(self._name, None)
        else:
            self._entries[self._name] = entry
