"""A subscription ends when it is told to, whatever else happens in the same moment."""

import asyncio
from datetime import timedelta
from functools import partial

import pytest

from connector.model.backoff import Backoff
from connector.settings.model import SEND_TASK_TYPE, WorkerSettings
from connector.testing.engine import FakeEngine
from connector.worker.intake import Intake, Subscription
from connector.worker.leases import Leases
from connector.worker.patience import EngineOutage


def subscription_to(engine: FakeEngine) -> Subscription:
    settings = WorkerSettings(poll_interval=timedelta(hours=1), task_types=(SEND_TASK_TYPE,), max_jobs=20)
    leases = Leases(engine, 60, lambda lease: None)
    return Intake(engine, settings, leases, EngineOutage(), lambda lease: None).subscriptions[0]


@pytest.mark.parametrize("turns", range(6))
async def test_the_end_is_not_lost_when_a_pause_ends_with_it(turns: int) -> None:
    """``asyncio.wait_for`` on Python 3.11 drops a cancellation that comes with the result."""
    engine = FakeEngine()
    subscription = subscription_to(engine)
    running = asyncio.create_task(subscription.run())
    await engine.until(lambda: engine.open_streams == 1 and engine.calls["activate"] == 1)
    subscription._poll_now.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait({running}, timeout=5)
    assert running.cancelled()


async def test_what_a_stream_brings_while_it_is_closed_is_kept_when_the_end_comes() -> None:
    engine = FakeEngine()
    subscription = subscription_to(engine)
    running = asyncio.create_task(subscription.run())
    await engine.until(lambda: engine.open_streams == 1 and engine.calls["activate"] == 1)
    assert subscription._stream is not None
    subscription._stream.end()
    await asyncio.sleep(0)
    key = engine.create_job(SEND_TASK_TYPE)
    for _ in range(10):  # it is read, and the connection not yet found dry
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait({running}, timeout=5)
    assert [lease.job.key for lease in subscription.waiting] == [key]
    assert engine.open_streams == 0


def opened(engine: FakeEngine, streams: int) -> bool:
    return engine.calls["stream"] == streams and engine.open_streams == 1


async def test_a_stream_that_brings_jobs_is_opened_again_without_growing_pauses(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pauses, draw = list[float](), Backoff.next

    def noted(backoff: Backoff) -> float:
        pauses.append(draw(backoff))
        return 0.0

    monkeypatch.setattr(Backoff, "next", noted)
    engine = FakeEngine()
    running = asyncio.create_task(subscription_to(engine).run())
    for number in range(1, 6):
        await engine.until(partial(opened, engine, number))
        engine.create_job(SEND_TASK_TYPE)
        engine.end_streams()
    await engine.until(lambda: engine.calls["stream"] == 6)
    running.cancel()
    await asyncio.wait({running})
    assert len(pauses) == 5
    assert max(pauses) <= 0.1
