"""The worker takes jobs: streams, polls, slots that types share, clocks that differ."""

import asyncio
from datetime import timedelta
from time import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from connector.engine.port import StreamingUnsupportedError
from connector.model.job import Complete, Job, JobContext, Outcome
from connector.settings.model import INFOSYS_TASK_TYPE
from connector.testing.engine import FakeEngine, JobState
from tests.unit.worker.at_work import TYPE, Held, complete, working


@pytest.mark.parametrize("stream", [True, False])
async def test_jobs_that_waited_and_jobs_that_come_are_completed(stream: bool) -> None:
    engine = FakeEngine()
    backlog = [engine.create_job(TYPE) for _ in range(40)]
    async with working(engine, complete, stream=stream):
        for key in backlog:
            assert await engine.outcome(key) == Complete({"seen": key})
        later = engine.create_job(TYPE)
        assert await engine.outcome(later) == Complete({"seen": later})


async def test_a_streamed_job_needs_no_poll() -> None:
    engine = FakeEngine()
    async with working(engine, complete, poll_interval=timedelta(hours=1)):
        await engine.until(lambda: engine.open_streams == 1)
        await engine.until(lambda: engine.calls["activate"] >= 2)  # the beginning, and the stream settled
        key = engine.create_job(TYPE)
        await engine.outcome(key)
        assert engine.calls["activate"] == 2


@settings(max_examples=15)
@given(st.integers(1, 9), st.integers(1, 60), st.booleans(), st.booleans())
def test_never_more_jobs_than_slots(slots: int, jobs: int, stream: bool, early: bool) -> None:
    async def run() -> int:
        engine, now, peak = FakeEngine(), 0, 0

        async def handle(job: Job, context: JobContext) -> Outcome:
            nonlocal now, peak
            now += 1
            peak = max(peak, now)
            await asyncio.sleep(0)
            now -= 1
            return Complete()

        types = (TYPE, INFOSYS_TASK_TYPE)
        keys = [engine.create_job(types[i % 2]) for i in range(jobs if early else 0)]
        async with working(engine, handle, max_jobs=slots, task_types=types, stream=stream):
            keys += [engine.create_job(types[i % 2]) for i in range(0 if early else jobs)]
            for key in keys:
                await engine.outcome(key)
        assert [len(engine.outcomes(key)) for key in keys] == [1] * jobs
        return peak

    assert asyncio.run(run()) <= slots


async def test_a_full_worker_leaves_jobs_to_others() -> None:
    engine, held = FakeEngine(), Held()
    keys = [engine.create_job(TYPE) for _ in range(10)]
    async with working(engine, held, max_jobs=3, stream=False):
        await held.until(3)
        polls = engine.calls["activate"]
        assert [engine.state(key) for key in keys].count(JobState.WAITING) == 7
        others = await engine.activate(TYPE, 10, 0)
        assert len(others) == 7
        assert engine.calls["activate"] == polls + 1  # ours: the full worker asks for nothing


async def test_one_slot_serves_two_task_types() -> None:
    engine = FakeEngine()
    types = (TYPE, INFOSYS_TASK_TYPE)
    async with working(engine, complete, max_jobs=1, task_types=types, stream=False):
        for _ in range(2):
            for key in [engine.create_job(task_type) for task_type in types]:
                await engine.outcome(key)


async def test_with_fewer_slots_than_types_a_poll_that_waits_gives_its_slot_to_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connector.worker.intake._TURN", 0.02)
    engine, long = FakeEngine(), timedelta(hours=1)
    types = (TYPE, INFOSYS_TASK_TYPE)

    async def one_poll_waits() -> None:
        so_far = engine.calls["activate"]
        await engine.until(lambda: engine.calls["activate"] >= so_far + 3)

    async with working(engine, complete, max_jobs=1, task_types=types, stream=False, poll_timeout=long):
        for task_type in types * 2:
            await one_poll_waits()
            await engine.outcome(engine.create_job(task_type))


async def test_a_poll_that_waits_leaves_slots_to_the_other_type() -> None:
    engine = FakeEngine()
    types, long = (TYPE, INFOSYS_TASK_TYPE), timedelta(hours=1)
    async with working(engine, complete, max_jobs=4, task_types=types, stream=False, poll_timeout=long):
        await engine.until(lambda: engine.calls["activate"] >= 4)
        for key in [engine.create_job(task_type) for task_type in types]:
            await engine.outcome(key)


async def test_a_flood_of_one_type_does_not_starve_the_other() -> None:
    engine, order = FakeEngine(), list[str]()

    async def handle(job: Job, context: JobContext) -> Outcome:
        order.append(job.type)
        await asyncio.sleep(0)
        return Complete()

    for _ in range(100):
        engine.create_job(TYPE)
    other = engine.create_job(INFOSYS_TASK_TYPE)
    async with working(engine, handle, max_jobs=4, task_types=(TYPE, INFOSYS_TASK_TYPE)):
        await engine.outcome(other)
    assert order.index(INFOSYS_TASK_TYPE) < 20


async def test_without_streaming_in_the_engine_jobs_are_polled() -> None:
    engine = FakeEngine()
    engine.fail_next("stream", StreamingUnsupportedError("too old"))
    async with working(engine, complete, poll_interval=timedelta(hours=1)):
        await engine.until(lambda: engine.calls["stream"] == 1)
        for _ in range(3):
            await engine.outcome(engine.create_job(TYPE))
        assert engine.calls["stream"] == 1


@pytest.mark.parametrize("apart", [3600, -3600])
async def test_clocks_that_differ_by_an_hour_do_no_harm(apart: int) -> None:
    engine = FakeEngine(clock=lambda: time() + apart)
    with capture_logs() as logs:
        async with working(engine, complete):
            await engine.outcome(engine.create_job(TYPE))
            await engine.until(lambda: engine.open_streams == 1)
            await engine.outcome(engine.create_job(TYPE))
    assert [entry["seconds"] for entry in logs if "clock" in entry["event"]] == [-apart]


async def test_streamed_jobs_are_begun_again_after_the_engines_clock_was_set_back() -> None:
    ahead = 0.0
    engine = FakeEngine(lease=0.5, clock=lambda: time() + ahead)
    with capture_logs() as logs:
        async with working(engine, complete, lease=timedelta(seconds=0.5), poll_interval=timedelta(hours=1)):
            await engine.until(lambda: engine.open_streams == 1)
            await engine.outcome(engine.create_job(TYPE))
            ahead = -120
            for key in [engine.create_job(TYPE) for _ in range(3)]:
                assert await engine.outcome(key) == Complete({"seen": key})
    assert [entry["seconds"] for entry in logs if "clock" in entry["event"]] == [120]
