"""The log lines of something that a worker needs and that is away: the engine, or the ledger.

Calls that fail and succeed enter; a line at once, one every five minutes and one at the end leave, so that an
outage of a night is a page of log and not a thousand (contract section 4, "Log").
"""

from __future__ import annotations

from collections.abc import Hashable
from time import monotonic

import structlog

_log = structlog.get_logger(__name__)

# An outage that goes on is told again so often, in seconds: who looks at the log now should see it.
AGAIN_AFTER = 300.0


class Outage:
    """A log line when it goes, one every five minutes, and one when it is back.

    It is back only if it was there before: until a first call succeeds, its absence is told and its arrival
    is not. An outage lasts from the first call that fails until each kind of call that failed has succeeded
    again.

    Args:
        what: What is away, as the log names it.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._waiting: set[Hashable] = set()
        self._since = 0.0
        self._told: float | None = None
        self._ever_there = False

    def failed(self, who: Hashable, error: Exception, quiet: float = 0.0) -> None:
        """Note that a call failed.

        Args:
            who: The kind of call, such as a task type or a job key.
            error: Why.
            quiet: For how long such a failure is no outage yet, in seconds.
        """
        if not self._waiting:
            self._since = monotonic()
        self._waiting.add(who)
        now = monotonic()
        if self._told is not None and now - self._told < AGAIN_AFTER:
            return
        if now - self._since < quiet:
            return
        self._told = now
        seconds = round(now - self._since, 1)
        _log.warning(f"{self._what} not available, waiting for it", reason=str(error), seconds=seconds)

    def over(self, who: Hashable) -> None:
        """Note that a call of ``who`` succeeded, or that ``who`` no longer tries."""
        if who not in self._waiting:
            self._ever_there = True
            return
        self._waiting.discard(who)
        if self._waiting:
            return
        if self._told is not None and self._ever_there:
            _log.info(f"{self._what} available again", seconds=round(monotonic() - self._since, 1))
        self._told, self._ever_there = None, True
