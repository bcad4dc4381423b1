"""Opens what an element instance waits for: all of its events or, when one cannot be evaluated, none."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from connector.devengine.messages import Messages
from connector.devengine.model import (
    Definition,
    Element,
    Kind,
    MessageEvent,
    Process,
    SignalEvent,
    TimerEvent,
)
from connector.devengine.scopes import visible
from connector.devengine.signals import Signals
from connector.devengine.state import ElementInstance, Opening
from connector.devengine.timers import Timers


class Waiting:
    """Opens and closes subscriptions and timers."""

    def __init__(self, messages: Messages, signals: Signals, timers: Timers) -> None:
        self._messages = messages
        self._signals = signals
        self._timers = timers
        self._starts: dict[str, list[Callable[[], object]]] = {}

    def open(self, host: ElementInstance) -> None:
        """Open what an element instance waits for.

        Raises:
            StepFailedError: A name, a key or a time cannot be evaluated; nothing is open then.
        """
        events = _events(host)
        if not events:
            return
        self.close(host)
        elements, seen = host.instance.definition.process.elements, visible(host)
        for begin in [self._prepare(host, elements[event], seen) for event in events]:
            begin()

    def close(self, host: ElementInstance) -> None:
        """Close everything that an element instance waits for."""
        if host.waits:
            for wait in host.waits.values():
                wait.close()
            host.waits.clear()

    def prepare_starts(self, process: Process) -> list[Opening]:
        """Evaluate the start events of a process that is about to be deployed.

        Raises:
            StepFailedError: A name or a time cannot be evaluated.
        """
        return [self._prepare_start(process.elements[start]) for start in process.starts]

    def replace_starts(self, definition: Definition, openings: Sequence[Opening]) -> None:
        """Open the start events of a new version, in place of those of the version before."""
        for close in self._starts.get(definition.process.id, ()):
            close()
        self._starts[definition.process.id] = [begin(definition) for begin in openings]

    def _prepare(self, host: ElementInstance, catch: Element, seen: Mapping[str, Any]) -> Callable[[], None]:
        match catch.event:
            case MessageEvent() as event:
                return self._messages.prepare(host, catch, event, seen)
            case TimerEvent() as event:
                return self._timers.prepare(host, catch, event, seen)
            case SignalEvent() as event:
                return self._signals.prepare(host, catch, event, seen)
        raise AssertionError(catch.id)  # the reader lists no other event

    def _prepare_start(self, start: Element) -> Opening:
        match start.event:
            case MessageEvent() as event:
                return self._messages.prepare_start(start, event)
            case TimerEvent() as event:
                return self._timers.prepare_start(start, event)
            case SignalEvent() as event:
                return self._signals.prepare_start(start, event)
        raise AssertionError(start.id)


def _events(host: ElementInstance) -> tuple[str, ...]:
    """Return the events to open: a multi-instance has its boundary events at the body alone."""
    if host.kind is Kind.MULTI_INSTANCE_BODY:
        return host.element.guarded_by
    if host.parent is not None and host.parent.kind is Kind.MULTI_INSTANCE_BODY:
        return host.element.waits_for
    return host.element.waits_for + host.element.guarded_by
