"""The rate of an account: turns in order, nobody overtakes, and who would wait too long goes back."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from connector.errors import ErrorCode, PostponedError, Reply
from connector.model.envelope import Message
from connector.model.receipt import Receipt
from connector.model.server import Quota, Server
from connector.transport.pacing import Pace, Paced
from connector.transport.port import Committing, nothing_to_record
from tests.wire.smtp_submission import message


class Clock:
    """A clock that stands still unless somebody sleeps."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self._yield = asyncio.sleep
        monkeypatch.setattr("connector.transport.pacing.asyncio.sleep", self._sleep)

    def __call__(self) -> float:
        return self.now

    async def _sleep(self, seconds: float) -> None:
        await self._yield(0)  # whoever is cancelled meanwhile has not slept
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


class Sink:
    """A transport that notes when each mail came."""

    def __init__(self, clock: Clock) -> None:
        self.sent: list[tuple[str, float]] = []
        self._clock = clock

    async def submit(self, message: Message, server: Server, committing: Committing) -> Receipt:
        self.sent.append((message.envelope.recipients[0], round(self._clock() - 1000, 3)))
        return Receipt(Reply(250, "ok"), message.envelope.recipients)


def account(name: str = "sales", rate: float | None = 2, max_wait: float = 5) -> Server:
    return Server("localhost", 25, account=name, quota=Quota(rate, max_wait))


async def send(paced: Paced, server: Server, *names: str) -> None:
    await asyncio.gather(*(paced.submit(message(name), server, nothing_to_record) for name in names))


async def test_mails_go_out_in_order_and_at_the_rate(clock: Clock) -> None:
    sink = Sink(clock)
    await send(Paced(sink, clock), account(), "a@x", "b@x", "c@x", "d@x")
    assert sink.sent == [("a@x", 0), ("b@x", 0.5), ("c@x", 1), ("d@x", 1.5)]


async def test_a_pause_is_not_saved_up_for_a_burst(clock: Clock) -> None:
    sink = Sink(clock)
    paced = Paced(sink, clock)
    await send(paced, account(), "a@x")
    clock.now += 60
    await send(paced, account(), "b@x", "c@x")
    assert sink.sent == [("a@x", 0), ("b@x", 60), ("c@x", 60.5)]


async def test_an_account_without_a_rate_and_a_tasks_own_server_do_not_wait(clock: Clock) -> None:
    sink = Sink(clock)
    for server in (account(rate=None), Server("localhost", 25)):
        await send(Paced(sink, clock), server, "a@x", "b@x")
    assert {moment for _, moment in sink.sent} == {0}


async def test_one_account_does_not_slow_another(clock: Clock) -> None:
    sink = Sink(clock)
    paced = Paced(sink, clock)
    await send(paced, account("a", rate=0.5), "a@x")
    await send(paced, account("b", rate=0.5), "b@x")
    assert sink.sent == [("a@x", 0), ("b@x", 0)]


async def test_a_cancelled_mail_takes_no_turn(clock: Clock) -> None:
    sink = Sink(clock)
    paced = Paced(sink, clock)
    waiting = [
        asyncio.create_task(paced.submit(message(name), account(), nothing_to_record))
        for name in ("a@x", "b@x", "c@x")
    ]
    await waiting[0]
    waiting[1].cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert waiting[1].cancelled()
    assert sink.sent == [("a@x", 0), ("c@x", 0.5)]
    await send(paced, account(), "d@x")
    assert sink.sent[-1] == ("d@x", 1)


async def test_who_would_wait_too_long_goes_back_each_with_a_time_of_its_own(clock: Clock) -> None:
    sink = Sink(clock)
    paced = Paced(sink, clock)
    server = account(rate=1, max_wait=2)
    results = await asyncio.gather(
        *(paced.submit(message(f"{n}@x"), server, nothing_to_record) for n in range(6)),
        return_exceptions=True,
    )
    assert [name for name, _ in sink.sent] == ["0@x", "1@x", "2@x"]
    postponed = [result for result in results if isinstance(result, PostponedError)]
    assert [error.retry_after for error in postponed] == [timedelta(seconds=n) for n in (4, 5, 6)]
    assert {(error.code, error.spends_retry) for error in postponed} == {(ErrorCode.CANCELLED, False)}
    assert "accounts.sales.rate" in postponed[0].message


async def test_no_promise_is_further_away_than_five_minutes_or_so_near_that_it_is_none(clock: Clock) -> None:
    slow = Pace(0.01, clock)
    assert [slow.promise() for _ in range(5)] == [100, 200, 300, 300, 300]
    assert Pace(1000, clock).promise() == 1


async def test_a_transport_that_fails_keeps_the_turn(clock: Clock) -> None:
    """The server has seen the attempt: only a mail that never left the line gives its turn back."""

    class Broken:
        async def submit(self, message: Message, server: Server, committing: Committing) -> Receipt:
            raise ConnectionResetError("gone")

    paced = Paced(Broken(), clock)
    for _ in range(2):
        with pytest.raises(ConnectionResetError, match="gone"):
            await paced.submit(message(), account(), nothing_to_record)
    assert clock.now == 1000.5
