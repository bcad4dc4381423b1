"""Closures for what may stand behind ``in``: comparisons, intervals, other expressions, and lists of these.

A test is true, false, or null where the value cannot be compared. It sees the value as ``?``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from connector.feel.comparison import Verdict, equal, order, same
from connector.feel.values import Node, Range, Scope, Value, type_name

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
