"""Faults that a test can order: what a busy, slow or broken cluster does to its clients.

The engine has none of these by nature, being one process with everything in memory. A worker has to live with
all of them, so tests switch them on, each for so many calls, jobs or seconds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from time import monotonic

# Back-pressure lets these through, so that work that is done can leave the system.
_LET_THROUGH = frozenset({"CompleteJob", "FailJob", "Topology"})
_COUNTED = ("back-pressure", "double-activation", "undecodable")
NAMES = (*_COUNTED, "drop-streams", "late-time-outs", "no-leader")


class FaultError(ValueError):
    """A fault is ordered that does not exist, or for a number that makes no sense."""


class Faults:
    """The faults that are on.

    Args:
        clock: Seconds that only go forward.

    Attributes:
        lag: How many seconds late the engine notices what is due: ended leases, back-offs and timers.
        on_drop_streams: Ends every job stream that is open, as a gateway does to have it renewed.
        on_change: Called after each order: what is due may be due at another time.
    """

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._left: Counter[str] = Counter()
        self._leader_back_at = 0.0
        self.lag = 0.0
        self.on_drop_streams: Callable[[], None] = lambda: None
        self.on_change: Callable[[], None] = lambda: None

    def order(self, name: str, amount: float = 1) -> None:
        """Switch a fault on.

        Args:
            name: One of :data:`NAMES`.
            amount: Calls for ``back-pressure``, jobs for ``double-activation`` and ``undecodable``, seconds
                for ``no-leader`` and ``late-time-outs``; 0 switches a fault off. ``drop-streams`` ignores it.

        Raises:
            FaultError: There is no such fault, or the amount is negative.
        """
        if name not in NAMES:
            raise FaultError(f"There is no fault {name!r}. Name one of {', '.join(NAMES)}.")
        if not amount >= 0:
            raise FaultError(f"The amount {amount:g} is negative. Give a number of calls, jobs or seconds.")
        if name in _COUNTED:
            self._left[name] = int(amount)
        elif name == "late-time-outs":
            self.lag = amount
        elif name == "no-leader":
            self._leader_back_at = self._clock() + amount
        else:
            self.on_drop_streams()
        self.on_change()

    @property
    def leaderless_for(self) -> float:
        """For how many seconds more no partition takes commands."""
        return max(0.0, self._leader_back_at - self._clock())

    def pushes_back(self, call: str) -> bool:
        """Use up one refused call, if the engine is to be too busy for this one."""
        return call not in _LET_THROUGH and self._spend("back-pressure")

    def doubles(self) -> bool:
        """Use up one job that is to be handed out a second time."""
        return self._spend("double-activation")

    def garbles(self) -> bool:
        """Use up one job that is to arrive as octets that are no message."""
        return self._spend("undecodable")

    def _spend(self, name: str) -> bool:
        if self._left[name] == 0:
            return False
        self._left[name] -= 1
        return True
