"""The errors of a job, as values that a process can act on.

A stage that finds a fault raises one of these where the cause is known, and :mod:`.send.outcome` turns it
into an outcome of the job. In between only the code counts: :mod:`.send.once` asks whether the mail may have
been delivered, and :mod:`.send.submission` whether another login is worth a try. No error holds a message
body or a credential. ::

    ConnectorError                code, message
    ├── InputError                INVALID_INPUT                    field, allowed
    ├── SecretError               SECRET_NOT_FOUND/_NOT_ALLOWED,   field
    │                             SECRETS_UNAVAILABLE
    ├── AccountError              ACCOUNT_NOT_FOUND
    ├── AttachmentError           ATTACHMENT_*, MESSAGE_TOO_LARGE, field
    │                             and of a URL: CONNECTION_*,
    │                             DNS_FAILED, TLS_FAILED, RATE_LIMITED
    ├── ExpressionError           EXPRESSION_ERROR                 field
    ├── TemplateError             TEMPLATE_ERROR                   template, file, line, name
    ├── SigningError              SIGNING_FAILED
    ├── EncryptionError           ENCRYPTION_FAILED                recipients
    ├── TokenError                TOKEN_FAILED, AUTH_FAILED,       credential, server, error
    │                             AUTHORIZATION_REQUIRED
    ├── TransportError            everything a mail server can do  phase, server, reply, rejected
    ├── MailboxError              everything on the read side      server, phase
    ├── CopyError                 COPY_FAILED, after the mail was sent
    ├── LedgerError               LEDGER_UNAVAILABLE
    ├── UncertainError            DELIVERY_UNCERTAIN, of an earlier
    │                             attempt
    ├── WorkerCrashedError        WORKER_CRASHED
    ├── HeldElsewhereError        CANCELLED
    ├── PostponedError            CANCELLED, by our own limits
    ├── BulkError                 the code of its cause            sent, failed, mails
    └── CancelledBeforeSendError  CANCELLED
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

_ENHANCED_CODE = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?:\s|$)")


_LONGEST_REPLY = 500


class ErrorCode(StrEnum):
    """The stable ``error.code`` of a failed job."""

    INVALID_INPUT = "INVALID_INPUT"
    SECRET_NOT_FOUND = "SECRET_NOT_FOUND"  # noqa: S105 - a code, not a secret
    SECRET_NOT_ALLOWED = "SECRET_NOT_ALLOWED"  # noqa: S105 - a code, not a secret
    SECRETS_UNAVAILABLE = "SECRETS_UNAVAILABLE"
    ACCOUNT_NOT_FOUND = "ACCOUNT_NOT_FOUND"
    ATTACHMENT_NOT_FOUND = "ATTACHMENT_NOT_FOUND"
    ATTACHMENT_NOT_ALLOWED = "ATTACHMENT_NOT_ALLOWED"
    MESSAGE_TOO_LARGE = "MESSAGE_TOO_LARGE"
    EXPRESSION_ERROR = "EXPRESSION_ERROR"
    TEMPLATE_ERROR = "TEMPLATE_ERROR"
    SIGNING_FAILED = "SIGNING_FAILED"
    ENCRYPTION_FAILED = "ENCRYPTION_FAILED"
    CONNECTION_FAILED = "CONNECTION_FAILED"
    CONNECTION_TIMEOUT = "CONNECTION_TIMEOUT"
    DNS_FAILED = "DNS_FAILED"
    TLS_FAILED = "TLS_FAILED"
    TLS_NOT_OFFERED = "TLS_NOT_OFFERED"
    AUTH_FAILED = "AUTH_FAILED"
    AUTH_UNAVAILABLE = "AUTH_UNAVAILABLE"
    TOKEN_FAILED = "TOKEN_FAILED"  # noqa: S105 - a code, not a secret
    AUTHORIZATION_REQUIRED = "AUTHORIZATION_REQUIRED"
    SENDER_REJECTED = "SENDER_REJECTED"
    RECIPIENT_REJECTED = "RECIPIENT_REJECTED"
    CLIENT_REJECTED = "CLIENT_REJECTED"
    MESSAGE_REJECTED = "MESSAGE_REJECTED"
    TEMPORARILY_REJECTED = "TEMPORARILY_REJECTED"
    RATE_LIMITED = "RATE_LIMITED"
    DELIVERY_UNCERTAIN = "DELIVERY_UNCERTAIN"
    LEDGER_UNAVAILABLE = "LEDGER_UNAVAILABLE"
    COPY_FAILED = "COPY_FAILED"
    MAILBOX_ERROR = "MAILBOX_ERROR"
    MESSAGE_NOT_FOUND = "MESSAGE_NOT_FOUND"
    FOLDER_NOT_FOUND = "FOLDER_NOT_FOUND"
    WORKER_CRASHED = "WORKER_CRASHED"
    CANCELLED = "CANCELLED"

    @property
    def retryable(self) -> bool:
        """Whether the same job may succeed later although nothing was changed."""
        return self in _RETRYABLE


class CancelReason(StrEnum):
    """Why a job was handed back with its retries (``CANCELLED``)."""

    SHUTDOWN = "shutdown"
    LEASE_LOST = "lease-lost"
    OTHER_WORKER = "other-worker"
    RATE = "rate"
    NO_CONNECTION = "no-connection"
    SILENT_SERVER = "silent-server"
    AFTER_CRASHES = "after-crashes"


_RETRYABLE = frozenset(
    {
        ErrorCode.SECRETS_UNAVAILABLE,
        ErrorCode.CONNECTION_FAILED,
        ErrorCode.CONNECTION_TIMEOUT,
        ErrorCode.DNS_FAILED,
        ErrorCode.AUTH_UNAVAILABLE,
        ErrorCode.TOKEN_FAILED,
        ErrorCode.TEMPORARILY_REJECTED,
        ErrorCode.RATE_LIMITED,
        ErrorCode.COPY_FAILED,
        ErrorCode.MAILBOX_ERROR,
        ErrorCode.LEDGER_UNAVAILABLE,
        ErrorCode.CANCELLED,
    }
)


EVERY_OTHER_CODE = "*"


def checked_mapping(mapping: object) -> dict[str, str]:
    """Check a table from our error codes, or ``*``, to BPMN error codes.

    Raises:
        ValueError: It is not such a table; the message says what is wrong with it.
    """
    if not isinstance(mapping, dict):
        # ValueError, as pydantic reports only that one.
        raise ValueError(  # noqa: TRY004
            'expected error codes with BPMN error codes, as {AUTH_FAILED: "LOGIN", "*": "MAIL"}'
        )
    for code, bpmn_code in mapping.items():
        if code not in {EVERY_OTHER_CODE, *ErrorCode}:
            nearest = difflib.get_close_matches(str(code).upper(), list(ErrorCode), n=1)
            hint = f"; did you mean {nearest[0]}?" if nearest else ""
            raise ValueError(f"{code!r} is not an error code{hint}")
        if not isinstance(bpmn_code, str) or not bpmn_code.strip():
            raise ValueError(f"the BPMN error code for {code} must be a text that is not blank")
    return dict(mapping)


class Phase(StrEnum):
    """How far an SMTP session (RFC 5321) had come; before ``DOT`` nothing can have been delivered."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    GREETING = "greeting"
    EHLO = "ehlo"
    STARTTLS = "starttls"
    AUTH = "auth"
    MAIL = "mail"
    RCPT = "rcpt"
    DATA = "data"
    CONTENT = "content"
    DOT = "dot"


