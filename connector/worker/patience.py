"""How the loops of a worker wait for an engine that is away, busy or refuses them."""

from __future__ import annotations

from collections.abc import Hashable
from time import monotonic

import structlog

from connector.engine.port import EngineBusyError
from connector.model.backoff import Backoff

_log = structlog.get_logger(__name__)

# How long an engine may push back without a word in the log, in seconds.
_BUSY_AT_MOST = 10.0
# A trouble that goes on is told again so often, in seconds: who looks at the log now should see it.
_AGAIN_AFTER = 300.0
# A refusal is waited out too, slowly: an operator may grant the permission or create the tenant. Seconds.
_REFUSED_FIRST, _REFUSED_MOST = 5.0, 60.0


class Access:
    """How one way of taking jobs fares: its pauses, and a log line for each refusal and for its end.

    Args:
        task_type: The task type of the jobs.
        by: The way, ``poll`` or ``stream``.
    """

    def __init__(self, task_type: str, by: str) -> None:
        self._log = _log.bind(task_type=task_type, by=by)
        self._backoff = Backoff()
        self._patience = Backoff(_REFUSED_FIRST, _REFUSED_MOST)
        self._refusal: str | None = None
        self._told = 0.0

    def broke(self) -> float:
        """Note that the engine was away or busy, or the stream ended; return the pause, in seconds."""
        return self._backoff.next()

    def refused(self, error: Exception) -> float:
        """Note that the engine refuses this worker; return the pause, in seconds."""
        if self._refusal != str(error) or monotonic() - self._told >= _AGAIN_AFTER:
            self._refusal, self._told = str(error), monotonic()
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
    """A log line when the engine goes, one every five minutes, and one when it is back.

    The engine is back only if it was there before: until a first call succeeds, its absence is told and its
    arrival is not. An outage lasts from the first call that fails until each kind of call that failed has
    succeeded again. An engine that only pushes back is not away for the first ten seconds: under full load it
    pushes back all the time.
    """

    def __init__(self) -> None:
        self._waiting: set[Hashable] = set()
        self._since = 0.0
        self._told: float | None = None
        self._ever_there = False

    def failed(self, who: Hashable, error: Exception) -> None:
        """Note that a call of ``who`` (a task type, a job key) failed."""
        if not self._waiting:
            self._since = monotonic()
        self._waiting.add(who)
        now = monotonic()
        if self._told is not None and now - self._told < _AGAIN_AFTER:
            return
        if isinstance(error, EngineBusyError) and now - self._since < _BUSY_AT_MOST:
            return
        self._told = now
        _log.warning(
            "engine not available, waiting for it", reason=str(error), seconds=round(now - self._since, 1)
        )

    def over(self, who: Hashable) -> None:
        """Note that a call of ``who`` succeeded, or that ``who`` no longer tries."""
        if who not in self._waiting:
            self._ever_there = True
            return
        self._waiting.discard(who)
        if self._waiting:
            return
        if self._told is not None and self._ever_there:
            _log.info("engine available again", seconds=round(monotonic() - self._since, 1))
        self._told, self._ever_there = None, True
