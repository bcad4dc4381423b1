"""ISO 8601 durations, as task headers and follow-ups write them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

_DURATION = re.compile(
    r"P(?=.)(?:(?P<years>\d{1,4})Y)?(?:(?P<months>\d{1,5})M)?(?:(?P<weeks>\d{1,6})W)?(?:(?P<days>\d{1,7})D)?"
    r"(?:T(?=.)(?:(?P<hours>\d{1,9})H)?(?:(?P<minutes>\d{1,9})M)?(?:(?P<seconds>\d{1,10}(?:[.,]\d{1,9})?)S)?)?",
    re.ASCII | re.IGNORECASE,
)


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
