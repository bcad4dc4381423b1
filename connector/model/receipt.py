"""What a transport tells while it hands a message over, and what the server said when it took it."""

from __future__ import annotations

from dataclasses import dataclass

from connector.errors import Rejection, Reply


@dataclass(frozen=True, slots=True)
class Delivery:
    """One hand-over of a message to some of its recipients, such as one SMTP transaction.

    A mail takes several deliveries where the server limits the recipients of a transaction.

    Attributes:
        recipients: Those who get the message by it.
        reference: How the transport finds it again after a lost reply; empty where it cannot.
    """

    recipients: tuple[str, ...]
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The server has taken responsibility for the message (RFC 5321 section 6.1).

    Attributes:
        reply: Its reply to the final dot; to the first, where the recipients were split among several; None
            when it is not known and the mail is taken for sent.
        accepted: The recipients it took.
        rejected: The recipients it refused, with its words for each.
        transport: What carried it, as the response names it.
        account: The account that it went through; None when the task gave the server.
        warnings: What was asked for and is not possible, such as DSN on a server without it; one begins with
            ``uncertain: `` when some of the accepted may not have the mail.
        left: The recipients for whom there was no room in this delivery, and is in another one.
    """

    reply: Reply | None
    accepted: tuple[str, ...]
    rejected: tuple[Rejection, ...] = ()
    warnings: tuple[str, ...] = ()
    transport: str = "smtp"
    account: str | None = None
    left: tuple[str, ...] = ()
