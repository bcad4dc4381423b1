"""Exclusive and inclusive gateways: conditions choose the way."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from connector.devengine.behaviours.passing import Passing
from connector.devengine.core import Core
from connector.devengine.incidents import IncidentKind, StepFailedError
from connector.devengine.interpreter import Interpreter
from connector.devengine.model import Flow, Kind
from connector.devengine.scopes import visible
from connector.devengine.state import ElementInstance

_NO_WAY = "Expected at least one condition to evaluate to true, or to have a default flow"


class Choice(Passing):
    """Leaves by the first flow whose condition holds, or by all such flows; else by the default."""

    def __init__(self, core: Core, interpreter: Interpreter) -> None:
        super().__init__(interpreter)
        self._evaluator = core.evaluator

    def enter(self, where: ElementInstance) -> None:
        """Choose, and go on.

        Raises:
            StepFailedError: A condition is neither true nor false, or there is no way out.
        """
        if len(where.element.outgoing) > 1 or any(flow.condition for flow in where.element.outgoing):
            where.chosen = self._chosen(where)
        self._interpreter.finish(where)

    def _chosen(self, where: ElementInstance) -> tuple[Flow, ...]:
        only_first = where.element.kind is Kind.EXCLUSIVE_GATEWAY
        chosen = tuple(islice(self._open(where), 1 if only_first else None))
        if not chosen:
            chosen = tuple(flow for flow in where.element.outgoing if flow.id == where.element.default)
        if not chosen:
            raise StepFailedError(IncidentKind.CONDITION_ERROR, _NO_WAY)
        return chosen

    def _open(self, where: ElementInstance) -> Iterator[Flow]:
        seen = visible(where)
        for flow in where.element.outgoing:
            if flow.id == where.element.default or flow.condition is None:
                continue
            if self._evaluator.boolean(flow.condition, seen):
                yield flow
