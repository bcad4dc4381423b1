"""Moments and durations as a diagram writes them: follow-ups, and the durations of task headers.

The value of ``smtpEmailFollowUp`` enters with the current time and the operator's working hours; a moment in
the future leaves. Wall-clock times are meant in the operator's zone: one that a change of clocks skips moves
forward by the gap, one that it repeats is the first.
"""

from __future__ import annotations

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from connector.settings.model import MessageSettings
from connector.tasks.inputs import Inputs, Value, as_boolean, from_json, kind, mapping, shown, text, unquoted
from connector.tasks.send_inputs import FOLLOW_UP

_DURATION = re.compile(
    r"P(?=.)(?:(?P<years>\d{1,4})Y)?(?:(?P<months>\d{1,5})M)?(?:(?P<weeks>\d{1,6})W)?(?:(?P<days>\d{1,7})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,10}(?:[.,]\d{1,9})?)S)?)?",
    re.ASCII | re.IGNORECASE,
)
_DAYS = {"today": 0, "tomorrow": 1}
_DAY = re.compile(r"(?P<day>[A-Za-z]+|\d{4}-\d{2}-\d{2})(?:\s+(?P<time>\S+))?")
_TIME = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?", re.ASCII)
# FEEL writes a zone by name as `@Europe/Berlin`, Java as `[Europe/Berlin]` after the offset.
_ZONE = re.compile(r"(?P<moment>[^@\[]+)(?:@(?P<feel>[\w/+-]+)|\[(?P<java>[\w/+-]+)\])")
_DATE_TIME = re.compile(r"\d{4}-\d{2}-\d{2}T\S+", re.ASCII)
_MAX_WRITTEN = 100
_LAST_SECOND = time(23, 59, 59)
_FORMS = 'use today, tomorrow, "tomorrow 09:30", a date, a date-time or a duration such as PT4H'


@dataclass(frozen=True, slots=True)
class Duration:
    """A duration in the three parts that a calendar keeps apart.

    Attributes:
        months: Years and months; how long they are depends on when they begin.
        days: Weeks and days; a day is 23 to 25 hours long where clocks change.
        clock: Hours, minutes and seconds.
    """

    months: int
    days: int
    clock: timedelta


def parse_duration(text: str) -> Duration | None:
    """Read an ISO 8601 duration such as ``PT30S``, ``P1DT12H`` or ``P2W``.

    Args:
        text: The duration, without blanks or sign.

    Returns:
        The duration, or None when the text is none.
    """
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    parts = {name: float(part.replace(",", ".")) for name, part in match.groupdict("0").items()}
    return Duration(
        months=int(parts["years"]) * 12 + int(parts["months"]),
        days=int(parts["weeks"]) * 7 + int(parts["days"]),
        clock=timedelta(hours=parts["hours"], minutes=parts["minutes"], seconds=parts["seconds"]),
    )


def read_follow_up(value: Value, settings: MessageSettings, now: datetime) -> datetime | None:
    """Settle by when an answer is wanted.

    Args:
        value: ``today`` or ``tomorrow``, alone or with a time as ``tomorrow 09:30``; a context
            ``{day, time}``; an ISO 8601 date, date-time, or duration from now. A day alone means the end of
            its business hours, or of the day itself when those are over.
        settings: The zone and the end of the business day.
        now: The current time, with its zone.

    Returns:
        The moment, in the settings' zone and later than now; None for false.

    Raises:
        InputError: None of these forms, no such day or time, or a moment that has passed.
    """
    if as_boolean(value.data) is False:
        return None
    try:
        moment = _Calendar(settings, now).moment(value)
    except OverflowError as error:
        raise value.error("is beyond the year 9999; write an earlier one") from error
    if moment <= now:
        raise value.error(
            f"the moment that it stands for, {moment.isoformat()}, has passed; write a later one"
        )
    return moment


def read_moment(value: Value, settings: MessageSettings) -> datetime:
    """Read an ISO 8601 date-time; one without a zone is meant in the settings' zone.

    Raises:
        InputError: Anything else.
    """
    written = unquoted(text(value))
    if len(written) > _MAX_WRITTEN or not _DATE_TIME.match(written):
        raise value.error(f"{shown(value.data)} is not a date-time; write one such as 2026-12-01T09:30:00")
    return _date_time(value, written, ZoneInfo(settings.time_zone))


