"""A process as the engine runs it: frozen values, made by `read` from the BPMN of a deployment.

Elements refer to each other by id, and a `Process` holds all of them at any depth. So no object points at
itself, and every value can be compared and printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from connector.devengine.expressions import Expression


class Kind(StrEnum):
    """The types of elements; the names are those that records and searches show."""

    PROCESS = "PROCESS"
    SUB_PROCESS = "SUB_PROCESS"
    EVENT_SUB_PROCESS = "EVENT_SUB_PROCESS"
    MULTI_INSTANCE_BODY = "MULTI_INSTANCE_BODY"
    CALL_ACTIVITY = "CALL_ACTIVITY"
    TASK = "TASK"
    MANUAL_TASK = "MANUAL_TASK"
    SERVICE_TASK = "SERVICE_TASK"
    SEND_TASK = "SEND_TASK"
    SCRIPT_TASK = "SCRIPT_TASK"
    BUSINESS_RULE_TASK = "BUSINESS_RULE_TASK"
    USER_TASK = "USER_TASK"
    RECEIVE_TASK = "RECEIVE_TASK"
    START_EVENT = "START_EVENT"
    INTERMEDIATE_CATCH_EVENT = "INTERMEDIATE_CATCH_EVENT"
    INTERMEDIATE_THROW_EVENT = "INTERMEDIATE_THROW_EVENT"
    BOUNDARY_EVENT = "BOUNDARY_EVENT"
    END_EVENT = "END_EVENT"
    EXCLUSIVE_GATEWAY = "EXCLUSIVE_GATEWAY"
    INCLUSIVE_GATEWAY = "INCLUSIVE_GATEWAY"
    PARALLEL_GATEWAY = "PARALLEL_GATEWAY"
    EVENT_BASED_GATEWAY = "EVENT_BASED_GATEWAY"
    SEQUENCE_FLOW = "SEQUENCE_FLOW"


@dataclass(frozen=True, slots=True)
class MessageEvent:
    """A message; a start event of a process needs no correlation key."""

    name: Expression
    correlation_key: Expression | None = None


@dataclass(frozen=True, slots=True)
class TimerEvent:
    """A point in time, a span, or a cycle."""

    form: str
    value: Expression


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """A BPMN error; a catching event without a code catches all of them."""

    code: Expression | None = None


@dataclass(frozen=True, slots=True)
class EscalationEvent:
    """An escalation; a catching event without a code catches all of them."""

    code: Expression | None = None


@dataclass(frozen=True, slots=True)
class SignalEvent:
    """A signal, which everything that waits for its name receives."""

    name: Expression


@dataclass(frozen=True, slots=True)
class TerminateEvent:
    """The end of everything in the scope."""


Event = MessageEvent | TimerEvent | ErrorEvent | EscalationEvent | SignalEvent | TerminateEvent


@dataclass(frozen=True, slots=True)
class Flow:
    """A sequence flow."""

    id: str
    source: str
    target: str
    condition: Expression | None = None


@dataclass(frozen=True, slots=True)
class IoMapping:
    """An input or an output mapping: an expression, and the path of the variable that takes its value."""

    source: Expression
    target: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Task:
    """What makes an element a job: type, retries and headers; ``given`` are headers with expressions."""

    type: Expression
    retries: Expression
    headers: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, Expression] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Script:
    """An expression that a script task evaluates, and the variable that takes its value."""

    expression: Expression
    result_variable: str


@dataclass(frozen=True, slots=True)
class Call:
    """The process that a call activity starts, and which variables go in and come back."""

    process_id: Expression
    all_in: bool = True
    all_back: bool = True


@dataclass(frozen=True, slots=True)
class Loop:
    """Multi-instance characteristics."""

    collection: Expression
    sequential: bool = False
    element: str = ""
    output_collection: str = ""
    output_element: Expression | None = None
    completion: Expression | None = None


@dataclass(frozen=True, slots=True)
class Element:
    """A flow node, a subprocess, or the process itself.

    Args:
        scope: The id of the subprocess or process around it; empty for the process.
        event: What an event waits for or throws; None for a none event and for what is no event.
        interrupting: For a boundary event and the start of an event subprocess.
        default: The id of a gateway's default flow.
        incoming: How many flows lead to it.
        boundaries: The ids of the events attached to it.
        start: For a scope, the id of its none start event; for an event subprocess, of its start event.
        event_subprocesses: For a scope, the ids of its event subprocesses.
        attached_to: For a boundary event, the id of the activity.
    """

    id: str
    kind: Kind
    scope: str = ""
    name: str = ""
    event: Event | None = None
    interrupting: bool = True
    inputs: tuple[IoMapping, ...] = ()
    outputs: tuple[IoMapping, ...] = ()
    task: Task | None = None
    script: Script | None = None
    call: Call | None = None
    loop: Loop | None = None
    outgoing: tuple[Flow, ...] = ()
    incoming: int = 0
    default: str = ""
    boundaries: tuple[str, ...] = ()
    start: str = ""
    event_subprocesses: tuple[str, ...] = ()
    attached_to: str = ""


@dataclass(frozen=True, slots=True)
class Process:
    """A process as a diagram holds it: itself as an element, and all elements in it."""

    id: str
    root: Element
    elements: Mapping[str, Element]


@dataclass(frozen=True, slots=True)
class Definition:
    """A deployed process: the process with its version and keys."""

    key: int
    version: int
    deployment_key: int
    resource_name: str
    content: bytes
    process: Process
