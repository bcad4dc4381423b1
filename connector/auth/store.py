"""The seam between tokens and wherever they are kept.

A store keeps one entry for each credential, and lets one of all workers at a time ask for a new token: with
rotating refresh tokens this is correctness, since a provider that sees one twice ends the whole grant.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from connector.auth.entry import Entry


class StoreUnavailableError(Exception):
    """The store cannot be read or written now; the text says why and what to check."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What a store has under a name.

    Attributes:
        entry: None where there is none, or none that can be read.
        now: The present by the store's clock, in seconds since the epoch.
        locked: Whether there is one that no key opens.
    """

    entry: Entry | None
    now: float
    locked: bool = False


class Turn(Protocol):
    """The right to ask for a new token, which one worker has at a time."""

    @property
    def kept(self) -> Kept:
        """What is kept, read again when the turn began."""
        ...

    async def note(self, entry: Entry) -> None:
        """Record durably that a request goes out with the refresh token of this entry.

        Raises:
            StoreUnavailableError: It is not recorded; nothing must be asked.
        """
        ...

    async def keep(self, entry: Entry | None) -> None:
        """Put an entry, durably, in the place of what is kept; None removes it.

        Raises:
            StoreUnavailableError: It is not kept. A store that still knows the entry puts it away later.
        """
        ...


class TokenStore(Protocol):
    """Keeps the tokens of all credentials."""

    @property
    def place(self) -> str:
        """Where it is, in an operator's words, without credentials."""
        ...

    async def read(self, name: str) -> Kept:
        """Read without waiting for anyone's turn.

        Raises:
            StoreUnavailableError: It cannot be read.
        """
        ...

    def turn(self, name: str) -> AbstractAsyncContextManager[Turn]:
        """Wait for the turn at a credential, and read again.

        Raises:
            StoreUnavailableError: It cannot be had.
        """
        ...

    async def reseal(self) -> int:
        """Encrypt with the first key what an older one has encrypted; how many entries that were.

        Raises:
            StoreUnavailableError: It cannot be read or written.
        """
        ...

    async def aclose(self) -> None:
        """Close what is open."""
        ...
