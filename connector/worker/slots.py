"""How many jobs may be in flight, over all task types.

Apart from the loops that take jobs, because the limit holds for all of them together and the turn goes
round: who has waited longest for a slot gets the next one, so that no task type starves another.
"""

from __future__ import annotations

import asyncio


class Slots:
    """A number of places for jobs, given out in the order of asking.

    Args:
        total: Jobs in flight at most.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = asyncio.Semaphore(total)

    async def take(self, limit: int = 1) -> int:
        """Wait for one free slot and take it, with as many more as are free, up to ``limit``."""
        await self._free.acquire()
        taken = 1
        while taken < limit and not self._free.locked():
            await self._free.acquire()  # does not wait: nobody else runs between the check and this
            taken += 1
        return taken

    def give_back(self, number: int = 1) -> None:
        """Return slots whose jobs are reported, or that were not used."""
        for _ in range(number):
            self._free.release()

    async def some_free(self) -> None:
        """Wait until a slot is free, without taking it."""
        await self.take()
        self.give_back()
