"""Any engine of the gateway protocol as a cluster under test: commands over gRPC, searches over REST."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import grpc
import httpx2
from pyzeebe.proto import gateway_pb2 as pb
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

from tests.conformance.cluster import RefusedError, SeenElement, SeenIncident, SentMessage, TakenJob, Wanted

_MOST = 1_000


class OverTheWire:
    """Waits for what a search shows late, and for what the engine looks for in turns.

    Args:
        grpc_address: ``host:port`` of the gateway.
        rest_address: Base URL of the Orchestration Cluster API.
    """

    patience = 15.0
    seconds_ahead = 1.5

    def __init__(self, grpc_address: str, rest_address: str) -> None:
        self._channel = grpc.insecure_channel(grpc_address)
        # One generated class serves both kinds of channel; only its stubs' types tell them apart.
        self._stub: Any = GatewayStub(self._channel)
        self._http = httpx2.Client(base_url=rest_address, trust_env=False, timeout=30)
        self._clock: float | None = None

    def close(self) -> None:
        """Let the engine's time run again, and hang up."""
        if self._clock is not None:
            self._http.post("/v2/clock/reset")
        self._http.close()
        self._channel.close()

    def deploy(self, name: str, content: bytes) -> int:
        resource = pb.Resource(name=name, content=content)
        answer = _called(self._stub.DeployResource, pb.DeployResourceRequest(resources=[resource]))
        return int(answer.deployments[0].process.version)

    def start(self, process_id: str, variables: Mapping[str, Any], version: int = -1) -> int:
        request = _start(process_id, variables, version)
        return int(_called(self._stub.CreateProcessInstance, request).processInstanceKey)

    def result(
        self, process_id: str, variables: Mapping[str, Any], fetch: tuple[str, ...], timeout: float
    ) -> Mapping[str, Any]:
        request = pb.CreateProcessInstanceWithResultRequest(
            request=_start(process_id, variables), requestTimeout=_ms(timeout), fetchVariables=fetch
        )
        answer = _called(self._stub.CreateProcessInstanceWithResult, request)
        found: dict[str, Any] = json.loads(answer.variables)
        return found

    def cancel(self, instance: int) -> None:
        _called(
            self._stub.CancelProcessInstance, pb.CancelProcessInstanceRequest(processInstanceKey=instance)
        )

    def set_variables(self, scope: int, variables: Mapping[str, Any], *, local: bool) -> None:
        request = pb.SetVariablesRequest(
            elementInstanceKey=scope, variables=json.dumps(variables), local=local
        )
        _called(self._stub.SetVariables, request)

    def activate(self, wanted: Wanted) -> Sequence[TakenJob]:
        request = pb.ActivateJobsRequest(
            type=wanted.job_type,
            worker="conformance",
            timeout=_ms(wanted.timeout),
            maxJobsToActivate=wanted.limit,
            fetchVariable=wanted.fetch,
            requestTimeout=_ms(wanted.wait) if wanted.wait else -1,
        )
        with _refusals():
            jobs = [job for answer in self._stub.ActivateJobs(request, timeout=60) for job in answer.jobs]
        return [
            TakenJob(
                job.key,
                job.elementId,
                job.elementInstanceKey,
                job.retries,
                json.loads(job.customHeaders),
                json.loads(job.variables),
            )
            for job in jobs
        ]

    def complete(self, job: int, variables: Mapping[str, Any]) -> None:
        _called(self._stub.CompleteJob, pb.CompleteJobRequest(jobKey=job, variables=json.dumps(variables)))

    def fail(
        self, job: int, retries: int, message: str, backoff: float, variables: Mapping[str, Any]
    ) -> None:
        request = pb.FailJobRequest(
            jobKey=job,
            retries=retries,
            errorMessage=message,
            retryBackOff=_ms(backoff),
            variables=json.dumps(variables),
        )
        _called(self._stub.FailJob, request)

    def throw(self, job: int, code: str, message: str, variables: Mapping[str, Any]) -> None:
        request = pb.ThrowErrorRequest(
            jobKey=job, errorCode=code, errorMessage=message, variables=json.dumps(variables)
        )
        _called(self._stub.ThrowError, request)

    def update_retries(self, job: int, retries: int) -> None:
        _called(self._stub.UpdateJobRetries, pb.UpdateJobRetriesRequest(jobKey=job, retries=retries))

    def update_timeout(self, job: int, seconds: float) -> None:
        _called(self._stub.UpdateJobTimeout, pb.UpdateJobTimeoutRequest(jobKey=job, timeout=_ms(seconds)))

    def resolve(self, incident: int) -> None:
        _called(self._stub.ResolveIncident, pb.ResolveIncidentRequest(incidentKey=incident))

    def publish(self, message: SentMessage) -> None:
        request = pb.PublishMessageRequest(
            name=message.name,
            correlationKey=message.key,
            timeToLive=_ms(message.ttl),
            messageId=message.message_id,
            variables=json.dumps(message.variables),
        )
        _called(self._stub.PublishMessage, request)

    def broadcast(self, name: str, variables: Mapping[str, Any]) -> None:
        request = pb.BroadcastSignalRequest(signalName=name, variables=json.dumps(variables))
        _called(self._stub.BroadcastSignal, request)

    def advance(self, seconds: float) -> None:
        """Pin the engine's clock to a later moment; it stands still from there until the case is over."""
        self._clock = (time.time() if self._clock is None else self._clock) + seconds
        answer = self._http.put("/v2/clock", json={"timestamp": round(self._clock * 1000)})
        assert answer.status_code == 204, answer.text

    def instances(self, process_id: str) -> Mapping[int, str]:
        items = self._search("process-instances", processDefinitionId=process_id)
        return {int(item["processInstanceKey"]): item["state"] for item in items}

    def elements(self, instance: int) -> Sequence[SeenElement]:
        items = self._search("element-instances", processInstanceKey=str(instance))
        return [
            SeenElement(int(one["elementInstanceKey"]), one["elementId"], one["type"], one["state"])
            for one in items
        ]

    def variables(self, instance: int) -> Mapping[tuple[int, str], Any]:
        items = self._search("variables", processInstanceKey=str(instance))
        return {(int(one["scopeKey"]), one["name"]): json.loads(one["value"]) for one in items}

    def incidents(self, instance: int) -> Sequence[SeenIncident]:
        items = self._search("incidents", processInstanceKey=str(instance), state="ACTIVE")
        return [
            SeenIncident(int(one["incidentKey"]), one["errorType"], one["errorMessage"], one["elementId"])
            for one in items
        ]

    def _search(self, kind: str, **wanted: str) -> list[dict[str, Any]]:
        answer = self._http.post(
            f"/v2/{kind}/search",
            params={"truncateValues": "false"} if kind == "variables" else {},
            json={"filter": wanted, "page": {"limit": _MOST}},
        )
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items


def _start(
    process_id: str, variables: Mapping[str, Any], version: int = -1
) -> pb.CreateProcessInstanceRequest:
    return pb.CreateProcessInstanceRequest(
        bpmnProcessId=process_id, version=version, variables=json.dumps(variables)
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _called(method: Callable[..., Any], request: object) -> Any:
    with _refusals():
        return method(request, timeout=60)


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except grpc.RpcError as error:
        # What is raised is a call too, which the types of gRPC do not say.
        call: Any = error
        raise RefusedError(call.code().name, call.details() or "") from None
