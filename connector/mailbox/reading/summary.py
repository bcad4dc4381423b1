"""What a list of mails shows of each one, out of its header and of what the server knows."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple, Protocol

from connector.mailbox.reading.addresses import Address, read_addresses
from connector.mailbox.reading.dates import read_date
from connector.mailbox.reading.fields import decode_words

_MESSAGE_ID = re.compile(r"<[^<>\s]+>")
_LONGEST_PREVIEW = 200
# RFC 2156 section 5.3.4 and the numbers of X-Priority that Outlook and others write.
_IMPORTANCE = {"high": "high", "urgent": "high", "low": "low", "non-urgent": "low"}
_PRIORITY = {"1": "high", "2": "high", "4": "low", "5": "low"}


class Summary(NamedTuple):
    """One mail in a list: a tuple, since a list makes a thousand of them.

    Attributes:
        id: What names it in later operations; valid while the mail exists.
        folder: The path of its folder.
        message_id: With its angle brackets; None where it has none.
        sent_at: Its Date field; None where that is missing or means nothing.
        received_at: When it came into the mailbox; None where the protocol does not say (POP3).
        size: Octets, as the server counts them; None where it does not say.
        preview: The beginning of its text; None where that was not asked for.
        unread: None where the protocol does not know (POP3); so is flagged.
    """

    id: str
    folder: str
    message_id: str | None
    sender: Address | None
    to: tuple[Address, ...]
    cc: tuple[Address, ...]
    reply_to: tuple[Address, ...]
    subject: str
    sent_at: datetime | None
    received_at: datetime | None
    size: int | None
    importance: str
    unread: bool | None
    flagged: bool | None
    has_attachments: bool
    in_reply_to: str | None
    references: tuple[str, ...]
    preview: str | None = None

    @property
    def date(self) -> datetime | None:
        """When it came, or else when it was sent: what lists are ordered by."""
        return self.received_at or self.sent_at


SUMMARY_FIELDS = (
    "From",
    "To",
    "Cc",
    "Reply-To",
    "Subject",
    "Date",
    "Message-ID",
    "In-Reply-To",
    "References",
    "Importance",
    "X-Priority",
    "Content-Type",
)
"""The fields that a summary is made of."""


class Facts(Protocol):
    """What the server knows of a mail beside its header; None for what it does not."""

    @property
    def received_at(self) -> datetime | None:
        """When it came."""
        ...

    @property
    def size(self) -> int | None:
        """Its octets."""
        ...

    @property
    def unread(self) -> bool | None:
        """Whether it was not read yet."""
        ...

    @property
    def flagged(self) -> bool | None:
        """Whether it is flagged for attention."""
        ...

    @property
    def has_files(self) -> bool:
        """Whether it has attachments."""
        ...


def summarize(values: Mapping[str, str], mail_id: str, folder: str, facts: Facts) -> Summary:
    """Put together what a list shows of a mail.

    Args:
        values: The fields by their names in lower case, as :func:`values_of` gives them.
        mail_id: What names it.
        folder: The path of its folder.
        facts: What the server knows.
    """
    get = values.get
    senders = read_addresses(get("from"))
    return Summary(
        mail_id,
        folder,
        first_message_id(get("message-id")),
        senders[0] if senders else None,
        read_addresses(get("to")),
        read_addresses(get("cc")),
        read_addresses(get("reply-to")),
        decode_words(get("subject", "")),
        read_date(get("date")),
        facts.received_at,
        facts.size,
        _importance(values),
        facts.unread,
        facts.flagged,
        facts.has_files,
        first_message_id(get("in-reply-to")),
        message_ids(get("references")),
    )


def first_message_id(text: str | None) -> str | None:
    """The first message id of a field; one without its angle brackets gets them."""
    if not text:
        return None
    if _MESSAGE_ID.fullmatch(text):
        return text
    if match := _MESSAGE_ID.search(text):
        return match[0]
    word = text.split(maxsplit=1)[0].strip("<>")
    return f"<{word}>" if "@" in word else None


def message_ids(text: str | None) -> tuple[str, ...]:
    """Every message id of a field, in order."""
    return tuple(_MESSAGE_ID.findall(text)) if text else ()


def _importance(values: Mapping[str, str]) -> str:
    if named := values.get("importance"):
        return _IMPORTANCE.get(named.lower(), "normal")
    numbered = values.get("x-priority")
    return _PRIORITY.get(numbered[:1], "normal") if numbered else "normal"


def with_preview(summary: Summary, text: str) -> Summary:
    """Add the beginning of the mail's text, in one line."""
    # Ten times as much as is shown: most of a text's beginning may be blanks.
    return summary._replace(preview=" ".join(text[: _LONGEST_PREVIEW * 10].split())[:_LONGEST_PREVIEW])
