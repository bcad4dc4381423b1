"""The engine for tests of single jobs: what it keeps, beside the rules that every engine has."""

from __future__ import annotations

import pytest

from connector.engine.port import LeaseLostError
from connector.model.job import Complete, Fail, Outcome, Throw
from connector.testing.engine import FakeEngine, JobState

TYPE = "work"


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Complete({"a": 1}, mail_sent=False), JobState.DONE),
        (Throw("CODE", "message", {"a": 1}, mail_sent=True), JobState.DONE),
        (Fail("message", 0, variables={"a": 1}, error={"code": "X"}), JobState.INCIDENT),
    ],
)
async def test_an_outcome_is_kept_as_it_was_reported(outcome: Outcome, state: JobState) -> None:
    engine = FakeEngine()
    key = engine.create_job(TYPE)
    (job,) = await engine.activate(TYPE, 1, 0)
    await engine.report(job, outcome)
    assert engine.outcomes(key) == [outcome]
    assert (await engine.outcome(key), engine.state(key)) == (outcome, state)


async def test_an_outcome_that_is_refused_is_not_kept() -> None:
    engine = FakeEngine()
    key = engine.create_job(TYPE)
    (job,) = await engine.activate(TYPE, 1, 0)
    await engine.report(job, Complete())
    with pytest.raises(LeaseLostError):
        await engine.report(job, Fail("late", 1))
    assert engine.outcomes(key) == [Complete()]


async def test_jobs_with_the_same_headers_are_of_one_process() -> None:
    engine = FakeEngine()
    header = "= a <b> & \"c\"\n\t'd' "
    keys = [engine.create_job(TYPE, {"n": n}, headers={"x": header}) for n in range(3)]
    other = engine.create_job(TYPE, headers={"y": "z"}, retries=1)
    jobs = [engine.job(key) for key in (*keys, other)]
    assert [job.process_definition_version for job in jobs] == [1, 1, 1, 2]
    assert [dict(job.headers) for job in jobs] == [{"x": header}] * 3 + [{"y": "z"}]
    assert [job.variables.get("n") for job in jobs] == [0, 1, 2, None]


async def test_thousands_of_jobs_that_have_ended_can_be_read() -> None:
    engine = FakeEngine()
    first = engine.create_job(TYPE)
    for _ in range(2_100):
        engine.create_job(TYPE)
    for job in await engine.activate(TYPE, 3_000, 0):
        await engine.report(job, Complete())
    assert engine.state(first) is JobState.DONE


async def test_an_unknown_job_is_not_ours() -> None:
    with pytest.raises(LeaseLostError, match="no job has the key 7"):
        FakeEngine().job(7)
