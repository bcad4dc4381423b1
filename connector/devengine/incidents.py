"""Incidents: a step that cannot be done now, what is wrong, and the way to do it again."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

from connector.devengine.clock import Clock
from connector.devengine.commands import CommandRefusedError, Rejection
from connector.devengine.recorder import Recorder
from connector.devengine.state import ElementInstance, Incident, Job, State

_LONGEST_TEXT = 10_000


class IncidentKind(StrEnum):
    """The kinds of incidents, as searches and records name them."""

    CONDITION_ERROR = "CONDITION_ERROR"
    EXTRACT_VALUE_ERROR = "EXTRACT_VALUE_ERROR"
    IO_MAPPING_ERROR = "IO_MAPPING_ERROR"
    JOB_NO_RETRIES = "JOB_NO_RETRIES"
    UNHANDLED_ERROR_EVENT = "UNHANDLED_ERROR_EVENT"
    CALLED_ELEMENT_ERROR = "CALLED_ELEMENT_ERROR"
    MESSAGE_SIZE_EXCEEDED = "MESSAGE_SIZE_EXCEEDED"
    UNKNOWN = "UNKNOWN"


class StepFailedError(Exception):
    """A step cannot be done; it becomes an incident, and its resolution tries the step again."""

    def __init__(self, kind: IncidentKind, text: str) -> None:
        super().__init__(text)
        self.kind = kind
        self.text = text


class Incidents:
    """Raises, resolves and drops incidents."""

    def __init__(self, state: State, clock: Clock, recorder: Recorder) -> None:
        self._state = state
        self._clock = clock
        self._recorder = recorder

    def report(
        self,
        fault: StepFailedError,
        where: ElementInstance,
        retry: Callable[[], object],
        job: Job | None = None,
    ) -> None:
        """Stop an element instance with an incident."""
        incident = Incident(self._state.next_key(), fault.kind, fault.text[:_LONGEST_TEXT], where, retry)
        incident.job = job
        incident.created = self._clock.now()
        where.incident = incident
        where.instance.incidents.append(incident)
        self._state.incidents[incident.key] = incident
        self._recorder.incident(incident, "CREATED")

    def resolve(self, key: int) -> None:
        """Close an incident and do again what it stopped.

        Raises:
            CommandRefusedError: There is no such incident, or it is resolved.
        """
        incident = self._state.incidents.get(key)
        if incident is None:
            sentence = f"Expected to resolve incident with key '{key}', but no such incident was found"
            raise CommandRefusedError("RESOLVE", Rejection.NOT_FOUND, sentence)
        self._close(incident)
        incident.retry()

    def drop(self, where: ElementInstance) -> None:
        """Close the incident of an element instance that is left."""
        if where.incident is not None:
            self._close(where.incident)

    def _close(self, incident: Incident) -> None:
        del self._state.incidents[incident.key]
        incident.element_instance.incident = None
        incident.resolved = True
        self._recorder.incident(incident, "RESOLVED")
