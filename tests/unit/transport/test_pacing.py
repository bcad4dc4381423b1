"""The rate of an account: turns in order, and a mail that would wait too long goes back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from connector.errors import ErrorCode, PostponedError
from connector.model.server import Quota, Route, Server
from connector.transport.pacing import Pace, Pacing


class Clock:
    """A clock that stands still unless a task sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self._yield = asyncio.sleep
        monkeypatch.setattr("connector.transport.pacing.asyncio.sleep", self._sleep)

    def __call__(self) -> float:
        return self.now

    async def _sleep(self, seconds: float) -> None:
        await self._yield(0)  # a task that is cancelled meanwhile has not slept
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Line:
    """Mails that wait for their turn; notes when each got it."""

    def __init__(self, clock: Clock) -> None:
        self.went: list[tuple[str, float]] = []
        self._clock = clock
        self._pacing = Pacing(clock)

    async def one(self, name: str, route: Route) -> None:
        await self._pacing.turn(route)
        self.went.append((name, round(self._clock() - 1000, 3)))

    async def all(self, route: Route, *names: str) -> None:
        await asyncio.gather(*(self.one(name, route) for name in names))


def account(name: str = "sales", rate: float | None = 2, max_wait: float = 5) -> Route:
    return Server("localhost", 25, account=name, quota=Quota(rate, max_wait))


async def test_mails_go_in_order_and_at_the_rate(clock: Clock) -> None:
    line = Line(clock)
    await line.all(account(), "a", "b", "c", "d")
    assert line.went == [("a", 0), ("b", 0.5), ("c", 1), ("d", 1.5)]


async def test_a_pause_is_not_saved_up_for_a_burst(clock: Clock) -> None:
    line = Line(clock)
    await line.all(account(), "a")
    clock.now += 60
    await line.all(account(), "b", "c")
    assert line.went == [("a", 0), ("b", 60), ("c", 60.5)]


async def test_an_account_without_a_rate_and_a_tasks_own_server_do_not_wait(clock: Clock) -> None:
    line = Line(clock)
    for route in (account(rate=None), Server("localhost", 25)):
        await line.all(route, "a", "b")
    assert {moment for _, moment in line.went} == {0}


async def test_one_account_does_not_slow_another(clock: Clock) -> None:
    line = Line(clock)
    await line.all(account("a", rate=0.5), "a")
    await line.all(account("b", rate=0.5), "b")
    assert line.went == [("a", 0), ("b", 0)]


async def test_a_cancelled_mail_takes_no_turn(clock: Clock) -> None:
    line = Line(clock)
    waiting = [asyncio.create_task(line.one(name, account())) for name in ("a", "b", "c")]
    await waiting[0]
    waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert waiting[1].cancelled()
    assert line.went == [("a", 0), ("c", 0.5)]
    await line.all(account(), "d")
    assert line.went[-1] == ("d", 1)


async def test_mails_that_would_wait_too_long_go_back_each_with_its_own_time(clock: Clock) -> None:
    line, route = Line(clock), account(rate=1, max_wait=2)
    results = await asyncio.gather(*(line.one(str(n), route) for n in range(6)), return_exceptions=True)
    assert [name for name, _ in line.went] == ["0", "1", "2"]
    postponed = [result for result in results if isinstance(result, PostponedError)]
    assert [error.retry_after for error in postponed] == [timedelta(seconds=n) for n in (4, 5, 6)]
    assert {(error.code, error.spends_retry) for error in postponed} == {(ErrorCode.CANCELLED, False)}
    assert "accounts.sales.rate" in postponed[0].message


async def test_no_promise_is_beyond_five_minutes_or_below_one_second(clock: Clock) -> None:
    slow = Pace(0.01, clock)
    assert [slow.promise() for _ in range(5)] == [100, 200, 300, 300, 300]
    assert Pace(1000, clock).promise() == 1
