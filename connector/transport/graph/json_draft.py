"""A mail as the fields of a Graph message, for one that is too large to go as its octets.

The octets enter and are read back; fields and files leave. Graph writes such a mail anew, so that what its
fields cannot say is refused by the name of the input that asks for it.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from connector.errors import InputError
from connector.model.addresses import Mailbox
from connector.model.envelope import Message
from connector.model.server import GraphRoute
from connector.transport.fields import INPUTS, Fields, File, blind_recipients, read_back
from connector.transport.graph.blind_copies import REQUEST_LIMIT

_OWN_TEXT = (
    "text: the mail went through Microsoft Graph as an HTML mail, since it is large; Exchange makes its text "
    "alternative itself"
)


@dataclass(frozen=True, slots=True)
class JsonDraft:
    """The fields of a message, and its attachments."""

    fields: dict[str, Any]
    files: tuple[File, ...]
    warnings: tuple[str, ...] = ()

    def whole(self) -> dict[str, Any]:
        """The fields with the attachments among them."""
        return {**self.fields, "attachments": [as_member(file) for file in self.files]}


def as_member(file: File) -> dict[str, Any]:
    """Say a file as an attachment of a message, in one piece."""
    return {
        "@odata.type": "#microsoft.graph.fileAttachment",
        **_described(file),
        "contentBytes": base64.b64encode(file.octets).decode("ascii"),
    }


def as_item(file: File) -> dict[str, Any]:
    """Say of a file what is said before it is uploaded."""
    return {"attachmentType": "file", "size": len(file.octets), **_described(file)}


def _described(file: File) -> dict[str, Any]:
    inside = {"contentId": file.content_id} if file.content_id else {}
    return {"name": file.name, "contentType": file.content_type, "isInline": file.inline, **inside}


def json_draft(message: Message, route: GraphRoute) -> JsonDraft:
    """Say a mail in fields.

    Args:
        message: Of our own writing, neither signed nor encrypted.
        route: Named in an error.

    Raises:
        InputError: It has what no field can say.
    """
    said = read_back(message)
    headers = tuple(_own_headers(said, route))
    if said.invitation:
        raise _unsaid("smtpEmailInvitation", route)
    fields: dict[str, Any] = {
        "subject": said.subject,
        "body": {
            "contentType": "text" if said.html is None else "html",
            "content": said.html if said.html is not None else said.text or "",
        },
        "importance": said.importance,
        "from": _recipient(said.sender),
        "toRecipients": _recipients(said.to),
        "ccRecipients": _recipients(said.cc),
        "bccRecipients": [{"emailAddress": {"address": one}} for one in blind_recipients(message)],
        "replyTo": _recipients(said.reply_to),
        "internetMessageId": message.message_id,
        "isReadReceiptRequested": _read_receipt(said, route),
    }
    if headers:
        fields["internetMessageHeaders"] = [{"name": name, "value": value} for name, value in headers]
    text = (_OWN_TEXT,) if said.html is not None and said.text is not None else ()
    return JsonDraft(fields, said.files, text)


def _own_headers(said: Fields, route: GraphRoute) -> Iterator[tuple[str, str]]:
    for name, value in said.headers:
        plain = name.lower()
        if plain in INPUTS or not plain.startswith("x-"):
            raise _unsaid(INPUTS.get(plain, f"smtpEmailHeaders.{name}"), route)
        yield name, value


def _read_receipt(said: Fields, route: GraphRoute) -> bool:
    wanted, sender = said.read_receipt, said.sender.address
    if wanted is None:
        return False
    if f"<{sender}>" not in wanted and wanted != sender:
        raise _unsaid("smtpEmailReadReceipt", route)  # it goes to the sender, to no other address
    return True


def _recipients(mailboxes: Iterable[Mailbox]) -> list[dict[str, Any]]:
    return list(map(_recipient, mailboxes))


def _recipient(mailbox: Mailbox) -> dict[str, Any]:
    named = {"name": mailbox.name} if mailbox.name else {}
    return {"emailAddress": {**named, "address": mailbox.address}}


def _unsaid(field: str, route: GraphRoute) -> InputError:
    return InputError(
        field,
        f"the account {route.account} sends through Microsoft Graph, which cannot do this in a mail of more "
        f"than {REQUEST_LIMIT * 3 // 4:,} bytes, or one that is not saved to Sent Items. Attach less, or use "
        "an account with SMTP",
    )
