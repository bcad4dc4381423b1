"""Equality and order between two values: true, false, or null where the two cannot be compared."""

from __future__ import annotations

from collections.abc import Hashable
from decimal import Decimal

from connector.feel.temporal import DateTime, DayTimeDuration, Date, Time, YearMonthDuration
from connector.feel.values import Range, Value

_SIMPLE = frozenset({bool, Decimal, str, Date, DayTimeDuration, YearMonthDuration, Range})
_ORDERED = frozenset({Decimal, str, Date, DayTimeDuration, YearMonthDuration})


def equal(left: Value, right: Value) -> bool | None:
    """Compare two values; null equals only null, and values of different types cannot be compared.

    Lists and contexts are equal if all their items are; an item that cannot be compared is not equal.
    """
    if left is None or right is None:
        return left is right
    kind = type(left)
    if kind is not type(right):
        return None
    if kind in _SIMPLE:
        return left == right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_same, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(_same(item, right[key]) for key, item in left.items())
    return left == right if _both_clocks(left, right) else None


def _same(left: Value, right: Value) -> bool:
    return equal(left, right) is True


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
        return (before > after) - (before < after)  # type: ignore[operator]
    return None


def identity(value: Value) -> Hashable:
    """Return a key that two values share exactly if they are equal; it makes sets of values possible."""
    if isinstance(value, list):
        return (list, tuple(map(identity, value)))
    if isinstance(value, dict):
        return (dict, frozenset((key, identity(item)) for key, item in value.items()))
    return (type(value), value)
