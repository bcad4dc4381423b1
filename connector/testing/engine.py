"""An engine in memory, for tests of handlers and processes without Zeebe.

A test creates jobs and reads their outcomes; the worker takes and reports them through the
:class:`~connector.engine.port.Engine` port. It is a view of the development engine: each job is the task of a
small process that runs there, so the rules are the same. A stream brings jobs that become available while it
is open, and a poll brings older ones; a job pushed to a stream is leased whether it is read or not; an
expired lease cannot be extended; a Complete or Fail is accepted until the job has ended, from any worker; a
Fail without retries is an incident. ::

    engine = FakeEngine()
    key = engine.create_job("smtp-connector:send:1", {"smtpEmailSubject": "Hello"})
    ...  # run a Worker on it
    assert await engine.outcome(key) == Complete({"response": ...})
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from enum import Enum
from time import time
from typing import Any, Literal, ParamSpec, TypeVar
from xml.sax.saxutils import quoteattr

from connector.devengine.commands import DEFAULT_TENANT, Failure, Resource
from connector.devengine.in_memory import InMemoryEngine
from connector.devengine.service import EngineService, Options
from connector.devengine.views import JobView
from connector.engine.port import EngineUnavailableError, LeaseLostError
from connector.model.job import Complete, Fail, Job, Outcome, Throw

P = ParamSpec("P")
R = TypeVar("R")

Call = Literal["stream", "activate", "extend", "report"]

# Every job stays readable: a test may look at thousands.
_HISTORY = 1_000_000
# Any BPMN error is caught, so that a job that throws one has ended.
_PROCESS = """\
<bpmn:definitions xmlns:bpmn="http://www.omg.org/spec/BPMN/20100524/MODEL"
                  xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" targetNamespace="test">
  <bpmn:process id="test-process" isExecutable="true">
    <bpmn:startEvent id="start"/>
    <bpmn:sequenceFlow id="in" sourceRef="start" targetRef="send-mail"/>
    <bpmn:serviceTask id="send-mail">
      <bpmn:extensionElements>
        <zeebe:taskDefinition type={task_type} retries="{retries}"/>
        <zeebe:taskHeaders>{headers}</zeebe:taskHeaders>
      </bpmn:extensionElements>
    </bpmn:serviceTask>
    <bpmn:boundaryEvent id="thrown" attachedToRef="send-mail">
      <bpmn:errorEventDefinition/>
    </bpmn:boundaryEvent>
  </bpmn:process>
