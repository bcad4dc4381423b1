"""How the loops of a worker wait for an engine that is away, busy or refuses them."""

from __future__ import annotations

from collections.abc import Hashable
from time import monotonic

import structlog

from connector.engine.port import EngineBusyError
from connector.model.backoff import Backoff
from connector.model.outage import AGAIN_AFTER, Outage

_log = structlog.get_logger(__name__)

# How long an engine may push back without a word in the log, in seconds.
_BUSY_AT_MOST = 10.0
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
        if self._refusal != str(error) or monotonic() - self._told >= AGAIN_AFTER:
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


class EngineOutage(Outage):
    """The outages of the engine.

    An engine that only pushes back is not away for the first ten seconds: under full load it pushes back all
    the time.
    """

    def __init__(self) -> None:
        super().__init__("engine")

    def failed(self, who: Hashable, error: Exception, quiet: float = 0.0) -> None:
        """Note that a call of ``who`` (a task type, a job key) failed."""
        super().failed(who, error, _BUSY_AT_MOST if isinstance(error, EngineBusyError) else quiet)
