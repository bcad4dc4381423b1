"""Dates of mails (RFC 5322 section 3.3) and of IMAP (RFC 9051 INTERNALDATE), valid or not."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from email.utils import parsedate_tz

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1
    )
}
_MONTHS_IN_OCTETS = {name.encode(): number for name, number in _MONTHS.items()}
# Every zone that is in use anywhere, as it is written.
_ZONES = {
    f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}": (
        timezone(timedelta(minutes=minutes)) if minutes else UTC
    )
    for minutes in range(-12 * 60, 14 * 60 + 1, 15)
}
_ZONES_IN_OCTETS = {name.encode(): zone for name, zone in _ZONES.items()}
_WRITTEN = re.compile(
    r"\s*(?:[A-Za-z]{3},?\s+)?(\d{1,2})[ -]([A-Za-z]{3})[ -](\d{4})\s+"
    r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s+([+-])(\d{2})(\d{2})\b"
)
_LONGEST = 200


def read_date(text: str | None) -> datetime | None:
    """Read a Date field; None where it is missing or means nothing. Without a zone it is UTC."""
    if not text:
        return None
    try:
        # Nearly every mail: "Fri, 20 Nov 2026 20:50:33 +0100", with its parts in fixed places.
        if text[3:5] == ", " and text[7:8] == text[16:17] == " ":
            return datetime(
                int(text[12:16]),
                _MONTHS[text[8:11]],
                int(text[5:7]),
                int(text[17:19]),
                int(text[20:22]),
                int(text[23:25]),
                tzinfo=_ZONES[text[26:31]],
            )
    except (ValueError, KeyError):
        pass
    return _written_otherwise(text[:_LONGEST])


def read_internal_date(written: bytes) -> datetime | None:
    """Read IMAP's own form, ``17-Jul-1996 02:44:25 -0700``."""
    try:
        return datetime(
            int(written[7:11]),
            _MONTHS_IN_OCTETS[written[3:6]],
            int(written[:2]),
            int(written[12:14]),
            int(written[15:17]),
            int(written[18:20]),
            tzinfo=_ZONES_IN_OCTETS[written[21:26]],
        )
    except (ValueError, KeyError):
        return _written_otherwise(written[:_LONGEST].decode("latin-1"))


def _written_otherwise(text: str) -> datetime | None:
    if match := _WRITTEN.match(text):
        day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = match.groups()
        number = _MONTHS.get(month.title(), 0)
        offset = (int(zone_hours) * 60 + int(zone_minutes)) * (-1 if sign == "-" else 1)
        return _moment((int(year), number, int(day), int(hour), int(minute), int(second or 0)), offset)
    try:
        if text[4:5] == "-" and text[:4].isdigit():
            moment = datetime.fromisoformat(text.strip())
            return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        parts = parsedate_tz(text)
    except (ValueError, TypeError, IndexError, OverflowError):  # the standard library's, for odd input
        return None
    return None if parts is None else _moment(parts[:6], (parts[9] or 0) // 60)


def _moment(parts: tuple[int, int, int, int, int, int], offset: int) -> datetime | None:
    year, month, day, hour, minute, second = parts
    try:
        zone = timezone(timedelta(minutes=offset))
        # A leap second (60) is the last one of its minute.
        return datetime(year, month, day, hour, minute, min(second, 59), tzinfo=zone)
    except (ValueError, OverflowError):
        return None


def written(moment: datetime | None) -> str | None:
    """Write a moment as results show it: ISO 8601 in UTC, by the second."""
    if moment is None:
        return None
    try:
        return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}Z"
    except OverflowError:  # the first or last day of all, in another zone
        return None
