"""Names of mails that stay valid while the mails exist: written into summaries, read from tasks.

An IMAP name says in which folder, under which UIDVALIDITY and UID a mail is, and what else it is known by, so
that it can be found where an attempt of unknown outcome may have moved it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote, unquote

from connector.errors import InputError

_IMAP = re.compile(r"imap:(\d{1,10})\.(\d{1,10}):([^:]*):(.+)", re.DOTALL)
_POP3 = re.compile(r"pop3:([!-~]{1,70})")  # RFC 1939 section 7: UIDL
_GRAPH = re.compile(r"graph:([A-Za-z0-9_=+/.-]{1,512})")
_MESSAGE_ID = re.compile(r"<?([^\s<>]+@[^\s<>]+)>?")
_KNOWN_BY = re.compile(r"(\d{1,19})-(\d{1,12})")
_NEEDS_NO_QUOTES = re.compile(r"[A-Za-z0-9<>@._=+$-]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LONGEST = 4_000
_LAST_DAY = 253_370_764_800  # 1 January 9999
FIELD = "mailboxMessage"


@dataclass(frozen=True, slots=True)
class ImapName:
    """Where a mail is.

    Attributes:
        message_id: Its Message-ID; None where it has none.
        size: Its octets, by which a mail without a Message-ID is known again.
        received: Seconds since the epoch, for the same.
    """

    folder: str
    validity: int
    uid: int
    message_id: str | None
    size: int = 0
    received: int = 0

    def __str__(self) -> str:
        known_by = self.message_id or f"{self.size}-{self.received}"
        if not _NEEDS_NO_QUOTES.fullmatch(known_by):
            known_by = quote(known_by, safe="<>@")
        return f"imap:{self.validity}.{self.uid}:{known_by}:{self.folder}"

    @property
    def received_at(self) -> datetime:
        """When it came, at least some days from the first and the last moment that can be written."""
        return datetime.fromtimestamp(min(max(self.received, 0), _LAST_DAY), UTC)


@dataclass(frozen=True, slots=True)
class Pop3Name:
    """The unique id that a POP3 server gives a mail."""

    uidl: str

    def __str__(self) -> str:
        return f"pop3:{self.uidl}"


@dataclass(frozen=True, slots=True)
class GraphName:
    """The immutable id of Microsoft Graph."""

    id: str

    def __str__(self) -> str:
        return f"graph:{self.id}"


@dataclass(frozen=True, slots=True)
class MessageId:
    """A Message-ID, in angle brackets, which several mails may have."""

    text: str

    def __str__(self) -> str:
        return self.text


Name = ImapName | Pop3Name | GraphName | MessageId


def read_name(text: str) -> Name:
    """Read what names a mail.

    Raises:
        InputError: It is neither an id of a result nor a Message-ID.
    """
    text = text.strip()
    if len(text) <= _LONGEST:
        # What is unquoted goes to a server: an id that was made up must not bring a command of its own.
        if (match := _IMAP.fullmatch(text)) and not _CONTROL.search(unquote(match[3])):
            return _imap_name(match)
        if match := _POP3.fullmatch(text):
            return Pop3Name(match[1])
        if match := _GRAPH.fullmatch(text):
            return GraphName(match[1])
        if match := _MESSAGE_ID.fullmatch(text):
            return MessageId(f"<{match[1]}>")
    raise InputError(
        FIELD,
        "is no mail's id; write the id that list or search gives for a mail, or a Message-ID such as <a@b>",
    )


def _imap_name(match: re.Match[str]) -> ImapName:
    validity, uid, known_by, folder = match.groups()
    if numbers := _KNOWN_BY.fullmatch(known_by):
        return ImapName(folder, int(validity), int(uid), None, int(numbers[1]), int(numbers[2]))
    return ImapName(folder, int(validity), int(uid), unquote(known_by) or None)
