"""The operations of our double of Microsoft Graph on a mailbox: sending, drafts, attachments, uploads.

A :class:`Call` enters and a :class:`Reply` leaves; what the service refuses is a :class:`RefusedError`. What
reads a mailbox is in :mod:`tests.servers.graph_reading`.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

from tests.servers.graph_state import Delivered, Item, Mailbox, parsed, stamp

_REQUEST_LIMIT = 4 * 1024 * 1024
_SMALL_FILE = 3 * 1024 * 1024
_MESSAGE_LIMIT = 35 * 1024 * 1024
_CHUNK_LIMIT = 4 * 1024 * 1024
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class RefusedError(Exception):
    """The service says no."""

    def __init__(self, status: int, code: str, text: str = "Refused.") -> None:
        super().__init__(code)
        self.status, self.code, self.text = status, code, text


@dataclass(frozen=True, slots=True)
class Call:
    """A request.

    Attributes:
        body: JSON, or octets of another type.
        parts: What the path names, in its order.
        url: The address without its query.
        immutable: Whether ids are asked for that stay.
    """

    mailbox: Mailbox
    parts: tuple[str, ...]
    query: Mapping[str, str]
    body: Any
    headers: Mapping[str, str]
    url: str
    immutable: bool

    @property
    def item(self) -> Item:
        found = self.mailbox.item(self.parts[0])
        if found is None:
            raise RefusedError(404, "ErrorItemNotFound", "The specified object was not found in the store.")
        return found


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer.

    Attributes:
        body: JSON; octets go as they are; None for an empty answer.
    """

    status: int
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Session:
    """An upload under way."""

    mailbox: Mailbox
    item: Item
    file: Mapping[str, Any]
    data: bytearray = field(default_factory=bytearray)


@dataclass(slots=True)
class Outgoing:
    """What has gone out, and uploads.

    Attributes:
        lag: How many looks at a sent mail find it in the outbox, before it is in Sent Items.
        sessions: By what is in their URL.
        cancelled: Uploads that were given up.
    """

    delivered: list[Delivered] = field(default_factory=list)
    lag: int = 0
    sessions: dict[str, Session] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    upload_base: str = ""


def create_draft(call: Call, _out: Outgoing) -> Reply:
    if isinstance(call.body, bytes):
        mime = _mime(call.body)
        fields, files = parsed(mime)
    else:
        mime, fields = None, dict(call.body)
        files = fields.pop("attachments", [])
    item = call.mailbox.add({**fields, "isDraft": True, "isRead": True}, mime, "drafts", files)
    item.fields.setdefault("from", {"emailAddress": {"address": call.mailbox.user}})
    return Reply(201, item.shown(immutable=call.immutable))


def send_draft(call: Call, out: Outgoing) -> Reply:
    item = call.item
    if not item.fields["isDraft"]:
        raise RefusedError(400, "ErrorInvalidOperation", "The mail was sent before.")
    _check(call.mailbox, item)
    _deliver(call.mailbox, item, out)
    return Reply(202)


def send_mail(call: Call, out: Outgoing) -> Reply:
    saved = True
    if isinstance(call.body, bytes):
        mime = _mime(call.body)
        fields, files = parsed(mime)
    else:
        values = {name.lower(): value for name, value in call.body.items()}
        mime, fields, saved = None, dict(values["message"]), values.get("savetosentitems", True)
        files = fields.pop("attachments", [])
    item = call.mailbox.add({**fields, "isDraft": True}, mime, "drafts", files)
    try:
        _check(call.mailbox, item)
    except RefusedError:
        del call.mailbox.items[item.id]
        raise
    _deliver(call.mailbox, item, out)
    if not saved:
        del call.mailbox.items[item.id]
    return Reply(202)


def get_message(call: Call, _out: Outgoing) -> Reply:
    item = call.item
    if item.appears:
        item.appears -= 1
        if not item.appears:
            item.folder = call.mailbox.folder_id("sentitems")
    shown = item.shown(immutable=call.immutable)
    if select := call.query.get("$select"):
        shown = {name: shown[name] for name in ("id", *select.split(",")) if name in shown}
    else:
        shown.pop("internetMessageHeaders", None)
    return Reply(200, shown)


def delete_message(call: Call, _out: Outgoing) -> Reply:
    item, trash = call.item, call.mailbox.folder_id("deleteditems")
    if item.folder == trash:
        del call.mailbox.items[item.id]
    else:
        call.mailbox.move(item, trash)
    return Reply(204)


def permanent_delete(call: Call, _out: Outgoing) -> Reply:
    del call.mailbox.items[call.item.id]
    return Reply(204)


def add_attachment(call: Call, _out: Outgoing) -> Reply:
    if len(base64.b64decode(call.body["contentBytes"])) >= _SMALL_FILE:
        raise RefusedError(413, "RequestEntityTooLarge")
    return Reply(201, _shown(call.mailbox.attach(call.item, call.body)))


def list_attachments(call: Call, _out: Outgoing) -> Reply:
    files = [_shown(file, call.query.get("$select")) for file in call.item.attachments.values()]
    return Reply(200, {"value": files})


