"""The seam between a message and what carries it."""

from __future__ import annotations

from typing import Protocol

from connector.errors import Reply
from connector.model.envelope import Message
from connector.model.receipt import Delivery, Receipt
from connector.model.server import Route


class Deliveries(Protocol):
    """Hears of each delivery of a message, one after another."""

    async def committing(self, delivery: Delivery) -> None:
        """Hear of a delivery before its last octets leave; what this raises stops them."""
        ...

    async def delivered(self, delivery: Delivery, reply: Reply) -> None:
        """Hear that the server took a delivery, and that more of the same message follow."""
        ...


class Unrecorded:
    """Deliveries of which no record is kept."""

    async def committing(self, delivery: Delivery) -> None:
        """Let the last octets go."""

    async def delivered(self, delivery: Delivery, reply: Reply) -> None:
        """Let the next delivery begin."""


UNRECORDED = Unrecorded()


class Transport(Protocol):
    """Carries messages along the routes that name it."""

    async def submit(self, message: Message, route: Route, deliveries: Deliveries) -> Receipt:
        """Hand the message over, once.

        Args:
            message: What to send, and to whom. Each of its ``parts`` is a delivery of its own.
            route: Where to submit it.
            deliveries: Hears of each delivery just before it can reach its recipients. What it raises goes on
                to the caller, with nothing of that delivery out.

        Raises:
            TransportError: Nothing was delivered but what ``deliveries`` heard of as delivered, and perhaps
                the last delivery, under ``DELIVERY_UNCERTAIN``.
            PostponedError: A limit of our own leaves no room now; nothing was sent.
        """
        ...
