"""A process instance as a test sees it, and what the test can do to it."""

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
    """A process test cannot do what it asks for; the message says why, and where the process stands."""


@dataclass(frozen=True, slots=True)
class Incident:
    """What stopped a process instance until a person resolves it.

    Attributes:
        element_id: Where.
        kind: Its type, as ``JOB_NO_RETRIES``.
        text: What Operate shows.
    """

    element_id: str
    kind: str
    text: str


class Run:
    """One process instance; what it tells is always the present.

    Args:
        service: The engine.
        course: What the instance did.
        settle: Waits until nothing moves any more.
    """

    def __init__(self, service: EngineService, course: Course, settle: Callable[[], Awaitable[None]]) -> None:
        self._service = service
        self._course = course
        self._settle = settle

    @property
    def path(self) -> list[str]:
        """The ids of all elements in the order in which they were entered, each as often as it was."""
        return [one.element_id for one in self._course.steps()]

    @property
    def ended_at(self) -> list[str]:
        """The ids of the end events that were reached, in this order; empty as long as it has not ended.

        A path that ends without an end event is told by its last element.
        """
        return self._course.ends()

    @property
    def waits_at(self) -> list[str]:
        """The ids of the elements at which it stands; empty when it has ended."""
        return [one.element_id for one in self._course.standing()]

    @property
    def variables(self) -> dict[str, Any]:
        """The variables of the process, as they are now or were at its end."""
        key = self._course.key
        return {one.name: one.value for one in self._service.core.variables(key) if one.scope_key == key}

    @property
    def incidents(self) -> list[Incident]:
        """The incidents that are open, oldest first, those of called processes too."""
        return [Incident(one.element_id, one.kind, one.text) for one in self._course.incidents()]

    @property
    def incident(self) -> Incident | None:
        """The first of :attr:`incidents`; None when there is none."""
        return next(iter(self.incidents), None)

    async def resolve_incident(self) -> None:
        """Try again what the first open incident stopped, as a person does in Operate.

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
        """Complete a user task, with what a person fills in.

        Args:
            element_id: The task; of several that wait, the oldest.
            variables: What its form gives.

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
        """The user tasks at which it stands, those of called processes too."""
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
