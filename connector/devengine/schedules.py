"""When a timer goes off: ISO 8601 durations, dates and repeating intervals, and cron expressions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from connector.devengine.cron import Cron
from connector.feel.temporal import Date
from connector.feel.temporal_text import parse_date_time

DURATION, DATE, CYCLE = "duration", "date", "cycle"

_DURATION = re.compile(
    r"(?P<sign>[+-])?P(?!$)(?:(?P<years>-?\d+)Y)?(?:(?P<months>-?\d+)M)?(?:(?P<weeks>-?\d+)W)?(?:(?P<days>-?\d+)D)?"
    r"(?:T(?!$)(?:(?P<hours>-?\d+)H)?(?:(?P<minutes>-?\d+)M)?(?:(?P<seconds>-?\d+(?:\.\d+)?)S)?)?",
    re.ASCII | re.IGNORECASE,
)
_REPEATING = re.compile(r"R(?P<times>\d*)/(?:(?P<start>[^/P]*)/)?(?P<interval>[+-]?P[^/]+)", re.ASCII)
_DIGITS = 9


@dataclass(frozen=True, slots=True)
class Duration:
    """A span of time: months of the calendar, and seconds."""

    months: int
    seconds: float

    @classmethod
    def of(cls, text: str) -> Duration:
        """Read an ISO 8601 duration such as ``PT15M``, ``P1DT2H`` or ``P2W``.

        Raises:
            ValueError: It is none.
        """
        match = _DURATION.fullmatch(text)
        if match is None or any(len(part or "") > _DIGITS for part in match.groups()):
            raise ValueError("write an ISO 8601 duration such as PT15M or P1DT2H")
        part = {name: float(found or 0) for name, found in match.groupdict().items() if name != "sign"}
        sign = -1 if match["sign"] == "-" else 1
        span = timedelta(
            weeks=part["weeks"],
            days=part["days"],
            hours=part["hours"],
            minutes=part["minutes"],
            seconds=part["seconds"],
        )
        return cls(sign * int(part["years"] * 12 + part["months"]), sign * span.total_seconds())

    @property
    def is_positive(self) -> bool:
        """Whether a moment plus this duration is later."""
        return self.months >= 0 and self.seconds >= 0 and (self.months, self.seconds) != (0, 0)

    def after(self, moment: float) -> float:
        """Return the moment, in seconds since the epoch, so much later.

        Raises:
            ValueError: It is outside the calendar.
        """
        if not self.months:
            return moment + self.seconds
        start = datetime.fromtimestamp(moment, UTC)
        day = Date(start.year, start.month, start.day).plus_months(self.months)
        return start.replace(year=day.year, month=day.month, day=day.day).timestamp() + self.seconds


def due_times(form: str, text: str, now: float) -> Iterator[float]:
    """Return the times at which a timer goes off, in seconds since the epoch.

    Args:
        form: ``duration``, ``date`` or ``cycle``.
        text: As the diagram or its expression gives it.
        now: When the timer is set.

    Raises:
        ValueError: The text is of another form.
    """
    text = text.strip()
    if form == DURATION:
        return iter((Duration.of(text).after(now),))
    if form == DATE:
        return iter((moment(text),))
    if not text.startswith("R"):
        return Cron.of(text).after(now)
    return _cycle(text, now)


def moment(text: str) -> float:
    """Read an ISO 8601 date and time; one without an offset or a zone is in UTC.

    Raises:
        ValueError: It is none.
    """
    found = parse_date_time(text)
    if found is None:
        raise ValueError("write an ISO 8601 date and time such as 2026-10-01T12:00:00Z")
    return found.epoch_nanos / 1_000_000_000


def _cycle(text: str, now: float) -> Iterator[float]:
    match = _REPEATING.fullmatch(text)
    if match is None:
        raise ValueError("write a repeating interval such as R3/PT1H, or a cron expression of six fields")
    interval = Duration.of(match["interval"])
    if not interval.is_positive:
        raise ValueError("the interval must be longer than nothing")
    first = moment(match["start"]) if match["start"] else interval.after(now)
    return _repeated(first, interval, int(match["times"]) if match["times"] else None)


def _repeated(due: float, interval: Duration, times: int | None) -> Iterator[float]:
    while times is None or times > 0:
        yield due
        due = interval.after(due)
        times = None if times is None else times - 1
