"""The worker ends in order: what runs finishes or is handed back, and nothing waits for ever."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from connector.engine.port import EngineBusyError
from connector.model.job import Complete, Fail, Job, JobContext, Outcome
from connector.testing.engine import FakeEngine, JobState
from tests.unit.worker.at_work import TYPE, Held, complete, working


async def test_running_jobs_finish_and_nothing_new_is_taken() -> None:
    engine, held = FakeEngine(), Held()
    running_key = engine.create_job(TYPE)
    async with working(engine, held) as running:
        await held.until(1)
        await engine.until(lambda: engine.open_streams == 1)
        running.stop.set()
        await engine.until(lambda: engine.open_streams == 0)
        later = engine.create_job(TYPE)
        held.let_go.set()
        assert await running.task == 0
    assert engine.outcomes(running_key) == [Complete()]
    assert engine.state(later) is JobState.WAITING
    assert len(held.jobs) == 1


async def test_what_was_pushed_and_not_begun_is_handed_back_with_its_retries() -> None:
    engine, held = FakeEngine(), Held()
    async with working(engine, held, max_jobs=2) as running:
        await engine.until(lambda: engine.open_streams == 1)
        keys = [engine.create_job(TYPE) for _ in range(50)]
        await held.until(2)
        running.stop.set()
        await engine.until(lambda: [engine.state(key) for key in keys].count(JobState.WAITING) == 48)
        held.let_go.set()
        await running.task
    assert Counter(engine.state(key) for key in keys) == {JobState.WAITING: 48, JobState.DONE: 2}
    assert {engine.retries(key) for key in keys} == {3}
    assert len(held.jobs) == 2


@pytest.mark.parametrize("stream", [True, False])
async def test_a_handler_that_needs_longer_than_the_grace_period_gives_its_job_back(stream: bool) -> None:
    engine, held = FakeEngine(), Held()
    key = engine.create_job(TYPE)
    async with working(engine, held, grace_period=timedelta(seconds=0.4), stream=stream) as running:
        await held.until(1)
        await running.shut_down()
    assert [type(outcome) for outcome in engine.outcomes(key)] == [Fail]
    assert engine.state(key) is JobState.WAITING
    assert engine.retries(key) == 3


async def test_after_a_second_signal_there_is_a_second_to_report_what_is_done() -> None:
    engine = FakeEngine()
    engine.fail_next("report", EngineBusyError("busy"), EngineBusyError("busy"))
    async with working(engine, complete, grace_period=timedelta(hours=1)) as running:
        key = engine.create_job(TYPE)
        await engine.until(lambda: engine.calls["report"] >= 1)
        running.hurry.set()
        assert await running.shut_down() == 0
    assert engine.outcomes(key) == [Complete({"seen": key})]


async def test_what_a_cancelled_handler_says_is_reported() -> None:
    engine, began = FakeEngine(), asyncio.Event()
    uncertain = Fail("the final dot was sent", retries=0)

    async def handle(job: Job, context: JobContext) -> Outcome:
        began.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return uncertain
        return Complete()

    key = engine.create_job(TYPE)
    async with working(engine, handle, grace_period=timedelta(hours=1)) as running:
        await began.wait()
        running.stop.set()
        running.hurry.set()
        await running.task
    assert engine.outcomes(key) == [uncertain]


async def test_there_is_time_left_to_report_what_a_cancelled_handler_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connector.worker.job_loop._HURRY", 0.01)
    engine, held = FakeEngine(), Held()
    key = engine.create_job(TYPE)
    engine.fail_next("report", EngineBusyError("busy"))
    async with working(engine, held, grace_period=timedelta(seconds=2)) as running:
        await held.until(1)
        await running.shut_down()
    assert len(engine.outcomes(key)) == 1


async def test_jobs_of_an_answer_that_is_under_way_are_handed_back() -> None:
    class Slow(FakeEngine):
        async def activate(self, task_type: str, limit: int, wait: float) -> list[Job]:
            jobs = await super().activate(task_type, limit, wait)
            asked.set()
            await asyncio.sleep(0.1)  # on its way; the worker is told to stop meanwhile
            return jobs

    engine, asked = Slow(), asyncio.Event()
    keys = [engine.create_job(TYPE) for _ in range(3)]
    async with working(engine, complete) as running:
        await asked.wait()
        await running.shut_down()
    assert [engine.state(key) for key in keys] == [JobState.WAITING] * 3
    assert [engine.retries(key) for key in keys] == [3] * 3


async def test_an_engine_that_is_away_does_not_hold_up_the_end() -> None:
    engine, held = FakeEngine(), Held()
    key = engine.create_job(TYPE)
    with capture_logs() as logs:
        async with working(engine, held, grace_period=timedelta(seconds=0.3)) as running:
            await held.until(1)
            engine.go_down()
            held.let_go.set()
            assert await running.shut_down() == 1
    assert engine.outcomes(key) == []
    assert [entry["job_key"] for entry in logs if entry["event"] == "outcome not reported"] == [key]


@pytest.mark.parametrize("stream", [True, False])
async def test_the_end_of_an_idle_worker_waits_for_no_poll_and_no_stream(stream: bool) -> None:
    engine = FakeEngine()
    # Longer than this test may take:
    long = timedelta(hours=1)
    async with working(engine, complete, stream=stream, grace_period=long, poll_timeout=long) as running:
        await engine.until(lambda: engine.calls["activate"] >= 2)
        await running.shut_down()
    assert engine.open_streams == 0


async def test_a_fault_of_the_loop_itself_ends_the_worker_in_order() -> None:
    engine, held = FakeEngine(), Held()
    key = engine.create_job(TYPE)
    async with working(engine, held, stream=False) as running:
        await held.until(1)
        engine.fail_next("activate", ZeroDivisionError("a bug"))
        engine.create_job(TYPE)
        held.let_go.set()
        with pytest.raises(ExceptionGroup) as caught:
            await running.task
    assert caught.group_contains(ZeroDivisionError)
    assert engine.outcomes(key) == [Complete()]
