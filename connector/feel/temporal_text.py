"""Reading and writing temporal values.

Three forms of writing are in use, because the engine has three: `text_of` is what ``string()`` gives and
what can be read again; `iso_text` is what ``to json()`` gives; `result_text` is what a process variable
holds when an expression results in a temporal value (ISO 8601, the id of a zone dropped).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from functools import lru_cache

from connector.feel.temporal import (
    DAY,
    MOST_OFFSET,
    MOST_YEARS,
    SECOND,
    Date,
    DateTime,
    DayTimeDuration,
    Temporal,
    Time,
    YearMonthDuration,
    at_zone,
    find_zone,
    standard_offset,
)

_DATE = r"(?P<year>-?\d{4,9})-(?P<month>\d\d)-(?P<day>\d\d)"
_TIME = r"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{1,9}))?)?"
_OFFSET = r"(?P<offset>Z|[+-]\d\d:\d\d(?::\d\d)?)"
_ZONE = r"@(?P<zone>[\w/+~-]+)"
_DATE_ONLY = re.compile(_DATE, re.ASCII)
_TIME_ONLY = re.compile(rf"T?{_TIME}(?:{_OFFSET}|{_ZONE})?", re.ASCII)
_DATE_TIME = re.compile(
    rf"{_DATE}(?:T{_TIME}(?:{_OFFSET}(?:\[(?P<region>[\w/+~-]+)\])?|{_ZONE})?)?", re.ASCII
)
_DAY_TIME = re.compile(
    r"(?P<sign>[+-])?P(?:(?P<days>[+-]?\d+)D)?"
    r"(?:T(?:(?P<hours>[+-]?\d+)H)?(?:(?P<minutes>[+-]?\d+)M)?(?:(?P<seconds>[+-]?\d+)(?:\.(?P<fraction>\d{0,9}))?S)?)?",
    re.ASCII,
)
_YEAR_MONTH = re.compile(r"(?P<sign>[+-])?P(?:(?P<years>-?\d+)Y)?(?:(?P<months>-?\d+)M)?", re.ASCII)

# The engine counts the seconds of a duration, and its years and its months, in fixed-size integers.
_MOST_SECONDS = 2**63 // 1_000
_MOST_MONTHS = MOST_YEARS * 12
# No written temporal value is longer; a longer text is not even looked at.
_LONGEST = 100

Clock = Callable[[], datetime]


def parse_date(text: str) -> Date | None:
    """Read ``yyyy-MM-dd``, or return None."""
    match = _DATE_ONLY.fullmatch(text) if len(text) < _LONGEST else None
    return _date(match) if match else None


def parse_time(text: str, clock: Clock) -> Time | None:
    """Read ``HH:mm[:ss]`` with an offset, ``@`` and a zone, or neither, or return None."""
    match = _TIME_ONLY.fullmatch(text) if len(text) < _LONGEST else None
    nanos = _nanos(match, latest=24) if match else None
    if match is None or nanos is None:
        return None
    nanos %= DAY
    if match["zone"]:
        zone = find_zone(match["zone"])
        return Time(nanos, standard_offset(zone, clock()), zone.key) if zone else None
    if match["offset"]:
        offset = parse_offset(match["offset"])
        return None if offset is None else Time(nanos, offset)
    return Time(nanos)


def parse_date_time(text: str) -> DateTime | None:
    """Read a date and, after ``T``, a time with an offset, ``@`` and a zone, or neither, or return None."""
    match = _DATE_TIME.fullmatch(text) if len(text) < _LONGEST else None
    day = _date(match) if match else None
    nanos = _nanos(match) if match else None
    if match is None or day is None or nanos is None:
        return None
    if name := match["zone"] or match["region"]:
        zone = find_zone(name)
        return at_zone(day, nanos, zone) if zone else None
    if match["offset"]:
        offset = parse_offset(match["offset"])
        return None if offset is None else DateTime(day, nanos, offset)
    return DateTime(day, nanos)


def parse_offset(text: str) -> int | None:
    """Read ``Z`` or ``+hh:mm[:ss]`` as seconds, or return None; more than 18 hours is no offset."""
    if text == "Z":
        return 0
    parts = [int(part) for part in text[1:].split(":")]
    if parts[1] > 59 or (len(parts) > 2 and parts[2] > 59):
        return None
    seconds = parts[0] * 3_600 + parts[1] * 60 + (parts[2] if len(parts) > 2 else 0)
    return None if seconds > MOST_OFFSET else -seconds if text[0] == "-" else seconds


def parse_duration(text: str) -> DayTimeDuration | YearMonthDuration | None:
    """Read an ISO 8601 duration of days and time, or of years and months, or return None."""
    text = text.upper()
    if len(text) >= _LONGEST or not text[-1:].isalpha() or text[-1] in "PT":
        return None
    if match := _YEAR_MONTH.fullmatch(text):
        months = int(match["years"] or 0) * 12 + int(match["months"] or 0)
        return (
            None
            if abs(months) > _MOST_MONTHS
            else YearMonthDuration(-months if match["sign"] == "-" else months)
        )
    match = _DAY_TIME.fullmatch(text)
    return _day_time(match) if match else None


def parse_literal(text: str, clock: Clock) -> Temporal | None:
    """Read the temporal value of a literal ``@"…"``, or return None."""
    return parse_duration(text) or parse_date(text) or parse_date_time(text) or parse_time(text, clock)


def _date(match: re.Match[str]) -> Date | None:
    return Date.of(int(match["year"]), int(match["month"]), int(match["day"]))


def _nanos(match: re.Match[str], *, latest: int = 23) -> int | None:
    if match["hour"] is None:
        return 0
    hour, minute, second = int(match["hour"]), int(match["minute"]), int(match["second"] or 0)
    if hour > latest or minute > 59 or second > 59:
        return None
    nanos = (hour * 3_600 + minute * 60 + second) * SECOND + int((match["fraction"] or "").ljust(9, "0"))
    return nanos if nanos <= latest * 3_600 * SECOND or latest < 24 else None


def _day_time(match: re.Match[str]) -> DayTimeDuration | None:
    whole = int(match["days"] or 0) * 86_400 + int(match["hours"] or 0) * 3_600
    whole += int(match["minutes"] or 0) * 60 + int(match["seconds"] or 0)
    if abs(whole) > _MOST_SECONDS:
        return None
    fraction = int((match["fraction"] or "").ljust(9, "0"))
    nanos = whole * SECOND + (-fraction if (match["seconds"] or "").startswith("-") else fraction)
    return DayTimeDuration(-nanos if match["sign"] == "-" else nanos)


def text_of(value: Temporal) -> str:
    """Write a value the way that FEEL reads it."""
    if isinstance(value, DayTimeDuration):
        return _feel_day_time(value)
    if isinstance(value, YearMonthDuration):
        return _feel_year_month(value)
    if isinstance(value, Date):
        # Only a date by itself shows by a plus that its year has more than four digits.
        return f"+{_day(value)}" if value.year > 9_999 else _day(value)
    clock = _time_of_day(value.nanos)
    where = f"@{value.zone}" if value.zone else _offset(value.offset)
    return f"{_day(value.date)}T{clock}{where}" if isinstance(value, DateTime) else f"{clock}{where}"


def iso_text(value: Temporal) -> str:
    """Write a value with its offset and, in brackets, its zone."""
    if isinstance(value, DateTime) and value.zone:
        return f"{result_text(value)}[{value.zone}]"
    return text_of(value)


def result_text(value: Temporal) -> str:
    """Write a value as the engine stores it in a variable, which is how Java's types write themselves."""
    if isinstance(value, DateTime):
        return f"{_day(value.date)}T{_time_of_day(value.nanos)}{_offset(value.offset)}"
    if isinstance(value, DayTimeDuration):
        return _java_day_time(value.nanos)
    if isinstance(value, YearMonthDuration):
        return _java_year_month(value.months)
    if isinstance(value, Time) and value.offset is not None:
        return _java_time(value.nanos) + _offset(value.offset)
    return text_of(value)