def create_upload_session(call: Call, out: Outgoing) -> Reply:
    file = {name.lower(): value for name, value in call.body.items()}["attachmentitem"]
    if file["size"] < _SMALL_FILE:
        raise RefusedError(400, "ErrorAttachmentSizeShouldNotBeLessThanMinimumSize")
    secret = uuid4().hex
    out.sessions[secret] = Session(call.mailbox, call.item, file)
    body = {
        "uploadUrl": f"{out.upload_base}/upload/{secret}?authtoken=eyJ",
        "expirationDateTime": stamp(datetime.now(UTC) + timedelta(hours=1)),
        "nextExpectedRanges": ["0-"],
    }
    return Reply(201, body)


def put_chunk(secret: str, octets: bytes, headers: Mapping[str, str], out: Outgoing) -> Reply:
    """Take a part of a file; the URL alone says who may."""
    session = _session(secret, headers, out)
    if len(octets) > _CHUNK_LIMIT:
        raise RefusedError(413, "RequestEntityTooLarge")
    match = _RANGE.fullmatch(headers.get("content-range", ""))
    if match is None:
        raise RefusedError(400, "InvalidContentRange")
    first, last, size = map(int, match.groups())
    if last - first + 1 != len(octets) or size != session.file["size"]:
        raise RefusedError(400, "InvalidContentRange")
    if first != len(session.data):
        raise RefusedError(416, "InvalidRange", f"expected {len(session.data)}")
    session.data += octets
    if len(session.data) < size:
        return Reply(200, _expected(session))
    del out.sessions[secret]
    file = {
        "@odata.type": "#microsoft.graph.fileAttachment",
        "name": session.file["name"],
        "contentType": session.file.get("contentType", "application/octet-stream"),
        "isInline": session.file.get("isInline", False),
        "contentId": session.file.get("contentId"),
        "contentBytes": base64.b64encode(session.data).decode(),
    }
    kept = session.mailbox.attach(session.item, file)
    place = f"{out.upload_base}/v1.0/users/{session.mailbox.user}/attachments/{kept['id']}"
    return Reply(201, {}, {"Location": place})


def upload_status(secret: str, headers: Mapping[str, str], out: Outgoing) -> Reply:
    return Reply(200, _expected(_session(secret, headers, out)))


def cancel_upload(secret: str, headers: Mapping[str, str], out: Outgoing) -> Reply:
    _session(secret, headers, out)
    del out.sessions[secret]
    out.cancelled.append(secret)
    return Reply(204)


def get_user(call: Call, _out: Outgoing) -> Reply:
    user = call.mailbox.user
    return Reply(200, {"id": f"U-{user}", "displayName": user, "mail": user, "userPrincipalName": user})


Operation = Callable[[Call, Outgoing], Reply]


def _session(secret: str, headers: Mapping[str, str], out: Outgoing) -> Session:
    if "authorization" in headers:
        raise RefusedError(401, "InvalidAuthenticationToken", "The URL carries its own authorization.")
    if secret not in out.sessions:
        raise RefusedError(404, "ErrorItemNotFound", "The upload session was not found.")
    return out.sessions[secret]


def _expected(session: Session) -> dict[str, Any]:
    ends = stamp(datetime.now(UTC) + timedelta(hours=1))
    return {"ExpirationDateTime": ends, "nextExpectedRanges": [str(len(session.data))]}


def _shown(file: Mapping[str, Any], select: str | None = None) -> dict[str, Any]:
    wanted = select.split(",") if select else [*file]
    return {name: file[name] for name in {"@odata.type", "id", *wanted} if name in file}


def _mime(body: bytes) -> bytes:
    if len(body) > _REQUEST_LIMIT:
        raise RefusedError(413, "RequestEntityTooLarge")
    try:
        return base64.b64decode(body, validate=True)
    except binascii.Error:
        text = "Invalid base64 string for MIME content."
        raise RefusedError(400, "ErrorMimeContentInvalidBase64String", text) from None


def _addresses(item: Item) -> tuple[str, ...]:
    names = ("toRecipients", "ccRecipients", "bccRecipients")
    return tuple(one["emailAddress"]["address"] for name in names for one in item.fields[name])


def _check(mailbox: Mailbox, item: Item) -> None:
    sender = ((item.fields.get("from") or {}).get("emailAddress") or {}).get("address", mailbox.user)
    if sender.lower() not in {mailbox.user.lower(), *mailbox.send_as}:
        raise RefusedError(403, "ErrorSendAsDenied", "The user account does not have the right to send as.")
    recipients = _addresses(item)
    if not recipients or any(address.startswith("nobody@") for address in recipients):
        raise RefusedError(400, "ErrorInvalidRecipients", "At least one recipient isn't valid.")
    if sum(file["size"] for file in item.attachments.values()) > _MESSAGE_LIMIT:
        raise RefusedError(413, "ErrorMessageSizeExceeded", "The message exceeds the maximum size.")


def _deliver(mailbox: Mailbox, item: Item, out: Outgoing) -> None:
    recipients, files = _addresses(item), tuple(item.attachments.values())
    out.delivered.append(
        Delivered(
            mailbox.user,
            item.fields["internetMessageId"],
            recipients,
            {**item.fields, "bccRecipients": []},
            item.mime,
            files,
        )
    )
    item.fields["isDraft"] = False
    mailbox.move(item, mailbox.folder_id("outbox" if out.lag else "sentitems"), out.lag)
