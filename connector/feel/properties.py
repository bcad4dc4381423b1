"""What stands behind a dot: an entry of a context or of each item of a list, a part of a temporal value."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from connector.feel.limits import Run
from connector.feel.temporal import DAY, SECOND, Date, DateTime, DayTimeDuration, Time, YearMonthDuration
from connector.feel.values import Value, type_name


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