@dataclass(frozen=True, slots=True)
class Reply:
    """A server's reply: RFC 5321 code and its text, lines joined by a newline."""

    code: int
    text: str

    @property
    def enhanced(self) -> str | None:
        """The enhanced status code (RFC 3463) that the text starts with, as ``"5.1.1"``."""
        match = _ENHANCED_CODE.match(self.text)
        return match[1] if match else None

    @property
    def transient(self) -> bool:
        """Whether the server says that a later attempt may succeed (4yz)."""
        return 400 <= self.code < 500

    def __str__(self) -> str:
        return f"{self.code} {self.text}".rstrip()


@dataclass(frozen=True, slots=True)
class Rejection:
    """One recipient that the server refused, with the server's own words."""

    address: str
    reply: Reply

    def as_variable(self) -> dict[str, Any]:
        """Return it as a process sees it."""
        return {
            "address": self.address,
            "code": self.reply.code,
            "enhancedCode": self.reply.enhanced,
            "text": self.reply.text,
        }


class ConnectorError(Exception):
    """The root: a stable code and a message that says what to change.

    Args:
        code: The contract's error code; it alone decides whether a retry makes sense.
        message: One or two sentences for a modeler or operator, without secrets or message content.

    Attributes:
        retryable: Whether the same job may succeed later; what the code says, unless a policy says more.
        spends_retry: Whether a failed attempt costs the job one of its retries.
        cancel_reason: Why a job was handed back (``CANCELLED``), for logs and metrics; None with other codes.
        retry_after: The pause before the next attempt, where the cause knows it: the shortest one, or, for
            an attempt that costs nothing, the pause itself.
        accepted: The recipients who have the mail already; a retry sends it to the others.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = code.retryable
        self.spends_retry = True
        self.retry_after: timedelta | None = None
        self.cancel_reason: CancelReason | None = None
        self.accepted: tuple[str, ...] = ()

    def add(self, sentence: str) -> None:
        """Append a sentence to the message, for a fact that the place of origin did not know."""
        self.message = f"{self.message} {sentence}"
        self.args = (self.message,)

    def reached(self, accepted: tuple[str, ...], recipients: int) -> None:
        """Record that some recipients have the mail, by this attempt or earlier ones.

        A failure that time does not cure is then an incident at once: only a person can decide whether the
        others should still get the mail.

        Args:
            accepted: The recipients who have it; without any, nothing is recorded.
            recipients: The number of the mail's recipients.
        """
        if not accepted:
            return
        self.accepted = accepted
        have = "has" if len(accepted) == 1 else "have"
        self.add(f"{len(accepted)} of {recipients} recipients {have} the mail; a retry serves the others.")
        passing = self.code in {ErrorCode.TEMPORARILY_REJECTED, ErrorCode.RATE_LIMITED}
        self.retryable = self.retryable and (passing or not self.spends_retry)

    @property
    def type(self) -> str:
        """The kind of error, as ``error.type`` shows it."""
        return type(self).__name__

    @property
    def variables(self) -> dict[str, Any]:
        """``error.variables``: JSON values, the same keys for every error of a kind."""
        partly = {"accepted": list(self.accepted), "partial": True} if self.accepted else {}
        return {"retryable": self.retryable, **partly}


class _FieldError(ConnectorError):
    """An error about one input variable."""

    def __init__(self, code: ErrorCode, message: str, *, field: str) -> None:
        super().__init__(code, message)
        self.field = field

    @property
    def variables(self) -> dict[str, Any]:
        """The field at fault, and the variables of every error."""
        return {**super().variables, "field": self.field}


class InputError(_FieldError):
    """A variable, header or command-line value fails validation.

    Args:
        field: The variable's name as the modeler wrote it; dots lead into it, ``[2]`` names an item.
        message: What is wrong and what would be right; the field is put before it.
        allowed: The values that would have been accepted, when they form a small set.
    """

    def __init__(self, field: str, message: str, *, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(ErrorCode.INVALID_INPUT, f"{field}: {message}", field=field)
        self.allowed = allowed

    @property
    def variables(self) -> dict[str, Any]:
        """The allowed values, or null where they are not a small set."""
        return {**super().variables, "allowed": list(self.allowed) or None}


class SecretError(_FieldError):
    """A named secret does not exist, may not be used there, or cannot be looked up at the moment."""


class AccountError(ConnectorError):
    """The task names an account that is not configured, or neither an account nor a server."""

    def __init__(self, message: str) -> None:
        super().__init__(ErrorCode.ACCOUNT_NOT_FOUND, message)


class AttachmentError(_FieldError):
    """A file, URL or document cannot or may not be read, or is too large."""


class ExpressionError(_FieldError):
    """A task header is invalid; found before anything is sent."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(ErrorCode.EXPRESSION_ERROR, f"{field}: {message}", field=field)


