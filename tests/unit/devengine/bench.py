"""An engine whose clock stands still, and short ways to drive it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.devengine.clock import Clock
from connector.devengine.commands import (
    ActivatedJob,
    ActivationRequest,
    CommandRefusedError,
    EngineVersion,
    Failure,
    MessageToPublish,
    Resource,
)
from connector.devengine.process_engine import ProcessEngine
from connector.devengine.records import RecordLog
from connector.devengine.views import IncidentView

NOW = 1_790_000_000.0  # 2026-09-21T14:13:20Z, a Monday


class Bench:
    """Deploys diagrams, runs instances, and says what became of them."""

    def __init__(self, *diagrams: bytes, version: EngineVersion = "8.6", history: int = 2_000) -> None:
        self.clock = Clock()
        self.clock.pin(NOW)
        self.records = RecordLog()
        self.engine = ProcessEngine(self.clock, version=version, records=self.records, history=history)
        for number, diagram in enumerate(diagrams):
            self.deploy(diagram, f"{number}.bpmn")

    def deploy(self, diagram: bytes, name: str = "test.bpmn") -> int:
        return self.engine.deploy([Resource(name, diagram)]).processes[0].key

    def start(self, process: str = "p", **variables: Any) -> int:
        return self.engine.create_instance(process, variables=variables).process_instance_key

    def take(self, job_type: str = "work", limit: int = 100, timeout: float = 60) -> list[ActivatedJob]:
        return self.engine.activate(ActivationRequest(job_type, "worker", timeout), limit)

    def job(self, job_type: str = "work") -> ActivatedJob:
        (job,) = self.take(job_type)
        return job

    def complete(self, job_type: str = "work", **variables: Any) -> ActivatedJob:
        """Complete the oldest job of a type."""
        (job,) = self.take(job_type, 1)
        self.engine.complete_job(job.key, variables)
        return job

    def fail(self, retries: int = 0, message: str = "", **more: Any) -> ActivatedJob:
        job = self.job()
        self.engine.fail_job(job.key, Failure(retries, message, **more))
        return job

    def throw(self, code: str, job_type: str = "work", message: str = "", **variables: Any) -> None:
        self.engine.throw_error(self.job(job_type).key, code, message, variables)

    def publish(
        self, name: str, key: str = "", ttl: float = 0.0, message_id: str = "", **variables: Any
    ) -> int:
        return self.engine.publish_message(MessageToPublish(name, key, ttl, message_id, variables))

    def advance(self, seconds: float) -> int:
        self.clock.advance(seconds)
        return self.engine.tick()

    # What became of it

    def state(self, instance: int) -> str:
        (view,) = (view for view in self.engine.instances() if view.key == instance)
        return view.state

    def ended_in(self, instance: int) -> list[str]:
        """The end events that were reached, in their order."""
        return [
            view.element_id
            for view in self.engine.elements(instance)
            if view.type == "END_EVENT" and view.state == "COMPLETED"
        ]

    def passed(self, instance: int) -> list[str]:
        """The elements that were completed, in the order in which they were entered."""
        views = self.engine.elements(instance)
        return [view.element_id for view in views if view.state == "COMPLETED" and view.type != "PROCESS"]

    def waits_in(self, instance: int) -> list[str]:
        views = self.engine.elements(instance)
        return [view.element_id for view in views if view.state == "ACTIVE" and view.type != "PROCESS"]

    def variables(self, instance: int) -> Mapping[str, Any]:
        """The variables of the process itself."""
        return {v.name: v.value for v in self.engine.variables(instance) if v.scope_key == instance}

    def local(self, instance: int, element_id: str) -> Mapping[str, Any]:
        """The variables of the element instances with an id."""
        keys = {view.key for view in self.engine.elements(instance) if view.element_id == element_id}
        return {v.name: v.value for v in self.engine.variables(instance) if v.scope_key in keys}

    def incident(self, instance: int) -> IncidentView:
        """The one incident that stands."""
        (view,) = (view for view in self.engine.incidents(instance) if view.state == "ACTIVE")
        return view


def refusal(diagram: bytes, version: EngineVersion = "8.6") -> str:
    """The text with which a deployment is refused."""
    try:
        Bench(diagram, version=version)
    except CommandRefusedError as error:
        return error.text
    raise AssertionError("It was deployed")
