"""The course of a process instance: its path, where it stands, and the picture that a failed test shows.

It only reads views of the engine and changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from connector.devengine.model import Element, Kind
from connector.devengine.process_engine import ProcessEngine
from connector.devengine.views import ElementView, IncidentView, InstanceView, JobView

_MARKS = {"COMPLETED": "✓", "TERMINATED": "✗", "ACTIVE": "▶"}
# A process may go around in circles; its beginning and its end tell most.
_FIRST, _LAST = 20, 40
_LONGEST_TEXT = 400


@dataclass(frozen=True, slots=True)
class Course:
    """The course of one process instance, read from the engine at each access.

    Attributes:
        core: The engine.
        key: The process instance.
        serves: Whether a worker takes jobs of a type.
    """

    core: ProcessEngine = field(repr=False)
    key: int
    serves: Callable[[str], bool] = field(repr=False)

    @property
    def instance(self) -> InstanceView:
        """Return the process instance."""
        return next(one for one in self.core.instances() if one.key == self.key)

    def steps(self) -> list[ElementView]:
        """Return the elements in the order of their entry, each round of a multi-instance once."""
        elements = [one for one in self.core.elements(self.key) if one.type != Kind.PROCESS]
        around = {one.scope_key for one in elements}
        return [one for one in elements if one.type != Kind.MULTI_INSTANCE_BODY or one.key not in around]

    def ends(self) -> list[str]:
        """Return the ids of the elements at which the process ended: completed, without outgoing flows."""
        if self.instance.state == "ACTIVE":
            return []
        return [one.element_id for one in self._last(self.key, self._model())]

    def _last(self, scope: int, model: Mapping[str, Element]) -> Iterator[ElementView]:
        for one in self.core.elements(self.key):
            if one.scope_key != scope or one.state != "COMPLETED" or model[one.element_id].outgoing:
                continue
            if one.type == Kind.EVENT_SUB_PROCESS:
                yield from self._last(one.key, model)
            else:
                yield one

    def _model(self) -> Mapping[str, Element]:
        key = self.instance.process_definition_key
        return next(one for one in self.core.definitions() if one.key == key).process.elements

    def standing(self) -> list[ElementView]:
        """Return the elements at which it stands now; within a subprocess, those inside it."""
        active = [one for one in self.steps() if one.state == "ACTIVE"]
        around = {one.scope_key for one in active}
        return [one for one in active if one.key not in around]

    def family(self) -> list[Course]:
        """Return this course, followed by those of the process instances that its call activities started."""
        keys = [self.key]
        for one in self.core.instances():
            if one.parent_process_instance_key in keys:
                keys.append(one.key)
        return [Course(self.core, key, self.serves) for key in keys]

    def incidents(self) -> list[IncidentView]:
        """Return the open incidents, including those of called processes."""
        found = (one for course in self.family() for one in self.core.incidents(course.key))
        return [incident for incident in found if incident.state == "ACTIVE"]

    # The picture

    def line(self) -> str:
        """Return the path in one line."""
        way = [
            one.element_id + ("" if one.state == "COMPLETED" else f" {_MARKS[one.state]}")
            for one in self.steps()
        ]
        return f"{self.instance.bpmn_process_id}: {' → '.join(_shortened(way, '…'))}; {self._state()}"

    def picture(self) -> list[str]:
        """Return lines for each element with the reason why it waits; called processes follow."""
        return [line for course in self.family() for line in course.lines()]

    def lines(self) -> list[str]:
        """Return the lines of this process instance only."""
        notes = self._notes()
        lines = [
            "\n      ".join([f"  {_MARKS[one.state]} {_named(one)}", *notes.get(one.key, ())])
            for one in self.steps()
        ]
        return [f"{self.instance.bpmn_process_id}: {self._state()}", *_shortened(lines, "  …")]

    def _state(self) -> str:
        match self.instance.state:
            case "ACTIVE":
                return f"stands at {', '.join(one.element_id for one in self.standing()) or 'its beginning'}"
            case "COMPLETED":
                return f"ended at {', '.join(self.ends()) or 'no event'}"
        return "terminated"

    def _notes(self) -> dict[int, list[str]]:
        """Return remarks on element instances, by key."""
        notes: dict[int, list[str]] = {}
        for job in self.core.jobs(self.key):
            notes.setdefault(job.element_instance_key, []).extend(self._of_job(job))
        for wait in self.core.waits(self.key):
            event = f" ({wait.event_id})" if wait.event_id != wait.element_id else ""
            notes.setdefault(wait.element_instance_key, []).append(f"waits for {wait.awaited}{event}")
        for incident in self.core.incidents(self.key):
            state = "incident" if incident.state == "ACTIVE" else "resolved incident"
            told = f"{state} {incident.kind}: {_cut(incident.text)}"
            notes.setdefault(incident.element_instance_key, []).append(told)
        return notes

    def _of_job(self, job: JobView) -> Iterator[str]:
        if job.state == "COMPLETED" and job.error_message:
            yield f"completed after a failed attempt: {_cut(job.error_message)}"
        elif job.state == "ERROR_THROWN":
            yield f"BPMN error {job.error_code}: {_cut(job.error_message)}"
        elif job.backoff_until is not None:
            at = datetime.fromtimestamp(job.backoff_until, UTC)
            told = f"failed, tried again at {at:%Y-%m-%dT%H:%M:%SZ}, {job.retries} left"
            yield f"{told}: {_cut(job.error_message)}"
        elif job.state == "ACTIVATED":
            yield f"a worker has its job of the type {job.type!r}"
        elif job.state in {"CREATED", "TIMED_OUT"}:
            taken = "a worker is about to take" if self.serves(job.type) else "no worker takes"
            yield f"{taken} its job of the type {job.type!r}"


def _named(one: ElementView) -> str:
    return f"{one.element_id} ({one.name})" if one.name else one.element_id


def _shortened(items: list[str], mark: str) -> list[str]:
    if len(items) <= _FIRST + _LAST:
        return items
    left_out = len(items) - _FIRST - _LAST
    return [*items[:_FIRST], f"{mark} {left_out} more", *items[-_LAST:]]


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
