"""What a job worker needs of an engine, whatever protocol it speaks.

A :class:`Job` enters the pipeline, an :class:`Outcome` leaves it; :class:`Engine` is the seam that the
gRPC adapter implements and that tests replace. Every call is one attempt: patience lives in
``worker`` and ``commit``.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Job:
    """One activated job.

    Attributes:
        deadline: When the lease ends, in seconds since the epoch; afterwards the engine may hand the job
            to another worker.
        retries: Attempts left, this one included.
        headers: The task's static headers.
        variables: The process variables that the task sees; JSON values.
    """

    key: int
    type: str
    process_instance_key: int
    bpmn_process_id: str
    process_definition_version: int
    element_id: str
    element_instance_key: int
    headers: Mapping[str, str]
    retries: int
    deadline: float
    variables: Mapping[str, Any]
    tenant_id: str


@dataclass(frozen=True, slots=True)
class Complete:
    """The task is done; the process goes on with these variables.

    Attributes:
        mail_sent: Whether a mail is out, so that whoever cannot deliver this outcome knows what a retry does.
    """

    variables: Mapping[str, Any] = field(default_factory=dict)
    mail_sent: bool = True


@dataclass(frozen=True, slots=True)
class Throw:
    """A BPMN error, for a boundary event or an event subprocess to catch.

    Attributes:
        mail_sent: See :class:`Complete`.
    """

    code: str
    message: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)
    mail_sent: bool = False


@dataclass(frozen=True, slots=True)
class Fail:
    """The attempt failed.

    Attributes:
        message: What an incident shows in Operate.
        retries: Attempts left afterwards; 0 raises an incident at once.
        backoff: Seconds until the engine offers the job again.
        variables: For the scope of the task.
        error: ``{code, type, message, variables}`` of the fault, when there was one.
    """

    message: str
    retries: int
    backoff: float = 0.0
    variables: Mapping[str, Any] = field(default_factory=dict)
    error: Mapping[str, Any] | None = None


Outcome = Complete | Throw | Fail


@dataclass(slots=True, eq=False)
class Hold:
    """What a worker and the handler of a job tell each other while the job is in hand.

    Attributes:
        lost: The worker: the lease has ended, another worker may get the job.
        committed: The handler: what it does can no more be undone, and to cancel it would only lose the
            knowledge of how it ended.
        when_taken: The handler: it does not know whether what it does was done; to be called once the engine
            has taken an outcome after which the job does not come again by itself.
    """

    lost: bool = False
    committed: bool = False
    when_taken: Callable[[], object] | None = None


class EngineUnavailableError(Exception):
    """The engine cannot be reached or is not ready; the same call may go through later."""


class EngineBusyError(EngineUnavailableError):
    """The engine pushes back (RESOURCE_EXHAUSTED); ask again, more slowly."""


class EngineDeniedError(EngineUnavailableError):
    """The engine does not let this worker in (credentials, permission), until an operator changes that."""


class LeaseLostError(Exception):
    """The job is no longer this worker's: its lease ended, or the process instance is gone."""


class EngineRefusedError(Exception):
    """The engine will never take this call as it is (wrong argument, unknown tenant, too large)."""


class StreamingUnsupportedError(EngineRefusedError):
    """The engine is older than job streaming (Zeebe 8.4): its jobs are polled."""


class Engine(Protocol):
    """The engine as a worker sees it.

    Every method raises :class:`EngineUnavailableError` (or a more precise :class:`EngineBusyError`,
    :class:`EngineDeniedError`) when a later attempt may succeed, and :class:`EngineRefusedError` when it
    never will.
    """

    def stream(self, task_type: str) -> AsyncGenerator[Job, None]:
        """Yield jobs as they become available, until the engine ends the stream (a renewal, not an error).

        Closing the generator ends the stream; a job that was pushed and not yet read stays leased.
        """
        ...

    async def activate(self, task_type: str, limit: int, wait: float) -> list[Job]:
        """Take up to ``limit`` waiting jobs; none waiting, stay up to ``wait`` seconds for the first.

        With a ``wait`` of 0 the answer comes at once. A cancelled call may leave jobs leased to nobody.
        """
        ...

    async def extend(self, job: Job, seconds: float) -> None:
        """Move the end of the lease to ``seconds`` from now; :class:`LeaseLostError` when it is over."""
        ...

    async def report(self, job: Job, outcome: Outcome) -> None:
        """Tell the engine what became of the job, once; :class:`LeaseLostError` when it is not ours."""
        ...
