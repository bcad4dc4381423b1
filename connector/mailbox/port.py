"""The seam between mailbox tasks and the protocols, and the values that cross it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, runtime_checkable

from connector.mailbox.criteria import Criterion
from connector.mailbox.reading.mail import Mail
from connector.mailbox.reading.summary import Summary


class Role(StrEnum):
    """What a folder is for, independent of its name (RFC 6154)."""

    INBOX = "inbox"
    SENT = "sent"
    DRAFTS = "drafts"
    TRASH = "trash"
    JUNK = "junk"
    ARCHIVE = "archive"
    ALL = "all"
    FLAGGED = "flagged"


@dataclass(frozen=True, slots=True)
class Folder:
    """One folder.

    Attributes:
        path: What names it in operations: the server's own name, decoded.
        name: The last part of it.
        role: None for a folder of the user's own.
        unread: None where the server does not say; so is total.
        parts: The path, part by part.
    """

    path: str
    name: str
    role: Role | None
    unread: int | None
    total: int | None
    parts: tuple[str, ...]


WHOLE = "*"
"""In place of a folder: the whole mailbox."""


@dataclass(frozen=True, slots=True)
class Listing:
    """A wish for a page of mails.

    Attributes:
        folders: Paths or roles; :data:`WHOLE` for the whole mailbox.
        included: Roles that belong to the whole mailbox although they usually do not: junk and trash.
        criterion: What the mails have to be like; None for all.
        limit: The most mails of a page.
        newest_first: The order, by when mails came into their folder.
        page: Where the page before ended, as :attr:`Page.next_page` said; None for the first one.
        preview: Whether the beginnings of the texts are wanted too.
    """

    folders: tuple[str, ...] = (Role.INBOX,)
    included: frozenset[Role] = frozenset()
    criterion: Criterion | None = None
    limit: int = 50
    newest_first: bool = True
    page: str | None = None
    preview: bool = False


@dataclass(frozen=True, slots=True)
class Page:
    """Some mails of a list.

    Attributes:
        next_page: Where the next page begins; None after the last mail.
    """

    messages: tuple[Summary, ...]
    next_page: str | None


@dataclass(frozen=True, slots=True)
class Reference:
    """One mail.

    Attributes:
        text: The id of a summary, or a Message-ID in its angle brackets.
        folders: Where a Message-ID is looked for.
    """

    text: str
    folders: tuple[str, ...] = (WHOLE,)


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail as it was read: what its summary says, and all the rest."""

    summary: Summary
    mail: Mail


class Mark(StrEnum):
    """A flag to set or take away."""

    READ = "read"
    UNREAD = "unread"
    FLAGGED = "flagged"
    UNFLAGGED = "unflagged"


@dataclass(frozen=True, slots=True)
class Transfer:
    """Move a mail into another folder, or copy it there.

    Attributes:
        target: The folder's path or role.
        copy: Whether the mail stays where it is as well.
        create: Whether a folder that does not exist is made.
    """

    target: str
    copy: bool = False
    create: bool = False


@dataclass(frozen=True, slots=True)
class Deletion:
    """Delete a mail."""


Change = Mark | Transfer | Deletion


@dataclass(frozen=True, slots=True)
class FiledMail:
    """A mail for the folder of sent mails.

    Attributes:
        message_id: By which it is found if it is there already.
        sent_at: When it was sent.
    """

    octets: bytes = field(repr=False)
    message_id: str
    sent_at: datetime


@dataclass(frozen=True, slots=True)
class Place:
    """Where a mail is.

    Attributes:
        folder: Its path.
        id: What names the mail.
    """

    folder: str
    id: str


@runtime_checkable
class Filing(Protocol):
    """A mailbox that has a folder for sent mails."""

    async def file(self, mail: FiledMail) -> Place:
        """Put a mail into that folder, unless it is there already."""
        ...


class Mailbox(Protocol):
    """A mailbox with an open login.

    Every method raises :class:`~connector.errors.MailboxError`; each may be called again after a failure.
    """

    async def folders(self) -> tuple[Folder, ...]:
        """Every folder that can hold mails."""
        ...

    async def find(self, listing: Listing) -> Page:
        """A page of mails."""
        ...

    async def read(self, reference: Reference, largest: int, *, mark: bool) -> Letter:
        """A mail with its texts and attachments.

        Args:
            reference: Which one.
            largest: The most octets that it may have.
            mark: Whether it counts as read afterwards.
        """
        ...

    async def change(self, reference: Reference, change: Change) -> str | None:
        """Mark, move, copy or delete a mail.

        What an earlier call of the same change has done already counts as done.

        Returns:
            What names the mail now; None where it is deleted, or where its new place is not known.
        """
        ...
