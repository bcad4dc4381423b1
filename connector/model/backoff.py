"""Pauses between attempts at a call that may succeed later."""

from __future__ import annotations

import random


class Backoff:
    """Pauses that double up to a limit.

    Each is drawn from the upper half of its step. Clients that lost the same server then do not all come back
    in the same instant, and none comes back at once.

    Args:
        first: The first step, in seconds.
        most: The longest step, in seconds.
    """

    def __init__(self, first: float = 0.1, most: float = 10.0) -> None:
        self._first = first
        self._most = most
        self._step = first

    def next(self) -> float:
        """Return the pause to make now, in seconds."""
        step, self._step = self._step, min(self._most, self._step * 2)
        return step * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not cryptography

    def reset(self) -> None:
        """Begin with the first step again, after a call that succeeded."""
        self._step = self._first
