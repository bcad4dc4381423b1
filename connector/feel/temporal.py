"""Dates, times and durations as FEEL knows them.

Python's own types end at the year 9999 and at the microsecond, and know no time with a zone but without a
date. FEEL's reach from the year -999,999,999 to 999,999,999 in nanoseconds, and a value keeps the offset
or the zone that it was written with. Reading and writing them is `temporal_text`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

SECOND = 1_000_000_000
DAY_SECONDS = 86_400
DAY = DAY_SECONDS * SECOND
MOST_YEARS = 999_999_999
MOST_OFFSET = 18 * 3_600

# The Gregorian calendar repeats every 400 years, weekdays included: a far year is counted as its twin
# between 2000 and 2399, which Python's calendar knows.
_CYCLE_YEARS = 400
_CYCLE_DAYS = 146_097
_TWIN = 2_000
_TWIN_DAY = date(_TWIN, 1, 1).toordinal()
_EPOCH = date(1970, 1, 1).toordinal()
# The years for which Python can ask a zone; before and after them a twin year stands in, which keeps
# leap days right and takes the zone's first rule or a recent one.
_FIRST_RULE, _LAST_RULE = 2, 9_990


class OutOfCalendarError(ValueError):
    """A date is outside the years that FEEL knows."""


@dataclass(frozen=True, slots=True, order=True)
class Date:
    """A day of the calendar."""

    year: int
    month: int
    day: int

    @classmethod
    def of(cls, year: int, month: int, day: int) -> Date | None:
        """Return the day, or None where the calendar has no such day."""
        if abs(year) > MOST_YEARS:
            return None
        try:
            date(_TWIN + year % _CYCLE_YEARS, month, day)
        except ValueError:
            return None
        return cls(year, month, day)

    @classmethod
    def from_epoch_day(cls, day: int) -> Date:
        """Return the day that is ``day`` days after 1970-01-01."""
        cycles, rest = divmod(day + _EPOCH - _TWIN_DAY, _CYCLE_DAYS)
        twin = date.fromordinal(_TWIN_DAY + rest)
        year = twin.year + cycles * _CYCLE_YEARS
        if abs(year) > MOST_YEARS:
            raise OutOfCalendarError(f"the year {year} is outside the calendar")
        return cls(year, twin.month, twin.day)

    @property
    def twin(self) -> date:
        """The same day in a year that Python knows; weekday, week and length of the year are the same."""
        return date(_TWIN + self.year % _CYCLE_YEARS, self.month, self.day)

    @property
    def epoch_day(self) -> int:
        """The number of days since 1970-01-01."""
        twin = self.twin
        cycles = (self.year - twin.year) // _CYCLE_YEARS
        return twin.toordinal() - _EPOCH + cycles * _CYCLE_DAYS

    def plus_months(self, months: int) -> Date:
        """Return the day some months later; the 31st becomes the last day of a shorter month."""
        year, month = divmod(self.year * 12 + self.month - 1 + months, 12)
        if abs(year) > MOST_YEARS:
            raise OutOfCalendarError(f"the year {year} is outside the calendar")
        return Date(year, month + 1, min(self.day, days_of_month(year, month + 1)))


def days_of_month(year: int, month: int) -> int:
    """Return how many days a month has."""
    twin = _TWIN + year % _CYCLE_YEARS
    following = date(twin + month // 12, month % 12 + 1, 1)
    return (following - timedelta(days=1)).day


@dataclass(frozen=True, slots=True)
class Time:
    """A time of day, in nanoseconds since midnight, with or without an offset or a zone."""

    nanos: int
    offset: int | None = None
    zone: str | None = None

    @property
    def order(self) -> tuple[int, int]:
        """Sorts times that both have an offset, or both have none: the moment first, then the clock."""
        return self.nanos - (self.offset or 0) * SECOND, self.nanos


@dataclass(frozen=True, slots=True)
class DateTime:
    """A day and a time of day, with or without an offset or a zone; ``offset`` is the zone's at that time."""

    date: Date
    nanos: int
    offset: int | None = None
    zone: str | None = None

    @property
    def epoch_nanos(self) -> int:
        """Nanoseconds since 1970-01-01T00:00 in UTC, or of the local clock if there is no offset."""
        return (self.date.epoch_day * DAY_SECONDS - (self.offset or 0)) * SECOND + self.nanos

    @property
    def order(self) -> tuple[int, int, str]:
        """Sorts values that both have an offset, or both have none: the moment, the clock, the zone."""
        return self.epoch_nanos, self.date.epoch_day * DAY + self.nanos, self.zone or ""


@dataclass(frozen=True, slots=True, order=True)
class DayTimeDuration:
    """A span of time in nanoseconds."""

    nanos: int


@dataclass(frozen=True, slots=True, order=True)
class YearMonthDuration:
    """A span of the calendar in months."""

    months: int


Temporal = Date | Time | DateTime | DayTimeDuration | YearMonthDuration
TEMPORAL = (Date, Time, DateTime, DayTimeDuration, YearMonthDuration)


def find_zone(name: str) -> ZoneInfo | None:
    """Return the zone of the IANA database that has this name, or None."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # an unknown name, a name like a path, a directory's name
        return None


def standard_offset(zone: ZoneInfo, now: datetime) -> int:
    """Return a zone's offset without daylight saving, in seconds: what a time without a date counts with."""
    there = now.astimezone(zone)
    offset = (there.utcoffset() or timedelta()) - (there.dst() or timedelta())
    return int(offset.total_seconds())


def at_zone(day: Date, nanos: int, zone: ZoneInfo) -> DateTime:
    """Return the moment at which a clock in a zone shows this; a time that is skipped moves forward."""
    there = _clock(day, nanos, zone)
    settled = there.astimezone(UTC).astimezone(zone)
    if there.replace(tzinfo=None) != settled.replace(tzinfo=None):
        shift = int((settled.replace(tzinfo=None) - there.replace(tzinfo=None)).total_seconds())
        moved = day.epoch_day * DAY + nanos + shift * SECOND
        day, nanos = Date.from_epoch_day(moved // DAY), moved % DAY
    return DateTime(day, nanos, _seconds(settled), zone.key)


def from_epoch(nanos: int, offset: int, zone: ZoneInfo | None = None) -> DateTime:
    """Return the moment ``nanos`` after 1970 in UTC, on a clock with this offset, or in this zone."""
    if zone is not None:
        day, rest = divmod(nanos, DAY)
        offset = _seconds(_clock(Date.from_epoch_day(day), rest, UTC).astimezone(zone))
    day, rest = divmod(nanos + offset * SECOND, DAY)
    return DateTime(Date.from_epoch_day(day), rest, offset, zone.key if zone else None)


def _clock(day: Date, nanos: int, zone: tzinfo) -> datetime:
    year = day.year
    if year < _FIRST_RULE:
        year = _CYCLE_YEARS + year % _CYCLE_YEARS
    elif year > _LAST_RULE:
        year = _TWIN + year % _CYCLE_YEARS
    hours, rest = divmod(nanos // SECOND, 3_600)
    return datetime(year, day.month, day.day, hours, rest // 60, rest % 60, tzinfo=zone)


def _seconds(moment: datetime) -> int:
    return int((moment.utcoffset() or timedelta()).total_seconds())
