"""What our double of Microsoft Graph knows of itself: tokens, faults on demand, and what it was asked."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from urllib.request import urlopen

from tests.servers.graph_operations import Outgoing
from tests.servers.graph_state import Delivered, Mailbox, Permits, unsigned


@dataclass(slots=True)
class Fault:
    """Something that goes wrong with an operation.

    Attributes:
        operation: As in the schemas.
        status: What is answered; None cuts the connection without an answer.
        after: Whether the operation is done first.
        skip: How often it goes well before.
        times: How often it happens then.
    """

    operation: str
    status: int | None = None
    code: str = "UnknownError"
    retry_after: str | None = None
    after: bool = False
    skip: int = 0
    times: int = 1


@dataclass(slots=True)
class Graph:
    """The running service.

    Attributes:
        faults: What goes wrong.
        asked: The operations in the order in which they came.
        requests: Of each, its headers in small letters.
        violations: What did not fit a schema.
        busiest: The largest number of requests to one mailbox at a time.
    """

    mailboxes: dict[str, Mailbox] = field(default_factory=dict)
    out: Outgoing = field(default_factory=Outgoing)
    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    requests: list[Mapping[str, str]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    tokens: dict[str, Permits] = field(default_factory=dict)
    issued: str = ""
    port: int = 0
    busiest: int = 0
    before: Callable[[str], None] = lambda _operation: None
    lock: threading.RLock = field(default_factory=threading.RLock)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    under_way: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1.0"

    @property
    def token_url(self) -> str:
        """Where :attr:`issued` is given to all who ask."""
        return f"http://127.0.0.1:{self.port}/token"

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

    def fail(self, operation: str, status: int | None = None, **details: Any) -> Fault:
        """Let an operation go wrong."""
        fault = Fault(operation, status, **details)
        self.faults.append(fault)
        return fault

    def quiesce(self) -> None:
        """Wait until all that was sent by clients that have hung up is served."""
        # Connections are accepted in their order: those before this one are counted when it is answered.
        with urlopen(self.token_url) as answer:
            answer.read()
        with self.changed:
            self.changed.wait_for(lambda: self.connections == 0)

    def connected(self, change: int) -> None:
        with self.changed:
            self.connections += change
            self.changed.notify_all()

    def fault_of(self, operation: str) -> Fault | None:
        for fault in self.faults:
            if fault.operation == operation and fault.times:
                if fault.skip:
                    fault.skip -= 1
                    return None
                fault.times -= 1
                return fault
        return None
