"""Processes, subprocesses and event subprocesses: done when nothing is left inside."""

from __future__ import annotations

from connector.devengine.behaviours.passing import Passing
from connector.devengine.state import ElementInstance


class Scope(Passing):
    """Holds other elements."""

    def enter(self, where: ElementInstance) -> None:
        """Start inside: at the event that was triggered, or at the none start event."""
        if where.trigger is None:
            elements = where.instance.definition.process.elements
            self._interpreter.enter(elements[where.element.start], where)
        else:
            start, variables = where.trigger
            self._interpreter.enter_triggered(start, where, variables)

    def child_ended(self, where: ElementInstance) -> None:
        """End with the last token; one that waits at a join is left for good, and so is the scope."""
        if not where.children and not where.arrivals:
            self._interpreter.finish(where)
