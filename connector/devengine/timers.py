"""Timers of process instances and of start events; each goes off at the times of its schedule."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Any

from connector.devengine.agenda import Agenda, Appointment
from connector.devengine.catching import Catching
from connector.devengine.core import Core
from connector.devengine.incidents import IncidentKind, StepFailedError
from connector.devengine.interpreter import Interpreter
from connector.devengine.model import Definition, Element, TimerEvent
from connector.devengine.schedules import due_times
from connector.devengine.state import ElementInstance, Opening


class Timer:
    """Does something at each time of a schedule until it is closed."""

    __slots__ = ("_action", "_agenda", "_next", "_times")

    def __init__(self, agenda: Agenda, times: Iterator[float], action: Callable[[], object]) -> None:
        self._agenda = agenda
        self._times = times
        self._action = action
        self._next: Appointment | None = None
        self._wait()

    @property
    def awaited(self) -> str:
        """The time at which it next goes off, for people to read."""
        if self._next is None:
            return "no more times"
        return f"the time {datetime.fromtimestamp(self._next.due, UTC):%Y-%m-%dT%H:%M:%SZ}"

    def close(self) -> None:
        """Go off no more; a second time does nothing."""
        if self._next is not None:
            self._next.close()
            self._next = None

    def _wait(self) -> None:
        due = next(self._times, None)
        self._next = None if due is None else self._agenda.at(due, self._go_off)

    def _go_off(self) -> None:
        self._wait()
        self._action()


class Timers:
    """Sets timers."""

    def __init__(self, core: Core, interpreter: Interpreter, catching: Catching) -> None:
        self._clock = core.clock
        self._agenda = core.agenda
        self._evaluator = core.evaluator
        self._interpreter = interpreter
        self._catching = catching

    def prepare(
        self, host: ElementInstance, catch: Element, event: TimerEvent, seen: Mapping[str, Any]
    ) -> Callable[[], None]:
        """Evaluate the schedule now; what is returned sets the timer.

        Raises:
            StepFailedError: The schedule cannot be evaluated.
        """
        return partial(self._set, host, catch, self._schedule(event, seen))

    def _set(self, host: ElementInstance, catch: Element, times: Iterator[float]) -> None:
        action = partial(self._catching.trigger, host, catch, {})
        host.waits[catch.id] = Timer(self._agenda, times, action)

    def prepare_start(self, start: Element, event: TimerEvent) -> Opening:
        """Evaluate the schedule of a start event now; what is returned sets it, and returns what stops it.

        Raises:
            StepFailedError: The schedule cannot be evaluated.
        """
        return partial(self._open_start, self._schedule(event, {}), start)

    def _open_start(
        self, times: Iterator[float], start: Element, definition: Definition
    ) -> Callable[[], object]:
        return Timer(self._agenda, times, partial(self._interpreter.start, definition, {}, start)).close

    def _schedule(self, event: TimerEvent, seen: Mapping[str, Any]) -> Iterator[float]:
        text = self._evaluator.text(event.value, seen)
        try:
            return due_times(event.form, text, self._clock.now())
        except ValueError as error:
            told = f"Invalid {event.form} '{text}' for expression '{event.value.quoted}': {error}"
            raise StepFailedError(IncidentKind.EXTRACT_VALUE_ERROR, told) from None
