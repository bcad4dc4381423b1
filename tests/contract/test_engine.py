"""What every engine adapter must do, over the engine in memory and over gRPC to a gateway that serves it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from time import time

import pytest

from connector.engine.grpc import GrpcEngine
from connector.engine.port import Engine, LeaseLostError
from connector.model.job import Complete, Fail, Job, JobContext, Throw
from connector.settings.model import SEND_TASK_TYPE, EngineSettings, WorkerSettings
from connector.testing.engine import FakeEngine, JobState
from connector.worker.job_loop import JobLoop
from tests.servers.gateway import FakeGateway

TYPE = SEND_TASK_TYPE
LEASE = timedelta(seconds=30)


@dataclass
class Side:
    """The adapter, and the engine behind it as the test sees it."""

    port: Engine
    behind: FakeEngine

    async def take(self) -> Job:
        (job,) = await self.port.activate(TYPE, 1, 0)
        return job


@pytest.fixture(params=["memory", "grpc"])
async def side(request: pytest.FixtureRequest) -> AsyncIterator[Side]:
    behind = FakeEngine(lease=LEASE.total_seconds())
    if request.param == "memory":
        yield Side(behind, behind)
        return
    async with (
        FakeGateway(behind) as gateway,
        GrpcEngine(EngineSettings(address=gateway.address), WorkerSettings(lease=LEASE)) as port,
    ):
        yield Side(port, behind)


async def test_a_job_arrives_as_it_is(side: Side) -> None:
    variables = {
        "text": "Grüße \U0001f600 \x00",
        "big": 2**63 + 1,
        "number": 0.1,
        "nested": {"list": [1, None, True, {"a": []}]},
    }
    key = side.behind.create_job(TYPE, variables, headers={"resultVariable": "= result "}, retries=7)
    job = await side.take()
    assert job.key == key
    assert job.type == TYPE
    assert dict(job.variables) == variables
    assert isinstance(job.variables["big"], int)
    assert dict(job.headers) == {"resultVariable": "= result "}
    assert job.retries == 7
    assert job.tenant_id == "<default>"
    assert job.element_id == "send-mail"
    assert job.bpmn_process_id == "test-process"
    assert job.process_definition_version == 1
    assert len({job.key, job.process_instance_key, job.element_instance_key}) == 3
    assert abs(job.deadline - time() - LEASE.total_seconds()) < 25


async def test_a_poll_takes_no_more_than_its_limit(side: Side) -> None:
    for _ in range(5):
        side.behind.create_job(TYPE)
    assert len(await side.port.activate(TYPE, 3, 0)) == 3
    assert len(await side.port.activate(TYPE, 3, 0)) == 2
    assert await side.port.activate(TYPE, 3, 0) == []


async def test_a_poll_with_patience_waits_for_the_first_job(side: Side) -> None:
    poll = asyncio.create_task(side.port.activate(TYPE, 3, 30))
    await side.behind.until(lambda: side.behind.calls["activate"] == 1)
    assert not poll.done()
    key = side.behind.create_job(TYPE)
    assert [job.key for job in await poll] == [key]


async def test_a_poll_with_patience_ends_empty(side: Side) -> None:
    assert await side.port.activate(TYPE, 3, 0.05) == []


async def test_a_stream_brings_what_becomes_available(side: Side) -> None:
    async with aclosing(side.port.stream(TYPE)) as stream:
        first = asyncio.ensure_future(anext(stream))
        await side.behind.until(lambda: side.behind.open_streams == 1)
        key = side.behind.create_job(TYPE)
        assert (await first).key == key
        other = side.behind.create_job(TYPE)
        assert (await anext(stream)).key == other
    await side.behind.until(lambda: side.behind.open_streams == 0)


async def test_a_stream_that_the_engine_ends_is_over_without_an_error(side: Side) -> None:
    async def read() -> list[Job]:
        return [job async for job in side.port.stream(TYPE)]

    reading = asyncio.create_task(read())
    await side.behind.until(lambda: side.behind.open_streams == 1)
    side.behind.end_streams()
    assert await reading == []


async def test_a_completed_job_has_its_variables(side: Side) -> None:
    key = side.behind.create_job(TYPE)
    result = {"response": {"reply": "250 2.0.0 Ok: größer", "accepted": ["a@x"], "n": 2**53 + 1}}
    await side.port.report(await side.take(), Complete(result))
    assert side.behind.outcomes(key) == [Complete(result)]
    assert side.behind.state(key) is JobState.DONE


async def test_a_thrown_error_has_code_message_and_variables(side: Side) -> None:
    key = side.behind.create_job(TYPE)
    thrown = Throw("MAIL_REFUSED", "nobody wants it", {"rejected": ["a@x"]})
    await side.port.report(await side.take(), thrown)
    assert side.behind.outcomes(key) == [thrown]


async def test_a_failed_job_comes_again_with_fewer_retries(side: Side) -> None:
    key = side.behind.create_job(TYPE, retries=2)
    await side.port.report(await side.take(), Fail("not now", retries=1))
    assert side.behind.outcomes(key) == [Fail("not now", retries=1)]
    assert (await side.take()).retries == 1


async def test_a_failed_job_comes_again_after_its_backoff(side: Side) -> None:
    key = side.behind.create_job(TYPE)
    await side.port.report(await side.take(), Fail("not now", retries=2, backoff=0.2))
    assert side.behind.state(key) is JobState.BACKING_OFF
    (again,) = await side.port.activate(TYPE, 1, 30)
    assert (again.key, again.retries) == (key, 2)


async def test_no_retries_left_is_an_incident(side: Side) -> None:
    key = side.behind.create_job(TYPE)
    await side.port.report(await side.take(), Fail("smtpEmailSubject: is missing", retries=0))
    assert side.behind.state(key) is JobState.INCIDENT
    assert await side.port.activate(TYPE, 1, 0) == []


async def test_an_extended_lease_lasts_longer(side: Side) -> None:
    side.behind.create_job(TYPE)
    job = await side.take()
    await side.port.extend(job, 3600)
    assert side.behind.job(job.key).deadline > time() + 1800


@pytest.mark.parametrize("outcome", [Complete(), Throw("X"), Fail("x", retries=1)])
async def test_a_job_that_is_over_is_not_ours(side: Side, outcome: Complete | Throw | Fail) -> None:
    side.behind.create_job(TYPE)
    job = await side.take()
    await side.port.report(job, Complete())
    with pytest.raises(LeaseLostError):
        await side.port.report(job, outcome)
    with pytest.raises(LeaseLostError):
        await side.port.extend(job, 60)


async def test_a_worker_on_it_completes_backlog_and_newcomers(side: Side) -> None:
    keys = [side.behind.create_job(TYPE, {"n": n}) for n in range(50)]
    stop = asyncio.Event()

    async def handle(job: Job, context: JobContext) -> Complete:
        return Complete({"n": job.variables["n"]})

    running = asyncio.create_task(JobLoop(side.port, WorkerSettings(task_types=(TYPE,)), handle).run(stop))
    await side.behind.until(lambda: side.behind.open_streams == 1)
    keys += [side.behind.create_job(TYPE, {"n": n}) for n in range(50, 100)]
    for n, key in enumerate(keys):
        assert await side.behind.outcome(key) == Complete({"n": n})
    stop.set()
    await running