def _day(day: Date) -> str:
    sign = "-" if day.year < 0 else ""
    return f"{sign}{abs(day.year):04}-{day.month:02}-{day.day:02}"


def _time_of_day(nanos: int, *, seconds: bool = True) -> str:
    whole, fraction = divmod(nanos, SECOND)
    text = f"{whole // 3_600:02}:{whole // 60 % 60:02}"
    if seconds:
        text += f":{whole % 60:02}"
    return f"{text}.{fraction:09}".rstrip("0") if fraction else text


@lru_cache(maxsize=64)
def _offset(offset: int | None) -> str:
    if offset is None:
        return ""
    if not offset:
        return "Z"
    size = abs(offset)
    seconds = f":{size % 60:02}" if size % 60 else ""
    return f"{'-' if offset < 0 else '+'}{size // 3_600:02}:{size // 60 % 60:02}{seconds}"


def _java_time(nanos: int) -> str:
    """Write ``10:30`` or ``10:30:00.500``: seconds of zero left out, a fraction in groups of three digits."""
    text = _time_of_day(nanos, seconds=bool(nanos % (60 * SECOND)))
    whole, dot, fraction = text.partition(".")
    return f"{whole}{dot}{fraction}{'0' * (-len(fraction) % 3)}"


def _fraction(nanos: int) -> str:
    return f".{nanos:09}".rstrip("0") if nanos else ""


def _feel_day_time(duration: DayTimeDuration) -> str:
    """Write ``P1DT2H3M4S``: normalized, one sign before all of it, whole seconds only (the lower ones)."""
    days, seconds = divmod(abs(duration.nanos // SECOND), DAY // SECOND)
    date = f"{days}D" if days else ""
    clock = "".join(
        f"{number}{unit}" for number, unit in ((seconds // 3_600, "H"), (seconds // 60 % 60, "M")) if number
    )
    if seconds % 60:
        clock += f"{seconds % 60}S"
    text = date + (f"T{clock}" if clock else "")
    return f"{'-' if duration.nanos < 0 else ''}P{text or '0D'}"


def _feel_year_month(duration: YearMonthDuration) -> str:
    years, months = divmod(abs(duration.months), 12)
    text = (f"{years}Y" if years else "") + (f"{months}M" if months else "")
    return f"{'-' if duration.months < 0 else ''}P{text or '0Y'}"


def _java_day_time(nanos: int) -> str:
    """Write ``PT26H3M4S``: no days, a sign before each number."""
    sign = "-" if nanos < 0 else ""
    seconds, fraction = divmod(abs(nanos), SECOND)
    parts = [(seconds // 3_600, "H"), (seconds // 60 % 60, "M")]
    text = "".join(f"{sign}{number}{unit}" for number, unit in parts if number)
    if seconds % 60 or fraction:
        text += f"{sign}{seconds % 60}{_fraction(fraction)}S"
    return f"PT{text or '0S'}"


def _java_year_month(months: int) -> str:
    sign = "-" if months < 0 else ""
    years, rest = divmod(abs(months), 12)
    text = "".join(f"{sign}{number}{unit}" for number, unit in ((years, "Y"), (rest, "M")) if number)
    return f"P{text or '0D'}"
