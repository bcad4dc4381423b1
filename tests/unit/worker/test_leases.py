"""The worker keeps its leases, and knows what to do when one is lost."""

import asyncio
from collections import Counter
from datetime import timedelta
from time import time

import pytest
from structlog.testing import capture_logs

from connector.engine.port import EngineBusyError, EngineUnavailableError, LeaseLostError
from connector.model.job import Complete, Fail, Job, JobContext, Outcome
from connector.settings.model import INFOSYS_TASK_TYPE
from connector.testing.engine import FakeEngine, JobState
from tests.unit.worker.at_work import TYPE, Held, working


async def test_a_lease_lasts_as_long_as_its_handler() -> None:
    engine, held = FakeEngine(lease=0.4), Held()
    async with working(engine, held, lease=timedelta(seconds=0.4)):
        key = engine.create_job(TYPE)
        await held.until(1)
        await engine.until(lambda: engine.job(key).deadline > held.jobs[0].deadline + 0.8)
        held.let_go.set()
        assert await engine.outcome(key) == Complete()
        assert len(held.jobs) == 1


async def test_an_extension_that_fails_is_tried_again_in_time() -> None:
    engine, held = FakeEngine(lease=0.6), Held()
    engine.fail_next("extend", EngineBusyError("busy"), EngineUnavailableError("away"))
    async with working(engine, held, lease=timedelta(seconds=0.6)):
        key = engine.create_job(TYPE)
        await engine.until(lambda: engine.calls["extend"] >= 4)
        held.let_go.set()
        await engine.outcome(key)
        assert len(held.jobs) == 1


async def test_a_handler_whose_lease_the_engine_gave_away_is_cancelled() -> None:
    engine, held = FakeEngine(lease=0.5), Held()
    engine.fail_next("extend", LeaseLostError("gone"))
    with capture_logs() as logs:
        async with working(engine, held, lease=timedelta(seconds=0.5)) as running:
            key = engine.create_job(TYPE)
            await engine.until(lambda: len(held.jobs) == 2)  # offered again, to us
            assert [job.key for job in held.cancelled] == [key]
            assert engine.outcomes(key) == []
            held.let_go.set()
            assert await running.shut_down() == 0
    assert engine.retries(key) == 3
    assert [entry["job_key"] for entry in logs if entry["event"].startswith("lease lost")] == [key]


async def test_a_handler_whose_lease_ends_is_cancelled_once_while_an_extension_is_still_awaited() -> None:
    class Slow(FakeEngine):
        async def extend(self, job: Job, seconds: float) -> None:
            extended.append(job.key)
            await self.until(lambda: bool(held.cancelled))
            raise LeaseLostError("gone")

    engine, held, extended = Slow(lease=2), Held(stubborn=True), list[int]()
    with (
        capture_logs() as logs
    ):  # a lease longer than this machine pauses, as the job is offered again and its lease renewed
        async with working(engine, held, lease=timedelta(seconds=2), stream=False):
            key = engine.create_job(TYPE)
            await engine.until(lambda: bool(held.cancelled))
            for _ in range(10):  # the extension is answered
                await asyncio.sleep(0)
            held.let_go.set()
            assert await engine.outcome(key) == Complete()
    assert [entry["job_key"] for entry in logs if entry["event"].startswith("lease lost")] == [key]
    assert extended == [key]


