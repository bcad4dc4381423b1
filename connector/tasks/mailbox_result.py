"""What a mailbox task gives back, as the contract lays it down."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

from connector.errors import ErrorCode, MailboxError
from connector.mailbox.port import Folder, Letter, Page
from connector.mailbox.reading.addresses import Address
from connector.mailbox.reading.dates import written
from connector.mailbox.reading.fields import field_text
from connector.mailbox.reading.mail import File
from connector.mailbox.reading.summary import Summary
from connector.tasks.mailbox_inputs import Content

# A JSON text has more octets than its characters: quotes, names of keys, escapes.
_PER_ITEM = 100


class ResultLimit:
    """Counts what goes into a result, so that one too large is refused before it is made.

    Args:
        most: Octets.
        server: Of the mailbox, for the error.
    """

    def __init__(self, most: int, server: str) -> None:
        self._most = most
        self._left = most
        self._server = server

    def take(self, octets: int) -> None:
        """Count octets.

        Raises:
            MailboxError: ``MESSAGE_TOO_LARGE``: they are more than the limit.
        """
        self._left -= octets + _PER_ITEM
        if self._left < 0:
            raise self._exceeded()

    def check(self, octets: int) -> None:
        """Check the size of a whole result.

        Raises:
            MailboxError: As :meth:`take`.
        """
        if octets > self._most:
            raise self._exceeded()

    def _exceeded(self) -> MailboxError:
        text = (
            f"The result would be larger than mailbox.max_result, {self._most:,} octets; ask for fewer mails "
            "with mailboxLimit, or read without the attachments' contents."
        )
        return MailboxError(ErrorCode.MESSAGE_TOO_LARGE, text, server=self._server)


def folders_result(folders: Iterable[Folder]) -> dict[str, Any]:
    """The result of ``listFolders``."""
    return {
        "folders": [
            {
                "name": folder.name,
                "path": folder.path,
                "role": folder.role.value if folder.role else None,
                "unread": folder.unread,
                "total": folder.total,
            }
            for folder in folders
        ]
    }


def page_result(page: Page) -> dict[str, Any]:
    """The result of ``list`` and ``search``."""
    return {"messages": list(map(_summary, page.messages)), "nextPage": page.next_page}


def letter_result(letter: Letter, content: Content, limit: ResultLimit) -> dict[str, Any]:
    """The result of ``read``.

    Args:
        letter: The mail.
        content: What is wanted of its attachments.
        limit: How large the result may be.

    Raises:
        MailboxError: ``MESSAGE_TOO_LARGE``.
    """
    mail = letter.mail
    for text in (mail.text, mail.html or ""):
        limit.take(len(text))
    for _, value in mail.fields.items:
        limit.take(len(value))
    files = [] if content is Content.NONE else [_file(file, content, limit) for file in mail.files]
    return {
        "mail": {
            **_summary(letter.summary),
            "headers": [{"name": name, "value": field_text(value)} for name, value in mail.fields.items],
            "text": mail.text,
            "html": mail.html,
            "attachments": files,
            "autoSubmitted": mail.auto_submitted,
        }
    }


def _file(file: File, content: Content, limit: ResultLimit) -> dict[str, Any]:
    """An attachment, in the form in which ``smtpEmailAttachments`` takes one."""
    octets = bytearray()
    size = 0
    for piece in file.pieces():
        size += len(piece)
        if content is Content.INLINE:
            limit.take(len(piece) * 4 // 3)
            octets += piece
    described: dict[str, Any] = {
        "name": file.name,
        "contentType": file.content_type,
        "size": size,
        "inline": file.inline,
        "contentId": file.content_id,
    }
    if content is Content.INLINE:
        described["base64"] = base64.b64encode(octets).decode()
    return described


def _summary(summary: Summary) -> Mapping[str, Any]:
    described = {
        "id": summary.id,
        "messageId": summary.message_id,
        "folder": summary.folder,
        "from": _address(summary.sender) if summary.sender else None,
        "to": list(map(_address, summary.to)),
        "cc": list(map(_address, summary.cc)),
        "replyTo": list(map(_address, summary.reply_to)),
        "subject": summary.subject,
        "date": written(summary.date),
        "sentAt": written(summary.sent_at),
        "receivedAt": written(summary.received_at),
        "size": summary.size,
        "importance": summary.importance,
        "unread": summary.unread,
        "flagged": summary.flagged,
        "hasAttachments": summary.has_attachments,
        "inReplyTo": summary.in_reply_to,
        "references": list(summary.references),
    }
    return described if summary.preview is None else {**described, "preview": summary.preview}


def _address(one: Address) -> dict[str, str]:
    return {"name": one.name, "address": one.address}
