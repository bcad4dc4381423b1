"""Equality and order between two values, and the tests that may stand behind ``in``.

The answer is true, false, or null where the two values cannot be compared. A test is a comparison, an
interval, another expression, or a list of these; it sees the value as ``?``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from decimal import Decimal
from typing import Any, TypeAlias

from connector.feel.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration
from connector.feel.values import Node, Range, Run, Scope, Value, type_name

# `operator.lt` and its like: asked of two numbers, or of what `order` gives and 0.
Verdict: TypeAlias = Callable[[Any, Any], bool]

_SIMPLE = frozenset({bool, Decimal, str, Date, DayTimeDuration, YearMonthDuration})
_ORDERED = frozenset({Decimal, str, Date, DayTimeDuration, YearMonthDuration})


def equal(left: Value, right: Value, run: Run) -> bool | None:
    """Compare two values; null equals only null, and values of different types cannot be compared.

    Lists and contexts are equal if all their items are; an item that cannot be compared is not equal.
    """
    if left is None or right is None:
        return left is right
    if type(left) is not type(right):
        return None
    return left == right if type(left) in _SIMPLE else _equal_inside(left, right, run)


def _equal_inside(left: Value, right: Value, run: Run) -> bool | None:
    run.charge(1)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(same(*pair, run) for pair in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(item, right[key], run) for key, item in left.items())
    if isinstance(left, Range) and isinstance(right, Range):
        closed = left.start_closed == right.start_closed and left.end_closed == right.end_closed
        return closed and same(left.start, right.start, run) and same(left.end, right.end, run)
    return left == right if _both_clocks(left, right) else None


def same(left: Value, right: Value, run: Run) -> bool:
    """Tell whether two values are equal; what cannot be compared is not."""
    return equal(left, right, run) is True


def _both_clocks(left: Value, right: Value) -> bool:
    """Tell whether both are times, or both moments, and both have an offset or neither has."""
    if isinstance(left, Time) and isinstance(right, Time):
        return (left.offset is None) == (right.offset is None)
    if isinstance(left, DateTime) and isinstance(right, DateTime):
        return (left.offset is None) == (right.offset is None)
    return False


def order(left: Value, right: Value) -> int | None:
    """Return a number below, at or above zero as left is before, at or after right; None if neither is so."""
    if type(left) is type(right) and type(left) in _ORDERED:
        return (left > right) - (left < right)  # type: ignore[operator]
    if _both_clocks(left, right):
        before, after = left.order, right.order  # type: ignore[union-attr]
        return (before > after) - (before < after)
    return None


def identity(value: Value, run: Run) -> Hashable:
    """Return a key that two values share exactly if they are equal; it makes sets of values possible."""
    run.charge(1)
    if isinstance(value, list):
        return (list, tuple(identity(item, run) for item in value))
    if isinstance(value, dict):
        return (dict, frozenset((key, identity(item, run)) for key, item in value.items()))
    if isinstance(value, Range):
        bounds = identity(value.start, run), identity(value.end, run)
        return (Range, bounds, value.start_closed, value.end_closed)
    return (type(value), value)


Test = Callable[[Scope, Value], bool | None]

INPUT = "?"


def within(operand: Node, test: Test) -> Node:
    """Return a node for ``x in …``."""

    def evaluate(scope: Scope) -> Value:
        value = operand(scope)
        return test(Scope({INPUT: value}, scope, scope.run), value)

    return evaluate


def comparing(operand: Node, verdict: Verdict) -> Test:
    """Return the test ``< x``, ``<= x``, ``> x`` or ``>= x``."""

    def test(scope: Scope, value: Value) -> bool | None:
        bound = operand(scope)
        result = order(value, bound)
        if result is None:
            scope.run.warn(f"A {type_name(value)} cannot be compared with a {type_name(bound)}")
            return None
        return verdict(result, 0)

    return test


def matching(operand: Node, *, asks: bool = False) -> Test:
    """Return the test of an expression: true by itself, an equal value, or a list that has it.

    One that ``asks`` for the value, by ``?``, gives the verdict itself.
    """

    def test(scope: Scope, value: Value) -> bool | None:
        expected = operand(scope)
        if expected is True or (asks and (expected is False or expected is None)):
            return expected
        if isinstance(expected, Range):
            return False
        if isinstance(expected, list):
            scope.run.charge(len(expected))
            if any(same(value, item, scope.run) for item in expected):
                return True
            return isinstance(value, list) and same(value, expected, scope.run)
        return equal(value, expected, scope.run)

    return test


def inside(interval: Node) -> Test:
    """Return the test of an interval that is written out; one in a variable is a value like others."""

    def test(scope: Scope, value: Value) -> bool | None:
        bounds = interval(scope)
        return includes(bounds, value) if isinstance(bounds, Range) else None

    return test


def one_of(tests: Sequence[Test]) -> Test:
    """Return the test ``a, b, c``: true if one is true, else null if one cannot tell."""

    def test(scope: Scope, value: Value) -> bool | None:
        result: bool | None = False
        for each in tests:
            verdict = each(scope, value)
            if verdict is True:
                return True
            if verdict is None:
                result = None
        return result

    return test


def includes(interval: Range, value: Value) -> bool | None:
    """Tell whether a value lies in an interval, or return None if it cannot be compared with both bounds."""
    above, below = order(value, interval.start), order(value, interval.end)
    if above is None or below is None:
        return None
    after_start = above > 0 or (above == 0 and interval.start_closed)
    return after_start and (below < 0 or (below == 0 and interval.end_closed))
