"""How much one place of a service may be asked: so many at a time and in a while, none while it is closed.

A request asks for room and gives it back; what it uploads is booked before, all of a mail at once, so that no
mail stops half way. Apart from the requests, because the limits are those that the
service documents for one place, such as a mailbox, and outlive accounts that are read anew. Each worker
counts its own requests only.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta

from connector.errors import CancelReason, PostponedError

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Ceiling:
    """What a service documents for one of its places.

    Attributes:
        place: What a message calls it.
        at_a_time: Requests.
        requests: In so many seconds; without a limit by default.
        seconds: The length of that while.
        octets: Uploaded in so many seconds; without a limit by default.
        upload_seconds: The length of that while.
    """

    place: str
    at_a_time: int
    requests: int = sys.maxsize
    seconds: float = 0.0
    octets: int = sys.maxsize
    upload_seconds: float = 0.0


@dataclass(slots=True)
class _Booked:
    """An upload."""

    at: float
    octets: int


class Allowance:
    """What is left of the limits of one place; used from one event loop.

    Args:
        ceiling: The limits.
        clock: Seconds that only grow.
    """

    def __init__(self, ceiling: Ceiling, clock: Clock = time.monotonic) -> None:
        self._ceiling = ceiling
        self._clock = clock
        self._places = asyncio.Semaphore(ceiling.at_a_time)
        self._asked: deque[float] = deque()
        self._closed_until = 0.0
        self._uploads: deque[_Booked] = deque()
        self._uploaded = 0

    def close(self, seconds: float) -> None:
        """Ask nothing for a while, as the service wants it (Retry-After)."""
        self._closed_until = max(self._closed_until, self._clock() + seconds)

    @property
    def wait(self) -> float:
        """Seconds until the next request may be made, however many are under way."""
        now, most, seconds = self._clock(), self._ceiling.requests, self._ceiling.seconds
        while self._asked and self._asked[0] <= now - seconds:
            self._asked.popleft()
        frees = self._asked[-most] + seconds if len(self._asked) >= most else now
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
            raise self._postponed(1.0) from None
        try:
            if (wait := self.wait) > patience:
                raise self._postponed(wait)
            if wait:
                await asyncio.sleep(wait)
            self._asked.append(self._clock())
            yield
        finally:
            self._places.release()

    @asynccontextmanager
    async def upload(self, octets: int, patience: float) -> AsyncIterator[None]:
        """Book an upload; one that is put off by the requests in the block counts as not made.

        Args:
            octets: All of it. More than the limit is let through alone: the service decides.
            patience: The most seconds to wait.

        Raises:
            PostponedError: There is no room so soon; nothing was asked.
        """
        booked = _Booked(await self._turn(octets, patience), octets)
        self._uploads.append(booked)
        self._uploaded += octets
        try:
            yield
        except PostponedError:
            self._uploaded -= booked.octets
            booked.octets = 0
            raise

    async def _turn(self, octets: int, patience: float) -> float:
        """Wait until so many octets can be uploaded; the present."""
        latest = self._clock() + patience
        while wait := self._upload_wait(octets):
            if self._clock() + wait > latest:
                raise self._postponed(wait)
            await asyncio.sleep(wait)
        return self._clock()

    def _upload_wait(self, octets: int) -> float:
        """Seconds until so many octets can be uploaded."""
        now, most, seconds = self._clock(), self._ceiling.octets, self._ceiling.upload_seconds
        while self._uploads and self._uploads[0].at <= now - seconds:
            self._uploaded -= self._uploads.popleft().octets
        over = self._uploaded + min(octets, most) - most
        if not octets or over <= 0:
            return 0.0
        for booked in self._uploads:
            over -= booked.octets
            if over <= 0:
                break
        return booked.at + seconds - now

    def _postponed(self, seconds: float) -> PostponedError:
        return PostponedError(
            f"{self._ceiling.place} takes no more requests for now.",
            timedelta(seconds=seconds),
            CancelReason.RATE,
        )


class Allowances:
    """The allowances of all places.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._of: dict[Hashable, Allowance] = {}

    def of(self, place: Hashable, ceiling: Ceiling) -> Allowance:
        """The allowance of one place; the same for equal names."""
        return self._of.setdefault(place, Allowance(ceiling, self._clock))
