"""The engine: commands go in, each runs to its end before it returns, and everything can be read back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

from connector.devengine.clock import Clock
from connector.devengine.commands import (
    ActivatedJob,
    ActivationRequest,
    Deployment,
    EngineVersion,
    MessageToPublish,
    Resource,
    StartedInstance,
    Variables,
)
from connector.devengine.model import Definition
from connector.devengine.records import RecordLog
from connector.devengine.views import ElementView, IncidentView, InstanceView, JobView, VariableView

Push = Callable[[ActivatedJob], bool]


class Handle(Protocol):
    """Something that was opened, and can be closed; closing it twice does nothing."""

    def close(self) -> None:
        """Stop it."""


class ProcessEngine:
    """Runs processes in memory: synchronous, for one thread, and deterministic.

    The same commands at the same times with the same seed give the same state and the same keys. Nothing
    happens by itself: what is due happens in `tick`.

    Args:
        clock: Gives the time.
        version: Whose rules a deployment has to follow.
        records: Takes every change; None for no records.
        seed: Where ``random number()`` and ``uuid()`` of FEEL begin.
        history: How many ended process instances can still be read.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        version: EngineVersion = "8.6",
        records: RecordLog | None = None,
        seed: int = 0,
        history: int = 2_000,
    ) -> None:
        raise NotImplementedError

    # Processes

    def deploy(self, resources: Sequence[Resource]) -> Deployment:
        """Deploy all resources or none."""
        raise NotImplementedError

    def create_instance(
        self, process: str | int, version: int = -1, variables: Variables | None = None
    ) -> StartedInstance:
        """Start a process by its id (-1: the latest version) or by its definition's key."""
        raise NotImplementedError

    def cancel_instance(self, key: int) -> None:
        """Terminate a process instance."""
        raise NotImplementedError

    def set_variables(self, scope_key: int, variables: Variables, *, local: bool = False) -> int:
        """Set variables of a scope, or from it upwards; returns a key."""
        raise NotImplementedError

    # Jobs

    def activate(self, request: ActivationRequest, limit: int) -> list[ActivatedJob]:
        """Take what is in the backlog, oldest first."""
        raise NotImplementedError

    def lease_job(self, key: int, request: ActivationRequest) -> ActivatedJob:
        """Take this job; it has to be in the backlog. For a replay, which knows who got which job."""
        raise NotImplementedError

    def release_job(self, key: int) -> None:
        """Put a job back at once that no worker has read, without the loss of a retry."""
        raise NotImplementedError

    def open_stream(self, request: ActivationRequest, push: Push) -> Handle:
        """Push every job that becomes available; ``push`` returns False when there is no room for it."""
        raise NotImplementedError

    def on_available(self, job_type: str, callback: Callable[[], object]) -> Handle:
        """Call back, after each command that has put jobs of a type into the backlog."""
        raise NotImplementedError

    def complete_job(self, key: int, variables: Variables) -> None:
        """Complete a job."""
        raise NotImplementedError

    def fail_job(
        self,
        key: int,
        retries: int,
        message: str = "",
        backoff: float = 0.0,
        variables: Variables | None = None,
    ) -> None:
        """Fail a job; without retries there is an incident."""
        raise NotImplementedError

    def throw_error(self, key: int, code: str, message: str = "", variables: Variables | None = None) -> None:
        """Throw a BPMN error."""
        raise NotImplementedError

    def update_job_timeout(self, key: int, seconds: float) -> None:
        """Let the lease end so many seconds from now."""
        raise NotImplementedError

    def update_job_retries(self, key: int, retries: int) -> None:
        """Set the number of attempts that are left."""
        raise NotImplementedError

    def mark_oversized(self, key: int) -> None:
        """Raise an incident on a job whose variables do not fit into an answer; it is leased to no worker."""
        raise NotImplementedError

    def resolve_incident(self, key: int) -> None:
        """Try again what the incident stopped."""
        raise NotImplementedError

    # Messages, signals, time

    def publish_message(self, message: MessageToPublish) -> int:
        """Publish a message; returns its key."""
        raise NotImplementedError

    def broadcast_signal(self, name: str, variables: Variables | None = None) -> int:
        """Broadcast a signal; returns a key."""
        raise NotImplementedError

    def due(self) -> float | None:
        """Return when `tick` next has something to do, in seconds since the epoch."""
        raise NotImplementedError

    def tick(self) -> int:
        """Do everything that is due, in order of time; returns how much that was."""
        raise NotImplementedError

    def on_ended(self, process_instance_key: int, callback: Callable[[Variables | None], object]) -> Handle:
        """Call back once, with the root's variables, or None when the instance was terminated.

        It is called at once for an instance that has ended already.
        """
        raise NotImplementedError

    # What there is to read

    def definitions(self) -> Iterable[Definition]:
        """Return all deployed processes, oldest first."""
        raise NotImplementedError

    def instances(self) -> Iterator[InstanceView]:
        """Return the process instances, oldest first."""
        raise NotImplementedError

    def elements(self, process_instance_key: int | None = None) -> Iterator[ElementView]:
        """Return the element instances, of one process instance or of all."""
        raise NotImplementedError

    def jobs(self, process_instance_key: int | None = None) -> Iterator[JobView]:
        """Return the jobs in all states, of one process instance or of all."""
        raise NotImplementedError

    def incidents(self, process_instance_key: int | None = None) -> Iterator[IncidentView]:
        """Return the incidents, resolved ones too."""
        raise NotImplementedError

    def variables(self, process_instance_key: int | None = None) -> Iterator[VariableView]:
        """Return the variables of all scopes; those of an ended scope as they were at its end."""
        raise NotImplementedError
