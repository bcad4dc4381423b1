"""The gateway on the wire: refusals, long polls, flow control, results that are waited for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import timedelta
from typing import Any

import grpc
import pytest
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

from connector.engine.grpc import GrpcEngine
from connector.settings.model import EngineSettings, WorkerSettings
from tests.devengine import Running, running, until

Code = grpc.StatusCode


@pytest.fixture
async def engine() -> AsyncIterator[Running]:
    async with running() as engine:
        engine.deploy()
        yield engine


@pytest.fixture
async def stub(engine: Running) -> AsyncIterator[Any]:
    options = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]
    async with grpc.aio.insecure_channel(engine.address, options=options) as channel:
        yield GatewayStub(channel)


async def refused(call: Any) -> tuple[grpc.StatusCode, str]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await call
    return raised.value.code(), raised.value.details() or ""


async def read(call: Any) -> list[Any]:
    return [answer async for answer in call]


def poll(**changed: Any) -> pb.ActivateJobsRequest:
    given = {"type": "p", "worker": "w", "timeout": 60_000, "maxJobsToActivate": 10, "requestTimeout": -1}
    return pb.ActivateJobsRequest(**{**given, **changed})


async def test_topology_names_the_version_and_what_it_is(stub: Any) -> None:
    topology = await stub.Topology(pb.TopologyRequest())
    assert topology.gatewayVersion == "8.6.0"
    assert (topology.clusterSize, topology.partitionsCount, len(topology.brokers)) == (1, 1, 1)
    assert "development engine" in topology.brokers[0].version


@pytest.mark.parametrize(
    "call",
    [
        "EvaluateDecision",
        "DeployProcess",
        "ModifyProcessInstance",
        "MigrateProcessInstance",
        "DeleteResource",
    ],
)
async def test_what_it_has_not_is_said_in_a_sentence(stub: Any, call: str) -> None:
    code, text = await refused(getattr(stub, call)(getattr(pb, f"{call}Request")()))
    assert code is Code.UNIMPLEMENTED
    assert call in text
    assert "Camunda 8 cluster" in text


@pytest.mark.parametrize(
    ("changed", "text"),
    [
        ({"type": " "}, "type to be present"),
        ({"worker": ""}, "worker to be present"),
        ({"timeout": 0}, "timeout to be greater than zero"),
        ({"maxJobsToActivate": 0}, "max jobs to activate to be greater than zero"),
        ({"tenantIds": ["other"]}, "tenants to be '<default>' only"),
    ],
)
async def test_a_poll_that_makes_no_sense(stub: Any, changed: dict[str, Any], text: str) -> None:
    code, said = await refused(read(stub.ActivateJobs(poll(**changed))))
    assert code is Code.INVALID_ARGUMENT
    assert text in said


@pytest.mark.parametrize("changed", [{"type": ""}, {"timeout": 0}, {"tenantIds": ["other"]}])
async def test_a_stream_that_makes_no_sense(stub: Any, changed: dict[str, Any]) -> None:
    request = pb.StreamActivatedJobsRequest(**{"type": "p", "worker": "w", "timeout": 1, **changed})
    assert (await refused(read(stub.StreamActivatedJobs(request))))[0] is Code.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("variables", "kind"), [("[1]", "ARRAY"), ('"a"', "STRING"), ("1", "INTEGER"), ("{", "")]
)
async def test_variables_that_are_no_object(stub: Any, variables: str, kind: str) -> None:
    request = pb.CreateProcessInstanceRequest(bpmnProcessId="p", version=-1, variables=variables)
    code, text = await refused(stub.CreateProcessInstance(request))
    assert code is Code.INVALID_ARGUMENT
    assert kind in text


async def test_the_default_tenant_is_taken_and_others_are_not(stub: Any) -> None:
    for tenant in ("", "<default>"):
        request = pb.CreateProcessInstanceRequest(bpmnProcessId="p", version=-1, tenantId=tenant)
        assert (await stub.CreateProcessInstance(request)).tenantId == "<default>"
    request = pb.CreateProcessInstanceRequest(bpmnProcessId="p", version=-1, tenantId="other")
    assert (await refused(stub.CreateProcessInstance(request)))[0] is Code.INVALID_ARGUMENT


async def test_a_deployment_of_nothing(stub: Any) -> None:
    assert (await refused(stub.DeployResource(pb.DeployResourceRequest())))[0] is Code.INVALID_ARGUMENT


async def test_an_unknown_process_and_an_unknown_job(stub: Any) -> None:
    request = pb.CreateProcessInstanceRequest(bpmnProcessId="nobody", version=-1)
    assert (await refused(stub.CreateProcessInstance(request)))[0] is Code.NOT_FOUND
    code, text = await refused(stub.CompleteJob(pb.CompleteJobRequest(jobKey=4711)))
    assert code is Code.NOT_FOUND
    assert text.startswith("Command 'COMPLETE' rejected with code 'NOT_FOUND': Expected to complete job")


@pytest.mark.parametrize("character", ["x", "ü", "€", "%"])
async def test_a_long_text_fits_into_a_status(stub: Any, character: str) -> None:
    request = pb.CreateProcessInstanceRequest(bpmnProcessId=character * 100_000, version=-1)
    code, text = await refused(stub.CreateProcessInstance(request))
    assert code is Code.NOT_FOUND, text
    assert len(text) < 4_200


async def test_a_request_of_more_than_4_mb(stub: Any) -> None:
    variables = json.dumps({"text": "x" * 5_000_000})
    request = pb.CreateProcessInstanceRequest(bpmnProcessId="p", version=-1, variables=variables)
    code, text = await refused(stub.CreateProcessInstance(request))
    assert code is Code.RESOURCE_EXHAUSTED
    assert "larger than max" in text


async def test_an_answer_holds_at_most_4_mb(engine: Running, stub: Any) -> None:
    for _ in range(6):
        engine.start(variables={"text": "x" * 1_000_000})
    answers = [await read(stub.ActivateJobs(poll())) for _ in range(3)]
    assert [len(answer[0].jobs) if answer else 0 for answer in answers] == [4, 2, 0]


async def test_only_the_variables_that_are_asked_for(engine: Running, stub: Any) -> None:
    engine.start(variables={"a": 1, "b": 2})
    (answer,) = await read(stub.ActivateJobs(poll(fetchVariable=["a", "m"])))
    assert json.loads(answer.jobs[0].variables) == {"a": 1, "m": 1}


async def test_a_long_poll_whose_client_leaves_takes_nothing(engine: Running, stub: Any) -> None:
    for _ in range(20):
        call = stub.ActivateJobs(poll(requestTimeout=20_000))
        reading = asyncio.ensure_future(read(call))
        await asyncio.sleep(0.01)
        call.cancel()
        await asyncio.wait({reading})
    await asyncio.sleep(0.2)  # the last cancellation is on its way
    engine.start()
    assert len(await read(stub.ActivateJobs(poll(requestTimeout=5_000)))) == 1


async def test_a_stream_that_nobody_reads_gets_no_more_than_its_room(engine: Running) -> None:
    small_window = [("grpc.http2.lookahead_bytes", 16_384), ("grpc.http2.bdp_probe", 0)]
    async with grpc.aio.insecure_channel(engine.address, options=small_window) as channel:
        await _not_read(engine, GatewayStub(channel))


async def _not_read(engine: Running, stub: Any) -> None:
    call = stub.StreamActivatedJobs(pb.StreamActivatedJobsRequest(type="p", worker="w", timeout=60_000))
    reading = asyncio.ensure_future(call.read())
    await asyncio.sleep(0.2)
    for _ in range(100):
        engine.start(variables={"text": "x" * 10_000})
        await asyncio.sleep(0.001)
    await reading
    await asyncio.sleep(0.3)
    assert engine.states().count("ACTIVATED") < 50
    waiting = engine.states().count("CREATED")
    call.cancel()
    await until(lambda: engine.states().count("CREATED") > waiting)


async def test_a_result_that_is_waited_for(engine: Running, stub: Any) -> None:
    request = pb.CreateProcessInstanceRequest(bpmnProcessId="p", version=-1, variables='{"a": 1, "b": 2}')
    waited = pb.CreateProcessInstanceWithResultRequest(
        request=request, requestTimeout=20_000, fetchVariables=["a", "c"]
    )
    call = asyncio.ensure_future(stub.CreateProcessInstanceWithResult(waited))
    (answer,) = await read(stub.ActivateJobs(poll(requestTimeout=20_000)))
    await stub.CompleteJob(pb.CompleteJobRequest(jobKey=answer.jobs[0].key, variables='{"c": 3}'))
    assert json.loads((await call).variables) == {"a": 1, "c": 3}


async def test_a_result_that_comes_too_late(engine: Running, stub: Any) -> None:
    request = pb.CreateProcessInstanceRequest(bpmnProcessId="p", version=-1)
    waited = pb.CreateProcessInstanceWithResultRequest(request=request, requestTimeout=50)
    code, _ = await refused(stub.CreateProcessInstanceWithResult(waited))
    assert code is Code.DEADLINE_EXCEEDED
    assert [one.state for one in engine.service.core.instances()] == ["ACTIVE"], "the instance goes on"


async def test_an_instance_that_is_cancelled_has_no_result(engine: Running, stub: Any) -> None:
    request = pb.CreateProcessInstanceRequest(bpmnProcessId="p", version=-1)
    waited = pb.CreateProcessInstanceWithResultRequest(request=request, requestTimeout=20_000)
    call = asyncio.ensure_future(stub.CreateProcessInstanceWithResult(waited))
    await until(lambda: bool(engine.states()))
    (instance,) = engine.service.core.instances()
    await stub.CancelProcessInstance(pb.CancelProcessInstanceRequest(processInstanceKey=instance.key))
    assert (await refused(call))[0] is Code.CANCELLED


async def test_start_instructions_are_refused(stub: Any) -> None:
    instruction = pb.ProcessInstanceCreationStartInstruction(elementId="send")
    request = pb.CreateProcessInstanceRequest(bpmnProcessId="p", version=-1, startInstructions=[instruction])
    assert (await refused(stub.CreateProcessInstance(request)))[0] is Code.UNIMPLEMENTED


async def test_back_pressure_that_was_ordered(engine: Running, stub: Any) -> None:
    engine.service.faults.order("back-pressure", 1)
    await stub.Topology(pb.TopologyRequest())
    assert (await refused(stub.CompleteJob(pb.CompleteJobRequest(jobKey=1))))[0] is Code.NOT_FOUND
    assert (await refused(read(stub.ActivateJobs(poll()))))[0] is Code.RESOURCE_EXHAUSTED
    assert await read(stub.ActivateJobs(poll())) == []


async def test_no_leader_that_was_ordered(engine: Running, stub: Any) -> None:
    engine.service.faults.order("no-leader", 60)
    code, text = await refused(stub.CompleteJob(pb.CompleteJobRequest(jobKey=1)))
    assert code is Code.UNAVAILABLE
    assert "no partition leader" in text
    engine.service.faults.order("no-leader", 0)
    assert await read(stub.ActivateJobs(poll())) == []


async def test_streams_that_are_dropped_end_without_an_error(engine: Running, stub: Any) -> None:
    request = pb.StreamActivatedJobsRequest(type="p", worker="w", timeout=60_000)
    reading = asyncio.ensure_future(read(stub.StreamActivatedJobs(request)))
    await asyncio.sleep(0.2)
    engine.service.faults.order("drop-streams")
    assert await reading == []


async def test_the_same_job_to_two_polls(engine: Running, stub: Any) -> None:
    engine.service.faults.order("double-activation", 1)
    engine.start()
    answers = [await read(stub.ActivateJobs(poll(requestTimeout=5_000))) for _ in range(2)]
    assert answers[0][0].jobs[0].key == answers[1][0].jobs[0].key
    assert await read(stub.ActivateJobs(poll())) == []


@pytest.mark.filterwarnings("ignore")
async def test_an_answer_that_cannot_be_decoded(engine: Running, stub: Any) -> None:
    engine.service.faults.order("undecodable", 1)
    engine.start()
    # What grpc.aio makes of it, in place of an error.
    assert await read(stub.ActivateJobs(poll())) == [None]


@pytest.mark.filterwarnings("ignore")
async def test_the_workers_side_passes_over_what_cannot_be_decoded(engine: Running) -> None:
    settings = WorkerSettings(lease=timedelta(seconds=1))
    async with GrpcEngine(EngineSettings(address=engine.address), settings) as port:
        engine.service.faults.order("undecodable", 1)
        first = engine.start()
        assert await port.activate("p", 5, 0) == []
        assert [job.process_instance_key for job in await port.activate("p", 5, 20)] == [first]
        async with aclosing(port.stream("p")) as stream:
            reading = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.3)
            engine.service.faults.order("undecodable", 1)
            engine.start()
            second = engine.start()
            assert (await reading).process_instance_key == second
