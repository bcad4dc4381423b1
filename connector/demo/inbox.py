"""The demo's mailbox: it parses received octets into mails for the page.

It uses the standard library's parser in its lenient mode, so that broken mails are shown as well. It does not
use the code that writes messages, so the page shows what another mail program would read.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header, make_header
from email.message import Message

from connector.testing.smtp import ReceivedMail

_KEPT = 200


@dataclass(frozen=True, slots=True)
class Part:
    """One node of the MIME tree (RFC 2046), in the order of the octets.

    Attributes:
        index: Its position in that order; 0 is the message itself.
        depth: The number of containers around it.
        content: The decoded octets; empty for a container.
    """

    index: int
    depth: int
    content_type: str
    charset: str | None
    disposition: str | None
    encoding: str | None
    filename: str | None
    content_id: str | None
    content: bytes

    @property
    def container(self) -> bool:
        """Return whether it only contains other parts."""
        return self.content_type.startswith("multipart/")

    @property
    def text(self) -> str:
        """Return the content as text, with a mark for octets that cannot be decoded."""
        try:
            return self.content.decode(self.charset or "utf-8", errors="replace")
        except LookupError:  # an unknown charset
            return self.content.decode("utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class Mail:
    """A received mail, parsed.

    Attributes:
        number: 1 for the first of this demo.
        envelope_sender: The address of MAIL FROM.
        envelope_recipients: The addresses of RCPT TO, including Bcc.
        headers: In order, with encoded words decoded.
        source: The received octets.
    """

    number: int
    envelope_sender: str
    envelope_recipients: tuple[str, ...]
    received_at: datetime
    headers: tuple[tuple[str, str], ...]
    parts: tuple[Part, ...]
    source: bytes

    def header(self, name: str) -> str:
        """Return the first header field of that name, or an empty text."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def subject(self) -> str:
        """Return the subject, or a placeholder."""
        return self.header("Subject") or "(no subject)"

    @property
    def text(self) -> str | None:
        """Return the plain-text body."""
        return self._body("text/plain")

    @property
    def html(self) -> str | None:
        """Return the HTML body."""
        return self._body("text/html")

    @property
    def invitation(self) -> Mapping[str, str] | None:
        """Return the fields of the calendar part's event (RFC 5545) and its method, if the mail has one."""
        part = next((part for part in self.parts if part.content_type == "text/calendar"), None)
        return _event(part.text) if part is not None else None

    @property
    def attachments(self) -> tuple[Part, ...]:
        """Return the parts that are files, except those shown within the body."""
        return tuple(
            part
            for part in self.parts
            if not part.container
            and (part.disposition == "attachment" or (part.filename and not part.content_id))
        )

    def _body(self, content_type: str) -> str | None:
        bodies = (
            part.text
            for part in self.parts
            if part.content_type == content_type and part.disposition != "attachment" and not part.filename
        )
        return next(bodies, None)


class Inbox:
    """The mails received since the start, the latest last; the oldest are dropped when there are too many.

    One thread adds mails, and others read them.
    """

    def __init__(self) -> None:
        self._mails: deque[Mail] = deque(maxlen=_KEPT)
        self._count = 0

    @property
    def count(self) -> int:
        """Return the number of mails received since the start."""
        return self._count

    @property
    def mails(self) -> Sequence[Mail]:
        """Return the mails that are kept."""
        return tuple(self._mails)

    def get(self, number: int) -> Mail | None:
        """Return the mail of that number, if it is kept."""
        return next((mail for mail in self.mails if mail.number == number), None)

    def find(self, message_id: str) -> Mail | None:
        """Return the latest mail with that Message-ID, if it is kept."""
        found = (mail for mail in reversed(self.mails) if mail.header("Message-ID") == message_id)
        return next(found, None)

    def add(self, received: ReceivedMail) -> Mail:
        """Parse and keep a mail."""
        mail = read_mail(self._count + 1, received)
        self._mails.append(mail)
        self._count += 1
        return mail


def read_mail(number: int, received: ReceivedMail) -> Mail:
    """Parse a mail; malformed mails do not raise an error."""
    message = message_from_bytes(received.data)
    return Mail(
        number=number,
        envelope_sender=received.sender,
        envelope_recipients=tuple(received.recipients),
        received_at=received.at,
        headers=tuple((name, _decoded(str(value))) for name, value in message.items()),
        parts=tuple(_part(index, depth, part) for index, (depth, part) in enumerate(_walk(message, 0))),
        source=received.data,
    )


def _walk(message: Message, depth: int) -> Iterator[tuple[int, Message]]:
    yield depth, message
    if message.is_multipart():
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from _walk(part, depth + 1)


def _part(index: int, depth: int, part: Message) -> Part:
    content = b"" if part.is_multipart() else part.get_payload(decode=True)
    filename = part.get_filename()
    return Part(
        index=index,
        depth=depth,
        content_type=part.get_content_type(),
        charset=part.get_content_charset(),
        disposition=part.get_content_disposition(),
        encoding=part.get("Content-Transfer-Encoding"),
        filename=_decoded(filename) if filename else None,
        content_id=part.get("Content-ID", "").strip("<> \t") or None,
        content=content if isinstance(content, bytes) else b"",
    )


def _event(calendar: str) -> Mapping[str, str]:
    """Read the lines of a calendar, unfolded (RFC 5545 section 3.1); of two the first one counts."""
    fields: dict[str, str] = {}
    for line in re.sub(r"\r?\n[ \t]", "", calendar).splitlines():
        head, found, value = line.partition(":")
        name, *parameters = head.split(";")
        name = name.upper()
        value = value.removeprefix("mailto:") if name in {"ORGANIZER", "ATTENDEE"} else value
        if found and name == "ATTENDEE" and name in fields:
            fields[name] += f", {value}"
        elif found:
            zone = "".join(f" ({one[5:]})" for one in parameters if one.upper().startswith("TZID="))
            fields.setdefault(name, _unescaped(value) + zone)
    return fields


def _unescaped(value: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] in "nN" else found[1], value)


def _decoded(value: str) -> str:
    """Unfold (RFC 5322 section 2.2.3) and decode encoded words (RFC 2047), or return the raw text."""
    unfolded = value.replace("\r", "").replace("\n", "")
    try:
        return str(make_header(decode_header(unfolded)))
    except (HeaderParseError, LookupError, UnicodeError, ValueError):
        return unfolded
