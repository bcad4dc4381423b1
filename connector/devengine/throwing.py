"""Errors and escalations are caught around the thrower, from the inside outwards; signals go to all."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connector.devengine.catching import Catching
from connector.devengine.incidents import IncidentKind, StepFailedError
from connector.devengine.model import Element, ErrorEvent, EscalationEvent, Kind
from connector.devengine.recorder import Recorder
from connector.devengine.signals import Signals
from connector.devengine.state import ElementInstance

Catch = tuple[ElementInstance, Element]


class Throwing:
    """Throws errors, escalations and signals."""

    def __init__(self, catching: Catching, signals: Signals, recorder: Recorder) -> None:
        self._catching = catching
        self._signals = signals
        self._recorder = recorder

    def error(
        self,
        thrower: ElementInstance,
        code: str,
        message: str = "",
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        """Throw a BPMN error.

        Raises:
            StepFailedError: It is not caught; nothing has changed.
        """
        found = _nearest(thrower, ErrorEvent, code)
        if found is None:
            raise _unhandled(thrower, code, message)
        host, catch = found
        self._catching.catch(host, catch, variables or {})

    def escalation(self, thrower: ElementInstance, code: str) -> None:
        """Throw an escalation; where it is not caught, the process goes on."""
        found = _nearest(thrower, EscalationEvent, code)
        self._recorder.escalation(code, thrower, found[1] if found else None)
        if found is not None:
            host, catch = found
            self._catching.catch(host, catch, {})

    def signal(self, name: str, variables: Mapping[str, Any]) -> None:
        """Broadcast a signal."""
        self._signals.broadcast(name, dict(variables))


def _nearest(thrower: ElementInstance, kind: type[ErrorEvent | EscalationEvent], code: str) -> Catch | None:
    for host, events in _places(thrower, kind):
        for wanted in (code, None):
            for event in events:
                if caught_code(event) == wanted:
                    return host, event
    return None


def _places(
    thrower: ElementInstance, kind: type[ErrorEvent | EscalationEvent]
) -> Iterator[tuple[ElementInstance, list[Element]]]:
    """Return each place around a thrower with its events of a kind, the nearest first.

    These are the boundary events of the element, the event subprocesses of its scope, the boundary events of
    that scope, and so on, through call activities into the callers. A multi-instance has its boundary events
    at the body.
    """
    where: ElementInstance | None = thrower
    while where is not None:
        elements, scope = where.instance.definition.process.elements, where.parent
        in_body = scope is not None and scope.kind is Kind.MULTI_INSTANCE_BODY
        if not in_body:
            yield where, [e for e in map(elements.__getitem__, where.element.boundaries) if _is(e, kind)]
        if scope is not None and not in_body and not scope.interrupted:
            yield scope, [e for e in map(elements.__getitem__, scope.element.event_starts) if _is(e, kind)]
        where = scope or where.instance.caller


def _is(event: Element, kind: type[ErrorEvent | EscalationEvent]) -> bool:
    return isinstance(event.event, kind)


def caught_code(event: Element) -> str | None:
    """Return the code that an event catches; None for every code."""
    caught = event.event
    assert isinstance(caught, ErrorEvent | EscalationEvent)  # noqa: S101 - asked by the caller
    return caught.code.text if caught.code else None


def _unhandled(thrower: ElementInstance, code: str, message: str) -> StepFailedError:
    codes = [caught_code(event) for _, events in _places(thrower, ErrorEvent) for event in events]
    known = ", ".join(code for code in codes if code is not None)
    rest = f"Available error events are [{known}]" if codes else "No error events are available in the scope."
    said = f" with message '{message}'" if message else ""
    text = f"Expected to throw an error event with the code '{code}'{said}, but it was not caught. {rest}"
    return StepFailedError(IncidentKind.UNHANDLED_ERROR_EVENT, text)
