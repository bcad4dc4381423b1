"""No more mails per second than an account allows: each waits for its turn before anything is connected.

A route and a clock enter; the wait ends when the mail may go. Apart from SMTP, because a limit belongs to an
account, not to what carries its mails, and in front of the connections, because waiting for a turn with an
open connection costs the server as well.

A mail's turn comes ``1 / rate`` seconds after the one before it, so that in no second more go out than the
rate says (a bucket of one token). Turns are given in the order of arrival. A job that would wait longer than
the account's ``max_wait`` is not kept, since it would hold a slot that a mail of another account could use:
it goes back to the engine with its retries, to come again when its turn can be expected. Such promises
follow each other at the same distance, so that a thousand jobs do not come back all at once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta

from connector.errors import CancelReason, PostponedError
from connector.model.server import Route

# Seconds: when the operator raises a rate, no mail should wait for long on what the old one promised.
_LONGEST_PAUSE = 300.0
# Below the engine's and the clock's resolution a pause is none, and the job would come straight back.
_SHORTEST_PAUSE = 1.0

Clock = Callable[[], float]


class Pace:
    """The turns of one account; used from one event loop.

    Args:
        rate: Turns per second.
        clock: Seconds that only grow.
    """

    def __init__(self, rate: float, clock: Clock = time.monotonic) -> None:
        self.interval = 1 / rate
        self._clock = clock
        self._turn = asyncio.Lock()  # first come, first served; a cancelled one leaves the line
        self._in_line = 0
        self._next = clock()
        self._promised = clock()

    @property
    def wait(self) -> float:
        """Seconds until the turn of a mail that gets in line now."""
        return max(self._next - self._clock(), 0.0) + self._in_line * self.interval

    async def turn(self) -> None:
        """Wait for a turn and take it; a cancelled wait takes none."""
        self._in_line += 1
        try:
            async with self._turn:
                if (pause := self._next - self._clock()) > 0:
                    await asyncio.sleep(pause)
                self._next = max(self._next, self._clock()) + self.interval
        finally:
            self._in_line -= 1

    def promise(self) -> float:
        """Seconds after which a mail that cannot wait here should come again."""
        now = self._clock()
        self._promised = max(self._promised, now + self.wait) + self.interval
        self._promised = min(self._promised, now + _LONGEST_PAUSE)
        return max(self._promised - now, _SHORTEST_PAUSE)


class Pacing:
    """Keeps to the rates of accounts.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._paces: dict[tuple[str, float], Pace] = {}

    async def turn(self, route: Route) -> None:
        """Wait until a mail may take this route.

        Raises:
            PostponedError: That would take too long.
        """
        account, quota = route.account, route.quota
        if account is None or quota.rate is None:
            return
        pace = self._paces.get((account, quota.rate))
        if pace is None:
            pace = self._paces[account, quota.rate] = Pace(quota.rate, self._clock)
        if pace.wait > quota.max_wait:
            reason = f"The account {account} has sent as much as accounts.{account}.rate allows for now."
            raise PostponedError(reason, timedelta(seconds=pace.promise()), CancelReason.RATE)
        await pace.turn()
