"""Temporal functions: the present, and what the calendar says of a day."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from connector.feel.builtins.conversion import date_of
from connector.feel.functions import builtin
from connector.feel.limits import Run
from connector.feel.temporal import SECOND, Date, DateTime, days_of_month

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)


def _moment(clock: datetime) -> DateTime:
    seconds = clock.hour * 3_600 + clock.minute * 60 + clock.second
    offset = int((clock.utcoffset() or timedelta()).total_seconds())
    day = Date(clock.year, clock.month, clock.day)
    return DateTime(
        day, seconds * SECOND + clock.microsecond * 1_000, offset, getattr(clock.tzinfo, "key", None)
    )


@builtin("now()")
def now(run: Run) -> DateTime:
    """Return the present moment, in the zone of the evaluation's clock."""
    return _moment(run.clock())


@builtin("today()")
def today(run: Run) -> Date:
    """Return the present day."""
    return _moment(run.clock()).date


@builtin("day of week(date: day)")
def day_of_week(day: Date | DateTime) -> str:
    """Return the English name of a weekday."""
    return _DAYS[date_of(day).twin.weekday()]


@builtin("day of year(date: day)")
def day_of_year(day: Date | DateTime) -> Decimal:
    """Return the number of a day in its year."""
    return Decimal(date_of(day).twin.timetuple().tm_yday)


@builtin("week of year(date: day)")
def week_of_year(day: Date | DateTime) -> Decimal:
    """Return the number of a day's week, as ISO 8601 counts them."""
    return Decimal(date_of(day).twin.isocalendar().week)


@builtin("month of year(date: day)")
def month_of_year(day: Date | DateTime) -> str:
    """Return the English name of a month."""
    return _MONTHS[date_of(day).month - 1]


@builtin("last day of month(date: day)")
def last_day_of_month(day: Date | DateTime) -> Date:
    """Return the last day of a day's month."""
    date = date_of(day)
    return Date(date.year, date.month, days_of_month(date.year, date.month))
