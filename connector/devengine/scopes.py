"""Variables: what a scope sees, where a result goes, and the mappings at the borders of an element."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.devengine.expressions import Evaluator
from connector.devengine.incidents import IncidentKind
from connector.devengine.recorder import Recorder
from connector.devengine.state import ElementInstance, State


def visible(where: ElementInstance | None) -> dict[str, Any]:
    """Return the variables that a scope sees, as a new dict; of two with one name, the nearer wins."""
    layers = []
    while where is not None:
        if where.variables:
            layers.append(where.variables)
        where = where.parent
    seen: dict[str, Any] = {}
    for layer in reversed(layers):
        seen.update(layer)
    return seen


class Scopes:
    """Writes variables, and applies mappings."""

    def __init__(self, state: State, evaluator: Evaluator, recorder: Recorder) -> None:
        self._state = state
        self._evaluator = evaluator
        self._recorder = recorder

    def set_local(self, where: ElementInstance, variables: Mapping[str, Any]) -> None:
        """Set variables of this very scope."""
        for name, value in variables.items():
            known = name in where.variables
            where.variables[name] = value
            if not known:
                where.variable_keys[name] = self._state.next_key()
            self._recorder.variable(where, name, "UPDATED" if known else "CREATED")

    def propagate(self, where: ElementInstance, variables: Mapping[str, Any]) -> None:
        """Set each variable in the nearest scope that has it, from here upwards; else in the outermost."""
        for name, value in variables.items():
            scope = where
            while name not in scope.variables and scope.parent is not None:
                scope = scope.parent
            self.set_local(scope, {name: value})

    def take_result(self, where: ElementInstance, variables: Mapping[str, Any]) -> None:
        """Take what a job or an event brings: for the output mappings if there are any, else upwards."""
        if where.element.outputs:
            self.set_local(where, variables)
        else:
            self.propagate(where, variables)

    def map_inputs(self, where: ElementInstance) -> None:
        """Make the local variables; each mapping sees the targets of those before it.

        Raises:
            StepFailedError: An expression fails; nothing is set then.
        """
        self.set_local(where, self._mapped(where, is_input=True))

    def map_outputs(self, where: ElementInstance) -> None:
        """Write the mapped variables into the scopes around the element.

        Raises:
            StepFailedError: An expression fails; nothing is written then.
        """
        if where.element.outputs:
            self.propagate(where.parent or where, self._mapped(where, is_input=False))

    def _mapped(self, where: ElementInstance, *, is_input: bool) -> dict[str, Any]:
        mappings = where.element.inputs if is_input else where.element.outputs
        seen = visible(where)
        around: Mapping[str, Any] = {} if is_input else visible(where.parent)
        made: dict[str, Any] = {}
        for mapping in mappings:
            value = self._evaluator.value(mapping.source, seen, IncidentKind.IO_MAPPING_ERROR)
            name, *path = mapping.target
            # An input replaces a variable of the same name, an output merges into it.
            before = made[name] if name in made else around.get(name)
            seen[name] = made[name] = _placed(before, path, value)
        return made


def _placed(before: object, path: list[str], value: object) -> object:
    """Return the value, or a copy of the object before with the value at a path in it."""
    if not path:
        return value
    fields = dict(before) if isinstance(before, dict) else {}
    name, *rest = path
    fields[name] = _placed(fields.get(name), rest, value)
    return fields