class TemplateError(ConnectorError):
    """A mail template cannot be rendered with the task's data; nothing was sent.

    Args:
        template: The template's name.
        reason: What is wrong, without a full stop and without data.
        file: The file at fault, from the templates' directory on.
        line: The line in it, where it is known.
        name: The variable at fault, where it is one.
    """

    def __init__(
        self, template: str, reason: str, *, file: str, line: int | None = None, name: str | None = None
    ) -> None:
        place = file if line is None else f"{file}, line {line}"
        super().__init__(ErrorCode.TEMPLATE_ERROR, f"{place}: {reason}. Nothing was sent.")
        self.template = template
        self.file = file
        self.line = line
        self.name = name

    @property
    def variables(self) -> dict[str, Any]:
        """The template, and where in it; null where it is not known."""
        return {
            **super().variables,
            "template": self.template,
            "file": self.file,
            "line": self.line,
            "name": self.name,
        }


class SigningError(ConnectorError):
    """A mail that must be signed cannot be; nothing was sent.

    Args:
        reason: Why, without a full stop.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(
            ErrorCode.SIGNING_FAILED, f"The mail could not be signed, and was not sent: {reason}."
        )
        self.reason = reason


class EncryptionError(ConnectorError):
    """A mail that must be encrypted cannot be; nothing was sent.

    Args:
        reason: Why, without a full stop.
        recipients: The addresses without a usable certificate.
    """

    def __init__(self, reason: str, recipients: tuple[str, ...] = ()) -> None:
        super().__init__(
            ErrorCode.ENCRYPTION_FAILED, f"The mail could not be encrypted, and was not sent: {reason}."
        )
        self.reason = reason
        self.recipients = recipients

    @property
    def variables(self) -> dict[str, Any]:
        """The recipients without a usable certificate, and the variables of every error."""
        return {**super().variables, "recipients": list(self.recipients)}


class TokenError(ConnectorError):
    """There is no access token to log in with.

    Args:
        code: ``TOKEN_FAILED`` where asking again may help, ``AUTHORIZATION_REQUIRED`` where a person has to
            consent, ``AUTH_FAILED`` where a setting is wrong.
        why: What happened and what to change, without any token.
        credential: The settings that the token was for, as ``accounts.sales.oauth``.
        command: The command to run; it is appended to the reason.
        server: The provider's host; None where none was asked.
        error: The provider's error code (RFC 6749 section 5.2), where it gave one.
    """

    def __init__(  # noqa: PLR0913 - a record of one event; every field is wanted by the operator
        self,
        code: ErrorCode,
        why: str,
        *,
        credential: str,
        command: str | None = None,
        server: str | None = None,
        error: str | None = None,
    ) -> None:
        super().__init__(code, why if command is None else f"{why} Run: {command}")
        self.why = why
        self.credential = credential
        self.command = command
        self.server = server
        self.error = error

    @property
    def variables(self) -> dict[str, Any]:
        """The credential, and the provider's answer; null where it gave none."""
        return {
            **super().variables,
            "credential": self.credential,
            "server": self.server,
            "error": self.error,
        }

    def again(self) -> TokenError:
        """Return the same error for another mail that the failure affects too."""
        twin = TokenError(
            self.code,
            self.why,
            credential=self.credential,
            command=self.command,
            server=self.server,
            error=self.error,
        )
        twin.retry_after = self.retry_after
        return twin


