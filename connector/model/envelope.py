"""The finished message: bytes and envelope, exactly as they go to the server."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Envelope:
    """Who the server is told about (RFC 5321 section 2.3.1); the bytes need not name them.

    Attributes:
        sender: The reverse-path; bounces go there.
        recipients: Every forward-path once, in the order To, Cc, Bcc.
        smtputf8: A local part is not ASCII: MAIL needs the SMTPUTF8 parameter (RFC 6531).
        notify: The NOTIFY values for each recipient (RFC 3461); empty leaves DSN out.
        envelope_id: The ENVID that a delivery report quotes, xtext-encodable.
    """

    sender: str
    recipients: tuple[str, ...]
    smtputf8: bool = False
    notify: tuple[str, ...] = ()
    envelope_id: str = ""


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent: the envelope and the octets of the message.

    Attributes:
        data: 7-bit octets (8-bit only in headers under SMTPUTF8), every line ended by CRLF and at most
            998 octets long, not dot-stuffed.
        message_id: The Message-ID with its angle brackets.
        require_all_recipients: One refused recipient and nobody gets it.
    """

    envelope: Envelope
    data: bytes
    message_id: str
    require_all_recipients: bool = False
