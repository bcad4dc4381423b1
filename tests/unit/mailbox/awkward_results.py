"""What is read out of an awkward mail, in a form that a person can look through."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from connector.mailbox.reading.addresses import Address
from connector.mailbox.reading.dates import written
from connector.mailbox.reading.fields import values_of
from connector.mailbox.reading.mail import File, read_mail
from connector.mailbox.reading.mime import read_message
from connector.mailbox.reading.summary import summarize

_LONGEST = 300
_MOST = 8


class _NoFacts:
    """A mail of which the server knows nothing."""

    received_at = None
    size = None
    unread = None
    flagged = None
    has_files = False


def shown(octets: bytes) -> dict[str, Any]:
    """Read a mail as an operation does."""
    message = read_message(octets)
    mail = read_mail(message)
    found = summarize(values_of(message.header), "id", "INBOX", _NoFacts())
    return {
        "from": _address(found.sender) if found.sender else None,
        "to": _addresses(found.to),
        "cc": _addresses(found.cc),
        "replyTo": _addresses(found.reply_to),
        "subject": _short(found.subject),
        "sentAt": written(found.sent_at),
        "messageId": found.message_id,
        "inReplyTo": found.in_reply_to,
        "references": list(found.references[:_MOST]),
        "importance": found.importance,
        "fields": len(mail.fields.items),
        "text": _short(mail.text),
        "html": _short(mail.html) if mail.html is not None else None,
        "files": [*map(_file, mail.files[:_MOST]), *_more(len(mail.files))],
        "autoSubmitted": mail.auto_submitted,
    }


def _file(file: File) -> str:
    content = b"".join(file.pieces())
    text = content[:60].decode("latin-1") if content[:60].isascii() else sha256(content).hexdigest()[:12]
    where = f" inline {file.content_id}" if file.inline else ""
    return f"{_short(file.name)} | {file.content_type}{where} | {len(content)} octets | {text}"


def _addresses(addresses: tuple[Address, ...]) -> list[str]:
    return [*map(_address, addresses[:_MOST]), *_more(len(addresses))]


def _address(one: Address) -> str:
    return f"{one.name} <{one.address}>"


def _more(count: int) -> list[str]:
    return [f"… {count} in all"] if count > _MOST else []


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… ({len(text)} characters)"
