"""One request to a provider's endpoint: a form in, a JSON answer out.

What is no answer of an authorization server (no connection, another page, an overloaded one) becomes an
:class:`EndpointError` that says whether the request can have reached it. Redirects are not followed: the
form holds credentials, which must not go to another host.
"""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import httpx2

from connector.model.causes import reason_of
from connector.model.hosts import is_protected
from connector.net.answers import TooLongError, moment_of, octets_of, pause_of, redirect_of
from connector.net.http_clients import open_client
from connector.net.outbound import DIRECT, Outbound

_CONNECT_SECONDS = 10.0
_SECONDS = 30.0  # the whole request
_LONGEST_ANSWER = 1_000_000
_LATER = frozenset({408, 425, 429})


class EndpointError(Exception):
    """There is no answer of an authorization server.

    Args:
        reason: What happened, as the end of a sentence.
        status: The HTTP status, where there was one.
        retry_after: How long the endpoint wants to be left alone.
        asked: Whether the request may have been served.
    """

    def __init__(
        self,
        reason: str,
        *,
        status: int | None = None,
        retry_after: timedelta | None = None,
        asked: bool = True,
    ) -> None:
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after
        self.asked = asked


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered.

    Attributes:
        ahead: Seconds by which its clock is ahead of ours; None where it did not tell the time.
    """

    status: int
    body: Mapping[str, Any]
    ahead: float | None = None

    def text(self, key: str) -> str:
        """One text of the body; empty where there is none."""
        value = self.body.get(key)
        return value if isinstance(value, str) else ""


@dataclass(frozen=True, slots=True)
class Form:
    """What is sent.

    Attributes:
        basic: User name and password of HTTP Basic, where the client authenticates so.
    """

    fields: Mapping[str, str]
    basic: tuple[str, str] | None = None


class EndpointClient:
    """Asks endpoints, on connections of its own.

    Args:
        trust: Whom to trust.
        way: Which proxy is for which address.
    """

    def __init__(self, trust: ssl.SSLContext, way: Outbound = DIRECT) -> None:
        self._client = open_client(trust, way, httpx2.Timeout(_SECONDS, connect=_CONNECT_SECONDS))

    async def post(self, url: str, form: Form) -> Answer:
        """Send a form.

        Raises:
            EndpointError: What came back is no answer of an authorization server.
        """
        if fault := transport_fault(url):
            raise EndpointError(fault, asked=False)
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._posted(url, form)
        except TimeoutError:
            raise EndpointError(f"it did not answer in {_SECONDS:g} s") from None

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _posted(self, url: str, form: Form) -> Answer:
        # RFC 6749 section 2.3.1: both are form-encoded before they are joined.
        basic = tuple(quote(part, safe="") for part in form.basic) if form.basic else None
        auth = httpx2.BasicAuth(*basic) if basic else None
        headers = {"Accept": "application/json"}
        try:
            async with self._client.stream(
                "POST", url, data=dict(form.fields), auth=auth, headers=headers
            ) as reply:
                octets = await octets_of(reply, _LONGEST_ANSWER)
        except TooLongError as error:
            raise EndpointError(str(error), status=reply.status_code) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            asked = not isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.InvalidURL)
            reason = f"it cannot be reached: {reason_of(error)}"
            raise EndpointError(reason, asked=asked) from None
        return _answer(reply, octets)


def transport_fault(url: str) -> str | None:
    """Say why credentials must not be sent there, or None."""
    if is_protected(url):
        return None
    return "credentials would travel in clear: its address must start with https://"


def _answer(reply: httpx2.Response, octets: bytes) -> Answer:
    status = reply.status_code
    if status >= 500 or status in _LATER:
        pause, served = pause_of(reply.headers), status not in _LATER
        raise EndpointError(f"it answered {status}", status=status, retry_after=pause, asked=served)
    if redirect := redirect_of(reply):
        raise EndpointError(redirect, status=status)
    try:
        body = json.loads(octets)
    except (ValueError, RecursionError):  # its text may quote what was answered
        body = None
    if not isinstance(body, dict):
        kind = reply.headers.get("Content-Type", "").partition(";")[0][:60] or "no content"
        raise EndpointError(f"it answered {status} with {kind}, not with JSON", status=status)
    return Answer(status, body, _ahead(reply.headers))


def _ahead(headers: Mapping[str, str]) -> float | None:
    moment = moment_of(headers.get("Date", ""))
    return None if moment is None else (moment - datetime.now(UTC)).total_seconds()
