"""An engine in memory, for tests of handlers and processes without Zeebe.

A test creates jobs and reads their outcomes; the worker takes and reports them through the
:class:`~connector.engine.port.Engine` port. The rules are those of Zeebe 8.6, as measured: a stream brings
jobs that become available while it is open, and a poll brings older ones; a job pushed to a stream is leased
whether it is read or not; an expired lease cannot be extended; a Complete or Fail is accepted until the job
has ended, from any worker; a Fail without retries is an incident. ::

    engine = FakeEngine()
    key = engine.create_job("smtp-connector:send:1", {"smtpEmailSubject": "Hello"})
    ...  # run a Worker on it
    assert await engine.outcome(key) == Complete({"response": ...})
"""

from __future__ import annotations

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from time import time
from typing import Any, Literal

from connector.engine.port import EngineUnavailableError, LeaseLostError
from connector.model.job import Complete, Fail, Job, Outcome, Throw

Call = Literal["stream", "activate", "extend", "report"]

DEFAULT_TENANT = "<default>"


class JobState(Enum):
    """The state of a job."""

    WAITING = "waiting"
    LEASED = "leased"
    BACKING_OFF = "backing off"
    DONE = "done"
    INCIDENT = "incident"


@dataclass(slots=True)
class _Record:
    job: Job
    state: JobState = JobState.WAITING
    lease: asyncio.TimerHandle | None = None
    outcomes: list[Outcome] = field(default_factory=list)


