"""The development engine behind the worker's port: in the same process, and over gRPC."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import timedelta
from time import time

import pytest

from connector.devengine.in_memory import InMemoryEngine
from connector.engine.grpc import GrpcEngine
from connector.engine.port import Engine, EngineRefusedError, LeaseLostError
from connector.model.job import Complete, Fail, Throw
from connector.settings.model import EngineSettings, WorkerSettings
from tests.devengine import Running, running, until

LEASE = 30.0


@dataclass
class Side:
    """The port as a worker has it, and the engine behind it."""

    port: Engine
    engine: Running


@pytest.fixture(params=["memory", "grpc"])
async def side(request: pytest.FixtureRequest) -> AsyncIterator[Side]:
    async with running() as engine:
        engine.deploy(boundaries=["REFUSED"])
        if request.param == "memory":
            yield Side(InMemoryEngine(engine.service, "tester", LEASE), engine)
            return
        settings = WorkerSettings(name="tester", lease=timedelta(seconds=LEASE))
        async with GrpcEngine(EngineSettings(address=engine.address), settings) as port:
            yield Side(port, engine)


async def test_a_job_arrives_as_it_is(side: Side) -> None:
    variables = {
        "text": "Grüße \U0001f600 \x00",
        "big": 2**60,
        "nested": {"list": [1, None, True, {"a": []}]},
    }
    instance = side.engine.start(variables=variables)
    (job,) = await side.port.activate("p", 5, 0)
    assert dict(job.variables) == {**variables, "m": 1}
    assert dict(job.headers) == {"resultVariable": "=mail"}
    assert (job.type, job.bpmn_process_id, job.element_id, job.retries) == ("p", "p", "send", 3)
    assert job.process_instance_key == instance
    assert job.process_definition_version == 1
    assert job.tenant_id == "<default>"
    assert len({job.key, instance, job.element_instance_key}) == 3
    assert abs(job.deadline - time() - LEASE) < 25


async def test_a_poll_takes_no_more_than_its_limit(side: Side) -> None:
    for _ in range(3):
        side.engine.start()
    assert [len(await side.port.activate("p", 2, 0)) for _ in range(3)] == [2, 1, 0]


async def test_a_poll_waits_for_the_first_job(side: Side) -> None:
    poll = asyncio.create_task(side.port.activate("p", 3, 20))
    await asyncio.sleep(0.1)
    assert not poll.done()
    instance = side.engine.start()
    assert [job.process_instance_key for job in await poll] == [instance]


async def test_a_poll_ends_empty(side: Side) -> None:
    assert await side.port.activate("p", 3, 0.05) == []


async def test_a_poll_that_was_given_up_takes_no_job(side: Side) -> None:
    for _ in range(20):
        poll = asyncio.create_task(side.port.activate("p", 3, 20))
        await asyncio.sleep(0.01)
        poll.cancel()
        await asyncio.wait({poll})
    await asyncio.sleep(0.2)  # the last cancellation is on its way
    side.engine.start()
    assert len(await side.port.activate("p", 3, 5)) == 1


async def test_a_stream_brings_what_becomes_available(side: Side) -> None:
    side.engine.start()
    async with aclosing(side.port.stream("p")) as stream:
        reading = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.3)
        later = side.engine.start()
        job = await reading
        assert job.process_instance_key == later, "what waited before stays for polls"
        await side.port.report(job, Fail("not now", retries=2))
        again = await anext(stream)
        assert (again.key, again.retries) == (job.key, 2)
    assert len(await side.port.activate("p", 5, 0)) == 1


async def test_what_a_stream_did_not_read_is_not_lost(side: Side) -> None:
    """What is in the connection waits for its lease; what is not written goes back at once."""
    stream = side.port.stream("p")
    reading = asyncio.ensure_future(anext(stream))
    await asyncio.sleep(0.3)
    for _ in range(300):
        side.engine.start(variables={"text": "x" * 2_000})
    await reading
    await stream.aclose()
    await until(lambda: side.engine.states().count("CREATED") > 250)
    await asyncio.sleep(0.1)
    waiting = side.engine.states().count("CREATED")
    assert len(await side.port.activate("p", 300, 1)) == waiting


async def test_an_outcome_is_taken(side: Side) -> None:
    instance = side.engine.start()
    (job,) = await side.port.activate("p", 1, 0)
    await side.port.report(job, Complete({"answer": {"größe": 1.5}}))
    variables = {one.name: one.value for one in side.engine.service.core.variables(instance)}
    assert variables["answer"] == {"größe": 1.5}
    assert side.engine.states() == ["COMPLETED"]


async def test_a_thrown_error_is_caught(side: Side) -> None:
    instance = side.engine.start()
    (job,) = await side.port.activate("p", 1, 0)
    await side.port.report(job, Throw("REFUSED", "no", {"why": "no"}))
    ended = [one.element_id for one in side.engine.service.core.elements(instance) if one.type == "END_EVENT"]
    assert ended == ["caught_REFUSED"]


async def test_without_retries_there_is_an_incident(side: Side) -> None:
    side.engine.start()
    (job,) = await side.port.activate("p", 1, 0)
    await side.port.report(job, Fail("a person must look", retries=0))
    (incident,) = side.engine.service.core.incidents()
    assert (incident.kind, incident.text) == ("JOB_NO_RETRIES", "a person must look")
    with pytest.raises(LeaseLostError, match="FAILED"):
        await side.port.report(job, Complete())


async def test_a_lease_is_extended_while_it_lasts(side: Side) -> None:
    side.engine.start()
    (job,) = await side.port.activate("p", 1, 0)
    await side.port.extend(job, 0.05)
    (again,) = await side.port.activate("p", 1, 20)
    assert again.key == job.key
    await side.port.report(again, Complete())
    with pytest.raises(LeaseLostError):
        await side.port.extend(job, 10)
    with pytest.raises(LeaseLostError, match="no such job"):
        await side.port.report(job, Complete())


async def test_a_result_that_is_too_large_is_refused(side: Side) -> None:
    side.engine.start()
    (job,) = await side.port.activate("p", 1, 0)
    await side.port.report(job, Fail("first", retries=1, variables={"text": "x" * 1_500_000}))
    (job,) = await side.port.activate("p", 1, 0)
    with pytest.raises(EngineRefusedError):
        await side.port.report(job, Complete({"text": "x" * 3_000_000}))
    with pytest.raises(EngineRefusedError):
        await side.port.report(job, Complete({"number": float("nan")}))
    await side.port.report(job, Complete({"text": "short"}))
