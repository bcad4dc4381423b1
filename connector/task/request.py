"""What a task asks for, typed and checked: the one value that every send task type is read into.

Nothing here does I/O: paths, URLs and documents are only named, and read when the message is built.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from connector.message.addresses import Mailbox

if TYPE_CHECKING:  # the settings of accounts are written in the words of this module
    from connector.settings.model import TimeoutSettings


class Security(StrEnum):
    """How a connection to a mail server is protected; a task's ``auto`` is settled when it is read."""

    TLS = "tls"
    STARTTLS = "starttls"
    STARTTLS_OPTIONAL = "starttls-optional"
    NONE = "none"


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
    """What to do when nobody knows whether a mail was delivered (RFC 1047)."""

    INCIDENT = "incident"
    RESEND = "resend"
    ASSUME_SENT = "assume-sent"


@dataclass(frozen=True, slots=True)
class TlsPolicy:
    """Whom to trust in a handshake, and who we are in it.

    Attributes:
        min_version: The oldest version of TLS to speak, ``1.2`` or ``1.3``.
        ca_file: PEM bundle of authorities; the transport's own where neither this nor a trust store is given.
        trust_store: The same in Java's forms, PKCS#12 or JKS.
        client_cert: Our certificate with its chain, as PEM, or as PKCS#12 with the key.
        client_key: Its key as PEM, where ``client_cert`` does not hold it.
    """

    min_version: str = "1.2"
    ca_file: Path | None = None
    trust_store: Path | None = None
    trust_store_password: SecretStr | None = None
    client_cert: Path | None = None
    client_key: Path | None = None
    client_key_password: SecretStr | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Every file that it is made of."""
        named = (self.ca_file, self.trust_store, self.client_cert, self.client_key)
        return tuple(file for file in named if file is not None)


@dataclass(frozen=True, slots=True)
class Quota:
    """How much an account may send from this worker.

    Attributes:
        rate: Mails per second.
        max_wait: Seconds that a mail waits for its turn before its job goes back to the engine.
        max_connections: Connections at a time.
    """

    rate: float | None = None
    max_wait: float = 5.0
    max_connections: int | None = None


@dataclass(frozen=True, slots=True)
class Server:
    """A mail server and how to log in; anonymous relay when there is no username.

    Two that are equal may share a connection.

    Attributes:
        account: Name of the account that it comes from; None when the task gives it.
        helo_name: Our name for EHLO; the transport's own by default.
        timeouts: Time limits; the transport's own by default.
    """

    hostname: str
    port: int
    security: Security = Security.STARTTLS
    username: str | None = None
    password: SecretStr | None = None
    account: str | None = None
    tls: TlsPolicy = TlsPolicy()
    helo_name: str | None = None
    timeouts: TimeoutSettings | None = None
    quota: Quota = Quota()

    def __str__(self) -> str:
        return f"{self.hostname}:{self.port}"


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
class SendRequest:
    """One mail that a task wants sent.

    Attributes:
        server: Where to submit it.
        read_receipt: Where the reader's confirmation goes (RFC 8098).
        delivery_receipt: When the server reports (RFC 3461); empty leaves it to the server.
        follow_up: The moment, in the future and with its zone, by which an answer is wanted.
        headers: Extra headers, in order, with their names checked.
        require_all_recipients: One refused recipient and nobody gets it.
        when_uncertain: What to do when nobody knows how an attempt ended; None leaves it to the settings.
        warnings: What the modeler should know although the mail goes out.
    """

    server: Server
    sender: Mailbox
    to: tuple[Mailbox, ...]
    cc: tuple[Mailbox, ...]
    bcc: tuple[Mailbox, ...]
    subject: str
    content_type: ContentType
    content: InlineContent | FileContent
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
    warnings: tuple[str, ...] = ()
