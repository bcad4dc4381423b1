"""Multi-instance: a body around one instance of the activity for each item of a list."""

from __future__ import annotations

from typing import Any

from connector.devengine.behaviours.passing import Passing
from connector.devengine.core import Core
from connector.devengine.interpreter import Interpreter
from connector.devengine.model import Expression, Loop
from connector.devengine.scopes import visible
from connector.devengine.state import ElementInstance, Rounds


class MultiInstance(Passing):
    """The body: starts the instances, collects what they give, and ends with the last of them."""

    def __init__(self, core: Core, interpreter: Interpreter) -> None:
        super().__init__(interpreter)
        self._evaluator = core.evaluator
        self._scopes = core.scopes

    def enter(self, where: ElementInstance) -> None:
        """Evaluate the list and start the first instance, or all.

        Raises:
            StepFailedError: The list cannot be evaluated, or is none.
        """
        loop = _loop(where)
        rounds = where.rounds = Rounds(self._evaluator.collection(loop.collection, visible(where)))
        if loop.output_collection:
            self._scopes.set_local(where, {loop.output_collection: list(rounds.outputs)})
        if rounds.done:
            self._interpreter.finish(where)
        for _ in range(min(1, len(rounds.items)) if loop.sequential else len(rounds.items)):
            self._start_next(where, loop, rounds)

    def child_leaves(self, where: ElementInstance, child: ElementInstance) -> None:
        """Collect the output of an instance, and ask for the completion condition.

        Raises:
            StepFailedError: One of them cannot be evaluated.
        """
        loop, rounds = _loop(where), _rounds(where)
        seen = visible(child)
        if loop.output_element is not None:
            rounds.outputs[child.index] = self._evaluator.value(loop.output_element, seen)
        rounds.done = rounds.completed + 1 == len(rounds.items)
        if loop.completion is not None and not rounds.done:
            rounds.done = self._evaluator.boolean(loop.completion, seen | _counts(rounds))
        rounds.completed += 1

    def child_ended(self, where: ElementInstance) -> None:
        """End, or start the next instance."""
        loop, rounds = _loop(where), _rounds(where)
        if rounds.done:
            self._interpreter.terminate_children(where)
            self._interpreter.finish(where)
        elif loop.sequential:
            self._start_next(where, loop, rounds)

    def leave(self, where: ElementInstance) -> None:
        """Hand the collected outputs to the scope around."""
        loop = _loop(where)
        if loop.output_collection and where.parent is not None:
            self._scopes.propagate(where.parent, {loop.output_collection: _rounds(where).outputs})

    def _start_next(self, where: ElementInstance, loop: Loop, rounds: Rounds) -> None:
        child = self._interpreter.enter(where.element, where, where.element.kind)
        child.index = rounds.started
        rounds.started += 1
        local: dict[str, Any] = {"loopCounter": child.index + 1}
        if loop.element:
            local[loop.element] = rounds.items[child.index]
        # A result of this name then stays in the instance, where the output element finds it.
        if name := _plain_variable(loop.output_element):
            local.setdefault(name, None)
        self._scopes.set_local(child, local)


def _counts(rounds: Rounds) -> dict[str, int]:
    """Return what a completion condition sees; the instance that is about to end counts as completed."""
    completed = rounds.completed + 1
    return {
        "numberOfInstances": len(rounds.items),
        "numberOfActiveInstances": rounds.started - completed,
        "numberOfCompletedInstances": completed,
        "numberOfTerminatedInstances": 0,
    }


def _plain_variable(expression: Expression | None) -> str:
    """Return the variable that an expression like ``=reminder`` or ``=reminder.to`` reads; else nothing."""
    if expression is None or expression.compiled is None:
        return ""
    names = expression.text.lstrip().removeprefix("=").strip().split(".")
    return names[0] if all(name.isidentifier() for name in names) else ""


def _loop(where: ElementInstance) -> Loop:
    assert where.element.loop is not None  # noqa: S101 - that is what makes it a body
    return where.element.loop


def _rounds(where: ElementInstance) -> Rounds:
    assert where.rounds is not None  # noqa: S101 - made when the body was entered
    return where.rounds
