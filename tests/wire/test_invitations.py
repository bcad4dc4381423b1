"""Invitations and list headers as a server gets them, read by foreign parsers."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import icalendar
import pytest

from connector.errors import ConnectorError
from tests.wire.test_mail_templates import sent

MEETING: dict[str, Any] = {
    "uid": "case-7@example.com",
    "start": "2026-12-01T09:30:00+01:00",
    "end": "2026-12-01T10:00:00+01:00",
    "summary": "Über; alles, \\ und\nmehr " + "ä" * 90,
    "location": "Room 4",
    "organizer": '"Ann \\"the boss\\", x" <ann@example.com>',
}
MAIL = {"smtpEmailSubject": "Kick-off", "smtpEmailContent": "Hello"}

each_step = pytest.mark.parametrize(
    ("changed", "method", "status"),
    [
        ({}, "REQUEST", "CONFIRMED"),
        ({"sequence": 1, "location": "Room 5"}, "REQUEST", "CONFIRMED"),
        ({"method": "cancel", "sequence": 2}, "CANCEL", "CANCELLED"),
    ],
)


async def invited(tmp_path: Path, **changed: Any) -> tuple[EmailMessage, Any, bytes]:
    mail = await sent(tmp_path, {**MAIL, "smtpEmailInvitation": {**MEETING, **changed}})
    part = list(mail.iter_parts())[-1]
    octets = part.get_payload(decode=True)
    assert isinstance(octets, bytes)
    assert isinstance(part, EmailMessage)
    return part, icalendar.Calendar.from_ical(octets), octets


@each_step
async def test_a_meeting_its_change_and_its_end(
    tmp_path: Path, changed: dict[str, Any], method: str, status: str
) -> None:
    part, calendar, octets = await invited(tmp_path, **changed)
    assert part.get_content_type() == "text/calendar"
    assert part.get_param("method") == method
    assert part.get_filename() is None
    (event,) = calendar.walk("VEVENT")
    assert (calendar["METHOD"], event["STATUS"], event["UID"]) == (method, status, MEETING["uid"])
    assert event["SEQUENCE"] == changed.get("sequence", 0)
    assert event["DTSTART"].dt == datetime(2026, 12, 1, 8, 30, tzinfo=UTC)
    assert event["SUMMARY"] == MEETING["summary"]
    assert event["LOCATION"] == changed.get("location", "Room 4")
    assert event["ORGANIZER"] == "mailto:ann@example.com"
    assert event["ATTENDEE"] == "mailto:bob@example.com"
    assert max(map(len, octets.split(b"\r\n"))) <= 75


async def test_what_is_not_given_comes_from_the_mail(tmp_path: Path) -> None:
    meeting = {"start": "2026-12-01T09:30:00Z", "end": "2026-12-01T10:00:00Z"}
    mail = await sent(tmp_path, {**MAIL, "smtpEmailInvitation": meeting})
    assert mail.get_content_type() == "multipart/alternative"
    text, part = mail.iter_parts()
    assert text.get_content().strip() == "Hello"
    calendar: Any = icalendar.Calendar.from_ical(part.get_content())
    (event,) = calendar.walk("VEVENT")
    assert event["UID"] == mail["Message-ID"].strip("<>")
    assert (event["SUMMARY"], event["SEQUENCE"]) == ("Kick-off", 0)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"start": None}, "start"),
        ({"start": "tomorrow"}, "start"),
        ({"end": "2026-12-01T09:30:00+01:00"}, "end"),
        ({"method": "reply"}, "method"),
        ({"method": "cancel", "sequence": 1, "uid": None}, "uid"),
        ({"method": "cancel"}, "sequence"),
        ({"sequence": 1.5}, "sequence"),
        ({"sequence": -1}, "sequence"),
        ({"uid": "a\r\nMETHOD:CANCEL"}, "uid"),
        ({"location": "a\0b"}, "location"),
        ({"attendees": ["nobody"]}, "attendees"),
    ],
)
async def test_what_is_wrong_with_a_meeting_is_named(
    tmp_path: Path, changed: dict[str, Any], field: str
) -> None:
    with pytest.raises(ConnectorError) as raised:
        await invited(tmp_path, **changed)
    assert re.match(rf"smtpEmailInvitation\.{field}\b", raised.value.variables["field"])


async def test_no_line_gets_into_a_calendar(tmp_path: Path) -> None:
    _, calendar, octets = await invited(tmp_path, description="a\r\nEND:VEVENT\rMETHOD:CANCEL")
    assert octets.count(b"\r\nMETHOD:") == octets.count(b"\r\nEND:VEVENT") == 1
    assert len(calendar.walk("VEVENT")) == 1


@pytest.mark.parametrize(
    ("given", "links", "click"),
    [
        ({"mailto": "leave@example.com"}, "<mailto:leave@example.com>", None),
        (
            {"url": "https://a.example/?x=1", "mailto": "mailto:a@b.example?subject=x", "oneClick": True},
            "<mailto:a@b.example?subject=x>, <https://a.example/?x=1>",
            "List-Unsubscribe=One-Click",
        ),
    ],
)
async def test_how_to_leave_a_list(
    tmp_path: Path, given: dict[str, Any], links: str, click: str | None
) -> None:
    mail = await sent(tmp_path, {**MAIL, "smtpEmailUnsubscribe": given})
    assert (mail["List-Unsubscribe"], mail["List-Unsubscribe-Post"]) == (links, click)


@pytest.mark.parametrize(
    "given",
    [
        {"oneClick": True},
        {"oneClick": True, "mailto": "a@b.example"},
        {"url": "http://a.example/"},
        {"url": "https://a.example/>\r\nBcc: x"},
        {"url": "https://a.example/ b"},
        {"mailto": "nobody"},
        {"link": "https://a.example/"},
    ],
)
async def test_what_is_no_way_to_leave_is_refused(tmp_path: Path, given: dict[str, Any]) -> None:
    with pytest.raises(ConnectorError) as raised:
        await sent(tmp_path, {**MAIL, "smtpEmailUnsubscribe": given})
    assert raised.value.variables["field"].startswith("smtpEmailUnsubscribe")