def _date_time(value: Value, written: str, zone: ZoneInfo) -> datetime:
    """Read a date-time, and give it in this zone."""
    named = _ZONE.fullmatch(written)
    try:
        moment = datetime.fromisoformat(named["moment"] if named else written)
        own = ZoneInfo(named["feel"] or named["java"]) if named else zone
        return _settled(moment if moment.tzinfo else moment.replace(tzinfo=own), zone)
    except (ValueError, ZoneInfoNotFoundError, OSError) as error:
        raise value.error(f"{shown(written)} is not an ISO 8601 date-time in a known zone") from error


@dataclass(frozen=True, slots=True)
class _Calendar:
    settings: MessageSettings
    now: datetime

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.settings.time_zone)

    @property
    def local(self) -> datetime:
        return self.now.astimezone(self.zone)

    def moment(self, value: Value) -> datetime:
        data = from_json(value, "{}")
        if isinstance(data, dict):
            return self._day_and_time(value)
        if not isinstance(data, str):
            raise value.error(f"{kind(data)} is not a point in time; {_FORMS}")
        written = unquoted(text(value))
        if len(written) > _MAX_WRITTEN:
            raise value.error(f"{shown(value.data)} is not a point in time; {_FORMS}")
        if duration := parse_duration(written):
            return self._after(duration)
        if _DATE_TIME.match(written):
            return _date_time(value, written, self.zone)
        if match := _DAY.fullmatch(written):
            return self._on(value, match["day"], match["time"])
        raise value.error(f"{shown(value.data)} is not a point in time; {_FORMS}")

    def _day_and_time(self, value: Value) -> datetime:
        inputs = Inputs(mapping(value), FOLLOW_UP, value.field)
        inputs.refuse_unknown()
        day, clock = inputs.require("day"), inputs.get("time")
        return self._on(day, unquoted(text(day)), unquoted(text(clock)) if clock else None)

    def _on(self, value: Value, word: str, clock: str | None) -> datetime:
        day = self._day(value, word)
        if clock is not None:
            return self._at(day, _time(value, clock))
        end = self._at(day, self.settings.business_day_end)
        if end <= self.now and day == self.local.date():
            # Never overdue on arrival, not even in the day's last second.
            return max(self._at(day, _LAST_SECOND), self.local + timedelta(seconds=1))
        return end

    def _day(self, value: Value, word: str) -> date:
        offset = _DAYS.get(word.lower())
        if offset is not None:
            return self.local.date() + timedelta(days=offset)
        try:
            return date.fromisoformat(word)
        except ValueError as error:
            raise value.error(f"{shown(word)} is not a day; {_FORMS}") from error

    def _after(self, duration: Duration) -> datetime:
        local = self.local
        months = local.year * 12 + local.month - 1 + duration.months
        year, month = divmod(months, 12)
        if year > date.max.year:
            raise OverflowError(year)
        day = min(local.day, monthrange(year, month + 1)[1])
        calendar_day = date(year, month + 1, day) + timedelta(days=duration.days)
        start = self._at(calendar_day, local.time()) if duration.months or duration.days else local
        return _settled(start.astimezone(UTC) + duration.clock, self.zone)

    def _at(self, day: date, clock: time) -> datetime:
        return _settled(datetime.combine(day, clock, self.zone), self.zone)


def _settled(moment: datetime, zone: ZoneInfo) -> datetime:
    """The moment in the zone; the way over UTC moves a time that the clocks skip to one that exists."""
    return moment.astimezone(UTC).astimezone(zone)


def _time(value: Value, written: str) -> time:
    match = _TIME.fullmatch(written)
    hour, minute, second = map(int, match.groups("0")) if match else (24, 0, 0)
    if hour < 24 and minute < 60 and second < 60:
        return time(hour, minute, second)
    raise value.error(f"{shown(written)} is not a time of day; write 09:30 or 17:00:00")
