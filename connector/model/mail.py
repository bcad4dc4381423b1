"""What a task asks for, typed and checked: the one value that every send task type is read into.

Nothing here does I/O: paths, URLs and documents are only named in a request. They are read when the message
is built, into :class:`LoadedContent`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from connector.model.addresses import Mailbox
from connector.model.incoming import Incoming
from connector.model.server import Route
from connector.model.signing import UNPROTECTED, SigningPolicy


class ContentType(StrEnum):
    """What the body is."""

    TEXT = "text"
    HTML = "html"
    MULTIPART = "multipart"


class Importance(StrEnum):
    """How urgent a mail presents itself (RFC 2156 section 5.3.4)."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"


class Sensitivity(StrEnum):
    """How confidential a mail presents itself (RFC 2156 section 5.3.5)."""

    NORMAL = "normal"
    PERSONAL = "personal"
    PRIVATE = "private"
    CONFIDENTIAL = "confidential"


class DeliveryReceipt(StrEnum):
    """When the server reports on delivery (the NOTIFY parameter of RFC 3461)."""

    SUCCESS = "success"
    FAILURE = "failure"
    DELAY = "delay"
    NEVER = "never"


class WhenUncertain(StrEnum):
    """What to do when no reply says whether a mail was delivered (RFC 1047)."""

    INCIDENT = "incident"
    RESEND = "resend"
    ASSUME_SENT = "assume-sent"


@dataclass(frozen=True, slots=True)
class InlineContent:
    """A body given as text or HTML."""

    text: str


@dataclass(frozen=True, slots=True)
class FileContent:
    """A body to be read from an HTML file below an allowed root."""

    path: str


@dataclass(frozen=True, slots=True)
class FileSource:
    """A file below an allowed root."""

    path: str


@dataclass(frozen=True, slots=True)
class DataSource:
    """Content that came with the job, decoded."""

    data: bytes


@dataclass(frozen=True, slots=True)
class UrlSource:
    """Content to be fetched from an allowed host."""

    url: str


@dataclass(frozen=True, slots=True)
class Attachment:
    """One attachment, or an image shown inside the HTML body.

    Attributes:
        field: The variable it came from, as ``smtpEmailAttachments[2]``, for error messages.
        name: File name to show; taken from the path or URL when not given.
        content_type: Media type; guessed from the name when not given.
        inline: Shown in the body through ``cid:`` (RFC 2392) instead of offered as a file.
        content_id: The Content-ID without angle brackets.
    """

    field: str
    source: FileSource | DataSource | UrlSource
    name: str | None = None
    content_type: str | None = None
    inline: bool = False
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class TemplateUse:
    """The template that a mail's subject and body come from.

    Attributes:
        name: The operator's name for it.
        data: What it is rendered with, as JSON values.
        locale: A language tag, as ``de-AT``; None for the usual language.
    """

    name: str
    data: Mapping[str, Any]
    locale: str | None = None


@dataclass(frozen=True, slots=True)
class Invitation:
    """A meeting that a mail asks to, changes or calls off (RFC 5545, RFC 5546).

    Attributes:
        method: ``request`` or ``cancel``.
        uid: Names the meeting in all its mails; None makes one from the Message-ID.
        sequence: Rises with every change.
        start: With its zone.
        end: With its zone, later than the start.
        summary: What the calendar shows; None takes the mail's subject.
        attendees: Who is invited.
    """

    method: str
    uid: str | None
    sequence: int
    start: datetime
    end: datetime
    summary: str | None
    location: str | None
    description: str | None
    organizer: Mailbox
    attendees: tuple[Mailbox, ...]


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """How a reader leaves a list (RFC 2369, RFC 8058).

    Attributes:
        links: ``mailto:`` and ``https:`` URIs, in the order of preference.
        one_click: The mail program may post to the https link without a page.
    """

    links: tuple[str, ...]
    one_click: bool


@dataclass(frozen=True, slots=True)
class SentFolder:
    """Where a copy of a mail goes once it was sent.

    Attributes:
        incoming: The mailbox, which has a folder for sent mails.
        required: Without a copy the job fails, although the mail was sent.
        bcc: The copy names the blind recipients.
    """

    incoming: Incoming
    required: bool = False
    bcc: bool = False


@dataclass(frozen=True, slots=True)
class SendRequest:
    """One mail that a task wants sent.

    Attributes:
        route: Where to submit it.
        subject: Empty until a template gives it.
        text: The text alternative of an HTML body, written by hand; None has it made from the HTML.
        template: Where subject and body come from, unless the task has them.
        read_receipt: Where the reader's confirmation goes (RFC 8098).
        delivery_receipt: When the server reports (RFC 3461); empty leaves it to the server.
        follow_up: The moment, in the future and with its zone, by which an answer is wanted.
        headers: Extra headers, in order, with their names checked.
        require_all_recipients: One refused recipient, and none gets it.
        when_uncertain: What to do when it is not known how an attempt ended; None leaves it to the settings.
        signing: How it is signed and encrypted.
        copy_to: Where a copy of it goes; None for no copy.
        warnings: What the modeler should know although the mail goes out.
    """

    route: Route
    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    bcc: tuple[Mailbox, ...]
    subject: str
    content_type: ContentType
    content: InlineContent | FileContent
    text: str | None = None
    template: TemplateUse | None = None
    invitation: Invitation | None = None
    unsubscribe: Unsubscribe | None = None
    attachments: tuple[Attachment, ...] = ()
    importance: Importance | None = None
    sensitivity: Sensitivity | None = None
    read_receipt: Mailbox | None = None
    delivery_receipt: tuple[DeliveryReceipt, ...] = ()
    follow_up: datetime | None = None
    reply_to: tuple[Mailbox, ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    in_reply_to: str | None = None
    references: tuple[str, ...] = ()
    require_all_recipients: bool = False
    when_uncertain: WhenUncertain | None = None
    signing: SigningPolicy = UNPROTECTED
    copy_to: SentFolder | None = None
    warnings: tuple[str, ...] = ()


# The variables that a body comes from, for error messages.
BODY_FIELD = "smtpEmailContent"
TEXT_FIELD = "smtpEmailTextContent"


@dataclass(frozen=True, slots=True)
class LoadedAttachment:
    """One attachment with its octets.

    Attributes:
        field: The variable it came from, for error messages.
        content_type: Media type; None leaves it to be guessed from the name.
        inline: Shown in the HTML body through ``cid:`` (RFC 2392).
        content_id: The Content-ID without angle brackets; never None for an inline one.
    """

    field: str
    name: str
    content_type: str | None
    data: bytes
    inline: bool = False
    content_id: str | None = None


@dataclass(frozen=True, slots=True)
class LoadedContent:
    """The body as text or HTML source, and the attachments in the task's order.

    Attributes:
        text: The text alternative of an HTML body; None has it made where it is wanted.
    """

    body: str
    attachments: tuple[LoadedAttachment, ...] = ()
    text: str | None = None

    @property
    def size(self) -> int:
        """About how many octets there are to encode."""
        size = len(self.body)
        for attachment in self.attachments:
            size += len(attachment.data)
        return size
