"""The seam between a message and whatever carries it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from connector.model.envelope import Message
from connector.model.receipt import Receipt
from connector.model.server import Server

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
