"""The gRPC adapter: statuses, limits, and what does not fit into JSON or protobuf."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import grpc
import pytest

from connector.engine.grpc import GrpcEngine
from connector.engine.port import (
    EngineBusyError,
    EngineDeniedError,
    EngineRefusedError,
    EngineUnavailableError,
    LeaseLostError,
    StreamingUnsupportedError,
)
from connector.model.job import Complete, Fail, Job, JobContext, Throw
from connector.settings.model import SEND_TASK_TYPE, EngineSettings, WorkerSettings
from connector.testing.engine import FakeEngine, JobState
from connector.worker.job_loop import JobLoop
from tests.servers.gateway import FakeGateway, on_the_wire

TYPE = SEND_TASK_TYPE
CODE = grpc.StatusCode


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(FakeEngine()) as gateway:
        yield gateway


@pytest.fixture
async def engine(gateway: FakeGateway) -> AsyncIterator[GrpcEngine]:
    settings = EngineSettings(address=gateway.address, tenant_ids=("one", "two"))
    async with GrpcEngine(settings, WorkerSettings(name="mailer", lease=timedelta(seconds=90))) as engine:
        yield engine


async def taken(gateway: FakeGateway, engine: GrpcEngine) -> Job:
    gateway.engine.create_job(TYPE)
    (job,) = await engine.activate(TYPE, 1, 0)
    return job


async def test_the_probe_gives_the_version(engine: GrpcEngine) -> None:
    assert await engine.version() == "8.6.0"


async def test_jobs_are_asked_for_with_name_lease_and_tenants(
    gateway: FakeGateway, engine: GrpcEngine
) -> None:
    await engine.activate(TYPE, 5, 0)
    await engine.activate(TYPE, 5, 0.05)
    immediate, patient = gateway.requests
    assert (immediate.type, immediate.worker, immediate.timeout) == (TYPE, "mailer", 90_000)
    assert list(immediate.tenantIds) == ["one", "two"]
    assert immediate.requestTimeout == -1
    assert patient.requestTimeout == 50
    async with aclosing(engine.stream(TYPE)) as stream:
        reading = asyncio.ensure_future(anext(stream, None))
        await gateway.engine.until(lambda: gateway.engine.open_streams == 1)
        gateway.engine.end_streams()
        assert await reading is None
    assert (gateway.requests[2].worker, gateway.requests[2].timeout) == ("mailer", 90_000)
    assert list(gateway.requests[2].tenantIds) == ["one", "two"]


@pytest.mark.parametrize(
    ("code", "said", "expected"),
    [
        (CODE.NOT_FOUND, "no such job was found", LeaseLostError),
        (CODE.FAILED_PRECONDITION, "but it is in state 'FAILED'", LeaseLostError),
        (
            CODE.RESOURCE_EXHAUSTED,
            "Expected to execute the command on one of the partitions",
            EngineBusyError,
        ),
        (
            CODE.RESOURCE_EXHAUSTED,
            "gRPC message exceeds maximum size 4194304: 5242903",
            EngineRefusedError,
        ),
        (CODE.UNKNOWN, "rejected with code 'EXCEEDED_BATCH_RECORD_SIZE': ", EngineRefusedError),
        (CODE.UNKNOWN, "Stream removed", EngineUnavailableError),
        (CODE.UNAVAILABLE, "no partition leader", EngineUnavailableError),
        (CODE.INTERNAL, "unexpected", EngineUnavailableError),
        (CODE.ABORTED, "", EngineUnavailableError),
        (CODE.INVALID_ARGUMENT, "Expected document to be a root level object", EngineRefusedError),
        (CODE.UNAUTHENTICATED, "no token", EngineDeniedError),
        (CODE.PERMISSION_DENIED, "not for you", EngineDeniedError),
        (CODE.UNIMPLEMENTED, "what?", EngineDeniedError),
    ],
)
async def test_a_status_becomes_an_error_of_the_port(
    gateway: FakeGateway, engine: GrpcEngine, code: grpc.StatusCode, said: str, expected: type[Exception]
) -> None:
    job = await taken(gateway, engine)
    gateway.refuse("CompleteJob", code, said)
    with pytest.raises(expected) as caught:
        await engine.report(job, Complete())
    assert type(caught.value) is expected
    assert said in str(caught.value)
    gateway.refuse("ActivateJobs", code, said)
    with pytest.raises(expected):
        await engine.activate(TYPE, 1, 0)


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (CODE.UNAUTHENTICATED, "engine.client_id"),
        (CODE.PERMISSION_DENIED, "engine.tenant_ids"),
        (CODE.UNIMPLEMENTED, "engine.address"),
    ],
)
async def test_a_denial_says_what_to_change(
    gateway: FakeGateway, engine: GrpcEngine, code: grpc.StatusCode, advice: str
) -> None:
    gateway.refuse("Topology", code, "no")
    with pytest.raises(EngineDeniedError, match=advice):
        await engine.version()


async def test_an_engine_that_pushes_back_a_poll_may_have_a_job_that_is_too_large(
    gateway: FakeGateway, engine: GrpcEngine
) -> None:
    said = "Expected to activate jobs of type 'x', but at least one broker returned 'RESOURCE_EXHAUSTED'."
    gateway.refuse("ActivateJobs", CODE.RESOURCE_EXHAUSTED, said)
    with pytest.raises(EngineBusyError, match="one job may be larger than 4 MB") as caught:
        await engine.activate(TYPE, 1, 0)
    assert str(caught.value).startswith(said)


async def test_an_old_gateway_does_not_stream(gateway: FakeGateway, engine: GrpcEngine) -> None:
    gateway.refuse("StreamActivatedJobs", CODE.UNIMPLEMENTED, "Method not found")
    with pytest.raises(StreamingUnsupportedError, match=r"Zeebe 8\.4"):
        await anext(engine.stream(TYPE))


async def test_nobody_at_the_address_is_unavailable(gateway: FakeGateway, engine: GrpcEngine) -> None:
    await gateway.stop()
    with pytest.raises(EngineUnavailableError, match=gateway.address):
        await engine.version()
    with pytest.raises(EngineUnavailableError):
        await anext(engine.stream(TYPE))


async def test_an_extension_that_is_not_answered_ends_while_there_is_time_for_another(
    gateway: FakeGateway,
) -> None:
    gateway.hang("UpdateJobTimeout")
    short = WorkerSettings(name="mailer", lease=timedelta(seconds=0.2))
    async with GrpcEngine(EngineSettings(address=gateway.address), short) as engine:
        job = await taken(gateway, engine)
        async with asyncio.timeout(5):  # other calls may take ten seconds
            with pytest.raises(EngineUnavailableError, match="DEADLINE_EXCEEDED"):
                await engine.extend(job, 0.2)


async def test_jobs_that_arrived_are_kept_when_the_rest_of_the_answer_fails(
    gateway: FakeGateway, engine: GrpcEngine
) -> None:
    key = gateway.engine.create_job(TYPE)
    gateway.raw.append(on_the_wire(gateway.engine.job(key)))
    gateway.refuse("ActivateJobs, second part", CODE.UNAVAILABLE)
    assert [job.key for job in await engine.activate(TYPE, 2, 0)] == [key]


@pytest.mark.parametrize(
    ("variables", "headers"),
    [
        ("{", "{}"),
        ("{}", "nothing"),
        ("[1]", "{}"),
        ("{}", '"text"'),
        ('{"a":' * 20_000 + "1" + "}" * 20_000, "{}"),
    ],
)
async def test_a_job_that_cannot_be_read_becomes_an_incident_and_the_next_one_arrives(
    gateway: FakeGateway, engine: GrpcEngine, variables: str, headers: str
) -> None:
    key = gateway.engine.create_job(TYPE)
    raw = on_the_wire(gateway.engine.job(key))
    raw.variables, raw.customHeaders = variables, headers
    gateway.raw.append(raw)
    assert await engine.activate(TYPE, 1, 0) == []
    assert gateway.engine.state(key) is JobState.INCIDENT
    (outcome,) = gateway.engine.outcomes(key)
    assert isinstance(outcome, Fail)
    assert "Nothing was sent" in outcome.message


async def test_a_job_that_can_neither_be_read_nor_rejected_does_no_harm(
    gateway: FakeGateway, engine: GrpcEngine
) -> None:
    raw = on_the_wire(gateway.engine.job(gateway.engine.create_job(TYPE)))
    raw.variables = "{"
    gateway.raw.append(raw)
    gateway.refuse("FailJob", CODE.UNAVAILABLE)
    assert await engine.activate(TYPE, 1, 0) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), {1, 2}])
async def test_a_result_that_is_no_json_is_refused_before_it_is_sent(
    gateway: FakeGateway, engine: GrpcEngine, value: Any
) -> None:
    job = await taken(gateway, engine)
    for outcome in (Complete({"a": value}), Throw("X", variables={"a": value})):
        with pytest.raises(EngineRefusedError, match="JSON"):
            await engine.report(job, outcome)


async def test_a_message_is_bounded_and_always_fits_into_protobuf(
    gateway: FakeGateway, engine: GrpcEngine
) -> None:
    job = await taken(gateway, engine)
    await engine.report(job, Fail("a\ud800b\x00" + "x" * 50_000, retries=-3))
    (outcome,) = gateway.engine.outcomes(job.key)
    assert isinstance(outcome, Fail)
    assert outcome.message.startswith("a?b\x00xxx")
    assert len(outcome.message) == 10_000
    assert outcome.retries == 0


async def test_variables_with_half_a_surrogate_pair_arrive(gateway: FakeGateway, engine: GrpcEngine) -> None:
    job = await taken(gateway, engine)
    await engine.report(job, Complete({"a": "\ud800"}))
    assert gateway.engine.outcomes(job.key) == [Complete({"a": "\ud800"})]


async def test_a_job_larger_than_grpcs_default_limit_arrives(
    gateway: FakeGateway, engine: GrpcEngine
) -> None:
    document = "x" * 6_000_000
    gateway.engine.create_job(TYPE, {"document": document})
    (job,) = await engine.activate(TYPE, 1, 0)
    assert job.variables["document"] == document


async def test_a_worker_outlives_its_gateway(gateway: FakeGateway, engine: GrpcEngine) -> None:
    stop, began, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def handle(job: Job, context: JobContext) -> Complete:
        began.set()
        await go_on.wait()
        return Complete()

    running = asyncio.create_task(JobLoop(engine, WorkerSettings(task_types=(TYPE,)), handle).run(stop))
    await gateway.engine.until(lambda: gateway.engine.open_streams == 1)
    during = gateway.engine.create_job(TYPE)
    await began.wait()
    await gateway.stop()
    go_on.set()
    await gateway.engine.until(lambda: gateway.engine.open_streams == 0)
    await gateway.start()
    assert await gateway.engine.outcome(during) == Complete()
    await gateway.engine.until(lambda: gateway.engine.open_streams == 1)
    assert await gateway.engine.outcome(gateway.engine.create_job(TYPE)) == Complete()
    stop.set()
    await running


async def test_back_pressure_on_the_report_is_waited_out(gateway: FakeGateway, engine: GrpcEngine) -> None:
    stop = asyncio.Event()

    async def handle(job: Job, context: JobContext) -> Complete:
        return Complete(json.loads('{"sent": true}'))

    gateway.refuse("CompleteJob", CODE.RESOURCE_EXHAUSTED, times=3)
    key = gateway.engine.create_job(TYPE)
    running = asyncio.create_task(JobLoop(engine, WorkerSettings(task_types=(TYPE,)), handle).run(stop))
    assert await gateway.engine.outcome(key) == Complete({"sent": True})
    assert len(gateway.engine.outcomes(key)) == 1
    stop.set()
    await running
