"""The operators ``+ - * / **`` and the sign, over numbers, strings and temporal values.

Each takes two values and gives one; what is not defined for the two is null with a warning, and so is a
result that has no value (a division by zero, a date after the last year).
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from connector.feel.errors import FeelError
from connector.feel.temporal import (
    DAY,
    SECOND,
    Date,
    DateTime,
    DayTimeDuration,
    OutOfCalendarError,
    Time,
    YearMonthDuration,
    at_zone,
    find_zone,
    from_epoch,
)
from connector.feel.values import NUMBERS, Run, Value, type_name

Operator = Callable[[Value, Value, Run], Value]
Duration = DayTimeDuration | YearMonthDuration

_add, _subtract, _multiply = NUMBERS.add, NUMBERS.subtract, NUMBERS.multiply
_divide, _power = NUMBERS.divide, NUMBERS.power
_NO_VALUE = "A calculation has no value: it divides by zero or is too large"


def add(left: Value, right: Value, run: Run) -> Value:
    """Add two numbers, two durations, a duration to a date, time or moment, or join two strings."""
    if type(left) is Decimal and type(right) is Decimal:
        return _number(_add, left, right, run)
    if isinstance(left, str) and isinstance(right, str):
        run.charge_text(len(left) + len(right))
        return left + right
    if isinstance(left, Duration) and not isinstance(right, Duration):
        left, right = right, left
    return _temporal(_plus, left, right, run, "added to")


def subtract(left: Value, right: Value, run: Run) -> Value:
    """Subtract numbers, durations, a duration from a date, time or moment, or two of these from another."""
    if type(left) is Decimal and type(right) is Decimal:
        return _number(_subtract, left, right, run)
    return _temporal(_minus, left, right, run, "reduced by")


def multiply(left: Value, right: Value, run: Run) -> Value:
    """Multiply two numbers, or a duration by the whole part of a number."""
    if type(left) is Decimal and type(right) is Decimal:
        return _number(_multiply, left, right, run)
    if isinstance(left, Decimal):
        left, right = right, left
    return _temporal(_times, left, right, run, "multiplied by")


def divide(left: Value, right: Value, run: Run) -> Value:
    """Divide two numbers, two durations of a kind, or a duration by a number; zero divides nothing."""
    if type(left) is Decimal and type(right) is Decimal:
        return _number(_divide, left, right, run)
    return _temporal(_ratio, left, right, run, "divided by")


def power(left: Value, right: Value, run: Run) -> Value:
    """Raise a number to a power; a power that is not whole is calculated as a double, as the engine does."""
    if not isinstance(left, Decimal) or not isinstance(right, Decimal):
        _undefined(left, right, run, "raised to")
        return None
    if not left and right <= 0:
        return _power_of_zero(right)
    return _number(_power if right == right.to_integral_value() else _power_of_doubles, left, right, run)


def _power_of_zero(exponent: Decimal) -> Decimal:
    if exponent:
        raise FeelError("Zero has no negative power")
    return Decimal(1)


def negate(value: Value, run: Run) -> Value:
    """Change the sign of a number; a duration has no opposite in Camunda's FEEL."""
    if isinstance(value, Decimal):
        return NUMBERS.minus(value)
    run.warn(f"A {type_name(value)} cannot be negated")
    return None


def from_double(value: float | complex) -> Decimal:
    """Return the number that a double is written as.

    Raises:
        FeelError: It is not a number, or infinite; Camunda's engine fails here too, rather than give null.
    """
    if isinstance(value, complex) or value != value or value in (float("inf"), float("-inf")):  # noqa: PLR0124 - NaN
        raise FeelError("The calculation has no finite result")
    return Decimal(repr(value))


def _number(
    calculate: Callable[[Decimal, Decimal], Decimal], left: Decimal, right: Decimal, run: Run
) -> Decimal | None:
    try:
        return calculate(left, right)
    except ArithmeticError:
        run.warn(_NO_VALUE)
        return None


def _power_of_doubles(left: Decimal, right: Decimal) -> Decimal:
    return from_double(float(left) ** float(right))


def _undefined(left: Value, right: Value, run: Run, verb: str) -> None:
    run.warn(f"A {type_name(left)} cannot be {verb} a {type_name(right)}")


def _temporal(
    calculate: Callable[[Value, Value], Value], left: Value, right: Value, run: Run, verb: str
) -> Value:
    try:
        result = calculate(left, right)
    except (OutOfCalendarError, ArithmeticError):
        run.warn(_NO_VALUE)
        return None
    if result is None:
        _undefined(left, right, run, verb)
    return result


