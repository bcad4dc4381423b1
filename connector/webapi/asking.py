"""Ask a service patiently: one new login after a 401, and pauses that it asks for, within its limits.

Stands apart from the single request because what may be asked again is the same for all services: only what
was certainly not served.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import httpx2
from pydantic import SecretStr

from connector.auth.port import TokenSource
from connector.webapi.allowance import Allowance
from connector.webapi.api import LARGEST_ANSWER, Answer, ServiceFaultError, answered

# A service that was told twice that a login is wrong, or to wait four times, is not asked again.
_MOST_TRIES = 4


class Login(Protocol):
    """Puts what shows who asks on one request."""

    async def put_on(self, request: httpx2.Request, *, refused: bool) -> None:
        """Put it on.

        Args:
            request: Complete but for this.
            refused: The service has refused the one before.
        """
        ...


class BearerLogin:
    """An access token (RFC 6750); for the tries of one request.

    Args:
        tokens: Gives them.
    """

    def __init__(self, tokens: TokenSource) -> None:
        self._tokens = tokens
        self._last: SecretStr | None = None

    async def put_on(self, request: httpx2.Request, *, refused: bool) -> None:
        """Put a token on, another one where the last was refused."""
        self._last = await self._tokens.token(self._last if refused else None)
        request.headers["Authorization"] = f"Bearer {self._last.get_secret_value()}"


@dataclass(frozen=True, slots=True)
class Asking:
    """How one account asks a service.

    Attributes:
        client: Keeps the connections.
        allowance: Of the place that is asked.
        patience: Seconds to wait for room, and to keep to a pause that the service asks for.
        fault: What is raised.
    """

    client: httpx2.AsyncClient
    allowance: Allowance
    patience: float
    fault: type[ServiceFaultError]

    async def ask(
        self,
        build: Callable[[], httpx2.Request],
        login: Login,
        largest: int = LARGEST_ANSWER,
        *,
        booked: bool = False,
    ) -> Answer:
        """Make a request.

        What the service refuses for a moment (429, 503 with Retry-After) is asked again, where that moment
        is no longer than the patience.

        Args:
            build: Makes the request, for each try.
            login: Shows who asks.
            largest: Octets of the largest answer.
            booked: Its body is part of an upload that is booked.

        Raises:
            ServiceFaultError: There is no good answer.
            PostponedError: The place takes no requests for now; nothing was asked.
            TokenError: There is no token.
        """
        refused = False
        for _ in range(_MOST_TRIES):
            request = build()
            await login.put_on(request, refused=refused)
            try:
                octets = 0 if booked else len(request.content)
                async with self.allowance.upload(octets, self.patience), self.allowance.room(self.patience):
                    return await answered(self.client, request, self.fault, largest)
            except ServiceFaultError as fault:
                if fault.status == 401 and not refused:
                    refused = True
                elif not self._worth_a_wait(fault):
                    raise
                else:
                    await asyncio.sleep(fault.retry_after or 0.0)
                last = fault
        raise last

    def _worth_a_wait(self, fault: ServiceFaultError) -> bool:
        if fault.served or fault.retry_after is None:
            return False
        self.allowance.close(fault.retry_after)
        return fault.retry_after <= self.patience
