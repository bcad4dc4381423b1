"""What is reported in place of an outcome that the engine will never take."""

from __future__ import annotations

import asyncio

import pytest

from connector.engine.port import EngineRefusedError
from connector.model.job import Complete, Fail, Outcome, Throw
from connector.testing.engine import FakeEngine, JobState
from connector.worker.job_loop import Reporter
from connector.worker.leases import Leases
from connector.worker.patience import EngineOutage

TYPE = "smtp-connector:send:1"
SENT = "The mail was sent; retrying this job does not send it again. "


async def reported(outcome: Outcome, *refusals: str) -> tuple[list[Outcome], JobState, int]:
    """What the engine took, the job's state, and how often it was told."""
    engine = FakeEngine()
    key = engine.create_job(TYPE)
    (job,) = await engine.activate(TYPE, 1, 0)
    engine.fail_next("report", *map(EngineRefusedError, refusals))
    lease = Leases(engine, 60, lambda _lease: None).take(job, polled=True)
    assert lease is not None
    async with asyncio.timeout(20):
        await Reporter(engine, EngineOutage()).report(lease, outcome)
    return engine.outcomes(key), engine.state(key), engine.calls["report"]


CASES: dict[str, tuple[Outcome, Fail]] = {
    "result after a mail": (
        Complete({"a": 1}),
        Fail(f"{SENT}The engine refused the result variables, so the process cannot go on: too large", 0),
    ),
    "result without a mail": (
        Complete({"a": 1}, mail_sent=False),
        Fail("The engine refused the result variables, so the process cannot go on: too large", 0),
    ),
    "BPMN error after a mail": (
        Throw("C", "why", {"a": 1}, mail_sent=True),
        Fail(f"{SENT}The engine refused the BPMN error 'C': too large. why", 0),
    ),
    "BPMN error without a mail": (
        Throw("C", "", {"a": 1}),
        Fail("The engine refused the BPMN error 'C': too large.", 0),
    ),
    "failure with variables": (Fail("why", 2, 0.0, {"a": 1}), Fail("why", 2, 0.0)),
    "incident with variables": (Fail("why", 0, 0.0, {"a": 1}), Fail("why", 0)),
}


@pytest.mark.parametrize(("outcome", "instead"), CASES.values(), ids=CASES)
async def test_what_the_engine_refuses_is_reported_as_a_failure_that_says_so(
    outcome: Outcome, instead: Fail
) -> None:
    outcomes, state, told = await reported(outcome, "too large")
    assert outcomes == [instead]
    assert state is (JobState.INCIDENT if instead.retries == 0 else JobState.WAITING)
    assert told == 2


@pytest.mark.parametrize("outcome", [Fail("why", 0), Fail("why", 1, 2.0)])
async def test_a_failure_without_variables_that_is_refused_is_given_up(outcome: Fail) -> None:
    assert await reported(outcome, "no") == ([], JobState.LEASED, 1)


async def test_there_is_an_end_to_what_is_tried_instead() -> None:
    assert await reported(Complete({"a": 1}), "too large", "no") == ([], JobState.LEASED, 2)
    assert await reported(Fail("why", 1, 0.0, {"a": 1}), "too large", "no") == ([], JobState.LEASED, 2)
