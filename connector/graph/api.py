"""Requests to one mailbox of Microsoft Graph: a path and a body in, an answer out.

Here is what all requests share: the token and one new token after a 401, immutable ids, the account's own
headers, the limits of the mailbox, and pauses that the service asks for. What an error means for a mail is
decided elsewhere; a :class:`GraphFaultError` says what is known, above all whether the request may have been
served.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx2

from connector.auth.port import TokenSource
from connector.errors import ErrorCode
from connector.graph.allowance import Allowance
from connector.model.hosts import is_protected
from connector.model.server import GraphRoute
from connector.net.answers import TooLongError, octets_of, pause_of

# Ids that stay while a mail is in its mailbox; documented for every request, to be asked for at each.
_IMMUTABLE = 'IdType="ImmutableId"'
_LARGEST_ANSWER = 20_000_000
_MOST_TRIES = 4
_USER_AGENT = "smtp-connector"
_GONE = frozenset({"ErrorItemNotFound", "ErrorInvalidIdMalformed", "ErrorMessageNotFound"})
# What a cloud answers that has no such operation.
_NO_SUCH_OPERATION = frozenset({400, 404, 405, 501})


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, in seconds.

    Attributes:
        connect: Until a connection stands.
        answer: Until an answer has come, at each step of it.
        look: How long a mail whose answer was lost is looked for.
        interval: Between the first two looks; later ones are farther apart.
    """

    connect: float = 10.0
    answer: float = 60.0
    look: float = 60.0
    interval: float = 1.0


@dataclass(frozen=True, slots=True)
class Answer:
    """A good answer.

    Attributes:
        body: Its JSON object; empty where it is none.
        octets: As they came.
    """

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str]
    octets: bytes = field(repr=False)


