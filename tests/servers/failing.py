"""What our doubles of HTTP services share: faults on demand, what was asked, and what was not well formed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.request import urlopen


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
    location: str | None = None
    after: bool = False
    skip: int = 0
    times: int = 1

    @property
    def headers(self) -> dict[str, str]:
        told = {"Retry-After": self.retry_after, "Location": self.location}
        return {name: value for name, value in told.items() if value is not None}


@dataclass(slots=True)
class FailingService:
    """A running service.

    Attributes:
        faults: What goes wrong.
        asked: The operations in the order in which they came.
        requests: Of each, its headers in small letters.
        violations: What did not fit a schema, or the service's documentation.
        issued: The token that is given to all who ask.
        before: Hears of each operation before it is served.
    """

    faults: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    requests: list[Mapping[str, str]] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    issued: str = ""
    port: int = 0
    before: Callable[[str], None] = lambda _operation: None
    lock: threading.RLock = field(default_factory=threading.RLock)
    connections: int = 0
    changed: threading.Condition = field(default_factory=threading.Condition)

    @property
    def token_url(self) -> str:
        """Where :attr:`issued` is given to all who ask."""
        return f"http://127.0.0.1:{self.port}/token"

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


class ServiceHandler(BaseHTTPRequestHandler):
    """Serves one connection, and is counted while it lasts."""

    protocol_version = "HTTP/1.1"

    @property
    def service(self) -> FailingService:
        raise NotImplementedError

    def setup(self) -> None:
        self.service.connected(1)
        super().setup()

    def finish(self) -> None:
        try:
            super().finish()
        finally:
            self.service.connected(-1)

    def body(self) -> bytes | None:
        """What was sent; None where the client died while it wrote."""
        length = int(self.headers.get("Content-Length") or 0)
        octets = self.rfile.read(length)
        return octets if len(octets) == length else None

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass
