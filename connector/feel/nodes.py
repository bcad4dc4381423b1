"""What the parser builds: closures that evaluate literals, names, paths, operators and conditions.

A factory takes the nodes below it and returns a node, a function from `Scope` to value. Nothing is looked
up twice: what is known when the expression is parsed is bound into the closure. Chains (``a + b + c``,
``x and y and z``, ``a.b.c``) are one node with a loop, so that a long chain is not a deep one.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from connector.feel.arithmetic import Operator, negate
from connector.feel.comparison import Verdict, equal, order
from connector.feel.temporal import DAY, SECOND, Date, DateTime, DayTimeDuration, Time, YearMonthDuration
from connector.feel.values import Node, Range, Run, Scope, Value, from_json, type_name

_MISSING = object()


def constant(value: Value) -> Node:
    """Return a node that gives the same value each time."""
    return lambda _: value


def list_of(items: Sequence[Node]) -> Node:
    """Return a node that gives a new list."""
    return lambda scope: [item(scope) for item in items]


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a context; one that ``defines`` a function keeps the entries before it, and only these."""

    key: str
    node: Node
    defines: bool = False


def context_of(entries: Sequence[Entry]) -> Node:
    """Return a node that gives a new context; an entry sees the ones before it."""
    pairs = [(entry.key, entry.node, entry.defines) for entry in entries]

    def evaluate(scope: Scope) -> Value:
        names: dict[str, Value] = {}
        inner = Scope(names, scope, scope.run)
        for key, node, defines in pairs:
            if defines:
                scope.run.charge_copy(len(names))
            names[key] = node(Scope(names.copy(), scope, scope.run) if defines else inner)
        return names

    return evaluate


def range_of(start: Node, end: Node, *, start_closed: bool, end_closed: bool) -> Node:
    """Return a node that gives an interval."""
    return lambda scope: Range(start(scope), end(scope), start_closed, end_closed)


def variable(name: str) -> Node:
    """Return a node that looks a name up, from the innermost scope to the variables of the process."""

    def evaluate(scope: Scope) -> Value:
        while True:
            parent = scope.parent
            value = scope.names.get(name, _MISSING)
            if parent is None:
                break
            if value is not _MISSING:
                return value  # type: ignore[return-value]
            scope = parent
        if value is not _MISSING:
            return from_json(value, scope.run)
        scope.run.warn(f"There is no variable '{name}'")
        return None

    return evaluate


def path(name: str, keys: tuple[str, ...]) -> Node:
    """Return a node for ``name.key.key``; it walks a variable as JSON and converts only what it finds."""

    def evaluate(scope: Scope) -> Value:
        while True:
            parent = scope.parent
            value: object = scope.names.get(name, _MISSING)
            if parent is None or value is not _MISSING:
                break
            scope = parent
        if value is _MISSING:
            scope.run.warn(f"There is no variable '{name}'")
            return None
        walked = 0
        for key in keys:
            if not isinstance(value, dict) or key not in value:
                break
            value = value[key]
            walked += 1
        found = from_json(value, scope.run) if parent is None else value
        for key in keys[walked:]:
            found = property_of(found, key, scope.run)  # type: ignore[arg-type]
        return found  # type: ignore[return-value]

    return evaluate


def property_path(base: Node, keys: tuple[str, ...]) -> Node:
    """Return a node for ``.key.key`` behind any expression."""

    def evaluate(scope: Scope) -> Value:
        value = base(scope)
        for key in keys:
            value = property_of(value, key, scope.run)
        return value

    return evaluate


def condition(branches: Sequence[tuple[Node, Node]], otherwise: Node) -> Node:
    """Return a node for ``if … then … else if … then … else``; only true is true."""

    def evaluate(scope: Scope) -> Value:
        for test, consequence in branches:
            if test(scope) is True:
                return consequence(scope)
        return otherwise(scope)

    return evaluate


def conjunction(operands: Sequence[Node]) -> Node:
    """Return a node for ``and``: false if one is false, else null if one is no boolean."""
    return _ternary(operands, decisive=False)


def disjunction(operands: Sequence[Node]) -> Node:
    """Return a node for ``or``: true if one is true, else null if one is no boolean."""
    return _ternary(operands, decisive=True)


def _ternary(operands: Sequence[Node], *, decisive: bool) -> Node:
    def evaluate(scope: Scope) -> Value:
        result: bool | None = not decisive
        for operand in operands:
            value = operand(scope)
            if value is decisive:
                return decisive
            if type(value) is not bool:
                result = None
        return result

    return evaluate


def chain(first: Node, rest: Sequence[tuple[Operator, Node]]) -> Node:
    """Return a node for operands joined by operators of one precedence, from left to right."""
    if len(rest) == 1:
        operator, second = rest[0]
        return lambda scope: operator(first(scope), second(scope), scope.run)

    def evaluate(scope: Scope) -> Value:
        value = first(scope)
        for operator, operand in rest:
            value = operator(value, operand(scope), scope.run)
        return value

    return evaluate


def negation(operand: Node, times: int) -> Node:
    """Return a node for one or more signs before an operand."""

    def evaluate(scope: Scope) -> Value:
        value = operand(scope)
        for _ in range(times):
            value = negate(value, scope.run)
        return value

    return evaluate


def equality(left: Node, right: Node, *, wanted: bool) -> Node:
    """Return a node for ``=`` or ``!=``."""

    def evaluate(scope: Scope) -> Value:
        first, second = left(scope), right(scope)
        result = equal(first, second, scope.run)
        if result is None:
            scope.run.warn(f"A {type_name(first)} cannot be compared with a {type_name(second)}")
            return None
        return result is wanted

    return evaluate


def comparison(left: Node, right: Node, test: Verdict) -> Node:
    """Return a node for ``<``, ``<=``, ``>`` or ``>=``."""

    def evaluate(scope: Scope) -> Value:
        first, second = left(scope), right(scope)
        if type(first) is Decimal and type(second) is Decimal:
            return test(first, second)
        result = order(first, second)
        if result is None:
            scope.run.warn(f"A {type_name(first)} cannot be compared with a {type_name(second)}")
            return None
        return test(result, 0)

    return evaluate


def between(operand: Node, lower: Node, upper: Node) -> Node:
    """Return a node for ``x between a and b``, both included."""

    def evaluate(scope: Scope) -> Value:
        value = operand(scope)
        above, below = order(value, lower(scope)), order(value, upper(scope))
        if above is None or below is None:
            scope.run.warn(f"A {type_name(value)} is not between values that it can be compared with")
            return None
        return above >= 0 >= below

    return evaluate


def instance_of(operand: Node, types: frozenset[str]) -> Node:
    """Return a node that tells whether a value is of one of these types; null is of none."""

    def evaluate(scope: Scope) -> Value:
        value = operand(scope)
        return value is not None and (not types or type_name(value) in types)

    return evaluate


def property_of(value: Value, key: str, run: Run) -> Value:
    """Return what ``value.key`` is, or null with a warning."""
    if isinstance(value, dict):
        if key in value:
            return value[key]
        run.warn(f"There is no entry '{key}' in the context")
        return None
    if isinstance(value, list):
        run.charge(len(value))
        return [property_of(item, key, run) for item in value]
    found = _part(value, key)
    if found is None:
        run.warn(f"A {type_name(value)} has no property '{key}'")
    return found


def _part(value: Value, key: str) -> Value:
    if isinstance(value, DateTime):
        return _day_part(value.date, key) if key in _DAY_PARTS else _clock_part(value, key)
    if isinstance(value, Date):
        return _day_part(value, key) if key in _DAY_PARTS else None
    if isinstance(value, Time):
        return _clock_part(value, key)
    amount: int | None = None
    if isinstance(value, DayTimeDuration) and key in _DAY_TIME:
        amount = _signed(value.nanos, *_DAY_TIME[key])
    if isinstance(value, YearMonthDuration) and key in _YEAR_MONTH:
        amount = _signed(value.months, *_YEAR_MONTH[key])
    return None if amount is None else Decimal(amount)


_DAY_PARTS: dict[str, Callable[[Date], int]] = {
    "year": lambda day: day.year,
    "month": lambda day: day.month,
    "day": lambda day: day.day,
    "weekday": lambda day: day.twin.isoweekday(),
}
# A clock's units: how many nanoseconds one is, and at how many it starts again.
_CLOCK = {"hour": (3_600 * SECOND, 24), "minute": (60 * SECOND, 60), "second": (SECOND, 60)}
_NO_END = 10**30
_DAY_TIME = {
    "days": (DAY, _NO_END),
    "hours": (3_600 * SECOND, 24),
    "minutes": (60 * SECOND, 60),
    "seconds": (SECOND, 60),
}
_YEAR_MONTH = {"years": (12, _NO_END), "months": (1, 12)}


def _day_part(day: Date, key: str) -> Decimal:
    return Decimal(_DAY_PARTS[key](day))


def _clock_part(value: Time | DateTime, key: str) -> Value:
    if key in _CLOCK:
        unit, end = _CLOCK[key]
        return Decimal(value.nanos // unit % end)
    if key == "time offset" and value.offset is not None:
        return DayTimeDuration(value.offset * SECOND)
    return value.zone if key == "timezone" else None


def _signed(amount: int, unit: int, end: int) -> int:
    """Return the whole units in an amount, up to where they start again, with the amount's sign."""
    whole = abs(amount) // unit % end
    return -whole if amount < 0 else whole
