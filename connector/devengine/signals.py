"""Signals: everything that waits for a name receives them, at once and together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from connector.devengine.catching import Catching
from connector.devengine.core import Core
from connector.devengine.interpreter import Interpreter
from connector.devengine.model import Element, SignalEvent
from connector.devengine.starts import Starts
from connector.devengine.state import ElementInstance, Opening


class Listener:
    """A place in a process instance that waits for a signal."""

    __slots__ = ("_name", "_others", "catch", "host")

    def __init__(
        self, name: str, others: dict[Listener, None], host: ElementInstance, catch: Element
    ) -> None:
        self._name = name
        self._others = others
        self.host = host
        self.catch = catch
        others[self] = None

    @property
    def awaited(self) -> str:
        """The signal, for people to read."""
        return f"the signal {self._name!r}"

    def close(self) -> None:
        """Wait no more; a second time does nothing."""
        self._others.pop(self, None)


class Signals:
    """Broadcasts signals; they are not kept."""

    def __init__(self, core: Core, interpreter: Interpreter, catching: Catching) -> None:
        self._state = core.state
        self._recorder = core.recorder
        self._evaluator = core.evaluator
        self._interpreter = interpreter
        self._catching = catching
        self._listeners: dict[str, dict[Listener, None]] = defaultdict(dict)
        self._starts = Starts()

    def prepare(
        self, host: ElementInstance, catch: Element, event: SignalEvent, seen: Mapping[str, Any]
    ) -> Callable[[], None]:
        """Evaluate the name now; what is returned begins to listen.

        Raises:
            StepFailedError: The name cannot be evaluated.
        """
        return partial(self._listen, self._evaluator.text(event.name, seen), host, catch)

    def _listen(self, name: str, host: ElementInstance, catch: Element) -> None:
        host.waits[catch.id] = Listener(name, self._listeners[name], host, catch)

    def prepare_start(self, start: Element, event: SignalEvent) -> Opening:
        """Evaluate the name of a start event now; what is returned opens it.

        Raises:
            StepFailedError: The name cannot be evaluated.
        """
        return self._starts.prepare(self._evaluator.text(event.name, {}), start)

    def broadcast(self, name: str, variables: Mapping[str, Any]) -> int:
        """Trigger everything that waits for a signal; returns its key."""
        key = self._state.next_key()
        value = {"signalName": name, "variables": dict(variables)}
        self._recorder.event("SIGNAL", "BROADCASTED", key, value)
        for listener in list(self._listeners.get(name, ())):
            self._catching.trigger(listener.host, listener.catch, variables)
        for definition, start in self._starts.waiting_for(name):
            self._interpreter.start(definition, variables, start)
        return key
