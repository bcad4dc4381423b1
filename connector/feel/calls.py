"""Closures that call: functions of the caller, functions the expression defines, built-in functions.

The name is looked for in that order of nearness: a function that the expression defines, one that the caller
adds, a built-in one. A variable with the name of a function does not hide it.
"""

from __future__ import annotations

from collections.abc import Sequence

from connector.feel.errors import FeelError, FeelLimitError
from connector.feel.functions import REGISTRY, Builtin, asked, by_names, by_position
from connector.feel.values import Function, Lambda, Node, Scope, Value, type_name


class Arguments:
    """The arguments of a call: by position, or by name (``names`` is then as long as ``nodes``)."""

    __slots__ = ("names", "nodes")

    def __init__(self, nodes: Sequence[Node], names: Sequence[str] = ()) -> None:
        self.nodes = tuple(nodes)
        self.names = tuple(names)

    def evaluate(self, scope: Scope) -> list[Value]:
        """Return the values in the order in which they are written."""
        return [node(scope) for node in self.nodes]

    def in_order_of(self, parameters: Sequence[str], values: list[Value]) -> list[Value] | None:
        """Return the values in the order of some parameters, or None if one has no such parameter."""
        if not self.names:
            return values
        if not set(self.names) <= set(parameters):
            return None
        given = dict(zip(self.names, values, strict=True))
        last = max(parameters.index(name) for name in given)
        return [given.get(name) for name in parameters[: last + 1]]


def lambda_of(parameters: tuple[str, ...], body: Node, weight: int) -> Node:
    """Return a node that gives a function; it keeps the scope that it is defined in."""
    return lambda scope: Lambda(parameters, body, scope, weight)


def call(name: str, arguments: Arguments, offset: int, *, may_be_defined: bool) -> Node:
    """Return a node for ``name(…)``.

    Args:
        name: The function's name.
        arguments: What it is called with.
        offset: Where the call stands, for errors.
        may_be_defined: Whether the expression defines functions at all; if not, none is looked for.
    """
    if arguments.names:
        candidates = by_names(name, arguments.names)
    else:
        candidates = by_position(name, len(arguments.nodes))
    invoke = (
        _single if len(candidates) == 1 and not arguments.names and not candidates[0].variadic else _choose
    )

    def evaluate(scope: Scope) -> Value:
        run = scope.run
        values = arguments.evaluate(scope)
        run.fuel -= 1
        if run.fuel < 0:
            run.refuel()
        try:
            if may_be_defined and (defined := _defined(name, scope)) is not None:
                return apply_named(defined, arguments, values, scope)
            if (added := run.functions.get(name)) is not None:
                return _call_added(name, added, arguments, values, scope)
            return invoke(name, candidates, arguments, values, scope)
        except FeelError as error:
            error.locate(offset)
            raise

    return evaluate


def method(base: Node, name: str, arguments: Arguments, offset: int) -> Node:
    """Return a node for ``context.name(…)``."""

    def evaluate(scope: Scope) -> Value:
        value = base(scope)
        found = value.get(name) if isinstance(value, dict) else None
        if not isinstance(found, Lambda):
            scope.run.warn(f"A {type_name(value)} has no function '{name}'")
            return None
        try:
            return apply_named(found, arguments, arguments.evaluate(scope), scope)
        except FeelError as error:
            error.locate(offset)
            raise

    return evaluate


def _defined(name: str, scope: Scope) -> Lambda | None:
    # The outermost scope holds JSON, which has no functions.
    while scope.parent is not None:
        found = scope.names.get(name)
        if isinstance(found, Lambda):
            return found
        scope = scope.parent
    return None


def apply(function: Lambda, values: Sequence[Value], scope: Scope) -> Value:
    """Call a function that the expression defines.

    Raises:
        FeelLimitError: Calls are nested too deeply.
    """
    run = scope.run
    if len(values) != len(function.parameters):
        run.warn(f"The function takes {len(function.parameters)} arguments, not {len(values)}")
        return None
    run.charge(function.weight)
    if run.calls >= run.limits.calls:
        raise FeelLimitError(f"Functions call each other more than {run.limits.calls} levels deep")
    run.calls += 1
    try:
        return function.body(Scope(dict(zip(function.parameters, values, strict=True)), function.scope, run))
    finally:
        run.calls -= 1


def apply_named(function: Lambda, arguments: Arguments, values: list[Value], scope: Scope) -> Value:
    """Call a function that the expression defines, with arguments by position or by name."""
    ordered = arguments.in_order_of(function.parameters, values)
    if ordered is None:
        scope.run.warn(f"The function has no parameters named {', '.join(arguments.names)}")
        return None
    missing: list[Value] = [None] * (len(function.parameters) - len(ordered)) if arguments.names else []
    return apply(function, ordered + missing, scope)


def _call_added(
    name: str, function: Function, arguments: Arguments, values: list[Value], scope: Scope
) -> Value:
    ordered = arguments.in_order_of(function.parameters, values)
    if ordered is None or not function.takes(len(ordered)):
        _nothing_fits(name, arguments, values, scope)
        return None
    found = function.call(*ordered)
    if isinstance(found, dict):
        scope.run.given.append((name, found))
    return found


def _single(
    name: str, candidates: tuple[Builtin, ...], arguments: Arguments, values: list[Value], scope: Scope
) -> Value:
    only = candidates[0]
    for types, value in zip(only.types, values, strict=True):
        if types is not None and type(value) not in types:
            _nothing_fits(name, arguments, values, scope)
            return None
    return only.call(scope.run, *values) if only.wants_run else only.call(*values)


def _choose(
    name: str, candidates: tuple[Builtin, ...], arguments: Arguments, values: list[Value], scope: Scope
) -> Value:
    for candidate in candidates:
        ordered = _in_order(candidate, arguments, values)
        if candidate.fits(ordered):
            return candidate.call(scope.run, *ordered) if candidate.wants_run else candidate.call(*ordered)
    _nothing_fits(name, arguments, values, scope)
    return None


def _in_order(candidate: Builtin, arguments: Arguments, values: list[Value]) -> list[Value]:
    if arguments.names:
        given = dict(zip(arguments.names, values, strict=True))
        return [given.get(name) for name in candidate.parameters]
    if candidate.variadic:
        fixed = len(candidate.parameters) - 1
        return [*values[:fixed], values[fixed:]]
    return values


def _nothing_fits(name: str, arguments: Arguments, values: list[Value], scope: Scope) -> None:
    if arguments.names:
        pairs = zip(arguments.names, values, strict=True)
        given = ", ".join(f"{key}: {type_name(value)}" for key, value in pairs)
    else:
        given = ", ".join(map(type_name, values))
    scope.run.warn(f"There is no function {name}({given}){_meant(name, scope)}")


def _meant(name: str, scope: Scope) -> str:
    """Ask whether a function was meant that has nearly this name."""
    known = [*REGISTRY, *scope.run.functions]
    return "" if name in known else asked(name, known)
