"""Conversion and temporal functions: text, numbers, dates, times and durations, from and to each other.

``string()`` and ``to json()`` differ in more than quotes: a context is ``{a:1}`` in FEEL and ``{"a":1}`` in
JSON, and a moment in a zone is ``…@Europe/Berlin`` in FEEL and ``…+02:00[Europe/Berlin]`` in JSON.
"""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from decimal import Decimal

from connector.feel.functions import builtin
from connector.feel.temporal import (
    MOST_OFFSET,
    SECOND,
    TEMPORAL,
    Date,
    DateTime,
    DayTimeDuration,
    Time,
    YearMonthDuration,
    at_zone,
    days_of_month,
    find_zone,
    from_epoch,
)
from connector.feel.temporal_text import (
    iso_text,
    parse_date,
    parse_date_time,
    parse_duration,
    parse_offset,
    parse_time,
    text_of,
)
from connector.feel.values import MOST_DIGITS, Lambda, Range, Run, Value

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_OFFSET = re.compile(r"Z|[+-]\d\d:\d\d(?::\d\d)?", re.ASCII)


@builtin("string(from: Any)")
def string(run: Run, value: Value) -> str | None:
    """Return the value as FEEL text; null stays null."""
    if value is None:
        return None
    text = feel_text(value, run)
    run.charge_text(len(text))
    return text


@builtin("number(from: string)")
def number(text: str) -> Decimal | None:
    """Return the number that a text is, or null."""
    if len(text) > MOST_DIGITS or not _NUMBER.fullmatch(text):
        return None
    return Decimal(text)


@builtin(
    "number(from: string, grouping separator: string)",
    "number(from: string, grouping separator: string?, decimal separator: string?)",
)
def number_with(text: str, grouping: str | None, decimal: str | None = None) -> Decimal | None:
    """Return the number that a text is with these separators; null if they are unusable or both missing."""
    if grouping == decimal or grouping not in (None, " ", ",", ".") or decimal not in (None, ",", "."):
        return None
    if grouping:
        text = text.replace(grouping, "")
    return number(text.replace(decimal, ".") if decimal else text)


@builtin("date(from: string)")
def date(text: str) -> Date | None:
    """Return the date that a text is, or null."""
    return parse_date(text)


@builtin("date(from: day)")
def date_of(value: Date | DateTime) -> Date:
    """Return the date of a moment."""
    return value.date if isinstance(value, DateTime) else value


@builtin("date(year: number, month: number, day: number)")
def date_from_parts(year: Decimal, month: Decimal, day: Decimal) -> Date | None:
    """Return the date of these parts, or null if the calendar has no such day."""
    if max(year.adjusted(), month.adjusted(), day.adjusted()) > 9:
        return None
    return Date.of(int(year), int(month), int(day))


@builtin("time(from: string)")
def time(run: Run, text: str) -> Time | None:
    """Return the time that a text is, or null."""
    return parse_time(text, run.clock)


@builtin("time(from: date and time)")
def time_of(value: DateTime) -> Time:
    """Return the time of a moment."""
    return Time(value.nanos, value.offset, value.zone)


@builtin(
    "time(hour: number, minute: number, second: number)",
    "time(hour: number, minute: number, second: number, offset: days and time duration?)",
)
def time_from_parts(
    hour: Decimal, minute: Decimal, second: Decimal, offset: DayTimeDuration | None = None
) -> Time | None:
    """Return the time of these parts, or null if no clock shows it."""
    if not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second < 60):
        return None
    nanos = (int(hour) * 3_600 + int(minute) * 60) * SECOND + int(second * SECOND)
    if offset is None:
        return Time(nanos)
    seconds = offset.nanos // SECOND
    return Time(nanos, seconds) if abs(seconds) <= MOST_OFFSET else None


@builtin("date and time(from: string)")
def date_time(text: str) -> DateTime | None:
    """Return the moment that a text is, or null."""
    return parse_date_time(text)


