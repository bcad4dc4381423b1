"""Equality and order between two values: true, false, or null where the two cannot be compared."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from decimal import Decimal
from typing import Any, TypeAlias

from connector.feel.limits import Run
from connector.feel.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration
from connector.feel.values import Range, Value

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
