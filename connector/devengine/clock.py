"""The engine's clock: it runs like the real one until a test pins it or moves it forward."""

from __future__ import annotations

from collections.abc import Callable
from time import time


class Clock:
    """Gives the time in seconds since the epoch.

    Args:
        source: The real time; a test may pass one of its own.
    """

    def __init__(self, source: Callable[[], float] = time) -> None:
        self._source = source
        self._pinned: float | None = None
        self._ahead = 0.0

    @property
    def pinned(self) -> bool:
        """Whether the clock stands still."""
        return self._pinned is not None

    def now(self) -> float:
        """Return the present of the engine."""
        return self._source() + self._ahead if self._pinned is None else self._pinned

    @property
    def ahead(self) -> float:
        """By how many seconds a test has moved the clock away from the real time."""
        return self._ahead if self._pinned is None else self._pinned - self._source()

    def pin(self, at: float) -> None:
        """Stop the clock at a moment."""
        self._pinned = at

    def advance(self, seconds: float) -> None:
        """Move the clock forward; a pinned clock stays pinned, a running one goes on from there.

        Raises:
            ValueError: The clock would go back.
        """
        if seconds < 0:
            raise ValueError("A clock cannot be advanced by less than nothing; pin it to go back")
        if self._pinned is None:
            self._ahead += seconds
        else:
            self._pinned += seconds

    def reset(self) -> None:
        """Return to the real time."""
        self._pinned = None
        self._ahead = 0.0
