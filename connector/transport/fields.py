"""A mail of our own writing, read back into fields, for services that take no octets and write mails anew.

A message enters; its subject, bodies, addresses, other header fields and files leave. What such a service
cannot be told is refused where it is put into the service's own words, by the name of the input.
"""

from __future__ import annotations

import email
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from types import MappingProxyType
from typing import Any

from connector.model.addresses import Mailbox
from connector.model.envelope import Message

# Fields that have a member of their own, say nothing about the mail, or are made by the service.
_SAID = frozenset(
    {
        *("from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "mime-version"),
        *("importance", "priority", "x-priority", "disposition-notification-to"),
    }
)
_PROTECTED = (b"multipart/signed", b"multipart/encrypted", b"application/pkcs7-mime")
# The input that asks for a header field.
INPUTS = MappingProxyType(
    {
        "sensitivity": "smtpEmailSensitivity",
        "reply-by": "smtpEmailFollowUp",
        "x-message-flag": "smtpEmailFollowUp",
        "in-reply-to": "smtpEmailInReplyTo",
        "references": "smtpEmailReferences",
        "list-unsubscribe": "smtpEmailUnsubscribe",
        "list-unsubscribe-post": "smtpEmailUnsubscribe",
        "disposition-notification-to": "smtpEmailReadReceipt",
    }
)


@dataclass(frozen=True, slots=True)
class File:
    """An attachment."""

    name: str
    content_type: str
    octets: bytes = field(repr=False)
    content_id: str | None = None
    inline: bool = False


@dataclass(frozen=True, slots=True)
class Fields:
    """What a mail says.

    Attributes:
        html: None where it has no HTML part.
        text: None where it has no text part.
        importance: As its field has it; normal without one.
        read_receipt: Where a confirmation goes that the mail was read, as its field has it.
        headers: The other fields, decoded, in their order.
        invitation: It asks to a meeting.
    """

    subject: str
    sender: Mailbox
    html: str | None
    text: str | None
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    reply_to: tuple[Mailbox, ...]
    importance: str
    read_receipt: str | None
    headers: tuple[tuple[str, str], ...]
    files: tuple[File, ...]
    invitation: bool


def read_back(message: Message) -> Fields:
    """Read a mail, neither signed nor encrypted."""
    parsed = email.message_from_bytes(message.data, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)  # noqa: S101 - what the policy makes
    bodies = {kind: parsed.get_body((kind,)) for kind in ("html", "plain")}
    wanted = parsed.get("Disposition-Notification-To")
    return Fields(
        str(parsed.get("Subject", "")),
        _mailboxes(parsed, "From")[0],
        _content(bodies["html"]),
        _content(bodies["plain"]),
        _mailboxes(parsed, "To"),
        _mailboxes(parsed, "Cc"),
        _mailboxes(parsed, "Reply-To"),
        str(parsed.get("Importance", "normal")).lower(),
        None if wanted is None else str(wanted),
        tuple((name, str(value)) for name, value in parsed.items() if _is_other(name.lower())),
        tuple(_files(parsed, bodies["html"] or bodies["plain"])),
        any(map(_is_invitation, parsed.walk())),
    )


def blind_recipients(message: Message) -> tuple[str, ...]:
    """Those whom no field names."""
    return tuple(one for one in message.envelope.recipients if one not in message.visible)


def is_protected(message: Message) -> bool:
    """Whether a mail is signed or encrypted, so that it would break if it were written anew."""
    header = message.data[: message.data.find(b"\r\n\r\n")].lower()
    return any(kind in header for kind in _PROTECTED)


def _is_other(name: str) -> bool:
    return name not in _SAID and not name.startswith("content-")


def _content(body: Any) -> str | None:
    return None if body is None else str(body.get_content())


def _mailboxes(parsed: EmailMessage, name: str) -> tuple[Mailbox, ...]:
    return tuple(
        Mailbox(one.addr_spec, one.display_name)
        for value in parsed.get_all(name, [])
        for one in value.addresses
    )


def _is_invitation(part: Any) -> bool:
    return part.get_content_type() == "text/calendar" and part.get_filename() is None


def _files(parsed: EmailMessage, body: object) -> Iterator[File]:
    for part in parsed.walk():
        if part is body or (part.is_multipart() and part.get_content_type() != "message/rfc822"):
            continue
        if part.get_filename() is None and part["Content-ID"] is None:
            continue  # the text alternative, or an invitation
        identifier = str(part["Content-ID"] or "").strip().strip("<>") or None
        yield File(
            part.get_filename() or "attachment",
            part.get_content_type(),
            _octets(part),
            identifier,
            part.get_content_disposition() == "inline",
        )


def _octets(part: Any) -> bytes:
    if part.get_content_type() == "message/rfc822":
        inner: bytes = part.get_payload(0).as_bytes(policy=email.policy.SMTP)
        return inner
    octets: bytes = part.get_payload(decode=True) or b""
    return octets
