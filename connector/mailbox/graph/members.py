"""What a list shows of a mail, out of the members of a Graph message."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connector.mailbox.criteria import Candidate
from connector.mailbox.reading.addresses import Address
from connector.mailbox.reading.summary import Summary, first_message_id, message_ids, with_preview
from connector.mailbox.references import GraphName

SELECTED = (
    "id,parentFolderId,internetMessageId,from,toRecipients,ccRecipients,replyTo,subject,sentDateTime,"
    "receivedDateTime,importance,isRead,flag,hasAttachments,internetMessageHeaders"
)
"""The members that a summary is made of."""


def candidate_of(message: Mapping[str, Any], folder: str, *, preview: bool) -> Candidate:
    """Put together what a list shows of a mail, and what a search looks at.

    Args:
        message: With the members of :data:`SELECTED`; and ``body`` where texts are looked at.
        folder: The path of its folder.
        preview: Whether ``bodyPreview`` is among them and wanted.
    """
    values = _values(message.get("internetMessageHeaders"))
    summary = Summary(
        str(GraphName(_text(message.get("id")))),
        folder,
        first_message_id(_text(message.get("internetMessageId"))),
        next(iter(_addresses([message.get("from")])), None),
        _addresses(message.get("toRecipients")),
        _addresses(message.get("ccRecipients")),
        _addresses(message.get("replyTo")),
        _text(message.get("subject")),
        moment_of(message.get("sentDateTime")),
        moment_of(message.get("receivedDateTime")),
        None,
        _text(message.get("importance")) or "normal",
        message.get("isRead") is False,
        _inside(message.get("flag"), "flagStatus") == "flagged",
        message.get("hasAttachments") is True,
        first_message_id(values.get("in-reply-to")),
        message_ids(values.get("references")),
    )
    if preview:
        summary = with_preview(summary, _text(message.get("bodyPreview")))
    if summary.message_id is not None:
        values.setdefault("message-id", summary.message_id)
    return Candidate(summary, values, _inside(message.get("body"), "content"))


def moment_of(value: object) -> datetime | None:
    """Read a date-time with its zone; None for what is none."""
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


def _addresses(people: object) -> tuple[Address, ...]:
    found = []
    for one in people if isinstance(people, list) else []:
        mailbox = one.get("emailAddress") if isinstance(one, dict) else None
        if isinstance(mailbox, dict) and (address := _text(mailbox.get("address"))):
            name = _text(mailbox.get("name"))
            # Where a mail has no name, the service repeats the address.
            found.append(Address("" if name == address else name, address))
    return tuple(found)


def _values(headers: object) -> dict[str, str]:
    values: dict[str, str] = {}
    for one in headers if isinstance(headers, list) else []:
        if isinstance(one, dict):
            values.setdefault(_text(one.get("name")).lower(), _text(one.get("value")))
    return values


def _inside(value: object, name: str) -> str:
    return _text(value.get(name)) if isinstance(value, dict) else ""


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
