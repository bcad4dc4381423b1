"""How to wait for an engine that is away or pushes back: with jitter, for ever, and without filling the log.

Apart from the loops that wait, so that all of them wait in the same way and one outage is one line.
"""

from __future__ import annotations

import random
from collections.abc import Hashable
from time import monotonic

import structlog

_log = structlog.get_logger(__name__)


class Backoff:
    """Pauses that double up to a limit.

    Each is drawn from the upper half of its step, so that workers that lost the same engine do not come
    back in the same instant, and none comes back at once.

    Args:
        first: The first step, in seconds.
        most: The longest step, in seconds.
    """

    def __init__(self, first: float = 0.1, most: float = 10.0) -> None:
        self._first = first
        self._most = most
        self._step = first

    def next(self) -> float:
        """The pause to make now, in seconds."""
        step, self._step = self._step, min(self._most, self._step * 2)
        return step * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not cryptography

    def reset(self) -> None:
        """Begin anew, after a call that went through."""
        self._step = self._first


class Outage:
    """One log line when the engine goes, one when it is back, however many calls fail between them.

    It lasts from the first call that fails until each kind of call that failed has gone through again.
    """

    def __init__(self) -> None:
        self._waiting: set[Hashable] = set()
        self._since = 0.0

    def failed(self, who: Hashable, error: Exception) -> None:
        """Note that ``who`` (a task type, a job key) could not get through."""
        if not self._waiting:
            self._since = monotonic()
            _log.warning("engine not available, waiting for it", reason=str(error))
        self._waiting.add(who)

    def over(self, who: Hashable) -> None:
        """Note that ``who`` got through, or no longer tries."""
        if who not in self._waiting:
            return
        self._waiting.discard(who)
        if not self._waiting:
            _log.info("engine available again", seconds=round(monotonic() - self._since, 1))
