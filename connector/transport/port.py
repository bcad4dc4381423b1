"""The seam between a message and what carries it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from connector.model.envelope import Message
from connector.model.receipt import Delivery, Receipt
from connector.model.server import Route

Committing = Callable[[Delivery], Awaitable[None]]
"""Awaited before the last octets of each delivery leave; what it raises stops that delivery."""


async def nothing_to_record(_: Delivery) -> None:
    """Let the last octets go without recording anything."""


class Transport(Protocol):
    """Carries messages along the routes that name it."""

    async def submit(self, message: Message, route: Route, committing: Committing) -> Receipt:
        """Hand the message over, once.

        Args:
            message: What to send, and to whom.
            route: Where to submit it.
            committing: Awaited just before a delivery can reach its recipients. What it raises goes on to the
                caller, with nothing delivered.

        Raises:
            TransportError: Nothing was delivered, except under ``DELIVERY_UNCERTAIN``.
            PostponedError: A limit of our own leaves no room now; nothing was sent.
        """
        ...
