"""An invitation as iCalendar (RFC 5545) for a mail (RFC 6047).

An :class:`~connector.model.mail.Invitation` enters, the lines of a ``text/calendar`` part leave. Moments are
written in UTC, which needs no description of a time zone.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from connector.model.addresses import Mailbox
from connector.model.mail import Invitation

INVITATION_FIELD = "smtpEmailInvitation"
_MAX_LINE = 75  # octets without the line end, RFC 5545 section 3.1
# RFC 5545 section 3.3.11 for texts, RFC 6868 for parameters.
_TEXT = str.maketrans({"\\": "\\\\", ";": "\\;", ",": "\\,", "\n": "\\n"})
_PARAMETER = str.maketrans({"^": "^^", '"': "^'", "\n": "^n"})


def calendar(invitation: Invitation, subject: str, message_id: str, now: datetime) -> str:
    """Write the calendar of one meeting.

    Args:
        invitation: The meeting.
        subject: Of the mail, for a meeting without a summary.
        message_id: Of the mail, with its brackets, for a meeting without a uid.
        now: When the mail is written.

    Returns:
        Lines that end with LF, none longer than 75 octets.
    """
    lines = _lines(invitation, subject, message_id, now)
    return "".join(f"{folded}\n" for line in lines for folded in _folded(line))


def _lines(invitation: Invitation, subject: str, message_id: str, now: datetime) -> Iterator[str]:
    cancelled = invitation.method == "cancel"
    yield from ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//zeebe-smtp-connector//mail//EN")
    yield from ("CALSCALE:GREGORIAN", f"METHOD:{invitation.method.upper()}", "BEGIN:VEVENT")
    yield f"UID:{_text(invitation.uid or message_id.strip('<>'))}"
    yield f"SEQUENCE:{invitation.sequence}"
    yield f"DTSTAMP:{_moment(now)}"
    yield f"DTSTART:{_moment(invitation.start)}"
    yield f"DTEND:{_moment(invitation.end)}"
    yield f"SUMMARY:{_text(invitation.summary or subject)}"
    if invitation.location:
        yield f"LOCATION:{_text(invitation.location)}"
    if invitation.description:
        yield f"DESCRIPTION:{_text(invitation.description)}"
    yield f"ORGANIZER{_name(invitation.organizer)}:mailto:{invitation.organizer.address}"
    asked = "" if cancelled else ";PARTSTAT=NEEDS-ACTION;RSVP=TRUE"
    for box in invitation.attendees:
        yield f"ATTENDEE{_name(box)};ROLE=REQ-PARTICIPANT{asked}:mailto:{box.address}"
    yield f"STATUS:{'CANCELLED' if cancelled else 'CONFIRMED'}"
    yield from ("END:VEVENT", "END:VCALENDAR")


def _moment(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def _text(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n").translate(_TEXT)


def _name(box: Mailbox) -> str:
    return f';CN="{box.name.translate(_PARAMETER)}"' if box.name else ""


def _folded(line: str) -> Iterator[str]:
    """Fold a line between characters; a line that goes on begins with a blank."""
    start, room, size = 0, _MAX_LINE, 0
    for at, character in enumerate(line):
        octets = len(character.encode())
        if size + octets > room:
            yield (" " if start else "") + line[start:at]
            start, room, size = at, _MAX_LINE - 1, 0
        size += octets
    yield (" " if start else "") + line[start:]
