"""A mail as the fields of a Graph message, for one that is too large to go as its octets.

The octets enter and are read back; fields and files leave. Graph writes such a mail anew, so that what its
fields cannot say is refused by the name of the input that asks for it.
"""

from __future__ import annotations

import base64
import email
import email.policy
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Any

from connector.errors import InputError
from connector.model.envelope import Message
from connector.model.server import GraphRoute
from connector.transport.graph.blind_copies import REQUEST_LIMIT, blind_recipients

# Fields that have a member of their own, say nothing about the mail, or are made by Exchange.
_SAID = frozenset(
    {
        *("from", "to", "cc", "bcc", "reply-to", "subject", "date", "message-id", "mime-version"),
        *("importance", "priority", "x-priority", "disposition-notification-to"),
    }
)
_INPUTS = {
    "sensitivity": "smtpEmailSensitivity",
    "reply-by": "smtpEmailFollowUp",
    "x-message-flag": "smtpEmailFollowUp",
    "in-reply-to": "smtpEmailInReplyTo",
    "references": "smtpEmailReferences",
    "list-unsubscribe": "smtpEmailUnsubscribe",
    "list-unsubscribe-post": "smtpEmailUnsubscribe",
}
_OWN_TEXT = (
    "text: the mail went through Microsoft Graph as an HTML mail, since it is large; Exchange makes its text "
    "alternative itself"
)


@dataclass(frozen=True, slots=True)
class File:
    """An attachment."""

    name: str
    content_type: str
    octets: bytes = field(repr=False)
    content_id: str | None = None
    inline: bool = False

    def as_member(self) -> dict[str, Any]:
        """It as an attachment of a message, in one piece."""
        return {
            "@odata.type": "#microsoft.graph.fileAttachment",
            **self._described(),
            "contentBytes": base64.b64encode(self.octets).decode("ascii"),
        }

    def as_item(self) -> dict[str, Any]:
        """What is said of it before it is uploaded."""
        return {"attachmentType": "file", "size": len(self.octets), **self._described()}

    def _described(self) -> dict[str, Any]:
        inside = {"contentId": self.content_id} if self.content_id else {}
        return {"name": self.name, "contentType": self.content_type, "isInline": self.inline, **inside}


@dataclass(frozen=True, slots=True)
class JsonDraft:
    """The fields of a message, and its attachments."""

    fields: dict[str, Any]
    files: tuple[File, ...]
    warnings: tuple[str, ...] = ()

    def whole(self) -> dict[str, Any]:
        """The fields with the attachments among them."""
        return {**self.fields, "attachments": [file.as_member() for file in self.files]}


def json_draft(message: Message, route: GraphRoute) -> JsonDraft:
    """Say a mail in fields.

    Args:
        message: Of our own writing, neither signed nor encrypted.
        route: Named in an error.

    Raises:
        InputError: It has what no field can say.
    """
    parsed = email.message_from_bytes(message.data, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)  # noqa: S101 - what the policy makes
    headers = tuple(_own_headers(parsed, route))
    body = parsed.get_body(("html", "plain"))
    files = tuple(_files(parsed, body, route))
    kind = "html" if body is not None and body.get_content_subtype() == "html" else "text"
    sender = parsed["From"].addresses[0]
    fields: dict[str, Any] = {
        "subject": str(parsed.get("Subject", "")),
        "body": {"contentType": kind, "content": body.get_content() if body is not None else ""},
        "importance": str(parsed.get("Importance", "normal")).lower(),
        "from": _recipient(sender),
        "toRecipients": _recipients(parsed, "To"),
        "ccRecipients": _recipients(parsed, "Cc"),
        "bccRecipients": [{"emailAddress": {"address": one}} for one in blind_recipients(message)],
        "replyTo": _recipients(parsed, "Reply-To"),
        "internetMessageId": message.message_id,
        "isReadReceiptRequested": _read_receipt(parsed, sender.addr_spec, route),
    }
    if headers:
        fields["internetMessageHeaders"] = [{"name": name, "value": value} for name, value in headers]
    text = (_OWN_TEXT,) if kind == "html" and parsed.get_body(("plain",)) is not None else ()
    return JsonDraft(fields, files, text)


def _own_headers(parsed: EmailMessage, route: GraphRoute) -> Iterator[tuple[str, str]]:
    for name, value in parsed.items():
        plain = name.lower()
        if plain in _SAID or plain.startswith("content-"):
            continue
        if plain in _INPUTS or not plain.startswith("x-"):
            raise _unsaid(_INPUTS.get(plain, f"smtpEmailHeaders.{name}"), route)
        yield name, str(value)


def _read_receipt(parsed: EmailMessage, sender: str, route: GraphRoute) -> bool:
    wanted = parsed.get("Disposition-Notification-To")
    if wanted is None:
        return False
    if f"<{sender}>" not in str(wanted) and str(wanted) != sender:
        raise _unsaid("smtpEmailReadReceipt", route)  # it goes to the sender, to no other address
    return True


def _files(parsed: EmailMessage, body: object, route: GraphRoute) -> Iterator[File]:
    for part in parsed.walk():
        if part is body or (part.is_multipart() and part.get_content_type() != "message/rfc822"):
            continue
        if part.get_content_type() == "text/calendar" and part.get_filename() is None:
            raise _unsaid("smtpEmailInvitation", route)
        if part.get_filename() is None and part["Content-ID"] is None:
            continue  # the text alternative
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


def _recipients(parsed: EmailMessage, name: str) -> list[dict[str, Any]]:
    return [_recipient(one) for value in parsed.get_all(name, []) for one in value.addresses]


def _recipient(address: Any) -> dict[str, Any]:
    named = {"name": address.display_name} if address.display_name else {}
    return {"emailAddress": {**named, "address": address.addr_spec}}


def _unsaid(field: str, route: GraphRoute) -> InputError:
    return InputError(
        field,
        f"the account {route.account} sends through Microsoft Graph, which cannot do this in a mail of more "
        f"than {REQUEST_LIMIT * 3 // 4:,} bytes, or one that is not saved to Sent Items. Attach less, or use "
        "an account with SMTP",
    )
