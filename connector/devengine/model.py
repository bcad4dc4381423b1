"""A process as the engine runs it: frozen values, made by `read` from the BPMN of a deployment.

Elements refer to each other by id, and a `Process` holds all of them at any depth. So no object points at
itself, and every value can be compared and printed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from connector import feel
from connector.feel.expression import parse

# Wider than a worker's: a diagram may hold an attachment of 2 MB as a literal.
FEEL_LIMITS = feel.Limits(steps=50_000_000, seconds=30.0, characters=10_000_000)
_QUOTED = 200


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
class Expression:
    """A value as the diagram has it.

    Args:
        text: The static text, or the expression with its equals sign.
        compiled: What is evaluated; None for static text.
    """

    text: str
    compiled: feel.Expression | None = None

    @classmethod
    def of(cls, text: str) -> Expression:
        """Compile an expression; text without an equals sign stands for itself.

        Raises:
            FeelError: It cannot be parsed.
        """
        return cls(text, parse(text, FEEL_LIMITS) if text.lstrip().startswith("=") else None)

    @property
    def quoted(self) -> str:
        """The expression as a message quotes it: without the equals sign, and not too long."""
        text = self.text.lstrip().removeprefix("=")
        return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


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
        interrupting: Whether a boundary event, or the start of an event subprocess, ends what it interrupts.
        default: The id of a gateway's default flow.
        incoming: How many flows lead to it.
        start: For a scope, the id of its none start event; an event subprocess has none.
        event_starts: For a scope, the ids of the start events of its event subprocesses.
        boundaries: The ids of the events attached to it.
        attached_to: For a boundary event, the id of the activity.
        waits_for: The ids of the events that it subscribes to itself: its own event, those behind an
            event-based gateway, or those of its event subprocesses.
        guarded_by: The ids of the boundary events that need a subscription or a timer.
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
    start: str = ""
    event_starts: tuple[str, ...] = ()
    boundaries: tuple[str, ...] = ()
    attached_to: str = ""
    waits_for: tuple[str, ...] = ()
    guarded_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Process:
    """A process as a diagram holds it.

    Args:
        root: The process as an element.
        elements: All elements in it by id, at any depth.
        starts: The ids of the start events that start it by a message, a signal or a timer.
    """

    id: str
    root: Element
    elements: Mapping[str, Element]
    starts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Definition:
    """A deployed process: the process with its version and keys."""

    key: int
    version: int
    deployment_key: int
    resource_name: str
    content: bytes
    process: Process
