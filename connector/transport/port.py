"""The seam between a message and whatever carries it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from connector.errors import Rejection, Reply
from connector.message.envelope import Message
from connector.task.request import Server


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
        warnings: What was asked for and could not be had, such as DSN on a server without it; one begins
            with ``partial: `` when somebody was refused, with ``uncertain: `` when some of them may have it.
    """

    reply: Reply | None
    accepted: tuple[str, ...]
    rejected: tuple[Rejection, ...] = ()
    warnings: tuple[str, ...] = ()
    transport: str = "smtp"
    account: str | None = None


Committing = Callable[[], Awaitable[None]]
"""Awaited once, when everything but the message's last octets has left; what it raises stops them."""


async def nothing_to_record() -> None:
    """Let the last octets go without a word to anybody."""


class Transport(Protocol):
    """Something that carries a message to a server."""

    async def submit(self, message: Message, server: Server, committing: Committing) -> Receipt:
        """Hand the message over, once.

        Args:
            message: What to send, and to whom.
            server: Where to submit it.
            committing: Awaited just before the message can first be delivered. What it raises goes on to
                the caller, with nothing delivered.

        Raises:
            TransportError: Nothing was delivered, except under ``DELIVERY_UNCERTAIN``.
            PostponedError: A limit of our own leaves no room now; nothing was sent.
        """
        ...