class TransportError(ConnectorError):
    """The mail server or the connection to it failed.

    Args:
        code: What the failure means.
        message: What happened and what to do; the server's reply is appended when there is one.
        phase: How far the session had come.
        server: ``host:port`` as it was dialled.
        reply: The server's reply, if it gave one.
        rejected: The recipients that the server refused before the failure.

    Attributes:
        ended: A service took the mail and then failed to send it; another attempt needs another name for it.
    """

    def __init__(  # noqa: PLR0913 - a record of one event; every field is wanted by the operator
        self,
        code: ErrorCode,
        message: str,
        *,
        phase: Phase,
        server: str,
        reply: Reply | None = None,
        rejected: tuple[Rejection, ...] = (),
    ) -> None:
        super().__init__(code, message if reply is None else f"{message} ({server} replied: {reply})")
        self.phase = phase
        self.server = server
        self.reply = reply
        self.rejected = rejected
        self.ended = False

    @property
    def variables(self) -> dict[str, Any]:
        """How far the session had come, and the server's reply; null where it gave none."""
        return {
            **super().variables,
            "smtpCode": self.reply.code if self.reply else None,
            "enhancedCode": self.reply.enhanced if self.reply else None,
            "server": self.server,
            "phase": self.phase.value,
            "rejected": [rejection.as_variable() for rejection in self.rejected],
        }


class MailboxError(ConnectorError):
    """A mailbox cannot be reached, refuses an operation, or does not have what was asked for.

    Args:
        code: What the failure means.
        message: What happened and what to do.
        server: ``host:port`` of the mailbox's server, or the host of an API.
        phase: The step that failed: ``connect``, ``tls``, ``auth``, or a verb of the protocol.
        reply: The server's own words, which are appended to the message.
    """

    def __init__(
        self, code: ErrorCode, message: str, *, server: str, phase: str | None = None, reply: str = ""
    ) -> None:
        words = reply[:_LONGEST_REPLY]
        super().__init__(code, f"{message} ({server} replied: {words})" if words else message)
        self.server = server
        self.phase = phase

    def again(self) -> MailboxError:
        """The same error for another job, without what a traceback holds."""
        return MailboxError(self.code, self.message, server=self.server, phase=self.phase)

    @property
    def variables(self) -> dict[str, Any]:
        """Where it happened."""
        return {**super().variables, "server": self.server, "phase": self.phase}


