"""Everything the engine knows about running processes: mutable, plain, and without behaviour.

An element instance is scope and token in one: it holds the variables of its scope and it is the place where
the process stands. What has ended stays with its process instance, for the searches, until that is dropped.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum, StrEnum
from typing import Any, Protocol

from connector.devengine.model import Definition, Element, Flow, Kind

# The upper bits of a key hold the number of the partition, which is always 1.
_FIRST_KEY = (1 << 51) + 1


class Phase(IntEnum):
    """Where an element instance is in its life."""

    ACTIVATING = 0
    ACTIVATED = 1
    COMPLETING = 2
    COMPLETED = 3
    TERMINATED = 4


class JobState(StrEnum):
    """Where a job is in its life; the names are those that searches show."""

    CREATED = "CREATED"
    ACTIVATED = "ACTIVATED"
    BACKING_OFF = "BACKING_OFF"
    FAILED = "FAILED"
    ERROR_THROWN = "ERROR_THROWN"
    TIMED_OUT = "TIMED_OUT"
    COMPLETED = "COMPLETED"
    CANCELED = "CANCELED"


class Closable(Protocol):
    """Something that waits, and can be told to stop."""

    def close(self) -> None:
        """Stop waiting; a second time does nothing."""


class Wait(Closable, Protocol):
    """What an element instance waits for."""

    @property
    def awaited(self) -> str:
        """The message, signal or time, for people to read."""


# Opens a start event of a definition, and returns what closes it.
Opening = Callable[[Definition], Callable[[], object]]


class ProcessInstance:
    """A running process, and everything that has happened in it."""

    __slots__ = (
        "caller",
        "correlation_key",
        "definition",
        "depth",
        "elements",
        "ended",
        "incidents",
        "jobs",
        "key",
        "root",
        "started",
    )

    def __init__(self, key: int, definition: Definition, started: float) -> None:
        self.key = key
        self.definition = definition
        self.started = started
        self.ended: float | None = None
        self.root: ElementInstance
        self.caller: ElementInstance | None = None
        self.depth = 1
        self.correlation_key = ""
        self.elements: list[ElementInstance] = []
        self.jobs: list[Job] = []
        self.incidents: list[Incident] = []


class ElementInstance:
    """One visit to an element.

    Attributes:
        kind: The element's, or that of a multi-instance body.
        waits: The subscriptions and timers that are open for it, by the id of the event.
        arrivals: For a scope, by the id of a joining gateway, how often each incoming flow was taken.
        chosen: The flows to leave by, where the behaviour has chosen; else all.
        interrupted: For a scope: an interrupting event subprocess has taken over.
        trigger: For a process or event subprocess that an event starts: the start event and its variables.
        called: For a call activity: the process instance that it has started.
        rounds: For a multi-instance body: how far it is.
        index: For an instance in a multi-instance body: its place, from 0.
    """

    __slots__ = (
        "arrivals",
        "called",
        "children",
        "chosen",
        "element",
        "ended",
        "incident",
        "index",
        "instance",
        "interrupted",
        "job",
        "key",
        "kind",
        "parent",
        "phase",
        "rounds",
        "started",
        "trigger",
        "variable_keys",
        "variables",
        "waits",
    )

    def __init__(
        self,
        key: int,
        element: Element,
        kind: Kind,
        parent: ElementInstance | None,
        instance: ProcessInstance,
    ) -> None:
        self.key = key
        self.element = element
        self.kind = kind
        self.parent = parent
        self.instance = instance
        self.phase = Phase.ACTIVATING
        self.started = 0.0
        self.ended: float | None = None
        self.variables: dict[str, Any] = {}
        self.variable_keys: dict[str, int] = {}
        self.children: dict[int, ElementInstance] = {}
        self.waits: dict[str, Wait] = {}
        self.arrivals: dict[str, dict[str, int]] = {}
        self.chosen: tuple[Flow, ...] | None = None
        self.interrupted = False
        self.trigger: tuple[Element, Mapping[str, Any]] | None = None
        self.called: ProcessInstance | None = None
        self.rounds: Rounds | None = None
        self.index = 0
        self.job: Job | None = None
        self.incident: Incident | None = None

    def inside_out(self) -> Iterator[ElementInstance]:
        """Return everything within it that has not ended, called processes too, and itself last."""
        found, stack = [], [self]
        while stack:
            one = stack.pop()
            found.append(one)
            stack.extend(one.children.values())
            if one.called is not None:
                stack.append(one.called.root)
        return reversed(found)


class Rounds:
    """How far a multi-instance body is."""

    __slots__ = ("completed", "done", "items", "outputs", "started")

    def __init__(self, items: list[Any]) -> None:
        self.items = items
        self.outputs: list[Any] = [None] * len(items)
        self.started = 0
        self.completed = 0
        self.done = not items


class Job:
    """A piece of work for a worker."""

    __slots__ = (
        "alarm",
        "backoff_until",
        "custom_headers",
        "deadline",
        "element_instance",
        "error_code",
        "error_message",
        "key",
        "retries",
        "state",
        "type",
        "worker",
    )

    def __init__(
        self, key: int, job_type: str, retries: int, headers: dict[str, str], where: ElementInstance
    ) -> None:
        self.key = key
        self.type = job_type
        self.retries = retries
        self.custom_headers = headers
        self.element_instance = where
        self.state = JobState.CREATED
        self.worker = ""
        self.deadline: float | None = None
        self.backoff_until: float | None = None
        self.error_code = ""
        self.error_message = ""
        # The end of the lease, or of the back-off.
        self.alarm: Closable | None = None


class Incident:
    """Something that a person has to look at; ``retry`` is what its resolution does again."""

    __slots__ = ("created", "element_instance", "job", "key", "kind", "resolved", "retry", "text")

    def __init__(
        self, key: int, kind: str, text: str, where: ElementInstance, retry: Callable[[], object]
    ) -> None:
        self.key = key
        self.kind = kind
        self.text = text
        self.element_instance = where
        self.retry = retry
        self.job: Job | None = None
        self.created = 0.0
        self.resolved = False


class State:
    """The index of all that lives, by key, and the process instances that ended last.

    Args:
        history: How many ended process instances are kept.
    """

    def __init__(self, history: int) -> None:
        self._keys = itertools.count(_FIRST_KEY)
        self.instances: dict[int, ProcessInstance] = {}
        self.elements: dict[int, ElementInstance] = {}
        self.jobs: dict[int, Job] = {}
        self.incidents: dict[int, Incident] = {}
        self.ended: OrderedDict[int, ProcessInstance] = OrderedDict()
        self._history = history

    def next_key(self) -> int:
        """Return a key that was never used."""
        return next(self._keys)

    def end(self, instance: ProcessInstance) -> None:
        """Move a process instance to those that have ended, and drop the oldest if there are too many."""
        del self.instances[instance.key]
        self.ended[instance.key] = instance
        if len(self.ended) > self._history:
            self.ended.popitem(last=False)
