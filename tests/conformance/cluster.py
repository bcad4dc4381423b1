"""What a conformance case may know of an engine: commands, searches, and time. Nothing of how it is built.

A case is written for every engine that speaks the gateway's protocol. So it names nothing that another case
could name too (``~`` in a name becomes a prefix of its own), and it waits for what a search is to show.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any, Protocol, TypeVar
from uuid import uuid4

_Seen = TypeVar("_Seen")
_INTERVAL = 0.1
NO_VARIABLES: Mapping[str, Any] = {}


class RefusedError(Exception):
    """A command was refused: the name of its gRPC status, and the text."""

    def __init__(self, status: str, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status
        self.text = text


@dataclass(frozen=True, slots=True)
class TakenJob:
    """A job that was activated; the deadline is in seconds since the epoch."""

    key: int
    element_id: str
    element_instance_key: int
    retries: int
    headers: Mapping[str, str]
    variables: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a worker asks for; ``wait`` is for how long it waits for the first job."""

    job_type: str
    limit: int = 1
    timeout: float = 60.0
    fetch: tuple[str, ...] = ()
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class SentMessage:
    """A message to publish."""

    name: str
    key: str
    ttl: float = 0.0
    message_id: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SeenElement:
    """An element instance; ``state`` is ACTIVE, COMPLETED or TERMINATED."""

    key: int
    element_id: str
    type: str
    state: str


@dataclass(frozen=True, slots=True)
class SeenIncident:
    """An incident that stands."""

    key: int
    kind: str
    text: str
    element_id: str


class Cluster(Protocol):
    """An engine under test.

    Attributes:
        patience: For how many seconds a search may lag behind.
        seconds_ahead: How much later than its time something may happen; time-outs are looked for in turns.
    """

    patience: float
    seconds_ahead: float

    def deploy(self, name: str, content: bytes) -> int:
        """Deploy a file; returns the version of its first process."""

    def start(self, process_id: str, variables: Mapping[str, Any], version: int = -1) -> int:
        """Start a process; returns the instance's key."""

    def result(
        self, process_id: str, variables: Mapping[str, Any], fetch: tuple[str, ...], timeout: float
    ) -> Mapping[str, Any]:
        """Start a process and wait for its variables."""

    def cancel(self, instance: int) -> None:
        """Cancel an instance."""

    def set_variables(self, scope: int, variables: Mapping[str, Any], *, local: bool) -> None:
        """Set variables of a scope."""

    def activate(self, wanted: Wanted) -> Sequence[TakenJob]:
        """Take jobs."""

    def complete(self, job: int, variables: Mapping[str, Any]) -> None:
        """Complete a job."""

    def fail(
        self, job: int, retries: int, message: str, backoff: float, variables: Mapping[str, Any]
    ) -> None:
        """Fail a job; the back-off is in seconds."""

    def throw(self, job: int, code: str, message: str, variables: Mapping[str, Any]) -> None:
        """Throw a BPMN error."""

    def update_retries(self, job: int, retries: int) -> None:
        """Set a job's retries."""

    def update_timeout(self, job: int, seconds: float) -> None:
        """Set the rest of a job's lease."""

    def resolve(self, incident: int) -> None:
        """Resolve an incident."""

    def publish(self, message: SentMessage) -> None:
        """Publish a message."""

    def broadcast(self, name: str, variables: Mapping[str, Any]) -> None:
        """Broadcast a signal."""

    def advance(self, seconds: float) -> None:
        """Let time pass for the engine."""

    def instances(self, process_id: str) -> Mapping[int, str]:
        """Return the state of each instance of a process, oldest first."""

    def elements(self, instance: int) -> Sequence[SeenElement]:
        """Return the element instances, the process's own among them, oldest first."""

    def variables(self, instance: int) -> Mapping[tuple[int, str], Any]:
        """Return the variables by the key of their scope and their name."""

    def incidents(self, instance: int) -> Sequence[SeenIncident]:
        """Return the incidents that stand."""


