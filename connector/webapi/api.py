"""One request to a service, one answer: what came back, or what is known where no good answer came.

A request enters as it is to go out. Apart from what each service means by an error, which its own package
says; here it only counts whether the request may have been served, since a mail may then be out.
"""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import httpx2

from connector.errors import ErrorCode
from connector.model.causes import causes_of, reason_of
from connector.net.answers import TooLongError, octets_of, pause_of, redirect_of

LARGEST_ANSWER = 20_000_000
# A request and its answer, however slowly they come: as long as SMTP waits for the reply to a mail.
_LONGEST_SECONDS = 600.0
USER_AGENT = "smtp-connector"
_REQUEST_IDS = ("request-id", "x-ms-request-id", "mise-correlation-id")


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


class ServiceFaultError(Exception):
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

    def told_by(self, service: str, doing: str, advice: str) -> str:
        """Say what a service failed to do, as ``make the draft``, and what to change."""
        known = f" (request-id {self.request_id})" if self.request_id else ""
        return f"{service} did not {doing}: {self.reason}{known}. {advice}".rstrip()


Fault = TypeVar("Fault", bound=ServiceFaultError)


async def answered(
    client: httpx2.AsyncClient, request: httpx2.Request, fault: type[Fault], largest: int = LARGEST_ANSWER
) -> Answer:
    """Send a request and read its answer.

    Args:
        client: Keeps the connections.
        request: With its login.
        fault: What is raised.
        largest: Octets of the largest answer.

    Raises:
        ServiceFaultError: There is no good answer; as the kind that is given.
    """
    try:
        async with asyncio.timeout(_LONGEST_SECONDS):
            response = await client.send(request, stream=True)
            try:
                octets = await octets_of(response, largest)
            finally:
                await response.aclose()
    except TimeoutError:
        raise fault("no answer in time", code=ErrorCode.CONNECTION_TIMEOUT, served=True) from None
    except TooLongError as error:
        code = ErrorCode.MESSAGE_TOO_LARGE
        raise fault(str(error), code=code, status=response.status_code) from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise _unanswered(error, fault) from error
    if redirect := redirect_of(response):  # as good as no answer: whatever sends it is not the service
        raise fault(redirect)
    if response.status_code >= 300:
        raise _refused(response, octets, fault)
    return Answer(response.status_code, _object(octets), response.headers, octets)


def _object(octets: bytes) -> dict[str, Any]:
    try:
        body = json.loads(octets) if octets else {}
        if b"\\u" in octets:  # half a surrogate pair, which no request, log or result can hold
            body = json.loads(json.dumps(body, ensure_ascii=False).encode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def _refused(response: httpx2.Response, octets: bytes, fault: type[Fault]) -> Fault:
    """Read an error; the status decides, since one code stands for many things."""
    status = response.status_code
    error, text = error_of(_object(octets))
    pause = pause_of(response.headers)
    held_off = status == 429 or (status == 503 and pause is not None)
    return fault(
        f"{status} {in_words(error, text)}".rstrip(),
        status=status,
        error=error,
        request_id=next(filter(None, (_word(response.headers.get(name)) for name in _REQUEST_IDS)), ""),
        retry_after=pause.total_seconds() if pause is not None else None,
        served=status >= 500 and not held_off,
    )


def error_of(body: Mapping[str, Any]) -> tuple[str, str]:
    """Read the code and the message of an answer's ``error``; empty where it has none that can be shown."""
    told = body.get("error")
    known = told if isinstance(told, dict) else {}
    return _word(known.get("code")), _word(known.get("message"))


def in_words(error: str, text: str) -> str:
    """Say a code and a message one after the other."""
    return f"{error}{': ' if error and text else ''}{text}"


def _word(value: object) -> str:
    text = value[:300] if isinstance(value, str) else ""
    return text if text.isprintable() else ""


def _unanswered(error: Exception, fault: type[Fault]) -> Fault:
    """Say why no answer came; before a connection stood, nothing was asked."""
    before = isinstance(
        error, httpx2.ConnectError | httpx2.ConnectTimeout | httpx2.PoolTimeout | httpx2.InvalidURL
    )
    reason = f"no answer: {reason_of(error)}"
    code = ErrorCode.CONNECTION_FAILED
    if isinstance(error, httpx2.TimeoutException):
        code, reason = ErrorCode.CONNECTION_TIMEOUT, "no answer in time"
    for cause in causes_of(error):
        if isinstance(cause, ssl.SSLError):
            code = ErrorCode.TLS_FAILED
        elif isinstance(cause, socket.gaierror):
            code = ErrorCode.DNS_FAILED
    return fault(reason, code=code, served=not before)
