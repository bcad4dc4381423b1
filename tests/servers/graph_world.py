"""What our double of Microsoft Graph knows of itself: its mailboxes, and who may ask for what."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from tests.servers.failing import FailingService
from tests.servers.graph_operations import Outgoing
from tests.servers.graph_state import Delivered, Mailbox, Permits, unsigned


@dataclass(slots=True)
class Graph(FailingService):
    """The running service.

    Attributes:
        busiest: The largest number of requests to one mailbox at a time.
        origin: The beginning of its address, where that is not its port on this machine.
    """

    mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    out: Outgoing = field(default_factory=Outgoing)
    tokens: dict[str, Permits] = field(default_factory=dict)
    busiest: int = 0
    origin: str = ""
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    under_way: Counter[str] = field(default_factory=Counter)

    @property
    def base_url(self) -> str:
        return f"{self.origin or f'http://127.0.0.1:{self.port}'}/v1.0"

    @property
    def delivered(self) -> list[Delivered]:
        return self.out.delivered

    def mailbox(self, user: str) -> Mailbox:
        return self.mailboxes[user]

    def token(self, user: str | None, *allowed: str) -> str:
        """A token of a user, or of an application where there is none."""
        kind = {"scp": " ".join(allowed), "upn": user} if user else {"roles": list(allowed), "idtyp": "app"}
        claims = {"aud": "https://graph.microsoft.com", "jti": str(next(self.numbers)), **kind}
        self.issued = unsigned(claims)
        self.tokens[self.issued] = Permits(user, frozenset(allowed))
        return self.issued
