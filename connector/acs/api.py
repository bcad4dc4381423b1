"""Requests to one resource of Azure Communication Services: a mail in, the state of its send out.

A send is an operation under an id of our own choice. Its state can be asked for by that id at any time, and a
second request under the same id does not send a second mail, which is what makes a lost answer harmless.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import httpx2

from connector.model.server import AcsRoute
from connector.net.answers import pause_of
from connector.webapi.api import USER_AGENT, Answer, ServiceFaultError, error_of
from connector.webapi.asking import Asking, Login

NAME = "Azure Communication Services"
_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
_FAILED = frozenset({"Failed", "Canceled"})
_NONE: Mapping[str, str] = MappingProxyType({})
_UNDER_WAY = frozenset({"NotStarted", "Running"})


class AcsFaultError(ServiceFaultError):
    """The service gave no good answer."""


@dataclass(frozen=True, slots=True)
class Operation:
    """A send, as the service last told of it.

    Attributes:
        id: Ours, unless the service has given another.
        status: ``NotStarted``, ``Running``, ``Succeeded``, ``Failed`` or ``Canceled``.
        error: The service's code, where it failed.
        text: Its words.
        pause: Seconds after which it wants to be asked again; None where it does not say.
    """

    id: str
    status: str
    error: str = ""
    text: str = ""
    pause: float | None = None

    @property
    def over(self) -> bool:
        """Whether its state will not change any more."""
        return self.status not in _UNDER_WAY

    @property
    def failed(self) -> bool:
        """Whether it has ended, and no mail went out."""
        return self.status in _FAILED


class AcsApi:
    """Asks on behalf of one account.

    Args:
        route: The resource.
        sending: How it is asked to send.
        looking: How it is asked for the state of a send, which has limits of its own.
        login: Shows who asks.
    """

    def __init__(self, route: AcsRoute, sending: Asking, looking: Asking, login: Login) -> None:
        self.route = route
        self._sending = sending
        self._looking = looking
        self._login = login

    async def send(self, mail: bytes, operation: str) -> Operation:
        """Ask to send a mail; the same id again does not send it again.

        Args:
            mail: As JSON.
            operation: The id.

        Raises:
            AcsFaultError: There is no good answer.
            PostponedError: The resource takes no requests for now; nothing was asked.
            TokenError: There is no token.
        """
        more = {"Content-Type": "application/json", "Operation-Id": operation}
        return _told(await self._ask(self._sending, "POST", "/emails:send", mail, more), operation)

    async def state(self, operation: str) -> Operation | None:
        """Ask for the state of a send; None for one that the service does not know.

        Raises:
            AcsFaultError: As :meth:`send`, and the others too.
        """
        try:
            return _told(await self._ask(self._looking, "GET", f"/emails/operations/{operation}"), operation)
        except AcsFaultError as fault:
            if fault.status == 404:
                return None
            raise

    async def _ask(
        self,
        asking: Asking,
        method: str,
        path: str,
        content: bytes | None = None,
        more: Mapping[str, str] = _NONE,
    ) -> Answer:
        url = f"{self.route.endpoint}{path}?api-version={self.route.api_version}"
        headers = {
            **dict(self.route.headers),
            "Accept": "application/json",
            "User-Agent": USER_AGENT,
            **more,
        }

        def build() -> httpx2.Request:
            return asking.client.build_request(method, url, content=content, headers=headers)

        return await asking.ask(build, self._login)


def as_json(mail: Mapping[str, Any]) -> bytes:
    """Write a mail as the content of a request."""
    return json.dumps(mail, ensure_ascii=False).encode()


def _told(answer: Answer, asked: str) -> Operation:
    """Read the state of a send.

    Raises:
        AcsFaultError: It is none; the request may have been served.
    """
    found, status = answer.body.get("id"), answer.body.get("status")
    if status not in {*_FAILED, *_UNDER_WAY, "Succeeded"}:
        raise AcsFaultError("it answered without the state of the send", status=answer.status, served=True)
    own = found if isinstance(found, str) and _ID.fullmatch(found) else asked
    pause = pause_of(answer.headers)
    return Operation(own, status, *error_of(answer.body), None if pause is None else pause.total_seconds())
