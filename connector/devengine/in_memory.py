"""The engine in this process, behind the port that a worker uses: no gRPC, no sockets, no second process."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from typing import Any, ParamSpec, TypeVar

from connector.devengine.commands import (
    ActivatedJob,
    ActivationRequest,
    CommandRefusedError,
    Failure,
    Rejection,
)
from connector.devengine.service import EngineService, OpenStream
from connector.engine.port import EngineRefusedError, LeaseLostError
from connector.model.job import Complete, Fail, Job, Outcome, Throw

P = ParamSpec("P")
R = TypeVar("R")

_LOST = (Rejection.NOT_FOUND, Rejection.INVALID_STATE)


class InMemoryEngine:
    """Implements :class:`connector.engine.port.Engine` for one worker of an engine in the same event loop.

    Args:
        service: The engine, which runs already.
        worker: The worker's name.
        lease: How long a job that is taken stays reserved, in seconds.
        gives_back: Whether a job that was pushed and not read goes back when its stream ends; in a real
            connection it is lost until its lease ends.
    """

    def __init__(self, service: EngineService, worker: str, lease: float, *, gives_back: bool = True) -> None:
        self._service = service
        self._core = service.core
        self._worker = worker
        self._lease = lease
        self._gives_back = gives_back
        self._streams: dict[_Stream, OpenStream] = {}

    async def version(self) -> str:
        """See :meth:`connector.engine.port.Engine.version`."""
        return f"{self._service.options.version}.0"

    async def stream(self, task_type: str) -> AsyncGenerator[Job, None]:
        """See :meth:`connector.engine.port.Engine.stream`."""
        stream = _Stream()
        self._streams[stream] = self._service.open_stream(self._request(task_type), stream.push)
        try:
            while (job := await stream.next()) is not None:
                yield self._taken(job)
        finally:
            self._streams.pop(stream).close()
            if self._gives_back:
                self._service.release(stream.unread)

    def end_streams(self) -> None:
        """Push no more jobs, and end every stream once what was pushed is read, as a gateway renews them."""
        for stream, opened in self._streams.items():
            opened.close()
            stream.end()

    async def activate(self, task_type: str, limit: int, wait: float) -> list[Job]:
        """See :meth:`connector.engine.port.Engine.activate`."""
        jobs = await self._service.activate(self._request(task_type), limit, wait)
        return [self._taken(job) for job in jobs]

    async def extend(self, job: Job, seconds: float) -> None:
        """See :meth:`connector.engine.port.Engine.extend`."""
        self._run(self._core.update_job_timeout, job.key, seconds)

    async def report(self, job: Job, outcome: Outcome) -> None:
        """See :meth:`connector.engine.port.Engine.report`."""
        variables = copied(outcome.variables)
        if isinstance(outcome, Complete):
            self._run(self._core.complete_job, job.key, variables)
        elif isinstance(outcome, Throw):
            self._run(self._core.throw_error, job.key, outcome.code, outcome.message, variables)
        else:
            self._fail(job, outcome, variables)

    def _fail(self, job: Job, outcome: Fail, variables: dict[str, Any]) -> None:
        failure = Failure(max(0, outcome.retries), outcome.message, outcome.backoff, variables)
        self._run(self._core.fail_job, job.key, failure)

    def _request(self, task_type: str) -> ActivationRequest:
        return ActivationRequest(task_type, self._worker, self._lease)

    def _taken(self, job: ActivatedJob) -> Job:
        # The worker measures its leases in real time, however far a test has moved the engine's clock.
        return _job(job, job.deadline - self._service.clock.ahead)

    def _run(self, command: Callable[P, R], *arguments: P.args, **named: P.kwargs) -> R:
        try:
            return self._service.execute(command, *arguments, **named)
        except CommandRefusedError as error:
            if error.rejection in _LOST:
                raise LeaseLostError(error.text) from error
            raise EngineRefusedError(error.text) from error


class _Stream:
    """Jobs that were pushed to the worker and that it has not read."""

    def __init__(self) -> None:
        self._jobs: deque[ActivatedJob] = deque()
        self._news = asyncio.Event()
        self._ended = False

    @property
    def unread(self) -> list[ActivatedJob]:
        return list(self._jobs)

    def push(self, job: ActivatedJob) -> bool:
        self._jobs.append(job)
        self._news.set()
        return True

    def end(self) -> None:
        self._ended = True
        self._news.set()

    async def next(self) -> ActivatedJob | None:
        """Wait for the next job; None at the end."""
        while not self._jobs and not self._ended:
            self._news.clear()
            await self._news.wait()
        return self._jobs.popleft() if self._jobs else None


def _job(job: ActivatedJob, deadline: float) -> Job:
    return Job(
        key=job.key,
        type=job.type,
        process_instance_key=job.process_instance_key,
        bpmn_process_id=job.bpmn_process_id,
        process_definition_version=job.process_definition_version,
        element_id=job.element_id,
        element_instance_key=job.element_instance_key,
        headers=dict(job.custom_headers),
        retries=job.retries,
        deadline=deadline,
        variables=copied(job.variables),
        tenant_id=job.tenant_id,
    )


def copied(variables: Mapping[str, Any]) -> dict[str, Any]:
    """Copy through JSON, as on a wire: neither side can change what the other holds."""
    try:
        return dict(json.loads(json.dumps(dict(variables), allow_nan=False)))
    except (TypeError, ValueError, RecursionError) as error:
        raise EngineRefusedError(f"the variables cannot be written as JSON: {error}") from error
