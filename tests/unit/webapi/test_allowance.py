"""The limits that a service documents for one place, on a clock that stands until a test moves it."""

from __future__ import annotations

import asyncio
import random
from datetime import timedelta

import pytest

from connector.errors import CancelReason, PostponedError
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


UPLOADS = Ceiling("The mailbox", at_a_time=9, octets=150, upload_seconds=300.0)


async def test_so_many_octets_are_uploaded_in_any_while() -> None:
    clock = Clock()
    allowance = Allowance(UPLOADS, clock)
    chance = random.Random(7)
    uploaded: list[tuple[float, int]] = []
    for _ in range(300):
        octets = chance.randint(1, 60)
        clock.now += chance.choice([0, 0, 1, 20])
        try:
            async with allowance.upload(octets, 0):
                uploaded.append((clock.now, octets))
        except PostponedError as error:
            clock.now += (error.retry_after or timedelta()).total_seconds()
            async with allowance.upload(octets, 0):  # it is told rightly when there is room
                uploaded.append((clock.now, octets))
    whiles = [sum(octets for at, octets in uploaded if begin <= at < begin + 300.0) for begin, _ in uploaded]
    assert max(whiles) <= 150
    assert max(whiles) > 140, "and hardly less"


async def test_an_upload_that_is_put_off_by_its_requests_counts_as_not_made() -> None:
    clock = Clock()
    allowance = Allowance(UPLOADS, clock)
    with pytest.raises(PostponedError):
        async with allowance.upload(150, 0):
            raise PostponedError("no place", timedelta(seconds=1), CancelReason.RATE)
    for _ in range(2):
        async with allowance.upload(150, 0):
            pass
        with pytest.raises(PostponedError) as caught:
            async with allowance.upload(1, 0):
                pytest.fail("there was no room")
        assert caught.value.retry_after == timedelta(seconds=300)
        clock.now += 300


async def test_an_upload_above_the_limit_goes_alone() -> None:
    clock = Clock()
    allowance = Allowance(UPLOADS, clock)
    async with allowance.upload(1, 0):
        clock.now += 1
    with pytest.raises(PostponedError):
        async with allowance.upload(151, 0):
            pytest.fail("there was no room")
    clock.now += 299
    async with allowance.upload(151, 0):
        pass
    async with allowance.upload(0, 0):  # as requests without a body
        pass


async def _asked(allowance: Allowance) -> bool:
    async with allowance.room(30):
        return True