@builtin("date and time(date: day, time: time)")
def date_time_from_parts(day: Date | DateTime, clock: Time) -> DateTime:
    """Return the moment of a date and a time."""
    zone = find_zone(clock.zone) if clock.zone else None
    if zone is not None:
        return at_zone(date_of(day), clock.nanos, zone)
    return DateTime(date_of(day), clock.nanos, clock.offset)


@builtin("date and time(date: date and time, timezone: string)")
def date_time_at(moment: DateTime, timezone: str) -> DateTime | None:
    """Return the same moment on the clock of another zone; one without a zone is taken to be there."""
    zone = None
    offset = parse_offset(timezone) if _OFFSET.fullmatch(timezone) else None
    if offset is None:
        zone = find_zone(timezone)
        if zone is None:
            return None
    if moment.offset is not None:
        return from_epoch(moment.epoch_nanos, offset or 0, zone)
    return at_zone(moment.date, moment.nanos, zone) if zone else DateTime(moment.date, moment.nanos, offset)


@builtin("duration(from: string)")
def duration(text: str) -> DayTimeDuration | YearMonthDuration | None:
    """Return the duration that a text is, or null."""
    return parse_duration(text)


@builtin("years and months duration(from: day, to: day)")
def months_between(start: Date | DateTime, end: Date | DateTime) -> YearMonthDuration:
    """Return the whole months from one day to another."""
    first, last = date_of(start), date_of(end)
    months = (last.year - first.year) * 12 + last.month - first.month
    if months > 0 and last.day < first.day:
        months -= 1
    elif months < 0 and last.day > first.day:
        months += 1
    return YearMonthDuration(months)


def _json_number(text: str) -> Decimal:
    if len(text) > MOST_DIGITS:
        raise ValueError(text)
    return Decimal(text)


def _no_constant(name: str) -> Value:
    raise ValueError(name)


_DECODER = json.JSONDecoder(parse_float=_json_number, parse_int=_json_number, parse_constant=_no_constant)


@builtin("from json(value: string)")
def from_json_text(run: Run, text: str) -> Value:
    """Return the value that a JSON text holds, or null if it is none."""
    run.charge(len(text) // 4 + 1)
    try:
        value: Value = _DECODER.decode(text)
    except (ValueError, ArithmeticError, RecursionError):
        return None
    return value


@builtin("to json(value: Any)")
def to_json_text(run: Run, value: Value) -> str:
    """Return the value as JSON text."""
    text = json_text(value, run)
    run.charge_text(len(text))
    return text


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


def number_text(number: Decimal) -> str:
    """Write a number with the digits it has, ``1.0`` and ``1E+40`` included; there is no negative zero."""
    return str(number if number else number.copy_abs())


def feel_text(value: Value, run: Run) -> str:
    """Write a value as ``string()`` does; a string stays what it is."""
    return value if isinstance(value, str) else _feel(value, run)


def _feel(value: Value, run: Run) -> str:
    run.charge(1)
    if isinstance(value, str):
        run.charge_text(len(value))
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(_feel(item, run) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}:{_feel(item, run)}' for key, item in value.items())}}}"
    if isinstance(value, TEMPORAL):
        return text_of(value)
    if isinstance(value, Range):
        return _range(value, run)
    return _plain(value)


def json_text(value: Value, run: Run) -> str:
    """Write a value as ``to json()`` does, without blanks."""
    run.charge(1)
    if isinstance(value, str):
        run.charge_text(len(value))
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{','.join(json_text(item, run) for item in value)}]"
    if isinstance(value, dict):
        items = (
            f"{json.dumps(key, ensure_ascii=False)}:{json_text(item, run)}" for key, item in value.items()
        )
        return f"{{{','.join(items)}}}"
    if isinstance(value, TEMPORAL):
        return f'"{iso_text(value)}"'
    return f'"{_range(value, run)}"' if isinstance(value, Range) else _plain(value)


def _plain(value: bool | Decimal | Lambda | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return number_text(value)
    return f"function({', '.join(value.parameters)})"


def _range(value: Range, run: Run) -> str:
    opening, closing = "[" if value.start_closed else "(", "]" if value.end_closed else ")"
    return f"{opening}{_feel(value.start, run)}..{_feel(value.end, run)}{closing}"
