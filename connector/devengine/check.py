"""The rules that a process has to follow beyond each element's own: starts, ends, flows, gateways, events."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from connector.devengine.complaints import Complaints
from connector.devengine.model import (
    Element,
    ErrorEvent,
    EscalationEvent,
    Event,
    Kind,
    MessageEvent,
    Process,
    SignalEvent,
    TerminateEvent,
    TimerEvent,
)
from connector.devengine.schedules import CYCLE, DURATION

_ACTIVITIES = {
    Kind.SUB_PROCESS,
    Kind.CALL_ACTIVITY,
    Kind.TASK,
    Kind.MANUAL_TASK,
    Kind.SERVICE_TASK,
    Kind.SEND_TASK,
    Kind.SCRIPT_TASK,
    Kind.BUSINESS_RULE_TASK,
    Kind.USER_TASK,
    Kind.RECEIVE_TASK,
}
_CATCHABLE = (MessageEvent, TimerEvent, SignalEvent)
_ATTACHABLE = (*_CATCHABLE, ErrorEvent, EscalationEvent)


def check(process: Process, complaints: Complaints) -> None:
    """Complain about everything in a process that cannot be run."""
    checks = _Checks(process, complaints)
    for element in process.elements.values():
        checks.check(element)


class _Checks:
    def __init__(self, process: Process, complaints: Complaints) -> None:
        self._process = process
        self._elements = process.elements
        self._complaints = complaints
        self._rules: dict[Kind, Callable[[Element], None]] = {
            Kind.PROCESS: self._check_process,
            Kind.SUB_PROCESS: self._check_subprocess,
            Kind.EVENT_SUB_PROCESS: self._check_event_subprocess,
            Kind.START_EVENT: self._check_start,
            Kind.END_EVENT: self._check_end,
            Kind.BOUNDARY_EVENT: self._check_boundary,
            Kind.INTERMEDIATE_CATCH_EVENT: self._check_catch,
            Kind.INTERMEDIATE_THROW_EVENT: self._check_throw,
            Kind.EXCLUSIVE_GATEWAY: self._check_choice,
            Kind.INCLUSIVE_GATEWAY: self._check_inclusive,
            Kind.EVENT_BASED_GATEWAY: self._check_event_based,
        }

    def check(self, element: Element) -> None:
        """Check one element."""
        self._check_flows(element)
        self._check_catchers(element, element.boundaries)
        self._check_catchers(element, element.event_starts)
        if element.loop is not None:
            self._require(element, element.kind in _ACTIVITIES, "Must not be a multi-instance")
        rule = self._rules.get(element.kind)
        if rule is not None:
            rule(element)

    def _require(self, element: Element, holds: bool, text: str) -> None:
        if not holds:
            self._complaints.add(element.id, text)

    def _starts_of(self, scope: Element) -> list[Element]:
        return [e for e in self._elements.values() if e.scope == scope.id and e.kind is Kind.START_EVENT]

    # Scopes

    def _check_process(self, process: Element) -> None:
        starts = self._starts_of(process)
        self._require(process, bool(starts), "Must have at least one start event")
        plain = [start for start in starts if start.event is None]
        self._require(process, len(plain) < 2, "Must have at most one none start event")
        names = Counter(start.event.name.text for start in starts if isinstance(start.event, MessageEvent))
        for name, count in names.items():
            self._require(process, count < 2, f"Must have at most one start event for the message '{name}'")

    def _check_subprocess(self, scope: Element) -> None:
        starts = self._starts_of(scope)
        holds = len(starts) == 1 and starts[0].event is None
        self._require(scope, holds, "Must have exactly one start event, and that must be a none start event")

    def _check_event_subprocess(self, scope: Element) -> None:
        starts = self._starts_of(scope)
        holds = len(starts) == 1 and isinstance(starts[0].event, _ATTACHABLE)
        text = (
            "Must have exactly one start event, for a message, a timer, an error, an escalation or a signal"
        )
        self._require(scope, holds, text)
        self._require(scope, not scope.incoming and not scope.outgoing, "Must not have sequence flows")
        for start in starts:
            self._check_interruption(start)

    # Events

    def _check_start(self, start: Element) -> None:
        self._require(start, not start.incoming, "Must not have incoming sequence flows")
        if self._elements[start.scope].kind is not Kind.PROCESS:
            return
        known = start.event is None or isinstance(start.event, _CATCHABLE)
        text = "The start event of a process must be a none, message, timer or signal start event"
        self._require(start, known, text)
        self._require(start, not _has_form(start, DURATION), "A timer start event must not have a duration")

    def _check_end(self, end: Element) -> None:
        self._require(end, not end.outgoing, "Must not have outgoing sequence flows")
        thrown: tuple[type, ...] = (ErrorEvent, EscalationEvent, SignalEvent, TerminateEvent)
        self._require_event(end, thrown)

    def _check_throw(self, event: Element) -> None:
        self._require_event(event, (EscalationEvent, SignalEvent))

    def _require_event(self, event: Element, kinds: tuple[type, ...]) -> None:
        holds = event.event is None or isinstance(event.event, kinds)
        self._require(event, holds, "An event of this kind must not be thrown here")

    def _check_catch(self, event: Element) -> None:
        self._require(
            event, isinstance(event.event, _CATCHABLE), "Must wait for a message, a timer or a signal"
        )
        self._require(event, not _has_form(event, CYCLE), "An intermediate timer must not have a cycle")

    def _check_boundary(self, event: Element) -> None:
        host = self._elements.get(event.attached_to)
        attached = host is not None and host.kind in _ACTIVITIES and host.scope == event.scope
        self._require(event, attached, "Must be attached to an activity")
        self._require(event, not event.incoming, "Must not have incoming sequence flows")
        text = "Must have exactly one event definition: a message, timer, error, escalation or signal"
        self._require(event, isinstance(event.event, _ATTACHABLE), text)
        self._check_interruption(event)

    def _check_interruption(self, event: Element) -> None:
        errs = isinstance(event.event, ErrorEvent)
        self._require(event, event.interrupting or not errs, "An error event must be interrupting")
        cycles = event.interrupting and _has_form(event, CYCLE)
        self._require(event, not cycles, "An interrupting timer must not have a cycle")

    def _check_catchers(self, place: Element, events: Iterable[str]) -> None:
        """Complain where two events at one place would catch the same."""
        counts = Counter(_caught(self._elements[event].event) for event in events)
        counts.pop(None, None)
        for what, count in counts.items():
            self._require(place, count < 2, f"Must have at most one event that catches {what}")

    # Flows and gateways

    def _check_flows(self, element: Element) -> None:
        for flow in element.outgoing:
            target = self._elements.get(flow.target)
            if target is None or target.scope != element.scope:
                self._complaints.add(flow.id, f"Must lead to an element in the scope of '{element.id}'")
            chooses = element.kind in {Kind.EXCLUSIVE_GATEWAY, Kind.INCLUSIVE_GATEWAY}
            if flow.condition is not None and not chooses:
                text = "A condition is only supported behind an exclusive or an inclusive gateway"
                self._complaints.add(flow.id, text)

    def _check_choice(self, gateway: Element) -> None:
        defaults = [flow for flow in gateway.outgoing if flow.id == gateway.default]
        self._require(gateway, not gateway.default or bool(defaults), "The default flow must start here")
        if len(gateway.outgoing) < 2:
            return
        for flow in gateway.outgoing:
            if flow.condition is None and flow.id != gateway.default:
                self._complaints.add(flow.id, "Must have a condition or be default flow")

    def _check_inclusive(self, gateway: Element) -> None:
        self._check_choice(gateway)
        text = (
            "An inclusive gateway that joins is not supported by this engine: it can have one incoming flow"
        )
        self._require(gateway, gateway.incoming < 2, text)

    def _check_event_based(self, gateway: Element) -> None:
        self._require(gateway, len(gateway.outgoing) > 1, "Must have at least 2 outgoing sequence flows")
        for flow in gateway.outgoing:
            target = self._elements.get(flow.target)
            catches = target is not None and target.kind is Kind.INTERMEDIATE_CATCH_EVENT
            text = "Must be followed by intermediate catch events only: for a message, a timer or a signal"
            self._require(gateway, catches, text)
            alone = target is None or target.incoming < 2
            self._require(gateway, alone, "Must be the only way to the events behind it")
        self._check_catchers(gateway, [f.target for f in gateway.outgoing if f.target in self._elements])


def _has_form(element: Element, form: str) -> bool:
    return isinstance(element.event, TimerEvent) and element.event.form == form


def _caught(event: Event | None) -> str | None:
    """Name what an event catches, if another one at the same place could catch it too."""
    if isinstance(event, ErrorEvent):
        return f"the error code '{event.code.text}'" if event.code else "every error"
    if isinstance(event, EscalationEvent):
        return f"the escalation code '{event.code.text}'" if event.code else "every escalation"
    if isinstance(event, MessageEvent):
        return f"the message '{event.name.text}'"
    if isinstance(event, SignalEvent):
        return f"the signal '{event.name.text}'"
    return None