async def test_a_lease_that_is_lost_while_its_job_waits_for_a_slot_is_not_begun() -> None:
    engine, held, types = FakeEngine(lease=0.5), Held(stubborn=True), (TYPE, INFOSYS_TASK_TYPE)
    lease, event = timedelta(seconds=0.5), "job not begun, its lease was lost while it waited for a slot"
    with capture_logs() as logs:
        async with working(engine, held, max_jobs=1, task_types=types, lease=lease) as running:
            await engine.until(lambda: engine.open_streams == 2)
            keys = {engine.create_job(task_type) for task_type in types}
            await held.until(1)
            (waiting,) = keys - {held.jobs[0].key}
            await engine.until(lambda: engine.calls["extend"] >= 2)  # both are in hand, one of them waits
            engine.go_down()
            await engine.until(lambda: engine.state(waiting) is JobState.WAITING)
            engine.come_back()
            elsewhere = engine.job(waiting)
            (other,) = await engine.activate(elsewhere.type, 1, 0)
            await engine.report(other, Complete({"sent by": "another worker"}))
            held.let_go.set()
            await engine.outcome(held.jobs[0].key)
            await engine.outcome(later := engine.create_job(elsewhere.type))  # the slot was given back
            await running.shut_down()
    assert [job.key for job in held.jobs if job.key != later] == list(keys - {waiting})
    assert [entry["job_key"] for entry in logs if entry["event"] == event] == [waiting]


async def test_an_extension_that_finds_its_job_reported_is_no_lost_lease() -> None:
    class Slow(FakeEngine):
        async def extend(self, job: Job, seconds: float) -> None:
            extending.set()
            await self.until(lambda: self.state(job.key) is JobState.DONE)
            try:
                await super().extend(job, seconds)
            finally:
                answered.set()

    engine, held = Slow(lease=0.6), Held()
    extending, answered = asyncio.Event(), asyncio.Event()
    with capture_logs() as logs:
        async with working(engine, held, lease=timedelta(seconds=0.6)) as running:
            engine.create_job(TYPE)
            await extending.wait()
            held.let_go.set()
            await answered.wait()
            await running.shut_down()
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == []


@pytest.mark.parametrize(("held", "cancelled"), [(Held(stubborn=True), 1), (Held(commits=True), 0)])
async def test_a_lost_lease_cancels_only_what_can_still_be_undone_and_a_complete_is_reported(
    held: Held, cancelled: int
) -> None:
    engine = FakeEngine(lease=0.3)
    engine.fail_next("extend", LeaseLostError("gone"))
    with capture_logs() as logs:
        async with working(engine, held, lease=timedelta(seconds=0.3)):
            key = engine.create_job(TYPE)
            await engine.until(lambda: engine.calls["extend"] == 1)
            held.let_go.set()
            assert await engine.outcome(key) == Complete()
    assert "lease lost, another worker may get the job" in [entry["event"] for entry in logs]
    assert len(held.cancelled) == cancelled


@pytest.mark.parametrize("refused", [False, True])
async def test_the_handler_hears_when_the_engine_has_taken_its_outcome(refused: bool) -> None:
    taken: list[int] = []

    async def handle(job: Job, context: JobContext) -> Outcome:
        context.when_taken = lambda: taken.append(job.key)
        return Fail("in doubt", retries=0)

    engine = FakeEngine()
    if refused:
        engine.fail_next("report", LeaseLostError("gone"))
    async with working(engine, handle) as running:
        key = engine.create_job(TYPE)
        await engine.until(lambda: engine.calls["report"] == 1)
        await running.shut_down()
    assert taken == ([] if refused else [key])


async def test_a_retry_is_not_reported_when_the_lease_was_lost() -> None:
    engine, held = FakeEngine(lease=0.5), Held(Fail("try again", retries=2), stubborn=True)
    engine.fail_next("extend", LeaseLostError("gone"))
    async with working(engine, held, lease=timedelta(seconds=0.5)) as running:
        key = engine.create_job(TYPE)
        await engine.until(lambda: engine.calls["extend"] == 1)
        held.let_go.set()
        await running.shut_down()
    assert engine.outcomes(key) == []
    assert engine.retries(key) == 3


async def test_an_incident_is_reported_though_the_lease_was_lost() -> None:
    engine, held = FakeEngine(lease=0.3), Held(Fail("sent or not, nobody knows", retries=0), stubborn=True)
    engine.fail_next("extend", LeaseLostError("gone"))
    async with working(engine, held, lease=timedelta(seconds=0.3)):
        key = engine.create_job(TYPE)
        await engine.until(lambda: engine.calls["extend"] == 1)
        held.let_go.set()
        assert await engine.outcome(key) == Fail("sent or not, nobody knows", retries=0)