def _plus(left: Value, right: Value) -> Value:
    if isinstance(left, DayTimeDuration) and isinstance(right, DayTimeDuration):
        return DayTimeDuration(left.nanos + right.nanos)
    if isinstance(left, YearMonthDuration) and isinstance(right, YearMonthDuration):
        return YearMonthDuration(left.months + right.months)
    if isinstance(right, YearMonthDuration):
        return _later_months(left, right.months)
    if isinstance(right, DayTimeDuration):
        return _later(left, right.nanos)
    return None


def _minus(left: Value, right: Value) -> Value:
    if isinstance(right, DayTimeDuration):
        return _plus(left, DayTimeDuration(-right.nanos))
    if isinstance(right, YearMonthDuration):
        return _plus(left, YearMonthDuration(-right.months))
    return _between(left, right)


def _later_months(value: Value, months: int) -> Value:
    if isinstance(value, Date):
        return value.plus_months(months)
    if isinstance(value, DateTime):
        return _on_clock(value.date.plus_months(months), value.nanos, value)
    return None


def _later(value: Value, nanos: int) -> Value:
    """Return a date, time or moment some nanoseconds later; a date counts from its midnight."""
    if isinstance(value, Date):
        return Date.from_epoch_day((value.epoch_day * DAY + nanos) // DAY)
    if isinstance(value, Time):
        return Time((value.nanos + nanos) % DAY, value.offset, value.zone)
    if not isinstance(value, DateTime):
        return None
    if value.offset is not None:
        return from_epoch(
            value.epoch_nanos + nanos, value.offset, find_zone(value.zone) if value.zone else None
        )
    day, rest = divmod(value.date.epoch_day * DAY + value.nanos + nanos, DAY)
    return DateTime(Date.from_epoch_day(day), rest)


def _on_clock(day: Date, nanos: int, like: DateTime) -> DateTime:
    zone = find_zone(like.zone) if like.zone else None
    return at_zone(day, nanos, zone) if zone else DateTime(day, nanos, like.offset)


def _between(left: Value, right: Value) -> DayTimeDuration | None:
    """Return the time from ``right`` to ``left``; it takes two offsets or none."""
    if isinstance(left, Date) and isinstance(right, Date):
        return DayTimeDuration((left.epoch_day - right.epoch_day) * DAY)
    if isinstance(left, Time) and isinstance(right, Time) and (left.offset is None) == (right.offset is None):
        if left.offset is None:
            return DayTimeDuration(left.nanos - right.nanos)
        # The engine counts the other way round once the times have an offset; so must we.
        return DayTimeDuration(right.order[0] - left.order[0])
    if not isinstance(left, DateTime) or not isinstance(right, DateTime):
        return None
    if (left.offset is None) != (right.offset is None):
        return None
    return DayTimeDuration(left.epoch_nanos - right.epoch_nanos)


def _times(left: Value, right: Value) -> Value:
    if not isinstance(right, Decimal):
        return None
    if isinstance(left, DayTimeDuration):
        return DayTimeDuration(_bounded(left.nanos * _whole(right)))
    if isinstance(left, YearMonthDuration):
        return YearMonthDuration(_bounded(left.months * _whole(right)))
    return None


def _ratio(left: Value, right: Value) -> Value:
    if isinstance(left, DayTimeDuration):
        if isinstance(right, DayTimeDuration):
            return _times_in(left.nanos, right.nanos)
        return DayTimeDuration(_part(left.nanos, right)) if isinstance(right, Decimal) else None
    if isinstance(left, YearMonthDuration):
        if isinstance(right, YearMonthDuration):
            return _times_in(left.months, right.months)
        return YearMonthDuration(_part(left.months, right)) if isinstance(right, Decimal) else None
    return None


def _times_in(amount: int, unit: int) -> Decimal:
    """Return how many times a duration goes into another, without the rest."""
    times = abs(amount) // abs(unit)
    return Decimal(times if (amount < 0) == (unit < 0) else -times)


def _part(amount: int, divisor: Decimal) -> int:
    return _bounded(int(_divide(Decimal(amount), divisor)))


def _whole(number: Decimal) -> int:
    """Return the whole part of a number that counts durations.

    Raises:
        ArithmeticError: It is beyond any calendar.
    """
    if number.adjusted() > 18:
        raise OverflowError
    return int(number)


def _bounded(amount: int) -> int:
    if abs(amount) > 2**63 * SECOND:
        raise OverflowError
    return amount
