"""The seam between a message and what carries it."""

from __future__ import annotations

from enum import Enum
from typing import Protocol, runtime_checkable

from connector.errors import Reply
from connector.model.envelope import Message
from connector.model.receipt import Delivery, Receipt
from connector.model.server import Route


class Deliveries(Protocol):
    """Hears of each delivery of a message, one after another."""

    @property
    def repeated(self) -> bool:
        """Whether an earlier attempt at the same mail may have left something behind."""
        ...

    async def committing(self, delivery: Delivery) -> None:
        """Hear of a delivery before its last octets leave; what this raises stops them."""
        ...

    async def delivered(self, delivery: Delivery, reply: Reply) -> None:
        """Hear that the server took a delivery, and that more of the same message follow."""
        ...


class Unrecorded:
    """Deliveries of which no record is kept."""

    repeated = False

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


class Fate(Enum):
    """What a transport may know of a delivery whose reply was lost, where it is no reply."""

    FAILED = "it was certainly not made, and the same reference makes no other"
    REPEATABLE = "it was not made so far, and the same reference makes it once at most"
    LATER = "the service cannot be asked now; a later attempt can ask"


@runtime_checkable
class Finder(Protocol):
    """A transport that can look for a delivery whose reply was lost."""

    async def find(self, reference: str, route: Route) -> Reply | Fate | None:
        """Look whether a delivery was made.

        Args:
            reference: What the delivery was recorded with at *committing*.
            route: Where the mail of the delivery goes today.

        Returns:
            The reply that stands for the lost one; what is known instead; None where it does not show that
            the delivery was made, nor anything else. Never raises for a service that cannot be asked.
        """
        ...
