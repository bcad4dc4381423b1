"""Elements that do nothing themselves: tokens pass through them, or wait in them for an event."""

from __future__ import annotations

from connector.devengine.interpreter import Interpreter
from connector.devengine.state import ElementInstance


class Passing:
    """Is left as soon as it is entered; the other behaviours override what is different about them."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter

    def enter(self, where: ElementInstance) -> None:
        """Go on at once."""
        self._interpreter.finish(where)

    def leave(self, where: ElementInstance) -> None:
        """Do nothing."""

    def stop(self, where: ElementInstance) -> None:
        """Do nothing."""

    def child_leaves(self, where: ElementInstance, child: ElementInstance) -> None:
        """Do nothing."""

    def child_ended(self, where: ElementInstance) -> None:
        """Do nothing."""


class Waits(Passing):
    """Stays until its event takes place: a catching event, a receive task, an event-based gateway."""

    def enter(self, where: ElementInstance) -> None:
        """Wait for what was subscribed to."""
