"""The gRPC door: the Zeebe gateway protocol, in pyzeebe's stubs, in front of an engine.

A call enters, the core runs a command, an answer or a gRPC status leaves. What waits (long polls, streams,
instances with a result) waits here and in :mod:`connector.devengine.service`, never in the core.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, NoReturn, Self
from urllib.parse import quote

import grpc
from pyzeebe.proto import gateway_pb2 as pb

from connector.devengine import wire
from connector.devengine.arguments import (
    NO_START_INSTRUCTIONS,
    RESULT_SECONDS,
    BadRequestError,
    check_tenant,
    document,
    wait_seconds,
)
from connector.devengine.commands import (
    DEFAULT_TENANT,
    ActivatedJob,
    ActivationRequest,
    CommandRefusedError,
    Failure,
    MessageToPublish,
    Rejection,
    Resource,
    StartedInstance,
)
from connector.devengine.job_stream import JobStream
from connector.devengine.journal import JournalError
from connector.devengine.service import EngineService

Context = grpc.aio.ServicerContext[Any, Any]
Code = grpc.StatusCode

# What the gateway takes and sends at most, 4 MB.
LARGEST_MESSAGE = 4_194_304
# Around each job in an answer: a tag and a length.
_FRAME = 8
# What gRPC does not percent-encode.
_PLAIN = " !\"#$&'()*+,-./:;<=>?@[\\]^_`{|}~"
# A status travels in the trailers, percent-encoded; clients allow 8 KB of them and refuse 16.
_LONGEST_DETAILS = 4_096
_CODES = {
    Rejection.INVALID_ARGUMENT: Code.INVALID_ARGUMENT,
    Rejection.NOT_FOUND: Code.NOT_FOUND,
    Rejection.INVALID_STATE: Code.FAILED_PRECONDITION,
    Rejection.ALREADY_EXISTS: Code.ALREADY_EXISTS,
    Rejection.EXCEEDED_BATCH_RECORD_SIZE: Code.UNKNOWN,
    Rejection.UNSUPPORTED: Code.UNIMPLEMENTED,
}
_UNSUPPORTED = (
    "DeleteResource",
    "DeployProcess",
    "EvaluateDecision",
    "MigrateProcessInstance",
    "ModifyProcessInstance",
)
_BUSY = (
    "Expected to execute the command on one of the partitions, but all failed; there are 1 partitions. "
    "All partitions are exhausted (a fault that was ordered)."
)
_LEADERLESS = "Expected to send the request, but there is no partition leader (a fault that was ordered)."
_GARBLED = b"\xff\xff\xff\xff this is no message"
_OPTIONS = [
    # Without it two engines would share a port in silence.
    ("grpc.so_reuseport", 0),
    ("grpc.max_receive_message_length", LARGEST_MESSAGE),
    ("grpc.max_send_message_length", -1),
    # Clients of this protocol ping every 30 to 45 seconds; gRPC's own limit is five minutes.
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.keepalive_permit_without_calls", 1),
]


class _StatusError(Exception):
    """A call ends with this status."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self.code = code
        super().__init__(details)


_REFUSALS = (BadRequestError, CommandRefusedError, JournalError, _StatusError)


