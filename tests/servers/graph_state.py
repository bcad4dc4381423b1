"""What our double of Microsoft Graph keeps: mailboxes with folders and mails, tokens, and what was delivered.

Octets by MIME, or the fields of a message, enter; mails leave as the members of a message. An id is immutable
for those who ask for that; everybody else gets one that ends with the next move, as in the service.
"""

from __future__ import annotations

import base64
import email
import email.policy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import getaddresses
from itertools import count
from typing import Any

WELL_KNOWN = {
    "inbox": "Inbox",
    "drafts": "Drafts",
    "sentitems": "Sent Items",
    "outbox": "Outbox",
    "deleteditems": "Deleted Items",
    "junkemail": "Junk Email",
    "archive": "Archive",
}
_BEGIN = datetime(2026, 3, 1, 8, tzinfo=UTC)


@dataclass(slots=True)
class Folder:
    """A folder; its id never changes."""

    id: str
    name: str
    parent: str
    known: str | None = None


@dataclass(slots=True)
class Item:
    """A mail.

    Attributes:
        fields: As a message shows them.
        mime: Its octets, where it came as such.
        moves: How often it was moved: its other id ends with each.
        appears: How many looks it takes until it is seen in its folder.
    """

    id: str
    folder: str
    fields: dict[str, Any]
    mime: bytes | None = None
    attachments: dict[str, dict[str, Any]] = field(default_factory=dict)
    moves: int = 0
    appears: int = 0

    def named(self, *, immutable: bool) -> str:
        """Its id, in the form that was asked for."""
        return self.id if immutable else f"{self.id}.{self.moves}"

    def shown(self, *, immutable: bool) -> dict[str, Any]:
        """Every member of the message."""
        return {
            **self.fields,
            "id": self.named(immutable=immutable),
            "parentFolderId": self.folder,
            "hasAttachments": any(not one["isInline"] for one in self.attachments.values()),
        }


@dataclass(frozen=True, slots=True)
class Delivered:
    """A mail that went out: the truth that a test compares with."""

    mailbox: str
    message_id: str
    recipients: tuple[str, ...]
    fields: Mapping[str, Any]
    mime: bytes | None
    attachments: tuple[Mapping[str, Any], ...]


