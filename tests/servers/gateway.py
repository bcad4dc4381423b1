"""A Zeebe gateway on a real socket: behind it a ``FakeEngine``, its answers misbehave on demand."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from math import inf
from typing import Any, Self

import grpc
from pyzeebe.proto.gateway_pb2 import (
    ActivatedJob,
    ActivateJobsRequest,
    ActivateJobsResponse,
    CompleteJobRequest,
    CompleteJobResponse,
    FailJobRequest,
    FailJobResponse,
    StreamActivatedJobsRequest,
    ThrowErrorRequest,
    ThrowErrorResponse,
    TopologyRequest,
    TopologyResponse,
    UpdateJobTimeoutRequest,
    UpdateJobTimeoutResponse,
)

from connector.engine.port import LeaseLostError
from connector.model.job import Complete, Fail, Job, Outcome, Throw
from connector.testing.engine import FakeEngine

Context = grpc.aio.ServicerContext[Any, Any]


class FakeGateway:
    """Serves one ``FakeEngine`` over gRPC.

    ``refuse`` scripts the next answers of a method; ``metadata`` holds what each call brought along.
    """

    def __init__(self, engine: FakeEngine, credentials: grpc.ServerCredentials | None = None) -> None:
        self.engine = engine
        self.metadata: list[dict[str, str]] = []
        self.requests: list[Any] = []
        self.raw: deque[ActivatedJob] = deque()
        self._credentials = credentials
        self._refusals: dict[str, deque[tuple[grpc.StatusCode, str]]] = defaultdict(deque)
        self._hanging: dict[str, float] = defaultdict(float)
        self._server: grpc.aio.Server | None = None
        self.port = 0

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen, on the same port as before if it has listened before."""
        # The port is the test's own: two gateways must not share it in silence.
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        self._server.add_generic_rpc_handlers((self._handlers(),))
        where = f"127.0.0.1:{self.port}"
        if self._credentials is None:
            self.port = self._server.add_insecure_port(where)
        else:
            self.port = self._server.add_secure_port(where, self._credentials)
        await self._server.start()

    async def stop(self) -> None:
        """Break every connection."""
        if self._server is not None:
            await self._server.stop(0)

    def refuse(self, method: str, code: grpc.StatusCode, details: str = "", *, times: int = 1) -> None:
        self._refusals[method].extend([(code, details)] * times)

    def hang(self, method: str, times: int | None = None) -> None:
        """Never answer the next calls of this method, or any further one."""
        self._hanging[method] = inf if times is None else times

    def _handlers(self) -> "grpc.GenericRpcHandler[Any, Any]":
        unary, streamed = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        methods = {
            "Topology": (unary, self._topology, TopologyRequest),
            "ActivateJobs": (streamed, self._activate, ActivateJobsRequest),
            "StreamActivatedJobs": (streamed, self._stream, StreamActivatedJobsRequest),
            "UpdateJobTimeout": (unary, self._extend, UpdateJobTimeoutRequest),
            "CompleteJob": (unary, self._complete, CompleteJobRequest),
            "ThrowError": (unary, self._throw, ThrowErrorRequest),
            "FailJob": (unary, self._fail, FailJobRequest),
        }
        handlers: dict[str, Any] = {
            name: kind(method, request.FromString, lambda answer: answer.SerializeToString())
            for name, (kind, method, request) in methods.items()
        }
        return grpc.method_handlers_generic_handler("gateway_protocol.Gateway", handlers)

    async def _enter(self, method: str, request: Any, context: Context) -> None:
        self.requests.append(request)
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata() or ()})
        if self._hanging[method] > 0:
            self._hanging[method] -= 1
            await asyncio.Event().wait()
        if self._refusals[method]:
            code, details = self._refusals[method].popleft()
            await context.abort(code, details)

    async def _topology(self, request: TopologyRequest, context: Context) -> TopologyResponse:
        await self._enter("Topology", request, context)
        return TopologyResponse(gatewayVersion="8.6.0")

    async def _activate(
        self, request: ActivateJobsRequest, context: Context
    ) -> AsyncIterator[ActivateJobsResponse]:
        await self._enter("ActivateJobs", request, context)
        if self.raw:
            yield ActivateJobsResponse(jobs=[self.raw.popleft()])
            await self._enter("ActivateJobs, second part", request, context)
            return
        wait = max(0, request.requestTimeout) / 1000
        for job in await self.engine.activate(request.type, request.maxJobsToActivate, wait):
            yield ActivateJobsResponse(jobs=[on_the_wire(job)])

    async def _stream(
        self, request: StreamActivatedJobsRequest, context: Context
    ) -> AsyncIterator[ActivatedJob]:
        await self._enter("StreamActivatedJobs", request, context)
        async for job in self.engine.stream(request.type):
            yield on_the_wire(job)

    async def _extend(self, request: UpdateJobTimeoutRequest, context: Context) -> UpdateJobTimeoutResponse:
        await self._enter("UpdateJobTimeout", request, context)
        try:
            await self.engine.extend(self.engine.job(request.jobKey), request.timeout / 1000)
        except LeaseLostError as error:
            await context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return UpdateJobTimeoutResponse()

    async def _complete(self, request: CompleteJobRequest, context: Context) -> CompleteJobResponse:
        await self._report("CompleteJob", request, Complete(json.loads(request.variables)), context)
        return CompleteJobResponse()

    async def _throw(self, request: ThrowErrorRequest, context: Context) -> ThrowErrorResponse:
        outcome = Throw(request.errorCode, request.errorMessage, json.loads(request.variables))
        await self._report("ThrowError", request, outcome, context)
        return ThrowErrorResponse()

    async def _fail(self, request: FailJobRequest, context: Context) -> FailJobResponse:
        outcome = Fail(request.errorMessage, request.retries, request.retryBackOff / 1000)
        await self._report("FailJob", request, outcome, context)
        return FailJobResponse()

    async def _report(self, method: str, request: Any, outcome: Outcome, context: Context) -> None:
        await self._enter(method, request, context)
        try:
            await self.engine.report(self.engine.job(request.jobKey), outcome)
        except LeaseLostError as error:
            await context.abort(grpc.StatusCode.NOT_FOUND, str(error))


def on_the_wire(job: Job) -> ActivatedJob:
    return ActivatedJob(
        key=job.key,
        type=job.type,
        processInstanceKey=job.process_instance_key,
        bpmnProcessId=job.bpmn_process_id,
        processDefinitionVersion=job.process_definition_version,
        elementId=job.element_id,
        elementInstanceKey=job.element_instance_key,
        customHeaders=json.dumps(dict(job.headers)),
        worker="test",
        retries=job.retries,
        deadline=round(job.deadline * 1000),
        variables=json.dumps(dict(job.variables)),
        tenantId=job.tenant_id,
    )
