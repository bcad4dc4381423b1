"""What tests and searches read: frozen pictures of instances, elements, jobs, incidents and variables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from connector.devengine.state import (
    ElementInstance,
    Incident,
    Job,
    JobState,
    Phase,
    ProcessInstance,
    State,
)

_STATES = {Phase.COMPLETED: "COMPLETED", Phase.TERMINATED: "TERMINATED"}


@dataclass(frozen=True, slots=True)
class InstanceView:
    """A process instance; ``state`` is ACTIVE, COMPLETED or TERMINATED; times are seconds since the epoch."""

    key: int
    bpmn_process_id: str
    version: int
    process_definition_key: int
    state: str
    started: float
    ended: float | None
    parent_process_instance_key: int | None
    parent_element_instance_key: int | None
    has_incident: bool


@dataclass(frozen=True, slots=True)
class ElementView:
    """An element instance; ``state`` is ACTIVE, COMPLETED or TERMINATED."""

    key: int
    element_id: str
    name: str
    type: str
    state: str
    started: float
    ended: float | None
    process_instance_key: int
    scope_key: int | None
    bpmn_process_id: str
    process_definition_key: int
    incident_key: int | None


@dataclass(frozen=True, slots=True)
class JobView:
    """A job; its state is CREATED, ACTIVATED, FAILED, TIMED_OUT, COMPLETED, ERROR_THROWN or CANCELED.

    Args:
        backoff_until: When the job is offered again after a failed attempt; None when it does not wait.
    """

    key: int
    type: str
    state: str
    retries: int
    worker: str
    deadline: float | None
    backoff_until: float | None
    error_code: str
    error_message: str
    custom_headers: Mapping[str, str]
    element_id: str
    element_instance_key: int
    process_instance_key: int
    bpmn_process_id: str
    process_definition_key: int
    process_definition_version: int


@dataclass(frozen=True, slots=True)
class IncidentView:
    """An incident; ``state`` is ACTIVE or RESOLVED."""

    key: int
    kind: str
    text: str
    state: str
    created: float
    job_key: int | None
    element_id: str
    element_instance_key: int
    process_instance_key: int
    bpmn_process_id: str
    process_definition_key: int


@dataclass(frozen=True, slots=True)
class VariableView:
    """A variable of a scope."""

    key: int
    name: str
    value: Any
    scope_key: int
    process_instance_key: int


@dataclass(frozen=True, slots=True)
class WaitView:
    """Something that an element instance waits for.

    Args:
        event_id: The event that takes place then; for a receive task, the task itself.
        awaited: The message, signal or time, for people to read.
    """

    element_id: str
    element_instance_key: int
    event_id: str
    awaited: str


class Views:
    """Makes pictures of what lives and of what has ended."""

    def __init__(self, state: State) -> None:
        self._state = state

    def instances(self) -> Iterator[InstanceView]:
        """Return the process instances, oldest first."""
        return map(_instance, self._chosen(None))

    def elements(self, process_instance_key: int | None) -> Iterator[ElementView]:
        """Return the element instances in the order of their beginning."""
        return (_element(one) for instance in self._chosen(process_instance_key) for one in instance.elements)

    def jobs(self, process_instance_key: int | None) -> Iterator[JobView]:
        """Return the jobs, oldest first."""
        return (_job(one) for instance in self._chosen(process_instance_key) for one in instance.jobs)

    def open_jobs(self) -> Iterator[JobView]:
        """Return the jobs that have not ended, oldest first."""
        return map(_job, self._state.jobs.values())

    def waits(self, process_instance_key: int) -> Iterator[WaitView]:
        """Return what a process instance waits for, apart from jobs."""
        return (
            WaitView(where.element.id, where.key, event, wait.awaited)
            for instance in self._chosen(process_instance_key)
            for where in instance.elements
            for event, wait in where.waits.items()
        )

    def incidents(self, process_instance_key: int | None) -> Iterator[IncidentView]:
        """Return the incidents, oldest first."""
        return (
            _incident(one) for instance in self._chosen(process_instance_key) for one in instance.incidents
        )

    def variables(self, process_instance_key: int | None) -> Iterator[VariableView]:
        """Return the variables of each scope, outer scopes first."""
        return (
            VariableView(where.variable_keys[name], name, value, where.key, instance.key)
            for instance in self._chosen(process_instance_key)
            for where in instance.elements
            for name, value in where.variables.items()
        )

    def _chosen(self, key: int | None) -> list[ProcessInstance]:
        live, ended = self._state.instances, self._state.ended
        if key is None:
            return sorted([*live.values(), *ended.values()], key=attrgetter("key"))
        found = live.get(key) or ended.get(key)
        return [found] if found else []


def _instance(instance: ProcessInstance) -> InstanceView:
    definition, caller = instance.definition, instance.caller
    return InstanceView(
        key=instance.key,
        bpmn_process_id=definition.process.id,
        version=definition.version,
        process_definition_key=definition.key,
        state=_STATES.get(instance.root.phase, "ACTIVE"),
        started=instance.started,
        ended=instance.ended,
        parent_process_instance_key=caller.instance.key if caller else None,
        parent_element_instance_key=caller.key if caller else None,
        has_incident=any(not incident.resolved for incident in instance.incidents),
    )


def _element(where: ElementInstance) -> ElementView:
    definition = where.instance.definition
    return ElementView(
        key=where.key,
        element_id=where.element.id,
        name=where.element.name,
        type=where.kind,
        state=_STATES.get(where.phase, "ACTIVE"),
        started=where.started,
        ended=where.ended,
        process_instance_key=where.instance.key,
        scope_key=where.parent.key if where.parent else None,
        bpmn_process_id=definition.process.id,
        process_definition_key=definition.key,
        incident_key=where.incident.key if where.incident else None,
    )


def _job(job: Job) -> JobView:
    where = job.element_instance
    definition = where.instance.definition
    return JobView(
        key=job.key,
        type=job.type,
        # A back-off is no state of its own in a search; `backoff_until` says it.
        state=JobState.FAILED if job.state is JobState.BACKING_OFF else job.state,
        retries=job.retries,
        worker=job.worker,
        deadline=job.deadline,
        backoff_until=job.backoff_until,
        error_code=job.error_code,
        error_message=job.error_message,
        custom_headers=job.custom_headers,
        element_id=where.element.id,
        element_instance_key=where.key,
        process_instance_key=where.instance.key,
        bpmn_process_id=definition.process.id,
        process_definition_key=definition.key,
        process_definition_version=definition.version,
    )


def _incident(incident: Incident) -> IncidentView:
    where = incident.element_instance
    definition = where.instance.definition
    return IncidentView(
        key=incident.key,
        kind=incident.kind,
        text=incident.text,
        state="RESOLVED" if incident.resolved else "ACTIVE",
        created=incident.created,
        job_key=incident.job.key if incident.job else None,
        element_id=where.element.id,
        element_instance_key=where.key,
        process_instance_key=where.instance.key,
        bpmn_process_id=definition.process.id,
        process_definition_key=definition.key,
    )
