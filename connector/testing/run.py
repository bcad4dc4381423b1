"""A process instance in a test: its path, its variables and its incidents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from connector.devengine.commands import CommandRefusedError
from connector.devengine.in_memory import copied
from connector.devengine.model import Kind
from connector.devengine.service import EngineService
from connector.devengine.views import ElementView
from connector.engine.port import EngineRefusedError
from connector.testing.course import Course


class ProcessTestError(Exception):
    """A process test asks for something impossible; the message says why, and where the process stands."""


@dataclass(frozen=True, slots=True)
class Incident:
    """An open incident, which stops a process instance until a person resolves it.

    Attributes:
        element_id: The element that it stops.
        kind: Its type, as ``JOB_NO_RETRIES``.
        text: The message that Operate shows.
    """

    element_id: str
    kind: str
    text: str


class Run:
    """One process instance. Its properties always show the present state.

    Args:
        service: The engine.
        course: The course of the instance.
        settle: Waits until nothing moves any more.
    """

    def __init__(self, service: EngineService, course: Course, settle: Callable[[], Awaitable[None]]) -> None:
        self._service = service
        self._course = course
        self._settle = settle

    @property
    def path(self) -> list[str]:
        """Return the ids of all elements that were entered, in this order; a repeated element is repeated."""
        return [one.element_id for one in self._course.steps()]

    @property
    def ended_at(self) -> list[str]:
        """Return the ids of the end events that were reached; an empty list until the process has ended.

        They are in the order of their entry. Where a path has no end event, its last element counts.
        """
        return self._course.ends()

    @property
    def waits_at(self) -> list[str]:
        """Return the ids of the elements at which the process stands; an empty list when it has ended."""
        return [one.element_id for one in self._course.standing()]

    @property
    def variables(self) -> dict[str, Any]:
        """Return the variables of the process, as they are now or were at its end."""
        key = self._course.key
        return {one.name: one.value for one in self._service.core.variables(key) if one.scope_key == key}

    @property
    def incidents(self) -> list[Incident]:
        """Return the open incidents, oldest first, including those of called processes."""
        return [Incident(one.element_id, one.kind, one.text) for one in self._course.incidents()]

    @property
    def incident(self) -> Incident | None:
        """Return the first of :attr:`incidents`; None when there is none."""
        return next(iter(self.incidents), None)

    async def resolve_incident(self) -> None:
        """Resolve the first open incident, as a person does in Operate; a job gets one more attempt.

        Raises:
            ProcessTestError: There is no open incident.
        """
        incident = next(iter(self._course.incidents()), None)
        if incident is None:
            raise self._error("There is no incident to resolve.")
        core = self._service.core
        jobs = {job.key: job for job in core.open_jobs()}
        if (job := jobs.get(incident.job_key or 0)) is not None and job.retries < 1:
            self._execute(core.update_job_retries, job.key, 1)
        self._execute(core.resolve_incident, incident.key)
        await self._settle()

    async def set_variables(self, **variables: Any) -> None:
        """Set variables of the process, as a person does in Operate.

        Raises:
            ProcessTestError: It has ended, or a value is not JSON.
        """
        core = self._service.core
        self._execute(core.set_variables, self._course.key, as_json(variables), local=True)
        await self._settle()

    async def complete_user_task(self, element_id: str, /, **variables: Any) -> None:
        """Complete a user task, as a person does.

        Args:
            element_id: The task; of several that wait, the oldest.
            variables: The result of its form.

        Raises:
            ProcessTestError: No user task with this id waits, or a value is not JSON.
        """
        keys = [one.key for one in self._waiting_users() if one.element_id == element_id]
        core = self._service.core
        job = next((job for job in core.open_jobs() if job.element_instance_key in keys), None)
        if job is None:
            raise self._error(f"No user task {element_id!r} waits.")
        self._execute(core.complete_job, job.key, as_json(variables))
        await self._settle()

    def _waiting_users(self) -> list[ElementView]:
        """Return the user tasks that wait, including those of called processes."""
        core, family = self._service.core, self._course.family()
        elements = [one for course in family for one in core.elements(course.key)]
        return [one for one in elements if one.type == Kind.USER_TASK and one.state == "ACTIVE"]

    def _execute(self, command: Callable[..., object], *arguments: object, **named: object) -> None:
        try:
            self._service.execute(command, *arguments, **named)
        except CommandRefusedError as error:
            raise self._error(error.text) from None

    def _error(self, text: str) -> ProcessTestError:
        return ProcessTestError("\n".join([text, *self._course.picture()]))

    def __repr__(self) -> str:
        return f"<Run of {self._course.line()}>"


def as_json(variables: dict[str, Any]) -> dict[str, Any]:
    """Copy variables through JSON, as they travel to an engine.

    Raises:
        ProcessTestError: A value is not JSON.
    """
    try:
        return copied(variables)
    except EngineRefusedError as error:
        raise ProcessTestError(f"{error}. Give numbers, texts, lists and dicts.") from None
