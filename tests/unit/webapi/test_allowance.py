"""The limits that a service documents for one place, on a clock that stands until a test moves it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from connector.errors import PostponedError
from connector.webapi.allowance import Allowance, Allowances, Ceiling


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


CEILING = Ceiling("The mailbox", at_a_time=2, requests=3, seconds=600.0)


async def test_so_many_requests_fit_into_a_while() -> None:
    clock = Clock()
    allowance = Allowance(CEILING, clock)
    for _ in range(3):
        clock.now += 10
        async with allowance.room(0):
            pass
    assert allowance.wait == 580, "until the first of them is older than the while"
    with pytest.raises(PostponedError, match=r"^The mailbox takes no more requests for now") as caught:
        async with allowance.room(30):
            pytest.fail("there was no room")
    assert caught.value.retry_after == timedelta(seconds=580)
    clock.now += 580
    async with allowance.room(0):
        assert allowance.wait == 10


async def test_so_many_requests_run_at_a_time() -> None:
    allowance = Allowance(Ceiling("The mailbox", at_a_time=1))
    async with allowance.room(0):
        with pytest.raises(PostponedError):
            async with allowance.room(0.01):
                pytest.fail("there was no room")
        waiting = asyncio.create_task(_asked(allowance))
    assert await waiting


async def test_nothing_is_asked_while_the_place_is_closed() -> None:
    clock = Clock()
    allowance = Allowance(CEILING, clock)
    allowance.close(60)
    allowance.close(20)  # a shorter one opens nothing
    assert allowance.wait == 60
    clock.now += 60
    assert allowance.wait == 0


def test_equal_places_share_their_allowance() -> None:
    allowances = Allowances()
    assert allowances.of(("a", "b"), CEILING) is allowances.of(("a", "b"), CEILING)
    assert allowances.of(("a", "c"), CEILING) is not allowances.of(("a", "b"), CEILING)


async def _asked(allowance: Allowance) -> bool:
    async with allowance.room(30):
        return True
