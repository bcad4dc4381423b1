"""The engine over Zeebe's gRPC interface: commands on one channel, job streams on another.

Jobs leave, outcomes enter; each call is one attempt, and each gRPC status becomes one of the port's errors,
with words for the operator. Patience is for the callers. The stubs and messages are pyzeebe's.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import grpc
import structlog
from pyzeebe.proto.gateway_pb2 import (
    ActivatedJob,
    ActivateJobsRequest,
    CompleteJobRequest,
    FailJobRequest,
    StreamActivatedJobsRequest,
    ThrowErrorRequest,
    TopologyRequest,
    UpdateJobTimeoutRequest,
)
from pyzeebe.proto.gateway_pb2_grpc import GatewayStub

from connector.engine.connect import Channels, connect, port_error
from connector.engine.port import EngineRefusedError, EngineUnavailableError, LeaseLostError
from connector.model.job import Complete, Fail, Job, Outcome, Throw
from connector.net.outbound import DIRECT, Outbound
from connector.settings.model import EngineSettings, WorkerSettings

if TYPE_CHECKING:
    from pyzeebe.proto.gateway_pb2_grpc import GatewayAsyncStub

_log = structlog.get_logger(__name__)

T = TypeVar("T")

# Shared: json.dumps creates an encoder for each call with arguments other than its defaults.
_WRITER = json.JSONEncoder(allow_nan=False, separators=(",", ":"))
_CALL_TIMEOUT = 10.0
# An incident's message is read by a person; the engine keeps it in its state.
_LONGEST_MESSAGE = 10_000
_TOO_DEEP = "nested more deeply than the few hundred levels that are supported"
_UNREADABLE = "The worker cannot read this job's variables or headers: they are {reason}. Nothing was sent."


class GrpcEngine:
    """The engine behind a Zeebe gateway. Use it as an asynchronous context manager.

    Args:
        settings: How to reach it, and whose tenants' jobs to take.
        worker: The worker's name, and for how long to take jobs.
        way: Which proxy is for the token endpoint.

    Raises:
        OSError: ``ca_file`` cannot be read.
    """

    def __init__(self, settings: EngineSettings, worker: WorkerSettings, way: Outbound = DIRECT) -> None:
        self._settings = settings
        self._worker = worker
        self._lease = worker.lease.total_seconds()
        # A late answer to an extension is useless; the next attempt must start in time.
        self._extend_timeout = min(_CALL_TIMEOUT, self._lease / 4)
        self._channels: Channels = connect(settings, way)
        # One generated class serves both kinds of channel; its types tell them apart.
        self._commands = cast("GatewayAsyncStub", GatewayStub(self._channels.commands))
        self._streams = cast("GatewayAsyncStub", GatewayStub(self._channels.stream))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections and cancel their calls."""
        await self._channels.close()

    async def version(self) -> str:
        """Return the gateway's version, to probe whether it is reachable and accepts this worker.

        Raises:
            EngineUnavailableError: It is unreachable, or refuses this worker.
            EngineRefusedError: The server that answers is not a Zeebe gateway.
        """
        topology = await self._call(self._commands.Topology, TopologyRequest())
        return topology.gatewayVersion

    async def stream(self, task_type: str) -> AsyncGenerator[Job, None]:
        """See :meth:`connector.engine.port.Engine.stream`."""
        request = StreamActivatedJobsRequest(
            type=task_type,
            worker=self._worker.name,
            timeout=_milliseconds(self._lease),
            tenantIds=self._settings.tenant_ids,
        )
        call = self._streams.StreamActivatedJobs(request)
        try:
            async for raw in call:
                if _decoded(raw, task_type) and (job := await self._read(raw)) is not None:
                    yield job
        except grpc.aio.AioRpcError as error:
            raise self._translated(error, streaming=True) from error
        finally:
            call.cancel()

    async def activate(self, task_type: str, limit: int, wait: float) -> list[Job]:
        """See :meth:`connector.engine.port.Engine.activate`."""
        request = ActivateJobsRequest(
            type=task_type,
            worker=self._worker.name,
            timeout=_milliseconds(self._lease),
            maxJobsToActivate=limit,
            # 0 means the gateway's default; a negative value means to answer at once.
            requestTimeout=_milliseconds(wait) if wait > 0 else -1,
            tenantIds=self._settings.tenant_ids,
        )
        raw: list[ActivatedJob] = []
        try:
            async for response in self._commands.ActivateJobs(request, timeout=wait + _CALL_TIMEOUT):
                if _decoded(response, task_type):
                    raw.extend(response.jobs)
        except grpc.aio.AioRpcError as error:
            # The jobs that have arrived are leased to us, although the rest of the answer is missing.
            if not raw:
                raise self._translated(error, polling=True) from error
            _log.debug("an answer to a poll broke off", reason=error.details())
        return [job for job in [await self._read(one) for one in raw] if job is not None]

    async def extend(self, job: Job, seconds: float) -> None:
        """See :meth:`connector.engine.port.Engine.extend`."""
        request = UpdateJobTimeoutRequest(jobKey=job.key, timeout=_milliseconds(seconds))
        await self._call(self._commands.UpdateJobTimeout, request, self._extend_timeout)

    async def report(self, job: Job, outcome: Outcome) -> None:
        """See :meth:`connector.engine.port.Engine.report`."""
        if isinstance(outcome, Complete):
            await self._call(
                self._commands.CompleteJob,
                CompleteJobRequest(jobKey=job.key, variables=_json(outcome.variables)),
            )
        elif isinstance(outcome, Throw):
            await self._call(self._commands.ThrowError, _throw_request(job, outcome))
        else:
            await self._call(self._commands.FailJob, _fail_request(job, outcome))

    async def _call(
        self,
        method: Callable[..., Awaitable[T]],
        request: object,
        timeout: float = _CALL_TIMEOUT,  # noqa: ASYNC109 - gRPC's own deadline, which also travels to the gateway
    ) -> T:
        try:
            return await method(request, timeout=timeout)
        except grpc.aio.AioRpcError as error:
            raise self._translated(error) from error

    def _translated(
        self, error: grpc.aio.AioRpcError, *, streaming: bool = False, polling: bool = False
    ) -> Exception:
        if error.code() is grpc.StatusCode.UNAUTHENTICATED and self._channels.authorization is not None:
            self._channels.authorization.forget()
        return port_error(error, self._channels.address, streaming=streaming, polling=polling)

    async def _read(self, raw: ActivatedJob) -> Job | None:
        """Read a job; if that fails, make it an incident and return None."""
        try:
            return _job(raw, _object(raw.customHeaders), _object(raw.variables))
        except (ValueError, RecursionError) as error:
            reason = _TOO_DEEP if isinstance(error, RecursionError) else "not JSON objects"
            await self._reject(_job(raw, {}, {}), reason)
            return None

    async def _reject(self, job: Job, reason: str) -> None:
        _log.error("job cannot be read", job_key=job.key, element_id=job.element_id, reason=reason)
        try:
            await self.report(job, Fail(_UNREADABLE.format(reason=reason), retries=0))
        except (EngineUnavailableError, EngineRefusedError, LeaseLostError) as error:
            # The engine offers the job again when its lease expires, and it is rejected then.
            _log.warning("unreadable job not rejected yet", job_key=job.key, reason=str(error))