class GraphFaultError(Exception):
    """There is no good answer.

    Args:
        reason: What happened, as the end of a sentence.
        code: What it means where no answer came.
        status: The HTTP status, where there was an answer.
        error: The service's own error code, as ``ErrorSendAsDenied``.
        request_id: What the service's support can find it by.
        retry_after: Seconds for which the service wants to be left alone.
        served: Whether the request may have been served.
    """

    def __init__(  # noqa: PLR0913 - a record of one event
        self,
        reason: str,
        *,
        code: ErrorCode = ErrorCode.CONNECTION_FAILED,
        status: int | None = None,
        error: str = "",
        request_id: str = "",
        retry_after: float | None = None,
        served: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.status = status
        self.error = error
        self.request_id = request_id
        self.retry_after = retry_after
        self.served = served

    @property
    def gone(self) -> bool:
        """Whether there is no such mail."""
        return self.status in {400, 404} and self.error in _GONE

    def told(self, doing: str, advice: str) -> str:
        """Say what failed, as ``make the draft``, and what to change."""
        known = f" (request-id {self.request_id})" if self.request_id else ""
        return f"Microsoft Graph did not {doing}: {self.reason}{known}. {advice}".rstrip()


class GraphApi:
    """Asks on behalf of one account.

    Args:
        route: The mailbox.
        client: Keeps the connections.
        tokens: Gives tokens.
        allowance: Of the mailbox.
        known: Ids of folders by their well-known names, which never change; filled by who asks for one.
    """

    def __init__(
        self,
        route: GraphRoute,
        client: httpx2.AsyncClient,
        tokens: TokenSource,
        allowance: Allowance,
        known: dict[str, str] | None = None,
    ) -> None:
        self.route = route
        self.known = {} if known is None else known
        self._client = client
        self._tokens = tokens
        self._allowance = allowance

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | bytes | None = None,
        prefer: str = "",
        largest: int = _LARGEST_ANSWER,
    ) -> Answer:
        """Make a request to the mailbox.

        What the service refuses for a moment (429, 503 with Retry-After) is asked again, where that moment
        is no longer than the account's mails wait for their turn.

        Args:
            method: The verb of HTTP.
            path: Below the mailbox; or a whole address, as a page names the next one.
            body: JSON, or a mail in base64.
            prefer: A preference beside that for immutable ids.
            largest: Octets of the largest answer.

        Raises:
            GraphFaultError: There is no good answer.
            PostponedError: The mailbox takes no requests for now; nothing was asked.
            TokenError: There is no token.
        """
        refused = None
        for _ in range(_MOST_TRIES):
            token = await self._tokens.token(refused)
            request = self._request(method, path, body, prefer)
            request.headers["Authorization"] = f"Bearer {token.get_secret_value()}"
            try:
                async with self._allowance.room(self.route.quota.max_wait):
                    return await self._answered(request, largest)
            except GraphFaultError as fault:
                if fault.status == 401 and refused is None:
                    refused = token
                elif not self._worth_a_wait(fault):
                    raise
                else:
                    await asyncio.sleep(fault.retry_after or 0.0)
                last = fault
        raise last

    async def delete(self, message: str) -> None:
        """Delete a mail for good; where the cloud cannot, into Deleted Items.

        Args:
            message: Its path.

        Raises:
            GraphFaultError: It is still there, or was not there.
        """
        try:
            await self.ask("POST", f"{message}/permanentDelete")
        except GraphFaultError as fault:
            if fault.gone or fault.status not in _NO_SUCH_OPERATION:
                raise
            await self.ask("DELETE", message)

    async def upload(self, method: str, url: str, octets: bytes = b"", span: str = "") -> Answer:
        """Ask the address of an upload, which says itself who may: no token goes there.

        Raises:
            GraphFaultError: There is no good answer.
        """
        if not is_protected(url):
            raise GraphFaultError(
                "it gave an address for an upload that cannot be used: it must start with https://"
            )
        headers = {"Content-Type": "application/octet-stream", "Content-Range": span} if span else {}
        request = self._client.build_request(method, url, content=octets or None, headers=headers)
        return await self._answered(request, _LARGEST_ANSWER)

    def _request(
        self, method: str, path: str, body: Mapping[str, Any] | bytes | None, prefer: str
    ) -> httpx2.Request:
        headers = {
            **dict(self.route.headers),
            "Prefer": f"{_IMMUTABLE}, {prefer}" if prefer else _IMMUTABLE,
            "Accept": "application/json",
            "User-Agent": _USER_AGENT,
        }
        content = body if isinstance(body, bytes) else None
        if content is not None:
            headers["Content-Type"] = "text/plain"
        elif body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body).encode()
        return self._client.build_request(method, self._address(path), content=content, headers=headers)

    def _address(self, path: str) -> str:
        if not path.startswith("http"):
            return f"{self.route.base_url}{self.route.mailbox}{path}"
        # The token goes there: no page may send it elsewhere.
        if urlsplit(path)[:2] != urlsplit(self.route.base_url)[:2]:
            raise GraphFaultError("it named another host for the next page")
        return path

    def _worth_a_wait(self, fault: GraphFaultError) -> bool:
        if fault.served or fault.retry_after is None:
            return False
        self._allowance.close(fault.retry_after)
        return fault.retry_after <= self.route.quota.max_wait

    async def _answered(self, request: httpx2.Request, largest: int) -> Answer:
        try:
            response = await self._client.send(request, stream=True)
            try:
                octets = await octets_of(response, largest)
            finally:
                await response.aclose()
        except TooLongError as error:
            code = ErrorCode.MESSAGE_TOO_LARGE
            raise GraphFaultError(str(error), code=code, status=response.status_code) from None
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise _unanswered(error) from error
        if response.status_code >= 300:
            raise _refused(response, octets)
        return Answer(response.status_code, _object(octets), response.headers, octets)


def _object(octets: bytes) -> dict[str, Any]:
    try:
        body = json.loads(octets) if octets else {}
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _refused(response: httpx2.Response, octets: bytes) -> GraphFaultError:
    """Read an error; the status decides, since one code stands for many things."""
    status, body = response.status_code, _object(octets).get("error")
    told = body if isinstance(body, dict) else {}
    error, text = _word(told.get("code")), _word(told.get("message"))
    pause = pause_of(response.headers)
    held_off = status == 429 or (status == 503 and pause is not None)
    return GraphFaultError(
        f"{status} {error}{': ' if error and text else ' ' if text else ''}{text}".rstrip(),
        status=status,
        error=error,
        request_id=_word(response.headers.get("request-id", "")),
        retry_after=pause.total_seconds() if pause is not None else None,
        served=status >= 500 and not held_off,
    )


def _word(value: object) -> str:
    text = value[:300] if isinstance(value, str) else ""
    return text if text.isprintable() else ""


def _unanswered(error: Exception) -> GraphFaultError:
    """Say why no answer came; before a connection stood, nothing was asked."""
    before = isinstance(
        error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.InvalidURL
    )
    reason = f"no answer: {str(error) or type(error).__name__}"
    code = ErrorCode.CONNECTION_FAILED
    if isinstance(error, httpx2.TimeoutException):
        code, reason = ErrorCode.CONNECTION_TIMEOUT, "no answer in time"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            code = ErrorCode.TLS_FAILED
        elif isinstance(cause, socket.gaierror):
            code = ErrorCode.DNS_FAILED
        cause = cause.__cause__ or cause.__context__
    return GraphFaultError(reason, code=code, served=not before)
