"""What a refusal or a broken connection means: the contract's code, and what a person should do.

A reply and the phase enter, a :class:`~connector.errors.TransportError` leaves. All codes of SMTP are
decided here and nowhere else:

============================  ======================================================================
421, 4xx                      ``TEMPORARILY_REJECTED``; ``RATE_LIMITED`` when the text speaks of limits
4xx at AUTH (except 421)      ``AUTH_UNAVAILABLE``
5xx at greeting, EHLO         ``MESSAGE_REJECTED``: RFC 5321 section 3.1, this server takes no mail from us
5xx at STARTTLS               ``TLS_FAILED``
5xx at AUTH, MAIL, RCPT       ``AUTH_FAILED``, ``SENDER_REJECTED``, ``RECIPIENT_REJECTED``
5xx at DATA, content, dot     ``MESSAGE_REJECTED``
5.3.4, 5.2.3, 552 about size  ``MESSAGE_TOO_LARGE``
any other, or no reply        ``CONNECTION_FAILED``; ``DELIVERY_UNCERTAIN`` once the dot is out
============================  ======================================================================
"""

from __future__ import annotations

import re
import socket

from connector.errors import ErrorCode, Phase, Reply, TransportError
from connector.transport.smtp.replies import MalformedReplyError

# Gmail: "421 4.7.28 ... unusual rate of mail"; Amazon SES: "454 Throttling failure: Maximum sending rate
# exceeded"; Exchange: "432 4.3.2 Concurrent connections limit exceeded", "451 4.7.500 Server busy".
_RATE_LIMIT = re.compile(
    r"throttl|\brate\b|limit exceeded|4\.7\.(?:28|500)\b"
    r"|too many (?:messages|mails|emails|connections|concurrent)",
    re.IGNORECASE,
)
_NAMED = 3  # of the recipients that were refused
_TOO_LARGE = frozenset({"5.3.4", "5.2.3"})  # RFC 1870 section 6, RFC 3463 section 3.3

_PERMANENT = {
    Phase.GREETING: (
        ErrorCode.MESSAGE_REJECTED,
        "The server takes no mail from this host: check the host and port, or ask its operator.",
    ),
    Phase.EHLO: (
        ErrorCode.MESSAGE_REJECTED,
        "The server refuses to talk to this host: check helo_name (account or smtp), or ask its operator.",
    ),
    Phase.STARTTLS: (ErrorCode.TLS_FAILED, "The server offers STARTTLS and then refuses it."),
    Phase.AUTH: (ErrorCode.AUTH_FAILED, "The server refuses the login: check user name and password."),
    Phase.MAIL: (
        ErrorCode.SENDER_REJECTED,
        "The server refuses the sender: check that this login may send from that address.",
    ),
    Phase.RCPT: (ErrorCode.RECIPIENT_REJECTED, "The server refuses the recipient: check the address."),
}
_REJECTED = (ErrorCode.MESSAGE_REJECTED, "The server refuses the message for good.")
_TEMPORARY = (ErrorCode.TEMPORARILY_REJECTED, "The server does not take the mail now; later it may.")
_LIMITED = (ErrorCode.RATE_LIMITED, "The server limits how much may be sent; later it may take the mail.")
_NO_AUTH = (ErrorCode.AUTH_UNAVAILABLE, "The server cannot check the login now; later it may.")
_SIZE = (
    ErrorCode.MESSAGE_TOO_LARGE,
    "The message is larger than the server takes: send fewer or smaller attachments.",
)
_SENSELESS = (ErrorCode.CONNECTION_FAILED, "The server's reply makes no sense here.")


def _too_large(reply: Reply) -> bool:
    about_size = reply.code == 552 and reply.enhanced is None and "size" in reply.text.lower()
    return about_size or reply.enhanced in _TOO_LARGE


def _meaning(phase: Phase, reply: Reply) -> tuple[ErrorCode, str]:
    if reply.transient:
        if phase is Phase.AUTH and reply.code != 421:
            return _NO_AUTH
        return _LIMITED if _RATE_LIMIT.search(reply.text) else _TEMPORARY
    if reply.code < 500:
        return _SENSELESS
    if phase in (Phase.MAIL, Phase.DATA, Phase.CONTENT, Phase.DOT) and _too_large(reply):
        return _SIZE
    return _PERMANENT.get(phase, _REJECTED)


def refused(phase: Phase, server: str, reply: Reply, shown: Reply) -> TransportError:
    """The error for a reply that is not the one hoped for.

    Args:
        phase: Where.
        server: ``host:port``.
        reply: The reply as it came; it decides.
        shown: What may be shown of it.
    """
    code, message = _meaning(phase, reply)
    return TransportError(code, message, phase=phase, server=server, reply=shown)


def name_refused(error: TransportError, recipients: int) -> None:
    """Name in an error's message the first of those whom the server had refused for good (5xx) by then.

    Postfix breaks off after too many refusals (``421 4.7.0 Error: too many errors``): without the addresses
    nobody could see what to correct, and every retry would end in the same way.

    Args:
        error: What ended a transaction; its ``rejected`` has them all.
        recipients: How many there were in all.
    """
    refused = [rejection.address for rejection in error.rejected if not rejection.reply.transient]
    if refused:
        names = ", ".join(refused[:_NAMED]) + (", …" if len(refused) > _NAMED else "")
        error.add(f"Refused for good: {len(refused)} of {recipients} recipients ({names}).")


def broken(phase: Phase, server: str, cause: Exception) -> TransportError:
    """The error for a connection that ended, or never began, before the final dot."""
    code, message = ErrorCode.CONNECTION_FAILED, f"The connection to {server} failed: {_reason(cause)}."
    if isinstance(cause, socket.gaierror | UnicodeError):
        code, phase = ErrorCode.DNS_FAILED, Phase.DNS
        message = f"The host of {server} is not known: {_reason(cause)}. Check its name and this host's DNS."
    elif isinstance(cause, MalformedReplyError):
        message = f"{server} does not answer as a mail server ({cause}): check host, port and security."
    elif isinstance(cause, ConnectionRefusedError):
        message = f"{server} refuses the connection: check host and port, and that the server runs."
    return TransportError(code, message, phase=phase, server=server)


def _reason(cause: Exception) -> str:
    return (isinstance(cause, OSError) and cause.strerror) or str(cause) or type(cause).__name__


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