async def test_a_job_that_is_offered_again_while_in_hand_is_not_begun_twice() -> None:
    engine, held = FakeEngine(lease=0.3), Held(stubborn=True)
    with capture_logs() as logs:
        async with working(engine, held, lease=timedelta(seconds=0.3)):
            key = engine.create_job(TYPE)
            await held.until(1)
            engine.go_down()
            await engine.until(lambda: engine.state(key) is JobState.WAITING)
            engine.come_back()
            await engine.until(lambda: engine.state(key) is JobState.LEASED)
            held.let_go.set()
            assert await engine.outcome(key) == Complete()
    assert len(held.jobs) == 1
    assert "job offered again while in hand, lease renewed" in [entry["event"] for entry in logs]


async def test_the_next_attempt_is_begun_even_before_the_answer_to_the_fail() -> None:
    class Slow(FakeEngine):
        async def report(self, job: Job, outcome: Outcome) -> None:
            await super().report(job, outcome)
            if job.retries == 3:
                await self.until(lambda: len(attempts) == 2)

    engine, attempts = Slow(), list[int]()

    async def handle(job: Job, context: JobContext) -> Outcome:
        attempts.append(job.retries)
        return Fail("again", retries=2) if job.retries == 3 else Complete()

    async with working(engine, handle):
        assert await engine.outcome(engine.create_job(TYPE)) == Complete()
    assert attempts == [3, 2]


async def test_a_job_whose_lease_is_over_when_it_is_read_is_dropped() -> None:
    engine, seen = FakeEngine(lease=0.5), Counter[int]()
    release = asyncio.Event()

    async def handle(job: Job, context: JobContext) -> Outcome:
        seen[job.key] += 1
        if job.key == first:
            await release.wait()
        return Complete()

    with capture_logs() as logs:
        async with working(engine, handle, max_jobs=1, lease=timedelta(seconds=0.5)) as running:
            await engine.until(lambda: engine.open_streams == 1)
            first = engine.create_job(TYPE)
            await engine.until(lambda: running.worker.jobs_in_flight == 1)
            later = [engine.create_job(TYPE) for _ in range(5)]  # pushed into the pipe, and not read
            await engine.until(lambda: engine.calls["extend"] >= 8)
            release.set()
            for key in (first, *later):
                await engine.outcome(key)
    assert set(seen.values()) == {1}
    assert "stale job dropped, the engine offers it again" in [entry["event"] for entry in logs]


@pytest.mark.parametrize(("wanted", "at_least", "at_most"), [("PT2M", 100.0, 121.0), ("=PT3S", 1.0, 3.1)])
async def test_a_tasks_own_timeout_is_asked_for(wanted: str, at_least: float, at_most: float) -> None:
    engine, held, lease = FakeEngine(lease=20), Held(), timedelta(seconds=20)
    async with working(engine, held, lease=lease) as running:
        leases = running.worker._leases
        leases._shortest = lambda: 0.1  # type: ignore[method-assign]
        usual = engine.create_job(TYPE)
        own = engine.create_job(TYPE, headers={"jobTimeout": wanted})
        await held.until(2)
        await engine.until(lambda: engine.calls["extend"] > 0)
        assert at_least < engine.job(own).deadline - time() < at_most
        assert engine.job(usual).deadline - time() <= 20
        held.let_go.set()
        await engine.outcome(own)


async def test_a_timeout_that_is_none_leaves_the_workers() -> None:
    engine, held = FakeEngine(lease=20), Held()
    async with working(engine, held, lease=timedelta(seconds=20)):
        engine.create_job(TYPE, headers={"jobTimeout": "soon"})
        await held.until(1)
        assert engine.calls["extend"] == 0
        held.let_go.set()
