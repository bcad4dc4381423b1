"""The worker reports each attempt once, also what the engine refuses or the handler breaks."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any

from structlog.testing import capture_logs

from connector.engine.port import EngineBusyError, EngineRefusedError, EngineUnavailableError
from connector.model.job import Complete, Fail, Job, JobContext, Outcome, Throw
from connector.testing.engine import FakeEngine
from tests.unit.worker.at_work import TYPE, complete, giving, working


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

    async def handle(job: Job, context: JobContext) -> Outcome:
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
    async with working(engine, giving(Throw("MAIL_REFUSED", "550 no such user"))):
        outcome = await engine.outcome(engine.create_job(TYPE))
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert "MAIL_REFUSED" in outcome.message
    assert "550 no such user" in outcome.message


async def test_a_failure_that_the_engine_refuses_ends_the_attempt() -> None:
    engine = FakeEngine()
    engine.fail_next("report", EngineRefusedError("no"))
    async with working(engine, giving(Fail("x", retries=0))) as running:
        engine.create_job(TYPE)
        await engine.until(lambda: engine.calls["report"] == 1)
        await running.shut_down()
    assert engine.calls["report"] == 1
    assert running.worker.jobs_in_flight == 0


async def test_a_handler_that_crashes_costs_one_retry_and_tells_nothing_of_its_inside() -> None:
    engine = FakeEngine()

    async def handle(job: Job, context: JobContext) -> Outcome:
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


async def test_what_the_engine_refuses_of_a_mail_in_doubt_becomes_an_incident_that_says_so() -> None:
    engine = FakeEngine()
    engine.fail_next("report", EngineRefusedError("larger than 4 MB"))
    taken = asyncio.Event()

    async def handle(job: Job, context: JobContext) -> Outcome:
        context.when_taken = taken.set
        return Complete(mail_sent=False)  # as an error expression that ignores the doubt

    async with working(engine, handle):
        outcome = await engine.outcome(engine.create_job(TYPE))
        await taken.wait()
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert "may have been delivered; retrying this job sends it again" in outcome.message


async def test_a_job_that_comes_again_by_itself_is_nobodys_decision_about_a_doubt() -> None:
    engine, taken = FakeEngine(), Counter[int]()

    async def handle(job: Job, context: JobContext) -> Outcome:
        context.when_taken = lambda: taken.update([job.retries])
        if job.retries == 3:
            raise RuntimeError("after the doubt was found")
        return Fail("in doubt", retries=0)

    async with working(engine, handle, retry_backoff=timedelta(0)) as running:
        await engine.outcome(engine.create_job(TYPE))
        await running.shut_down()
    assert taken == {2: 1}