class FakeEngine:
    """Implements :class:`connector.engine.port.Engine` in memory, for one event loop.

    Args:
        lease: For how many seconds a taken job stays reserved.
        clock: The engine's clock; a test may make it differ from the worker's.
    """

    def __init__(self, *, lease: float = 60.0, clock: Callable[[], float] = time) -> None:
        self.calls: dict[Call, int] = defaultdict(int)
        self._lease = lease
        self._clock = clock
        self._keys = itertools.count(2251799813685249)
        self._records: dict[int, _Record] = {}
        self._streams: dict[str, deque[asyncio.Queue[Job | None]]] = defaultdict(deque)
        self._faults: dict[Call, deque[Exception]] = defaultdict(deque)
        self._down: Exception | None = None
        self._changed = asyncio.Condition()
        self._news: set[asyncio.Task[None]] = set()

    # Actions of a test

    def create_job(
        self,
        task_type: str,
        variables: Mapping[str, Any] | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        retries: int = 3,
    ) -> int:
        """Create a job, as when a process instance reaches a task, and return its key."""
        key = next(self._keys)
        job = Job(
            key=key,
            type=task_type,
            process_instance_key=next(self._keys),
            bpmn_process_id="test-process",
            process_definition_version=1,
            element_id="send-mail",
            element_instance_key=next(self._keys),
            headers=dict(headers or {}),
            retries=retries,
            deadline=0.0,
            variables=dict(variables or {}),
            tenant_id=DEFAULT_TENANT,
        )
        self._records[key] = record = _Record(job)
        self._offer(record)
        return key

    def fail_next(self, call: Call, *errors: Exception) -> None:
        """Make the next calls of one kind raise these errors, in order."""
        self._faults[call].extend(errors)

    def go_down(self) -> None:
        """Break every stream and refuse every call, like a killed broker; leases continue to expire."""
        self._down = EngineUnavailableError("the fake engine is down")
        self.end_streams()

    def come_back(self) -> None:
        """Answer again."""
        self._down = None

    def end_streams(self) -> None:
        """End every open stream, as a gateway does to renew it."""
        for queue in itertools.chain.from_iterable(self._streams.values()):
            queue.put_nowait(None)
        self._streams.clear()

    # Observations of a test

    @property
    def open_streams(self) -> int:
        """Return the number of open job streams."""
        return sum(map(len, self._streams.values()))

    def job(self, key: int) -> Job:
        """Return the job as it is now.

        Raises:
            LeaseLostError: There is no such job.
        """
        if key not in self._records:
            raise LeaseLostError(f"no job has the key {key}")
        return self._records[key].job

    def state(self, key: int) -> JobState:
        """Return the state of the job."""
        return self._records[key].state

    def retries(self, key: int) -> int:
        """Return the number of attempts that the job has left."""
        return self._records[key].job.retries

    def outcomes(self, key: int) -> list[Outcome]:
        """Return the accepted outcomes of the job, in order."""
        return list(self._records[key].outcomes)

    async def outcome(self, key: int) -> Outcome:
        """Wait until the job has ended (completed, thrown, or an incident) and return its last outcome."""
        await self.until(lambda: self.state(key) in (JobState.DONE, JobState.INCIDENT))
        return self._records[key].outcomes[-1]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on this engine holds; it is evaluated after each change."""
        async with self._changed:
            await self._changed.wait_for(condition)

    # The port

    async def version(self) -> str:
        """See :meth:`connector.engine.port.Engine.version`."""
        if self._down:
            raise self._down
        return "in memory"

    async def stream(self, task_type: str) -> AsyncGenerator[Job, None]:
        """See :meth:`connector.engine.port.Engine.stream`."""
        self._enter("stream")
        queue: asyncio.Queue[Job | None] = asyncio.Queue()
        self._streams[task_type].append(queue)
        self._tell()
        try:
            while (job := await queue.get()) is not None:
                yield job
        finally:
            if queue in self._streams[task_type]:
                self._streams[task_type].remove(queue)
            self._tell()
        if self._down:
            raise self._down

    async def activate(self, task_type: str, limit: int, wait: float) -> list[Job]:
        """See :meth:`connector.engine.port.Engine.activate`."""
        self._enter("activate")
        if wait > 0 and not self._waiting(task_type):
            try:
                async with asyncio.timeout(wait):
                    await self.until(lambda: bool(self._waiting(task_type)))
            except TimeoutError:
                return []
        return [self._take(record) for record in self._waiting(task_type)[:limit]]

    async def extend(self, job: Job, seconds: float) -> None:
        """See :meth:`connector.engine.port.Engine.extend`."""
        self._enter("extend")
        record = self._record(job)
        if record.state is not JobState.LEASED:
            raise LeaseLostError(f"job {job.key} is not active")
        self._start_lease(record, seconds)

    async def report(self, job: Job, outcome: Outcome) -> None:
        """See :meth:`connector.engine.port.Engine.report`."""
        self._enter("report")
        record = self._record(job)
        if record.state in (JobState.DONE, JobState.INCIDENT):
            raise LeaseLostError(f"job {job.key} is {record.state.value}")
        record.outcomes.append(outcome)
        self._end_lease(record)
        if isinstance(outcome, Complete | Throw):
            record.state = JobState.DONE
        else:
            self._failed(record, outcome)
        self._tell()

    # Rules

    def _enter(self, call: Call) -> None:
        self.calls[call] += 1
        self._tell()
        if self._down:
            raise self._down
        if self._faults[call]:
            raise self._faults[call].popleft()

    def _record(self, job: Job) -> _Record:
        return self._records[self.job(job.key).key]

    def _failed(self, record: _Record, outcome: Fail) -> None:
        record.job = replace(record.job, retries=outcome.retries)
        if outcome.retries <= 0:
            record.state = JobState.INCIDENT
        elif outcome.backoff > 0:
            record.state = JobState.BACKING_OFF
            asyncio.get_running_loop().call_later(outcome.backoff, self._offer_unless_over, record)
        else:
            self._offer(record)

    def _waiting(self, task_type: str) -> list[_Record]:
        return [
            record
            for record in self._records.values()
            if record.job.type == task_type and record.state is JobState.WAITING
        ]

    def _offer_unless_over(self, record: _Record) -> None:
        if record.state in (JobState.LEASED, JobState.BACKING_OFF):
            self._offer(record)

    def _offer(self, record: _Record) -> None:
        """Push the job to the next stream in turn; without a stream the job waits for a poll."""
        record.state = JobState.WAITING
        if streams := self._streams[record.job.type]:
            streams.rotate(-1)
            streams[-1].put_nowait(self._take(record))
        self._tell()

    def _take(self, record: _Record) -> Job:
        record.state = JobState.LEASED
        self._start_lease(record, self._lease)
        return record.job

    def _start_lease(self, record: _Record, seconds: float) -> None:
        self._end_lease(record)
        record.job = replace(record.job, deadline=self._clock() + seconds)
        loop = asyncio.get_running_loop()
        record.lease = loop.call_later(seconds, self._offer_unless_over, record)

    def _end_lease(self, record: _Record) -> None:
        if record.lease is not None:
            record.lease.cancel()
            record.lease = None

    def _tell(self) -> None:
        task = asyncio.ensure_future(self._notify())
        self._news.add(task)
        task.add_done_callback(self._news.discard)

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()