class Gateway:
    """Serves one engine over gRPC. Use it as an asynchronous context manager.

    Args:
        service: The engine, which runs already.
        host: The address to listen on.
        port: The port; 0 takes a free one.
        largest: How many octets an answer with jobs may have; a job that needs more is an incident.

    Attributes:
        port: The port that is listened on.
    """

    def __init__(
        self,
        service: EngineService,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        largest: int = LARGEST_MESSAGE,
    ) -> None:
        self._service = service
        self._core = service.core
        self._run = service.execute
        self._host = host
        self.port = port
        self._largest = largest
        self._streams: set[JobStream] = set()
        self._server: grpc.aio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listen.

        Raises:
            OSError: The port is taken.
        """
        self._server = grpc.aio.server(options=_OPTIONS)
        self._server.add_generic_rpc_handlers((self._handlers(),))
        try:
            self.port = self._server.add_insecure_port(f"{self._host}:{self.port}")
        except RuntimeError as error:  # gRPC's own, without a reason
            raise OSError(f"Port {self.port} of {self._host} cannot be listened on.") from error
        await self._server.start()
        self._service.faults.on_drop_streams = self._drop_streams
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            await self._server.stop(None)

    def _drop_streams(self) -> None:
        for stream in self._streams:
            stream.end()

    # How calls are served

    def _handlers(self) -> grpc.GenericRpcHandler[Any, Any]:
        handlers: dict[str, Any] = {
            name: grpc.unary_unary_rpc_method_handler(self._unary(name, method), request.FromString, _octets)
            for name, (request, method) in self._unary_methods().items()
        }
        for name in _UNSUPPORTED:
            handlers[name] = grpc.unary_unary_rpc_method_handler(_unsupported(name))
        streaming: dict[str, tuple[Any, Callable[[Any, Context], Awaitable[None]]]] = {
            "ActivateJobs": (pb.ActivateJobsRequest, self._activate_jobs),
            "StreamActivatedJobs": (pb.StreamActivatedJobsRequest, self._stream_jobs),
        }
        for name, (request, method) in streaming.items():
            handlers[name] = grpc.unary_stream_rpc_method_handler(
                self._streaming(name, method), request.FromString, _octets
            )
        return grpc.method_handlers_generic_handler("gateway_protocol.Gateway", handlers)

    def _unary_methods(self) -> dict[str, tuple[Any, Callable[[Any], Any]]]:
        return {
            "Topology": (pb.TopologyRequest, self._topology),
            "DeployResource": (pb.DeployResourceRequest, self._deploy),
            "CreateProcessInstance": (pb.CreateProcessInstanceRequest, self._create),
            "CreateProcessInstanceWithResult": (
                pb.CreateProcessInstanceWithResultRequest,
                self._create_with_result,
            ),
            "CancelProcessInstance": (pb.CancelProcessInstanceRequest, self._cancel),
            "SetVariables": (pb.SetVariablesRequest, self._set_variables),
            "CompleteJob": (pb.CompleteJobRequest, self._complete),
            "FailJob": (pb.FailJobRequest, self._fail),
            "ThrowError": (pb.ThrowErrorRequest, self._throw),
            "UpdateJobTimeout": (pb.UpdateJobTimeoutRequest, self._update_timeout),
            "UpdateJobRetries": (pb.UpdateJobRetriesRequest, self._update_retries),
            "ResolveIncident": (pb.ResolveIncidentRequest, self._resolve),
            "PublishMessage": (pb.PublishMessageRequest, self._publish),
            "BroadcastSignal": (pb.BroadcastSignalRequest, self._broadcast),
        }

    def _unary(self, name: str, method: Callable[[Any], Any]) -> Callable[[Any, Context], Awaitable[Any]]:
        async def serve(request: Any, context: Context) -> Any:
            try:
                self._enter(name)
                answer = method(request)
                return await answer if asyncio.iscoroutine(answer) else answer
            except _REFUSALS as error:
                await _abort(context, error)

        return serve

    def _streaming(
        self, name: str, method: Callable[[Any, Context], Awaitable[None]]
    ) -> Callable[[Any, Context], Awaitable[None]]:
        async def serve(request: Any, context: Context) -> None:
            try:
                self._enter(name)
                await method(request, context)
            except _REFUSALS as error:
                await _abort(context, error)

        return serve

    def _enter(self, call: str) -> None:
        """Refuse a call because of a fault that was ordered."""
        faults = self._service.faults
        if call != "Topology" and faults.leaderless_for:
            raise _StatusError(Code.UNAVAILABLE, _LEADERLESS)
        if faults.pushes_back(call):
            raise _StatusError(Code.RESOURCE_EXHAUSTED, _BUSY)

    # The cluster and its processes

    def _topology(self, _request: pb.TopologyRequest) -> pb.TopologyResponse:
        return wire.topology(self._host, self.port, self._service.options.version)

    def _deploy(self, request: pb.DeployResourceRequest) -> pb.DeployResourceResponse:
        check_tenant("DeployResource", request.tenantId)
        resources = [Resource(one.name, one.content) for one in request.resources]
        return wire.deployed(self._run(self._core.deploy, resources))

    def _create(self, request: pb.CreateProcessInstanceRequest) -> pb.CreateProcessInstanceResponse:
        return wire.started(self._start(request))

    async def _create_with_result(
        self, request: pb.CreateProcessInstanceWithResultRequest
    ) -> pb.CreateProcessInstanceWithResultResponse:
        instance = self._start(request.request)
        wait = request.requestTimeout / 1000 if request.requestTimeout > 0 else RESULT_SECONDS
        try:
            async with asyncio.timeout(wait):
                variables = await self._service.result(instance.process_instance_key)
        except TimeoutError:
            late = f"The process instance {instance.process_instance_key} has not ended within {wait:g} s."
            raise _StatusError(Code.DEADLINE_EXCEEDED, late) from None
        if variables is None:
            raise _StatusError(Code.CANCELLED, "The process instance was terminated before its end.")
        return wire.ended(instance, variables, request.fetchVariables)

    def _start(self, request: pb.CreateProcessInstanceRequest) -> StartedInstance:
        check_tenant("CreateProcessInstance", request.tenantId)
        if request.startInstructions:
            raise _StatusError(Code.UNIMPLEMENTED, NO_START_INSTRUCTIONS)
        process = request.processDefinitionKey or request.bpmnProcessId
        variables = document(request.variables)
        return self._run(self._core.create_instance, process, request.version, variables)

    def _cancel(self, request: pb.CancelProcessInstanceRequest) -> pb.CancelProcessInstanceResponse:
        self._run(self._core.cancel_instance, request.processInstanceKey)
        return pb.CancelProcessInstanceResponse()

    def _set_variables(self, request: pb.SetVariablesRequest) -> pb.SetVariablesResponse:
        scope, variables = request.elementInstanceKey, document(request.variables)
        key = self._run(self._core.set_variables, scope, variables, local=request.local)
        return pb.SetVariablesResponse(key=key)

    def _resolve(self, request: pb.ResolveIncidentRequest) -> pb.ResolveIncidentResponse:
        self._run(self._core.resolve_incident, request.incidentKey)
        return pb.ResolveIncidentResponse()

    def _publish(self, request: pb.PublishMessageRequest) -> pb.PublishMessageResponse:
        check_tenant("PublishMessage", request.tenantId)
        message = MessageToPublish(
            request.name,
            request.correlationKey,
            request.timeToLive / 1000,
            request.messageId,
            document(request.variables),
        )
        key = self._run(self._core.publish_message, message)
        return pb.PublishMessageResponse(key=key, tenantId=DEFAULT_TENANT)

    def _broadcast(self, request: pb.BroadcastSignalRequest) -> pb.BroadcastSignalResponse:
        check_tenant("BroadcastSignal", request.tenantId)
        variables = document(request.variables)
        key = self._run(self._core.broadcast_signal, request.signalName, variables)
        return pb.BroadcastSignalResponse(key=key, tenantId=DEFAULT_TENANT)

    # Jobs

    def _complete(self, request: pb.CompleteJobRequest) -> pb.CompleteJobResponse:
        self._run(self._core.complete_job, request.jobKey, document(request.variables))
        return pb.CompleteJobResponse()

    def _fail(self, request: pb.FailJobRequest) -> pb.FailJobResponse:
        backoff, variables = request.retryBackOff / 1000, document(request.variables)
        failure = Failure(request.retries, request.errorMessage, backoff, variables)
        self._run(self._core.fail_job, request.jobKey, failure)
        return pb.FailJobResponse()

    def _throw(self, request: pb.ThrowErrorRequest) -> pb.ThrowErrorResponse:
        variables = document(request.variables)
        self._run(self._core.throw_error, request.jobKey, request.errorCode, request.errorMessage, variables)
        return pb.ThrowErrorResponse()

    def _update_timeout(self, request: pb.UpdateJobTimeoutRequest) -> pb.UpdateJobTimeoutResponse:
        self._run(self._core.update_job_timeout, request.jobKey, request.timeout / 1000)
        return pb.UpdateJobTimeoutResponse()

    def _update_retries(self, request: pb.UpdateJobRetriesRequest) -> pb.UpdateJobRetriesResponse:
        self._run(self._core.update_job_retries, request.jobKey, request.retries)
        return pb.UpdateJobRetriesResponse()

    async def _activate_jobs(self, request: pb.ActivateJobsRequest, context: Context) -> None:
        wanted = _wanted(request)
        wait = wait_seconds(request.requestTimeout)
        taken = await self._service.activate(wanted, request.maxJobsToActivate, wait)
        answer = pb.ActivateJobsResponse()
        jobs = self._fill(answer, taken)
        try:
            if jobs:
                await context.write(_GARBLED if self._service.faults.garbles() else answer)
        except BaseException:
            # The client has gone before its answer was written: to it, these jobs do not exist.
            self._service.release(jobs)
            raise

    async def _stream_jobs(self, request: pb.StreamActivatedJobsRequest, context: Context) -> None:
        wanted = _wanted(request)
        stream = JobStream(self._encoded)
        self._streams.add(stream)
        opened = self._service.open_stream(wanted, stream.push)
        try:
            await stream.run(context.write)
        finally:
            self._streams.discard(stream)
            opened.close()
            self._service.release(stream.unwritten())

    def _encoded(self, job: ActivatedJob) -> bytes:
        message: bytes = wire.activated(job).SerializeToString()
        return _GARBLED if self._service.faults.garbles() else message

    def _fill(self, answer: pb.ActivateJobsResponse, taken: list[ActivatedJob]) -> list[ActivatedJob]:
        """Put as many jobs in as one answer holds; the rest goes back, and what never fits is an incident."""
        room, jobs = self._largest, list[ActivatedJob]()
        for job in taken:
            message = wire.activated(job)
            size = message.ByteSize() + _FRAME
            if size > self._largest:
                self._run(self._core.mark_oversized, job.key)
            elif size > room:
                self._service.release([job])
            else:
                answer.jobs.append(message)
                jobs.append(job)
                room -= size
        return jobs


def _wanted(request: pb.ActivateJobsRequest | pb.StreamActivatedJobsRequest) -> ActivationRequest:
    return ActivationRequest(
        request.type,
        request.worker,
        request.timeout / 1000,
        tuple(request.fetchVariable),
        tuple(request.tenantIds),
    )


def _octets(message: Any) -> bytes:
    octets: bytes = message if isinstance(message, bytes) else message.SerializeToString()
    return octets


def _unsupported(call: str) -> Callable[[bytes, Context], Awaitable[bytes]]:
    async def refuse(_request: bytes, context: Context) -> bytes:
        await context.abort(
            Code.UNIMPLEMENTED,
            f"{call} is not part of this development engine, which runs BPMN processes and nothing else. "
            "Use a Camunda 8 cluster for it.",
        )

    return refuse


async def _abort(context: Context, error: Exception) -> NoReturn:
    """End a call with the status of a refusal."""
    match error:
        case _StatusError(code=code):
            pass
        case CommandRefusedError(rejection=rejection):
            code = _CODES[rejection]
        case BadRequestError():
            code = Code.INVALID_ARGUMENT
        case _:
            code = Code.INTERNAL
    await context.abort(code, _bounded(str(error)))


def _bounded(details: str) -> str:
    """Cut a text to what fits into trailers once it is percent-encoded."""
    if len(quote(details, safe=_PLAIN)) <= _LONGEST_DETAILS:
        return details
    low, high = 0, len(details)
    while low < high:
        middle = (low + high + 1) // 2
        if len(quote(details[:middle], safe=_PLAIN)) < _LONGEST_DETAILS - 9:
            low = middle
        else:
            high = middle - 1
    return details[:low] + "…"
