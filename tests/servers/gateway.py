"""A Zeebe gateway on a real socket: the development engine's, whose answers misbehave on demand."""

import asyncio
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from math import inf
from typing import TYPE_CHECKING, Any, Self

import grpc
from pyzeebe.proto.gateway_pb2 import ActivatedJob, ActivateJobsResponse

from connector.devengine import commands, wire
from connector.devengine.gateway import Gateway
from connector.model.job import Job
from connector.testing.engine import Call, FakeEngine

if TYPE_CHECKING:
    _Interceptor = grpc.aio.ServerInterceptor[Any, Any]
else:
    _Interceptor = grpc.aio.ServerInterceptor
Context = grpc.aio.ServicerContext[Any, Any]
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any]"]]

# As of a gateway whose limit an operator has raised.
_LARGEST = 64 * 1024 * 1024
_CALLS: dict[str, Call] = {
    "ActivateJobs": "activate",
    "StreamActivatedJobs": "stream",
    "UpdateJobTimeout": "extend",
    "CompleteJob": "report",
    "ThrowError": "report",
    "FailJob": "report",
}


class FakeGateway(_Interceptor):
    """Serves the engine behind a ``FakeEngine`` over gRPC.

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
        gateway = Gateway(self.engine.service, largest=_LARGEST)
        self.engine.service.faults.on_drop_streams = gateway._drop_streams
        # The port is the test's own: two gateways must not share it in silence.
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)], interceptors=[self])
        self._server.add_generic_rpc_handlers((gateway._handlers(),))
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

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[Any, Any]":
        """Put the script before what the gateway does."""
        handler = await continuation(handler_call_details)
        method = handler_call_details.method.rpartition("/")[2]
        if handler.unary_unary is not None:
            return grpc.unary_unary_rpc_method_handler(
                self._scripted(method, handler.unary_unary),
                handler.request_deserializer,
                handler.response_serializer,
            )
        return grpc.unary_stream_rpc_method_handler(
            self._scripted(method, handler.unary_stream),
            handler.request_deserializer,
            handler.response_serializer,
        )

    def _scripted(self, method: str, serve: Any) -> Any:
        async def scripted(request: Any, context: Context) -> Any:
            await self._enter(method, request, context)
            if method == "ActivateJobs" and self.raw:
                await context.write(ActivateJobsResponse(jobs=[self.raw.popleft()]))
                return await self._misbehave("ActivateJobs, second part", context)
            # The engine has no tenants; what was asked for is in `requests`.
            if method in {"ActivateJobs", "StreamActivatedJobs"}:
                del request.tenantIds[:]
            return await serve(request, context)

        return scripted

    async def _enter(self, method: str, request: Any, context: Context) -> None:
        self.requests.append(type(request).FromString(request.SerializeToString()))
        self.metadata.append({key: str(value) for key, value in context.invocation_metadata() or ()})
        await self._misbehave(method, context)
        if method in _CALLS:
            self.engine._enter(_CALLS[method])

    async def _misbehave(self, method: str, context: Context) -> None:
        if self._hanging[method] > 0:
            self._hanging[method] -= 1
            await asyncio.Event().wait()
        if self._refusals[method]:
            code, details = self._refusals[method].popleft()
            await context.abort(code, details)


def on_the_wire(job: Job) -> ActivatedJob:
    return wire.activated(
        commands.ActivatedJob(
            key=job.key,
            type=job.type,
            process_instance_key=job.process_instance_key,
            bpmn_process_id=job.bpmn_process_id,
            process_definition_version=job.process_definition_version,
            process_definition_key=1,
            element_id=job.element_id,
            element_instance_key=job.element_instance_key,
            custom_headers=job.headers,
            worker="test",
            retries=job.retries,
            deadline=job.deadline,
            variables=job.variables,
        )
    )
