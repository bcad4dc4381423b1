"""The worker against an engine in memory: slots, leases, outages, shutdown."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from time import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from connector.engine.port import (
    Complete,
    EngineBusyError,
    EngineDeniedError,
    EngineRefusedError,
    EngineUnavailableError,
    Fail,
    Job,
    LeaseLostError,
    Outcome,
    StreamingUnsupportedError,
    Throw,
)
from connector.settings.model import INFOSYS_TASK_TYPE, SEND_TASK_TYPE, WorkerSettings
from connector.testing.engine import FakeEngine, JobState
from connector.worker import Worker

TYPE = SEND_TASK_TYPE
PATIENCE = 20.0


def worker_settings(**changed: Any) -> WorkerSettings:
    quick: dict[str, Any] = {
        "name": "test",
        "task_types": (TYPE,),
        "poll_interval": timedelta(seconds=0.05),
        "grace_period": timedelta(seconds=5),
    }
    return WorkerSettings(**{**quick, **changed})


@dataclass
class Running:
    """A worker at work."""

    worker: Worker
    task: asyncio.Task[int]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    async def shut_down(self) -> int:
        self.stop.set()
        return await self.task


@asynccontextmanager
async def working(
    engine: FakeEngine, handle: Callable[[Job], Awaitable[Outcome]], **changed: Any
) -> AsyncIterator[Running]:
    worker = Worker(engine, worker_settings(**changed), handle)
    stop, hurry = asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(PATIENCE):
        running = Running(worker, asyncio.create_task(worker.run(stop, hurry)), stop, hurry)
        try:
            yield running
        finally:
            stop.set()
            hurry.set()
            await asyncio.wait({running.task})


async def complete(job: Job) -> Outcome:
    return Complete({"seen": job.key})


class Held:
    """A handler that keeps its jobs until told to let go; once cancelled it does nothing more.

    Unless ``stubborn``: then it goes on as one whose mail is out, and who waits for the reply.
    """

    def __init__(self, outcome: Outcome | None = None, *, stubborn: bool = False) -> None:
        self.jobs: list[Job] = []
        self.cancelled: list[Job] = []
        self._stubborn = stubborn
        self.let_go = asyncio.Event()
        self.arrived = asyncio.Condition()
        self._outcome = outcome or Complete()

    async def __call__(self, job: Job) -> Outcome:
        self.jobs.append(job)
        async with self.arrived:
            self.arrived.notify_all()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(job)
            if not self._stubborn:
                raise
            await self.let_go.wait()
        return self._outcome

    async def until(self, number: int) -> None:
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.jobs) >= number)


# Taking jobs


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


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 9), st.integers(1, 60), st.booleans(), st.booleans())
def test_never_more_jobs_than_slots(slots: int, jobs: int, stream: bool, early: bool) -> None:
    async def run() -> int:
        engine, now, peak = FakeEngine(), 0, 0

        async def handle(job: Job) -> Outcome:
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
    monkeypatch.setattr("connector.engine.subscription._TURN", 0.02)
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

    async def handle(job: Job) -> Outcome:
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


# Leases


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

    engine, held, extended = Slow(lease=0.5), Held(stubborn=True), list[int]()
    with capture_logs() as logs:
        async with working(engine, held, lease=timedelta(seconds=0.5), stream=False):
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


async def test_a_complete_is_reported_though_the_lease_was_lost() -> None:
    engine, held = FakeEngine(lease=0.3), Held(stubborn=True)
    engine.fail_next("extend", LeaseLostError("gone"))
    with capture_logs() as logs:
        async with working(engine, held, lease=timedelta(seconds=0.3)):
            key = engine.create_job(TYPE)
            await engine.until(lambda: engine.calls["extend"] == 1)
            held.let_go.set()
            assert await engine.outcome(key) == Complete()
    assert "lease lost, another worker may get the job" in [entry["event"] for entry in logs]


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

    async def handle(job: Job) -> Outcome:
        attempts.append(job.retries)
        return Fail("again", retries=2) if job.retries == 3 else Complete()

    async with working(engine, handle):
        assert await engine.outcome(engine.create_job(TYPE)) == Complete()
    assert attempts == [3, 2]


async def test_a_job_whose_lease_is_over_when_it_is_read_is_dropped() -> None:
    engine, seen = FakeEngine(lease=0.5), Counter[int]()
    release = asyncio.Event()

    async def handle(job: Job) -> Outcome:
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


# Reporting


async def test_two_hundred_jobs_under_random_trouble_are_each_reported_once() -> None:
    dice = random.Random(20261120)
    troubles = (EngineBusyError("busy"), EngineUnavailableError("away"))

    class Troubled(FakeEngine):
        def _enter(self, call: Any) -> None:
            super()._enter(call)
            if dice.random() < 0.15:
                raise dice.choice(troubles)

    # A job that is pushed in the very instant in which a stream is ended comes again when its lease ends.
    engine, runs = Troubled(lease=4), Counter[int]()

    async def handle(job: Job) -> Outcome:
        runs[job.key] += 1
        await asyncio.sleep(dice.random() * 0.01)
        if job.retries == 3 and dice.random() < 0.2:
            return Fail("again", retries=2, backoff=0.01)
        return dice.choice((Complete(), Throw("CODE"), Fail("stop", retries=0)))

    keys = [engine.create_job(TYPE) for _ in range(100)]
    async with working(engine, handle, lease=timedelta(seconds=4)):
        keys += [engine.create_job(TYPE) for _ in range(100)]
        for key in keys:
            await engine.outcome(key)
    for key in keys:
        assert len(engine.outcomes(key)) == runs[key]
        assert all(isinstance(outcome, Fail) for outcome in engine.outcomes(key)[:-1])


async def test_a_result_that_the_engine_refuses_becomes_an_incident_that_says_the_mail_was_sent() -> None:
    engine = FakeEngine()
    engine.fail_next("report", EngineRefusedError("larger than 4 MB"))
    async with working(engine, complete):
        outcome = await engine.outcome(engine.create_job(TYPE))
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert "mail was sent" in outcome.message
    assert "larger than 4 MB" in outcome.message


async def test_a_bpmn_error_that_the_engine_refuses_becomes_an_incident() -> None:
    engine = FakeEngine()
    engine.fail_next("report", EngineRefusedError("no such thing"))

    async def handle(job: Job) -> Outcome:
        return Throw("MAIL_REFUSED", "550 no such user")

    async with working(engine, handle):
        outcome = await engine.outcome(engine.create_job(TYPE))
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert "MAIL_REFUSED" in outcome.message
    assert "550 no such user" in outcome.message


async def test_a_failure_that_the_engine_refuses_ends_the_attempt() -> None:
    engine = FakeEngine()
    engine.fail_next("report", EngineRefusedError("no"))

    async def handle(job: Job) -> Outcome:
        return Fail("x", retries=0)

    async with working(engine, handle) as running:
        engine.create_job(TYPE)
        await engine.until(lambda: engine.calls["report"] == 1)
        await running.shut_down()
    assert engine.calls["report"] == 1
    assert running.worker.jobs_in_flight == 0


async def test_a_handler_that_crashes_costs_one_retry_and_tells_nothing_of_its_inside() -> None:
    engine = FakeEngine()

    async def handle(job: Job) -> Outcome:
        if job.retries == 3:
            raise RuntimeError("hunter2")
        return Complete()

    with capture_logs() as logs:
        async with working(engine, handle, retry_backoff=timedelta(0)):
            key = engine.create_job(TYPE)
            assert await engine.outcome(key) == Complete()
    crashed = engine.outcomes(key)[0]
    assert isinstance(crashed, Fail)
    assert crashed.retries == 2
    assert "hunter2" not in crashed.message
    assert [entry["log_level"] for entry in logs if entry["event"] == "handler failed unexpectedly"] == [
        "error"
    ]


# Outages


async def test_an_outage_is_waited_out_and_logged_once() -> None:
    engine, held = FakeEngine(), Held()
    with capture_logs() as logs:
        async with working(engine, held) as running:
            await engine.until(lambda: engine.open_streams == 1)
            during = engine.create_job(TYPE)
            await held.until(1)
            engine.go_down()
            calls = engine.calls["activate"] + engine.calls["report"]
            held.let_go.set()
            await engine.until(lambda: engine.calls["activate"] + engine.calls["report"] >= calls + 8)
            assert engine.open_streams == 0
            engine.come_back()
            assert await engine.outcome(during) == Complete()
            await engine.until(lambda: engine.open_streams == 1)
            assert await engine.outcome(engine.create_job(TYPE)) == Complete()
            await running.shut_down()
    events = Counter(entry["event"] for entry in logs)
    assert events["engine not available, waiting for it"] == 1
    assert events["engine available again"] == 1


async def test_a_poll_that_finds_no_engine_ends_the_stream() -> None:
    engine = FakeEngine()
    async with working(engine, complete):
        await engine.until(lambda: engine.open_streams == 1)
        polls = engine.calls["activate"]
        engine.fail_next("activate", *[EngineUnavailableError("shutting down")] * 4)
        await engine.until(lambda: engine.open_streams == 0)
        await engine.until(lambda: engine.calls["activate"] == polls + 4)
        assert engine.calls["stream"] == 1
        await engine.until(lambda: engine.open_streams == 1)


async def test_back_pressure_does_not_end_the_stream() -> None:
    engine = FakeEngine()
    async with working(engine, complete):
        await engine.until(lambda: engine.open_streams == 1)
        polls = engine.calls["activate"]
        engine.fail_next("activate", *[EngineBusyError("busy")] * 3)
        await engine.until(lambda: engine.calls["activate"] >= polls + 5)
        assert engine.calls["stream"] == 1


async def test_a_stream_that_ends_is_opened_again_and_the_gap_is_polled() -> None:
    engine = FakeEngine()
    async with working(engine, complete, poll_interval=timedelta(hours=1)):
        await engine.until(lambda: engine.open_streams == 1)
        await engine.until(lambda: engine.calls["activate"] >= 2)
        engine.end_streams()
        gap = engine.create_job(TYPE)
        assert await engine.outcome(gap) == Complete({"seen": gap})
        await engine.until(lambda: engine.open_streams == 1)


@pytest.mark.parametrize("error", [EngineRefusedError("unknown tenant"), EngineDeniedError("no permission")])
async def test_a_refused_subscription_is_an_error_in_the_log_and_is_tried_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.engine.patience._REFUSED_FIRST", 0.01)
    engine = FakeEngine()
    engine.fail_next("activate", *[error] * 4)
    key = engine.create_job(TYPE)
    with capture_logs() as logs:
        async with working(engine, complete, stream=False):
            assert await engine.outcome(key) == Complete({"seen": key})
    refusals = [entry for entry in logs if entry["event"] == "engine refused the subscription"]
    assert [(entry["log_level"], entry["reason"]) for entry in refusals] == [("error", str(error))]
    assert any(entry["event"] == "engine takes the subscription now" for entry in logs)


async def test_a_stream_that_is_refused_granted_and_refused_again_is_said_each_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connector.engine.patience._REFUSED_FIRST", 0.01)
    engine = FakeEngine()
    with capture_logs() as logs:
        async with working(engine, complete, poll_interval=timedelta(hours=1)):
            for _ in range(2):
                await engine.until(lambda: engine.open_streams == 1)
                engine.fail_next("stream", *[EngineDeniedError("no permission")] * 2)
                engine.end_streams()
                await engine.until(lambda: engine.open_streams == 1)
                await engine.outcome(engine.create_job(TYPE))
    said = [entry["event"] for entry in logs if entry.get("by") == "stream"]
    assert said == ["engine refused the subscription", "engine takes the subscription now"] * 2


async def test_a_stream_that_was_refused_and_lasts_is_taken_for_granted_without_a_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connector.engine.patience._REFUSED_FIRST", 0.01)
    monkeypatch.setattr("connector.engine.subscription._LASTING", 0.01)
    engine = FakeEngine()
    engine.fail_next("stream", EngineDeniedError("no permission"))
    with capture_logs() as logs:
        async with working(engine, complete):
            await engine.until(lambda: "engine takes the subscription now" in [e["event"] for e in logs])


# Shutdown


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

    async def handle(job: Job) -> Outcome:
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
    monkeypatch.setattr("connector.worker._HURRY", 0.01)
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