@dataclass(slots=True)
class Mailbox:
    """One mailbox of the tenant.

    Attributes:
        user: Its user principal name, which is its address.
        send_as: Other addresses that may be in From.
        shared_with: Users who may use it beside its owner.
    """

    user: str
    send_as: set[str] = field(default_factory=set)
    shared_with: set[str] = field(default_factory=set)
    folders: dict[str, Folder] = field(default_factory=dict)
    items: dict[str, Item] = field(default_factory=dict)
    numbers: Iterable[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        for known, name in WELL_KNOWN.items():
            self.add_folder(name, "root", known)

    def number(self) -> int:
        return next(iter(self.numbers))

    def add_folder(self, name: str, parent: str = "root", known: str | None = None) -> Folder:
        folder = Folder(f"F{self.number()}-{self.user.partition('@')[0]}", name, parent, known)
        self.folders[folder.id] = folder
        return folder

    def folder(self, name: str) -> Folder | None:
        """By id or well-known name."""
        found = self.folders.get(name)
        return found or next((one for one in self.folders.values() if one.known == name.lower()), None)

    def folder_id(self, known: str) -> str:
        return next(one.id for one in self.folders.values() if one.known == known)

    def inside(self, known: str) -> list[Item]:
        """The mails of a folder."""
        folder = self.folder_id(known)
        return [item for item in self.items.values() if item.folder == folder]

    def item(self, name: str) -> Item | None:
        """By its immutable id, or by the other one, as long as that is good."""
        identifier, dot, moves = name.partition(".")
        found = self.items.get(identifier)
        return found if found is not None and (not dot or int(moves) == found.moves) else None

    def add(
        self, fields: Mapping[str, Any], mime: bytes | None, folder: str, files: Iterable[dict[str, Any]] = ()
    ) -> Item:
        """Put a mail into a folder, by its well-known name or id."""
        number = self.number()
        moment = stamp(_BEGIN + timedelta(minutes=number))
        usual: dict[str, Any] = {
            "subject": "",
            "importance": "normal",
            "toRecipients": [],
            "ccRecipients": [],
            "bccRecipients": [],
            "replyTo": [],
            "from": None,
            "body": {"contentType": "text", "content": ""},
            "isRead": False,
            "isDraft": False,
            "flag": {"flagStatus": "notFlagged"},
            "createdDateTime": moment,
            "receivedDateTime": moment,
            "sentDateTime": moment,
            "lastModifiedDateTime": moment,
            "changeKey": f"CK{number}",
            "internetMessageId": f"<generated-{number}@graph.test>",
        }
        target = self.folder(folder)
        assert target is not None, folder
        item = Item(f"AAk{number}-{self.user.partition('@')[0]}", target.id, {**usual, **fields}, mime)
        content = item.fields["body"]["content"]
        item.fields["bodyPreview"] = " ".join(content.split())[:255]
        self.items[item.id] = item
        for file in files:
            self.attach(item, file)
        return item

    def receive(self, mime: bytes, folder: str = "inbox", **changes: Any) -> Item:
        """Let a mail arrive."""
        fields, files = parsed(mime)
        return self.add({**fields, **changes}, mime, folder, files)

    def attach(self, item: Item, file: Mapping[str, Any]) -> dict[str, Any]:
        identifier = f"ATT{self.number()}"
        octets = base64.b64decode(file.get("contentBytes", ""))
        whole = {"contentType": None, "isInline": False, "contentId": None, **file}
        item.attachments[identifier] = {**whole, "id": identifier, "size": len(octets)}
        return item.attachments[identifier]

    def move(self, item: Item, folder: str, appears: int = 0) -> None:
        item.folder, item.appears = folder, appears
        item.moves += 1


@dataclass(slots=True)
class Permits:
    """What a token is good for.

    Attributes:
        user: Whose it is; None for an application's.
        allowed: Names of permissions.
    """

    user: str | None
    allowed: frozenset[str]


def unsigned(claims: Mapping[str, Any]) -> str:
    """A token whose claims can be read; no server verifies it."""
    parts = ({"alg": "none", "typ": "JWT"}, claims)
    encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)
    return ".".join([*encoded, "c2lnbmF0dXJl"])


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parsed(mime: bytes) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The members of a message, and its attachments, from its octets."""
    message = email.message_from_bytes(mime, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    fields: dict[str, Any] = {
        "subject": str(message.get("Subject", "")),
        "toRecipients": _recipients(message, "To"),
        "ccRecipients": _recipients(message, "Cc"),
        "bccRecipients": _recipients(message, "Bcc"),
        "replyTo": _recipients(message, "Reply-To"),
        "importance": str(message.get("Importance", "normal")).lower(),
        "internetMessageHeaders": [
            {"name": name, "value": str(value)} for name, value in message.items() if name.lower() != "bcc"
        ],
        "body": _body(message),
    }
    if sender := _recipients(message, "From"):
        fields["from"] = fields["sender"] = sender[0]
    if (date := message["Date"]) is not None and date.datetime is not None:
        fields["sentDateTime"] = stamp(date.datetime)
    if message.get("Message-ID"):
        fields["internetMessageId"] = str(message["Message-ID"])
    return fields, list(_files(message))


def _recipients(message: EmailMessage, name: str) -> list[dict[str, Any]]:
    pairs = getaddresses([str(value) for value in message.get_all(name, [])])
    return [{"emailAddress": {"name": called or at, "address": at}} for called, at in pairs if at]


def _body(message: EmailMessage) -> dict[str, str]:
    part = message.get_body(("html", "plain"))
    if part is None:
        return {"contentType": "text", "content": ""}
    kind = "html" if part.get_content_subtype() == "html" else "text"
    return {"contentType": kind, "content": str(part.get_content())}


def _files(message: EmailMessage) -> Iterable[dict[str, Any]]:
    for part in message.walk():
        if part.get_content_maintype() == "multipart" or not (part.get_filename() or part["Content-ID"]):
            continue
        octets = part.get_payload(decode=True) or b""
        assert isinstance(octets, bytes)
        identifier = str(part["Content-ID"]).strip("<>") if part["Content-ID"] else None
        yield {
            "@odata.type": "#microsoft.graph.fileAttachment",
            "name": part.get_filename() or "",
            "contentType": part.get_content_type(),
            "isInline": part.get_content_disposition() == "inline",
            "contentId": identifier,
            "contentBytes": base64.b64encode(octets).decode(),
        }