def _decoded(message: object, task_type: str) -> bool:
    """Return whether there is a message: grpc.aio gives None for one that it cannot decode."""
    if message is None:
        _log.error(
            "a message of the engine cannot be decoded; it will offer the jobs again", task_type=task_type
        )
    return message is not None


def _object(text: str) -> dict[str, Any]:
    """Read a JSON object; empty text is an empty one.

    Raises:
        ValueError: It is none.
    """
    value = json.loads(text or "{}")
    if not isinstance(value, dict):
        raise ValueError("no object")  # noqa: TRY004 - as what is no JSON
    return value


def _job(raw: ActivatedJob, headers: Mapping[str, str], variables: Mapping[str, Any]) -> Job:
    return Job(
        key=raw.key,
        type=raw.type,
        process_instance_key=raw.processInstanceKey,
        bpmn_process_id=raw.bpmnProcessId,
        process_definition_version=raw.processDefinitionVersion,
        element_id=raw.elementId,
        element_instance_key=raw.elementInstanceKey,
        headers=headers,
        retries=raw.retries,
        deadline=raw.deadline / 1000,
        variables=variables,
        tenant_id=raw.tenantId,
    )


def _throw_request(job: Job, outcome: Throw) -> ThrowErrorRequest:
    return ThrowErrorRequest(
        jobKey=job.key,
        errorCode=_text(outcome.code),
        errorMessage=_text(outcome.message),
        variables=_json(outcome.variables),
    )


def _fail_request(job: Job, outcome: Fail) -> FailJobRequest:
    return FailJobRequest(
        jobKey=job.key,
        retries=max(0, outcome.retries),
        errorMessage=_text(outcome.message),
        retryBackOff=_milliseconds(outcome.backoff),
        variables=_json(outcome.variables),
    )


def _milliseconds(seconds: float) -> int:
    return max(0, round(seconds * 1000))


def _text(text: str) -> str:
    """Return text as protobuf accepts it: limited in length, and without lone surrogates."""
    return text[:_LONGEST_MESSAGE].encode(errors="replace").decode()


def _json(variables: Mapping[str, Any]) -> str:
    try:
        return _WRITER.encode(dict(variables))
    except (TypeError, ValueError, RecursionError) as error:
        raise EngineRefusedError(f"the variables cannot be written as JSON: {error}") from error
