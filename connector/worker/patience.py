"""How to wait for an engine that is away, busy or refuses us: with jitter, for ever, and with a quiet log.

Apart from the loops that wait, so that all of them wait in the same way and one outage is one line.
"""

from __future__ import annotations

import random
from collections.abc import Hashable
from time import monotonic

import structlog

from connector.engine.port import EngineBusyError

_log = structlog.get_logger(__name__)

# How long an engine may push back without a word in the log, in seconds.
_BUSY_AT_MOST = 10.0
# A refusal is waited out too, slowly: somebody may grant the permission or create the tenant. Seconds.
_REFUSED_FIRST, _REFUSED_MOST = 5.0, 60.0


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


class Access:
    """How one way of taking jobs fares: its pauses, and one log line for each refusal and for its end.

    Args:
        task_type: Whose jobs.
        by: The way, ``poll`` or ``stream``.
    """

    def __init__(self, task_type: str, by: str) -> None:
        self._log = _log.bind(task_type=task_type, by=by)
        self._backoff = Backoff()
        self._patience = Backoff(_REFUSED_FIRST, _REFUSED_MOST)
        self._refusal: str | None = None

    def broke(self) -> float:
        """Note that the engine was away or busy, or the stream ended; the pause to make, in seconds."""
        return self._backoff.next()

    def refused(self, error: Exception) -> float:
        """Note that the engine refuses us; the pause to make, in seconds."""
        if self._refusal != str(error):
            self._refusal = str(error)
            self._log.error("engine refused the subscription", reason=self._refusal)
        return self._patience.next()

    def works(self) -> None:
        """Note that jobs can be taken: pauses begin anew."""
        self._backoff.reset()
        self._patience.reset()
        if self._refusal is not None:
            self._refusal = None
            self._log.info("engine takes the subscription now")


class Outage:
    """One log line when the engine goes, one when it is back, however many calls fail between them.

    It lasts from the first call that fails until each kind of call that failed has gone through again. An
    engine that only pushes back is none for the first ten seconds: under full load it does so all the time.
    """

    def __init__(self) -> None:
        self._waiting: set[Hashable] = set()
        self._since = 0.0
        self._told = False

    def failed(self, who: Hashable, error: Exception) -> None:
        """Note that ``who`` (a task type, a job key) could not get through."""
        if not self._waiting:
            self._since = monotonic()
        self._waiting.add(who)
        if self._told or (isinstance(error, EngineBusyError) and monotonic() - self._since < _BUSY_AT_MOST):
            return
        self._told = True
        _log.warning("engine not available, waiting for it", reason=str(error))

    def over(self, who: Hashable) -> None:
        """Note that ``who`` got through, or no longer tries."""
        if who not in self._waiting:
            return
        self._waiting.discard(who)
        if self._told and not self._waiting:
            self._told = False
            _log.info("engine available again", seconds=round(monotonic() - self._since, 1))
