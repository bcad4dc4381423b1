"""The event definitions of a diagram, with the messages, errors and so on that they refer to."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element as Xml

from connector.devengine.complaints import Complaints
from connector.devengine.extensions import BPMN, Extensions
from connector.devengine.model import (
    ErrorEvent,
    EscalationEvent,
    Event,
    Expression,
    Kind,
    MessageEvent,
    SignalEvent,
    TerminateEvent,
    TimerEvent,
)
from connector.devengine.schedules import CYCLE, DATE, DURATION, due_times

_THROWING = {Kind.INTERMEDIATE_THROW_EVENT, Kind.END_EVENT}
_SHARED = ("message", "error", "escalation", "signal")
_FORMS = {"timeDuration": DURATION, "timeDate": DATE, "timeCycle": CYCLE}


class EventDefinitions:
    """Reads what events wait for or throw.

    Args:
        root: The ``definitions`` of the diagram.
        complaints: Takes what is wrong.
    """

    def __init__(self, root: Xml, complaints: Complaints) -> None:
        self._complaints = complaints
        self._shared = {
            (name, node.get("id", "")): node for name in _SHARED for node in root.findall(f"{BPMN}{name}")
        }
        self._readers: dict[str, Callable[[Xml, str, Kind], Event | None]] = {
            "error": lambda node, element, kind: ErrorEvent(self._code("error", node, element, kind)),
            "escalation": lambda node, element, kind: EscalationEvent(
                self._code("escalation", node, element, kind)
            ),
            "signal": self._signal,
            "timer": self._timer,
            "terminate": lambda *_: TerminateEvent(),
        }

    def read(self, node: Xml, element: str, kind: Kind, *, starts_process: bool) -> Event | None:
        """Read the event definition of an event, or the message of a receive task."""
        if kind is Kind.RECEIVE_TASK:
            return self._message(node, element, keyed=True)
        found = [child for child in node if child.tag.endswith("EventDefinition")]
        if len(found) > 1:
            self._complaints.add(element, "Must have at most one event definition")
        if not found:
            return None
        name = found[0].tag.removeprefix(BPMN).removesuffix("EventDefinition")
        if name == "message":
            # A throwing event is a job; its message is not looked at.
            return None if kind in _THROWING else self._message(found[0], element, keyed=not starts_process)
        if name not in self._readers:
            self._complaints.add(element, f"Events of type '{name}' are not supported by this engine")
            return None
        return self._readers[name](found[0], element, kind)

    def _message(self, node: Xml, element: str, *, keyed: bool) -> MessageEvent | None:
        message = self._referred("message", node)
        if message is None or not message.get("name"):
            self._complaints.add(element, "Must refer to a message with a name")
            return None
        name = self._complaints.expression(element, message.get("name", ""))
        if not keyed:
            return MessageEvent(name)
        key = Extensions(message, message.get("id", ""), self._complaints).correlation_key()
        return MessageEvent(name, key)

    def _signal(self, node: Xml, element: str, _: Kind) -> SignalEvent | None:
        signal = self._referred("signal", node)
        if signal is None or not signal.get("name"):
            self._complaints.add(element, "Must refer to a signal with a name")
            return None
        return SignalEvent(self._complaints.expression(element, signal.get("name", "")))

    def _code(self, name: str, node: Xml, element: str, kind: Kind) -> Expression | None:
        """Read the code of an error or an escalation; only a catching event may do without, or have none."""
        shared = self._referred(name, node)
        code = "" if shared is None else shared.get(f"{name}Code", "")
        throws = kind in _THROWING
        if not code:
            if throws:
                self._complaints.add(element, f"Must refer to an {name} with a code")
            return None
        expression = self._complaints.expression(element, code)
        if expression.compiled is not None and not throws:
            self._complaints.add(element, f"The {name} code of a catching event must not be an expression")
        return expression

    def _timer(self, node: Xml, element: str, _: Kind) -> TimerEvent | None:
        found = [(form, child) for tag, form in _FORMS.items() for child in node.findall(f"{BPMN}{tag}")]
        if len(found) != 1 or not (text := (found[0][1].text or "").strip()):
            self._complaints.add(element, "Must have exactly one of a duration, a date and a cycle")
            return None
        event = TimerEvent(found[0][0], self._complaints.expression(element, text))
        if not text.startswith("="):
            self._check_time(event, element)
        return event

    def _check_time(self, event: TimerEvent, element: str) -> None:
        try:
            due_times(event.form, event.value.text, 0.0)
        except ValueError as error:
            self._complaints.add(element, f"Invalid {event.form} '{event.value.quoted}': {error}")

    def _referred(self, name: str, node: Xml) -> Xml | None:
        return self._shared.get((name, node.get(f"{name}Ref", "").split(":")[-1]))
