"""A subscription ends when it is told to, whatever else happens in the same moment."""

import asyncio
from datetime import timedelta

import pytest

from connector.engine.lease import Leases
from connector.engine.patience import Outage
from connector.engine.slots import Slots
from connector.engine.subscription import Intake, Subscription
from connector.settings.model import SEND_TASK_TYPE, WorkerSettings
from connector.testing.engine import FakeEngine


@pytest.mark.parametrize("turns", range(6))
async def test_the_end_is_not_lost_when_a_pause_ends_with_it(turns: int) -> None:
    """``asyncio.wait_for`` on Python 3.11 drops a cancellation that comes with the result."""
    engine = FakeEngine()
    shared = Intake(
        engine,
        WorkerSettings(poll_interval=timedelta(hours=1)),
        Slots(4),
        Leases(engine, 60),
        Outage(),
        asyncio.Event(),
    )
    subscription = Subscription(SEND_TASK_TYPE, shared, lambda lease: None)
    running = asyncio.create_task(subscription.run())
    await engine.until(lambda: engine.open_streams == 1 and engine.calls["activate"] == 1)
    subscription._poll_now.set()
    for _ in range(turns):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.wait({running}, timeout=5)
    assert running.cancelled()
