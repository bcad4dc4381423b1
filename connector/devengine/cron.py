"""Cron expressions of six fields: second, minute, hour, day of month, month, day of week; in UTC.

The dialect is Spring's, to which the documentation of Camunda's timers refers: names of months and days,
``L`` for the last day, ``W`` for the nearest weekday, ``#`` for the n-th weekday, macros such as ``@daily``.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

_MACROS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_NAMES = {name: str(number) for number, name in enumerate(_MONTHS, 1)} | {
    name: str(number) for number, name in enumerate(_DAYS)
}
_PART = re.compile(r"(?P<all>\*|\?)|(?P<first>\d+)(?:-(?P<last>\d+))?", re.ASCII)
# A 29 February on a given weekday comes back within 40 years.
_MOST_DAYS = 366 * 41

Day = Callable[[date], bool]


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed cron expression."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    months: frozenset[int]
    days: tuple[Day, Day]

    @classmethod
    def of(cls, text: str) -> Cron:
        """Read a cron expression.

        Raises:
            ValueError: It is none.
        """
        fields = _MACROS.get(text.lower(), text).upper().split()
        if len(fields) != 6:
            raise ValueError("a cron expression has six fields: second minute hour day month weekday")
        second, minute, hour, day, month, weekday = (
            re.sub(r"[A-Z]{3}", lambda name: _NAMES.get(name[0], name[0]), field) for field in fields
        )
        return cls(
            _numbers(second, 0, 59),
            _numbers(minute, 0, 59),
            _numbers(hour, 0, 23),
            _numbers(month, 1, 12),
            (_day_of_month(day), _day_of_week(weekday)),
        )

    def after(self, moment: float) -> Iterator[float]:
        """Return the times after a moment, in seconds since the epoch."""
        start = datetime.fromtimestamp(moment, UTC)
        for ahead in range(_MOST_DAYS):
            day = start.date() + timedelta(days=ahead)
            if day.month in self.months and all(fits(day) for fits in self.days):
                yield from (time for time in self._times(day) if time > moment)

    def _times(self, day: date) -> Iterator[float]:
        midnight = datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
        for hour in sorted(self.hours):
            for minute in sorted(self.minutes):
                for second in sorted(self.seconds):
                    yield midnight + hour * 3_600 + minute * 60 + second


def _numbers(field: str, low: int, high: int) -> frozenset[int]:
    return frozenset(number for part in field.split(",") for number in _range(part, low, high))


def _range(part: str, low: int, high: int) -> range:
    """Read ``*``, ``5``, ``5-10``, each with ``/2`` behind it; ``5/2`` goes on to the end."""
    bounds, slash, step = part.partition("/")
    match = _PART.fullmatch(bounds)
    if match is None or (slash and not (step.isdecimal() and int(step))):
        raise _unreadable(part)
    first = low if match["all"] else int(match["first"])
    last = int(match["last"]) if match["last"] else high if match["all"] or slash else first
    if not low <= first <= last <= high:
        raise ValueError(f"'{part}' in a cron expression is outside {low}-{high}")
    return range(first, last + 1, int(step) if slash else 1)


def _day_of_month(field: str) -> Day:
    if match := re.fullmatch(r"L(?:-(\d+))?(W)?", field, re.ASCII):
        before, weekday = int(match[1] or 0), bool(match[2])
        return lambda day: day.day == _near(day, _days(day) - before, weekday=weekday)
    if match := re.fullmatch(r"(\d+)W", field, re.ASCII):
        wanted = int(match[1])
        return lambda day: day.day == _near(day, min(wanted, _days(day)), weekday=True)
    numbers = _numbers(field, 1, 31)
    return lambda day: day.day in numbers


def _day_of_week(field: str) -> Day:
    if match := re.fullmatch(r"([0-7])L", field, re.ASCII):
        wanted = int(match[1])
        return lambda day: _weekday(day) == wanted % 7 and day.day + 7 > _days(day)
    if match := re.fullmatch(r"([0-7])#([1-5])", field, re.ASCII):
        wanted, nth = int(match[1]), int(match[2])
        return lambda day: _weekday(day) == wanted % 7 and (day.day - 1) // 7 + 1 == nth
    numbers = frozenset(number % 7 for number in _numbers(field, 0, 7))
    return lambda day: _weekday(day) in numbers


def _near(day: date, wanted: int, *, weekday: bool) -> int:
    """Return a day of the month or, where a weekday is wanted, the nearest one in the same month."""
    at = date(day.year, day.month, max(wanted, 1))
    if not weekday or at.weekday() < 5:
        return at.day
    if at.weekday() == 5:
        return at.day - 1 if at.day > 1 else at.day + 2
    return at.day + 1 if at.day < _days(day) else at.day - 2


def _weekday(day: date) -> int:
    """Return the day of the week as cron counts it: 0 is Sunday."""
    return day.isoweekday() % 7


def _days(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def _unreadable(part: str) -> ValueError:
    return ValueError(f"'{part}' is no field of a cron expression")