class Site:
    """A case's own corner of a cluster: its names, and short ways to drive and to look."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._prefix = f"c{uuid4().hex}-"

    def own(self, text: str) -> str:
        """Make the names in a text the case's own."""
        return text.replace("~", self._prefix)

    def deploy(self, content: bytes, name: str = "~test.bpmn") -> int:
        return self.cluster.deploy(self.own(name), self.own(content.decode()).encode())

    def start(self, process_id: str = "~p", **variables: Any) -> int:
        return self.cluster.start(self.own(process_id), variables)

    def run(self, content: bytes, **variables: Any) -> int:
        """Deploy a process and start it."""
        self.deploy(content)
        return self.start(**variables)

    def take(self, job_type: str = "~work", limit: int = 1, **more: Any) -> Sequence[TakenJob]:
        wanted = Wanted(self.own(job_type), limit, wait=self.cluster.patience, **more)
        return self.cluster.activate(wanted)

    def none_to_take(self, job_type: str = "~work") -> bool:
        """Whether there is no job now; it is not waited for."""
        return not self.cluster.activate(Wanted(self.own(job_type)))

    def job(self, job_type: str = "~work") -> TakenJob:
        (job,) = self.take(job_type)
        return job

    def complete(self, job_type: str = "~work", **variables: Any) -> TakenJob:
        job = self.job(job_type)
        self.cluster.complete(job.key, variables)
        return job

    def fail(self, retries: int = 0, message: str = "m", backoff: float = 0, **variables: Any) -> TakenJob:
        job = self.job()
        self.cluster.fail(job.key, retries, message, backoff, variables)
        return job

    def throw(self, code: str, message: str = "", **variables: Any) -> TakenJob:
        job = self.job()
        self.cluster.throw(job.key, code, message, variables)
        return job

    def publish(self, name: str, key: str, ttl: float = 0, message_id: str = "", **variables: Any) -> None:
        self.cluster.publish(SentMessage(self.own(name), key, ttl, message_id, variables))

    def advance(self, seconds: float) -> None:
        """Let time pass, with what the engine may be late."""
        self.cluster.advance(seconds + self.cluster.seconds_ahead)

    # What is to be seen

    def sees(self, look: Callable[[], _Seen], wanted: _Seen) -> None:
        """Wait until a search shows what it should; fail with what it shows when it does not."""
        deadline = monotonic() + self.cluster.patience
        while (seen := look()) != wanted and monotonic() < deadline:
            sleep(_INTERVAL)
        assert seen == wanted, f"{seen!r} is not {wanted!r}"

    def ends_in(self, instance: int, *ends: str) -> None:
        """The instance completes, and comes to these end events in any order."""
        self.sees(lambda: self.state(instance), "COMPLETED")
        self.sees(lambda: self._passed(instance, "END_EVENT"), sorted(ends))

    def has_reached(self, instance: int, *ends: str) -> None:
        self.sees(lambda: self._passed(instance, "END_EVENT"), sorted(ends))

    def waits_in(self, instance: int, *elements: str) -> None:
        """These elements, and no others, are active."""
        self.sees(lambda: self._active(instance), sorted(elements))

    def has(self, instance: int, **variables: Any) -> None:
        """These are the variables of the process itself."""
        self.sees(lambda: self.variables(instance), variables)

    def incident(self, instance: int) -> SeenIncident:
        """The one incident that stands."""
        self.sees(lambda: len(self.cluster.incidents(instance)), 1)
        return self.cluster.incidents(instance)[0]

    def state(self, instance: int) -> str:
        """The state of the process, by its own element instance."""
        return next((e.state for e in self.cluster.elements(instance) if e.type == "PROCESS"), "")

    def variables(self, instance: int) -> dict[str, Any]:
        return {name: v for (scope, name), v in self.cluster.variables(instance).items() if scope == instance}

    def local(self, instance: int, element_id: str) -> Mapping[str, Any]:
        scopes = {e.key for e in self.cluster.elements(instance) if e.element_id == element_id}
        return {name: v for (scope, name), v in self.cluster.variables(instance).items() if scope in scopes}

    def scope(self, instance: int, element_id: str) -> int:
        return next(e.key for e in self.cluster.elements(instance) if e.element_id == element_id)

    def _passed(self, instance: int, kind: str) -> list[str]:
        elements = self.cluster.elements(instance)
        return sorted(e.element_id for e in elements if e.type == kind and e.state == "COMPLETED")

    def _active(self, instance: int) -> list[str]:
        elements = self.cluster.elements(instance)
        return sorted(e.element_id for e in elements if e.state == "ACTIVE" and e.type != "PROCESS")
