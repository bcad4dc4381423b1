"""The light engine in this process, as a cluster under test."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from connector.devengine.clock import Clock
from connector.devengine.commands import (
    ActivationRequest,
    CommandRefusedError,
    EngineVersion,
    Failure,
    MessageToPublish,
    Rejection,
    Resource,
)
from connector.devengine.process_engine import ProcessEngine
from tests.conformance.cluster import RefusedError, SeenElement, SeenIncident, SentMessage, TakenJob, Wanted

_STATUS = {
    Rejection.INVALID_ARGUMENT: "INVALID_ARGUMENT",
    Rejection.NOT_FOUND: "NOT_FOUND",
    Rejection.INVALID_STATE: "FAILED_PRECONDITION",
    Rejection.ALREADY_EXISTS: "ALREADY_EXISTS",
    Rejection.EXCEEDED_BATCH_RECORD_SIZE: "UNKNOWN",
    Rejection.UNSUPPORTED: "UNIMPLEMENTED",
}


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except CommandRefusedError as error:
        raise RefusedError(_STATUS[error.rejection], error.text) from None


class InMemory:
    """Runs each command at once; nothing lags behind."""

    patience = 0.0
    seconds_ahead = 0.001  # FEEL's now() counts in microseconds, and may round up

    def __init__(self, version: EngineVersion) -> None:
        self._clock = Clock()
        self._clock.pin(self._clock.now())
        self._engine = ProcessEngine(self._clock, version=version)

    def deploy(self, name: str, content: bytes) -> int:
        with _refusals():
            return self._engine.deploy([Resource(name, content)]).processes[0].version

    def start(self, process_id: str, variables: Mapping[str, Any], version: int = -1) -> int:
        with _refusals():
            return self._engine.create_instance(process_id, version, variables).process_instance_key

    def result(
        self, process_id: str, variables: Mapping[str, Any], fetch: tuple[str, ...], timeout: float
    ) -> Mapping[str, Any]:
        ended: list[Mapping[str, Any] | None] = []
        self._engine.on_ended(self.start(process_id, variables), ended.append)
        if not ended:
            raise RefusedError("DEADLINE_EXCEEDED", f"The process has not ended within {timeout} seconds")
        found = ended[0] or {}
        return {name: value for name, value in found.items() if not fetch or name in fetch}

    def cancel(self, instance: int) -> None:
        with _refusals():
            self._engine.cancel_instance(instance)

    def set_variables(self, scope: int, variables: Mapping[str, Any], *, local: bool) -> None:
        with _refusals():
            self._engine.set_variables(scope, variables, local=local)

    def activate(self, wanted: Wanted) -> Sequence[TakenJob]:
        request = ActivationRequest(wanted.job_type, "conformance", wanted.timeout, wanted.fetch)
        with _refusals():
            jobs = self._engine.activate(request, wanted.limit)
        return [
            TakenJob(
                job.key,
                job.element_id,
                job.element_instance_key,
                job.retries,
                job.custom_headers,
                job.variables,
            )
            for job in jobs
        ]

    def complete(self, job: int, variables: Mapping[str, Any]) -> None:
        with _refusals():
            self._engine.complete_job(job, variables)

    def fail(
        self, job: int, retries: int, message: str, backoff: float, variables: Mapping[str, Any]
    ) -> None:
        with _refusals():
            self._engine.fail_job(job, Failure(retries, message, backoff, variables))

    def throw(self, job: int, code: str, message: str, variables: Mapping[str, Any]) -> None:
        with _refusals():
            self._engine.throw_error(job, code, message, variables)

    def update_retries(self, job: int, retries: int) -> None:
        with _refusals():
            self._engine.update_job_retries(job, retries)

    def update_timeout(self, job: int, seconds: float) -> None:
        with _refusals():
            self._engine.update_job_timeout(job, seconds)

    def resolve(self, incident: int) -> None:
        with _refusals():
            self._engine.resolve_incident(incident)

    def publish(self, message: SentMessage) -> None:
        wanted = MessageToPublish(
            message.name, message.key, message.ttl, message.message_id, message.variables
        )
        with _refusals():
            self._engine.publish_message(wanted)

    def broadcast(self, name: str, variables: Mapping[str, Any]) -> None:
        with _refusals():
            self._engine.broadcast_signal(name, variables)

    def advance(self, seconds: float) -> None:
        self._clock.advance(seconds)
        self._engine.tick()

    def instances(self, process_id: str) -> Mapping[int, str]:
        views = self._engine.instances()
        return {view.key: view.state for view in views if view.bpmn_process_id == process_id}

    def elements(self, instance: int) -> Sequence[SeenElement]:
        views = self._engine.elements(instance)
        return [SeenElement(view.key, view.element_id, view.type, view.state) for view in views]

    def variables(self, instance: int) -> Mapping[tuple[int, str], Any]:
        return {(view.scope_key, view.name): view.value for view in self._engine.variables(instance)}

    def incidents(self, instance: int) -> Sequence[SeenIncident]:
        views = self._engine.incidents(instance)
        return [
            SeenIncident(view.key, view.kind, view.text, view.element_id)
            for view in views
            if view.state == "ACTIVE"
        ]
