"""A job as an engine hands it out, and the outcomes that a worker can report for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Job:
    """One activated job.

    Attributes:
        deadline: When the lease ends, in seconds since the epoch; afterwards the engine may hand the job
            to another worker.
        retries: Attempts left, this one included.
        headers: The task's static headers.
        variables: The process variables that the task sees; JSON values.
        kind: What the job belongs to, in the engine's word; a listener's job has another kind.
        priority: The engine hands out jobs of a higher priority first.
        business_id: What people call the process instance, if the engine keeps such a name.
        tags: Labels of the process instance.
        lease_token: Proves to the engine that the lease is ours, on engines that give out tokens.
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
    kind: str = "BPMN_ELEMENT"
    priority: int = 0
    business_id: str | None = None
    tags: tuple[str, ...] = ()
    lease_token: str | None = None


@dataclass(frozen=True, slots=True)
class Complete:
    """The task is done; the process goes on with these variables.

    Attributes:
        mail_sent: Whether a mail is out, and so whether a retry of the job could send a second one.
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
class JobContext:
    """What a worker and the handler of a job tell each other while the worker has the job.

    Attributes:
        lost: The worker: the lease has ended, another worker may get the job.
        committed: The handler: what it does can no more be undone, and to cancel it would only lose the
            knowledge of how it ended.
        when_taken: The handler: it does not know whether what it does was done; to be called once the engine
            has taken an outcome after which the job does not come again by itself.
        facts: The handler: what the log may say of the job.
        cancellations: The handler: how often its task was cancelled before it took the job up; see
            :meth:`asyncio.Task.cancelling`.
    """

    lost: bool = False
    committed: bool = False
    when_taken: Callable[[], object] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    cancellations: int = 0
