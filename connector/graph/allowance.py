"""How much one mailbox may be asked: four requests at a time, 10,000 in ten minutes, none while it is closed.

A request asks for room and gives it back. Apart from the requests, because the limits are those of the
service for one application and mailbox ("Outlook service limits" in its documentation), and outlive accounts
that are read anew. Each worker counts its own requests only.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from datetime import timedelta

from connector.errors import CancelReason, PostponedError

AT_A_TIME = 4
WINDOW_REQUESTS, WINDOW_SECONDS = 10_000, 600.0

Clock = Callable[[], float]


class Allowance:
    """What is left of the limits of one mailbox; used from one event loop.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._places = asyncio.Semaphore(AT_A_TIME)
        self._asked: deque[float] = deque()
        self._closed_until = 0.0

    def close(self, seconds: float) -> None:
        """Ask nothing for a while, as the service wants it (Retry-After)."""
        self._closed_until = max(self._closed_until, self._clock() + seconds)

    @property
    def wait(self) -> float:
        """Seconds until the next request may be made, however many are under way."""
        now = self._clock()
        while self._asked and self._asked[0] <= now - WINDOW_SECONDS:
            self._asked.popleft()
        full = len(self._asked) >= WINDOW_REQUESTS
        frees = self._asked[-WINDOW_REQUESTS] + WINDOW_SECONDS if full else now
        return max(frees, self._closed_until) - now if max(frees, self._closed_until) > now else 0.0

    @asynccontextmanager
    async def room(self, patience: float) -> AsyncIterator[None]:
        """Wait for one of the places, and for the limits.

        Args:
            patience: The most seconds to wait.

        Raises:
            PostponedError: There is no room so soon; nothing was asked.
        """
        try:
            async with asyncio.timeout(patience):
                await self._places.acquire()
        except TimeoutError:
            raise _postponed(1.0) from None
        try:
            if (wait := self.wait) > patience:
                raise _postponed(wait)
            if wait:
                await asyncio.sleep(wait)
            self._asked.append(self._clock())
            yield
        finally:
            self._places.release()


class Allowances:
    """The allowances of all mailboxes.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._of: dict[Hashable, Allowance] = {}

    def of(self, mailbox: Hashable) -> Allowance:
        """The allowance of one mailbox; the same for equal names."""
        return self._of.setdefault(mailbox, Allowance(self._clock))


def _postponed(seconds: float) -> PostponedError:
    return PostponedError(
        "Microsoft Graph takes no more requests to this mailbox for now.",
        timedelta(seconds=seconds),
        CancelReason.RATE,
    )
