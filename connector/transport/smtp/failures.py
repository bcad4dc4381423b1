"""The errors that a refusal or a broken connection means.

A reply or an exception and the phase enter, a :class:`~connector.errors.TransportError` leaves: what a reply
means is decided by :mod:`~connector.transport.smtp.reply_rules`, what a broken connection means here. Without
a valid reply it is ``CONNECTION_FAILED`` or its like, and ``DELIVERY_UNCERTAIN`` once the dot is out.
"""

from __future__ import annotations

import errno
import resource
import socket
from datetime import timedelta

import structlog

from connector.errors import ErrorCode, Phase, Reply, TransportError
from connector.model.causes import reason_of
from connector.transport.smtp.replies import MalformedReplyError
from connector.transport.smtp.reply_rules import verdict

_log = structlog.get_logger(__name__)

_NAMED = 3  # of the recipients that were refused
# Refused at RCPT for what is no recipient's fault.
_ABOUT_ALL = frozenset({ErrorCode.SENDER_REJECTED, ErrorCode.CLIENT_REJECTED, ErrorCode.AUTH_FAILED})


def refused(phase: Phase, server: str, reply: Reply, shown: Reply, recipient: str = "") -> TransportError:
    """The error for a reply that is not the one hoped for.

    Args:
        phase: Where.
        server: ``host:port``.
        reply: The reply as it came; it decides.
        shown: What may be shown of it.
        recipient: Whom it is about, at RCPT.
    """
    meaning = verdict(phase, reply, recipient)
    error = TransportError(meaning.code, meaning.advice, phase=phase, server=server, reply=shown)
    error.retry_after = meaning.pause
    return error


def name_refused(error: TransportError, recipients: int) -> None:
    """Name in an error's message the first of those whom the server had refused for good (5xx) by then.

    Postfix breaks off after too many refusals (``421 4.7.0 Error: too many errors``): without the addresses
    the modeler could not see what to correct, and every retry would end in the same way.

    Args:
        error: What ended a transaction; its ``rejected`` has them all.
        recipients: How many there were in all.
    """
    refused = [rejection.address for rejection in error.rejected if not rejection.reply.transient]
    if refused and error.code not in _ABOUT_ALL:
        names = ", ".join(refused[:_NAMED]) + (", …" if len(refused) > _NAMED else "")
        error.add(f"Refused for good: {len(refused)} of {recipients} recipients ({names}).")


def too_many(server: str, limit: int, recipients: int, reply: Reply | None = None) -> TransportError:
    """The error for more recipients than one transaction takes, where all or none must get the mail.

    Args:
        server: ``host:port``.
        limit: How many it takes.
        recipients: How many there are.
        reply: What it said of one too many, as it may be shown; None where the account sets the limit.
    """
    return TransportError(
        ErrorCode.MESSAGE_REJECTED,
        f"The server takes {limit} recipients of one mail, this one has {recipients}, and all of them are "
        "required. Name fewer, or set smtpEmailRequireAllRecipients to false: then the mail goes out in "
        "several transactions.",
        phase=Phase.RCPT,
        server=server,
        reply=reply,
    )


def broken(phase: Phase, server: str, cause: Exception) -> TransportError:
    """The error for a connection that ended, or never began, before the final dot."""
    if isinstance(cause, OSError) and cause.errno in {errno.EMFILE, errno.ENFILE}:
        return _no_files(phase, server)
    code, message = ErrorCode.CONNECTION_FAILED, f"The connection to {server} failed: {reason_of(cause)}."
    if isinstance(cause, socket.gaierror | UnicodeError):
        code, phase = ErrorCode.DNS_FAILED, Phase.DNS
        message = f"The host of {server} is not known. Check its name and this host's DNS."
    elif isinstance(cause, MalformedReplyError):
        message = f"{server} does not answer as a mail server ({cause}): check host, port and security."
    elif isinstance(cause, ConnectionRefusedError):
        message = f"{server} refuses the connection: check host and port, and that the server runs."
    return TransportError(code, message, phase=phase, server=server)


def _no_files(phase: Phase, server: str) -> TransportError:
    """The error for a connection that this process may not open: no fault of the job or its server."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    message = (
        f"The worker has as many files open as it may ({allowed}): raise the limit (ulimit -n), or lower "
        "smtp.pool.max_total. The job was given back; nothing was sent and no retry was spent."
    )
    _log.error("too many open files", allowed=allowed)
    error = TransportError(ErrorCode.CONNECTION_FAILED, message, phase=phase, server=server)
    error.spends_retry = False
    error.retry_after = timedelta(seconds=10)
    return error


def timed_out(phase: Phase, server: str, setting: str, seconds: float) -> TransportError:
    """The error for a server that is too slow before the final dot.

    Args:
        phase: Where.
        server: ``host:port``.
        setting: The time limit that ended the wait, as ``smtp.timeouts.tls``.
        seconds: Its value.
    """
    return TransportError(
        ErrorCode.CONNECTION_TIMEOUT,
        f"{server} did nothing for {seconds:g} s ({setting}).",
        phase=phase,
        server=server,
    )


def again(error: TransportError) -> TransportError:
    """The same error for another mail that would have met it too."""
    twin = TransportError(error.code, error.message, phase=error.phase, server=error.server)
    twin.reply = error.reply
    twin.retry_after, twin.spends_retry = error.retry_after, error.spends_retry
    return twin


def uncertain(server: str, cause: str) -> TransportError:
    """The error for not knowing whether the server took the mail (RFC 1047)."""
    return TransportError(
        ErrorCode.DELIVERY_UNCERTAIN,
        f"The whole message went to {server} and no valid reply came back ({cause}): it may or may not have "
        "been delivered.",
        phase=Phase.DOT,
        server=server,
    )
