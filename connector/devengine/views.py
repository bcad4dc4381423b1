"""What tests and searches read: frozen pictures of instances, elements, jobs, incidents and variables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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
    """A job in whatever state: CREATED, ACTIVATED, FAILED, TIMED_OUT, COMPLETED, ERROR_THROWN or CANCELED.

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