class CopyError(ConnectorError):
    """A mail was sent, and the copy of it that is required could not be made; a retry makes only the copy.

    Args:
        reason: Why not.
        retryable: Whether a retry may help.
    """

    def __init__(self, reason: str, *, retryable: bool) -> None:
        super().__init__(
            ErrorCode.COPY_FAILED,
            f"The mail was sent, and its copy is missing in the folder of sent mails: {reason} A retry of "
            "this job makes the copy and sends nothing.",
        )
        self.retryable = retryable


class LedgerError(ConnectorError):
    """The ledger is down, and without it nothing is sent; the job waits for it."""

    def __init__(self, reason: str) -> None:
        super().__init__(ErrorCode.LEDGER_UNAVAILABLE, reason)
        self.spends_retry = False
        self.retry_after = timedelta(seconds=10)


class UncertainError(ConnectorError):
    """An earlier attempt sent the final dot, and the reply to it is unknown (RFC 1047)."""

    def __init__(self, since: str) -> None:
        super().__init__(
            ErrorCode.DELIVERY_UNCERTAIN,
            f"The mail may have been delivered at {since}: an attempt ended after the message's last bytes "
            "and before the server's reply was recorded.",
        )


class WorkerCrashedError(ConnectorError):
    """The worker crashed several times in a row on this job."""

    def __init__(self, crashes: int) -> None:
        super().__init__(
            ErrorCode.WORKER_CRASHED,
            f"The worker crashed {crashes} times in a row on this job. Check its log and the host (usually "
            "out of memory), then retry.",
        )


class HeldElsewhereError(ConnectorError):
    """Another attempt at the same mail is under way; the job is handed back, no retry spent."""

    def __init__(self, pause: timedelta) -> None:
        super().__init__(
            ErrorCode.CANCELLED,
            "Another worker, or another job with the same smtpEmailIdempotencyKey, is sending this mail. "
            "The job was handed back; no retry was spent.",
        )
        self.spends_retry = False
        self.retry_after = pause
        self.cancel_reason = CancelReason.OTHER_WORKER


class CancelledBeforeSendError(ConnectorError):
    """The worker stops, or has lost the job, and nothing was sent; the job is handed back unchanged.

    Args:
        reason: Why.
        sent: How many mails of a bulk task are out; the next attempt leaves them alone.
    """

    def __init__(self, reason: CancelReason = CancelReason.SHUTDOWN, sent: int = 0) -> None:
        when = f"after {sent:,} mails" if sent else "before sending anything"
        super().__init__(ErrorCode.CANCELLED, f"The worker handed the job back {when}; no retry was spent.")
        self.spends_retry = False
        self.retry_after = timedelta(0)
        self.cancel_reason = reason


class PostponedError(ConnectorError):
    """One of our own limits is reached; the job is handed back unchanged, to come again later.

    Waiting here would occupy a slot that a mail to another server could use.

    Args:
        limit: The limit, in a sentence.
        pause: The time after which the limit no longer applies.
        reason: Which limit.
    """

    def __init__(self, limit: str, pause: timedelta, reason: CancelReason) -> None:
        super().__init__(
            ErrorCode.CANCELLED,
            f"{limit} The job was handed back before sending anything; no retry was spent.",
        )
        self.spends_retry = False
        self.retry_after = pause
        self.cancel_reason = reason


class BulkError(ConnectorError):
    """Mails of a bulk task were not sent; a retry sends those only.

    Args:
        cause: Why the first of them was not, or what kept all from being sent; its words without secrets.
        message: What happened.
        result: ``sent``, ``failed``, ``partial`` and ``mails``, as the response has them.
        code: In place of the cause's.
    """

    def __init__(
        self, cause: ConnectorError, message: str, result: Mapping[str, Any], code: ErrorCode | None = None
    ) -> None:
        super().__init__(code or cause.code, message)
        self.retryable = cause.retryable and code is None
        self.spends_retry = cause.spends_retry
        self.retry_after = cause.retry_after
        self.cancel_reason = cause.cancel_reason
        self._variables = {**cause.variables, "retryable": self.retryable, **result}

    @property
    def variables(self) -> dict[str, Any]:
        """Those of the cause, and how many mails were sent."""
        return self._variables