</bpmn:definitions>
"""
_STATES = {"CREATED": "WAITING", "TIMED_OUT": "WAITING", "ACTIVATED": "LEASED", "FAILED": "INCIDENT"}


class JobState(Enum):
    """The state of a job."""

    WAITING = "waiting"
    LEASED = "leased"
    BACKING_OFF = "backing off"
    DONE = "done"
    INCIDENT = "incident"


class FakeEngine:
    """Implements :class:`connector.engine.port.Engine` in memory, for one event loop.

    Args:
        lease: For how many seconds a taken job stays reserved.
        clock: The engine's clock; a test may make it differ from the worker's.

    Attributes:
        service: The development engine behind it.
    """

    def __init__(self, *, lease: float = 60.0, clock: Callable[[], float] = time) -> None:
        self.calls: dict[Call, int] = defaultdict(int)
        self.service = _NotedService(Options(history=_HISTORY), clock)
        self._port = InMemoryEngine(self.service, "test", lease, gives_back=False)
        self._processes: dict[str, int] = {}
        self._instances: dict[int, int] = {}
        self._faults: dict[Call, deque[Exception]] = defaultdict(deque)
        self._down: Exception | None = None

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
        process = self._process(_diagram(task_type, headers or {}, retries))
        core = self.service.core
        started = self.service.execute(core.create_instance, process, -1, dict(variables or {}))
        (job,) = core.jobs(started.process_instance_key)
        self._instances[job.key] = started.process_instance_key
        return job.key

    def _process(self, diagram: str) -> int:
        if diagram not in self._processes:
            resource = Resource("test-process.bpmn", diagram.encode())
            deployed = self.service.execute(self.service.core.deploy, [resource])
            self._processes[diagram] = deployed.processes[0].key
        return self._processes[diagram]

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
        self._port.end_streams()
        self.service.faults.on_drop_streams()

    # Observations of a test

    @property
    def open_streams(self) -> int:
        """Return the number of open job streams."""
        return self.service.core.open_streams()

    def job(self, key: int) -> Job:
        """Return the job as it is now.

        Raises:
            LeaseLostError: There is no such job.
        """
        view, core = self._view(key), self.service.core
        return Job(
            key=key,
            type=view.type,
            process_instance_key=view.process_instance_key,
            bpmn_process_id=view.bpmn_process_id,
            process_definition_version=view.process_definition_version,
            element_id=view.element_id,
            element_instance_key=view.element_instance_key,
            headers=dict(view.custom_headers),
            retries=view.retries,
            deadline=view.deadline or 0.0,
            variables={one.name: one.value for one in core.variables(view.process_instance_key)},
            tenant_id=DEFAULT_TENANT,
        )

    def state(self, key: int) -> JobState:
        """Return the state of the job."""
        view = self._view(key)
        if view.backoff_until is not None:
            return JobState.BACKING_OFF
        return JobState[_STATES.get(view.state, "DONE")]

    def retries(self, key: int) -> int:
        """Return the number of attempts that the job has left."""
        return self._view(key).retries

    def outcomes(self, key: int) -> list[Outcome]:
        """Return the accepted outcomes of the job, in order."""
        return list(self.service.outcomes[self._view(key).key])

    async def outcome(self, key: int) -> Outcome:
        """Wait until the job has ended (completed, thrown, or an incident), and return its last outcome."""
        await self.until(lambda: self.state(key) in (JobState.DONE, JobState.INCIDENT))
        return self.service.outcomes[key][-1]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until a condition on this engine holds; it is checked after each change."""
        await self.service.until(condition)

    def _view(self, key: int) -> JobView:
        if key not in self._instances:
            raise LeaseLostError(f"no job has the key {key}")
        return next(self.service.core.jobs(self._instances[key]))

    # The port

    async def version(self) -> str:
        """See :meth:`connector.engine.port.Engine.version`."""
        if self._down:
            raise self._down
        return "in memory"

    async def stream(self, task_type: str) -> AsyncGenerator[Job, None]:
        """See :meth:`connector.engine.port.Engine.stream`."""
        self._enter("stream")
        async with aclosing(self._port.stream(task_type)) as jobs:
            async for job in jobs:
                yield job
        if self._down:
            raise self._down

    async def activate(self, task_type: str, limit: int, wait: float) -> list[Job]:
        """See :meth:`connector.engine.port.Engine.activate`."""
        self._enter("activate")
        return await self._port.activate(task_type, limit, wait)

    async def extend(self, job: Job, seconds: float) -> None:
        """See :meth:`connector.engine.port.Engine.extend`."""
        self._enter("extend")
        await self._port.extend(job, seconds)

    async def report(self, job: Job, outcome: Outcome) -> None:
        """See :meth:`connector.engine.port.Engine.report`."""
        self._enter("report")
        await self._port.report(job, outcome)
        # As the worker gave it: the engine is not told everything.
        self.service.outcomes[job.key][-1] = outcome

    def _enter(self, call: Call) -> None:
        self.calls[call] += 1
        self.service.notify()
        if self._down:
            raise self._down
        if self._faults[call]:
            raise self._faults[call].popleft()


class _NotedService(EngineService):
    """An engine that keeps the outcomes it has accepted, by job key."""

    def __init__(self, options: Options, source: Callable[[], float]) -> None:
        super().__init__(options, source)
        self.outcomes: dict[int, list[Outcome]] = defaultdict(list)

    def execute(self, command: Callable[P, R], /, *arguments: P.args, **named: P.kwargs) -> R:
        result = super().execute(command, *arguments, **named)
        match command.__name__, *arguments:
            case "complete_job", int(key), Mapping() as variables:
                self.outcomes[key].append(Complete(variables))
            case "throw_error", int(key), str(code), str(message), Mapping() as variables:
                self.outcomes[key].append(Throw(code, message, variables))
            case "fail_job", int(key), Failure(retries, message, backoff):
                self.outcomes[key].append(Fail(message, retries, backoff))
        return result


def _diagram(task_type: str, headers: Mapping[str, str], retries: int) -> str:
    """Write a process whose one task makes such a job."""
    lines = "".join(
        f"<zeebe:header key={quoteattr(key)} value={quoteattr(value)}/>" for key, value in headers.items()
    )
    return _PROCESS.format(task_type=quoteattr(task_type), retries=retries, headers=lines)
