"""Who has a mail already, where its recipients get it by several deliveries.

A delivery is one *committing* of the mail and, once the server has replied, one *delivered*; see ``port`` for
the states. What the deliveries leave behind goes with the entry of the mail until all of it is sent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Progress:
    """Who has the mail already, and from what the message was built. Empty before the first *committing*.

    Attributes:
        recipients: All recipients of the mail, fixed by its first *committing*.
        built: The moment for which the message was built, as ISO 8601 with its zone.
        digest: Of the message's unsigned octets at that time.
        delivered: The recipients whose delivery the server accepted.
        assumed: Those of them for whom no reply is known, and who are taken to have the mail.
        refused: Recipients that the server refused for good, as the response lists them.
        pending: The recipients of the delivery whose reply is not known.
        reference: How the transport finds that delivery again; empty where it cannot.
        reply: The server's reply to the last delivery.
        sent_at: When that reply came, as ISO 8601.
        ended: Deliveries that a service took and then failed to make; the name of each is used up.
    """

    recipients: tuple[str, ...] = ()
    built: str = ""
    digest: str = ""
    delivered: tuple[str, ...] = ()
    assumed: tuple[str, ...] = ()
    refused: tuple[Mapping[str, Any], ...] = ()
    pending: tuple[str, ...] = ()
    reference: str = ""
    reply: str | None = None
    sent_at: str | None = None
    ended: int = 0

    @property
    def left(self) -> tuple[str, ...]:
        """The recipients for whom a delivery is still to be made, in the mail's order."""
        settled = {*self.delivered, *(str(one["address"]) for one in self.refused)}
        return tuple(address for address in self.recipients if address not in settled)

    def text(self) -> str:
        """As JSON, without what is empty."""
        return json.dumps({name: value for name in self.__slots__ if (value := getattr(self, name))})

    @classmethod
    def read(cls, text: str | None) -> Progress:
        """Read what :meth:`text` wrote; None is the empty progress."""
        if text is None:
            return NO_PROGRESS
        values: dict[str, Any] = json.loads(text)
        values |= {name: tuple(value) for name, value in values.items() if isinstance(value, list)}
        return cls(**values)


NO_PROGRESS = Progress()


@dataclass(frozen=True, slots=True)
class Mark:
    """What a *committing* records: a delivery, and on the first one the mail that it belongs to.

    Attributes:
        recipients: Those who get the message by this delivery.
        reference: See :class:`Progress`.
        mail: All recipients of the mail.
        built: See :class:`Progress`.
        digest: See :class:`Progress`.
    """

    recipients: tuple[str, ...] = ()
    reference: str = ""
    mail: tuple[str, ...] = ()
    built: str = ""
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Delivered:
    """The server took one delivery, and more of the same mail follow.

    Attributes:
        recipients: Those who have the mail by it.
        reply: The server's reply.
        at: When it came, as ISO 8601.
    """

    recipients: tuple[str, ...]
    reply: str | None = None
    at: str | None = None
