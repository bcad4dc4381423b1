"""Azure Communication Services on loopback: operations that keep state, logins checked, faults on demand.

In a thread of this process. Signatures are computed by the documentation's own steps, from what came over
the wire; requests and answers are checked against schemas of our own. What does not fit is kept in
:attr:`Acs.violations`, which :func:`acs_server` expects to be empty at the end. ::

    with acs_server("example.test") as acs:
        acs.endpoint, acs.key
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from http.server import ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

from tests.servers.acs_schemas import answer_fault, request_fault
from tests.servers.failing import FailingService, ServiceHandler

KEY = base64.b64encode(b"an access key of the double, 32 b").decode("ascii")
_VERSIONS = frozenset({"2025-09-01", "2024-07-01-preview", "2023-03-31"})
_LARGEST = 10 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Result:
    """What is answered."""

    status: int
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class RefusedError(Exception):
    """The service does not do what was asked."""

    def __init__(self, status: int, code: str, message: str = "") -> None:
        super().__init__(code)
        self.result = Result(status, {"error": {"code": code, "message": message}})


@dataclass(slots=True)
class Send:
    """One operation.

    Attributes:
        mail: As it came.
        polls: Questions that are answered with Running before it ends.
        failure: The code with which it fails; None where the mail goes out.
    """

    id: str
    mail: Mapping[str, Any]
    polls: int
    failure: str | None = None

    def told(self) -> dict[str, Any]:
        if self.polls > 0:
            return {"id": self.id, "status": "Running"}
        if self.failure is None:
            return {"id": self.id, "status": "Succeeded"}
        if self.failure == "Canceled":
            return {"id": self.id, "status": "Canceled"}
        error = {"code": self.failure, "message": "Email was dropped."}
        return {"id": self.id, "status": "Failed", "error": error}


@dataclass(slots=True)
class Acs(FailingService):
    """The running service.

    Attributes:
        domains: From which mails may be sent.
        suppressed: Recipients who get nothing.
        sends: All operations by their ids.
        polls: Questions that the next operations answer with Running.
        failure: The code with which the next operations fail.
        pause: Its Retry-After while an operation is under way.
        repeated: How often an operation was asked for again.
        conflict: The status with which a known id is refused; None to answer with its state.
    """

    domains: tuple[str, ...] = ()
    suppressed: set[str] = field(default_factory=set)
    sends: dict[str, Send] = field(default_factory=dict)
    polls: int = 1
    failure: str | None = None
    pause: str | None = "0"
    repeated: int = 0
    conflict: int | None = None
    key: str = KEY
    scheme: str = "http"
    tokens: set[str] = field(default_factory=set)

    @property
    def endpoint(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def delivered(self) -> list[Mapping[str, Any]]:
        """The mails that go out, also where nobody has asked for the end of the operation yet."""
        return [send.mail for send in self.sends.values() if send.failure is None]

    def token(self) -> str:
        """A token of an application that may send."""
        self.issued = f"token-{len(self.tokens) + 1}-of-the-application"
        self.tokens.add(self.issued)
        return self.issued

    def send(self, operation: str, mail: Mapping[str, Any]) -> Result:
        """Accept a mail, once for each id."""
        if (known := self.sends.get(operation)) is not None:
            self.repeated += 1
            if self.conflict is not None:
                raise RefusedError(self.conflict, "OperationExists", "The operation exists already.")
            return self._accepted(known)
        self._check(mail)
        failure = self.failure
        everyone = [one["address"] for kind in mail["recipients"].values() for one in kind]
        if self.suppressed.issuperset(everyone):
            failure = "EmailDroppedAllRecipientsSuppressed"
        self.sends[operation] = Send(operation, mail, self.polls, failure)
        return self._accepted(self.sends[operation])

    def state(self, operation: str) -> Result:
        """Tell the state of an operation."""
        send = self.sends.get(operation)
        if send is None:
            raise RefusedError(404, "NotFound", "Requested operation could not be located.")
        send.polls -= 1
        told = send.told()
        return Result(200, told, self._pause(told))

    def _accepted(self, send: Send) -> Result:
        told = send.told()
        place = f"{self.endpoint}/emails/operations/{send.id}?api-version=2025-09-01"
        return Result(202, told, {"Operation-Location": place, **self._pause(told)})

    def _pause(self, told: Mapping[str, Any]) -> dict[str, str]:
        waits = told["status"] == "Running" and self.pause is not None
        return {"Retry-After": self.pause or ""} if waits else {}

    def _check(self, mail: Mapping[str, Any]) -> None:
        everyone = [one["address"] for kind in mail["recipients"].values() for one in kind]
        if not everyone or len(everyone) > 50:
            raise RefusedError(400, "BadRequest", "The number of recipients is out of range.")
        if any("@" not in one for one in everyone):
            raise RefusedError(400, "InvalidEmailAddress", "Invalid format for email address.")
        if mail["senderAddress"].rpartition("@")[2] not in self.domains:
            raise RefusedError(404, "DomainNotLinked", "The specified sender domain has not been linked.")
        for name in mail.get("headers", {}):
            if name.lower().startswith("x-ms-acsemail-"):
                self.violations.append(f"a header that steers the service: {name}")
        identifiers = [one["contentId"] for one in mail.get("attachments", []) if "contentId" in one]
        if len(set(identifiers)) != len(identifiers):
            raise RefusedError(400, "BadRequest", "Duplicate ContentId.")


class Handler(ServiceHandler):
    """Serves one connection."""

    server: Listener

    @property
    def acs(self) -> Acs:
        return self.server.acs

    @property
    def service(self) -> Acs:
        return self.acs

    def do_GET(self) -> None:  # noqa: N802 - the base class's name
        octets = self.body()
        if octets is None:
            return
        path = urlsplit(self.path).path
        if path == "/token":
            self._answer(Result(200, {"access_token": self.acs.issued, "token_type": "Bearer"}))
        elif (operation := _operation(self.command, path)) is None:
            self.acs.violations.append(f"no such operation: {self.command} {path}")
            self._answer(RefusedError(404, "NotFound").result)
        else:
            self._serve(operation, path, octets)

    do_POST = do_GET  # noqa: N815 - the base class's name

    def _serve(self, operation: str, path: str, octets: bytes) -> None:
        acs = self.acs
        acs.before(operation)
        with acs.lock:
            acs.asked.append(operation)
            acs.requests.append({name.lower(): value for name, value in self.headers.items()})
            fault = acs.fault_of(operation)
            result = Result(200, {})
            if fault is None or fault.after:
                try:
                    result = self._done(operation, path, octets)
                except RefusedError as error:
                    result = error.result
                if wrong := answer_fault(result.status, result.body):
                    acs.violations.append(f"answer of {operation}: {wrong}")
        if fault is None:
            self._answer(result)
        elif fault.status is None:
            self.close_connection = True  # without a word
        else:
            body = {"error": {"code": fault.code, "message": ""}}
            self._answer(Result(fault.status, body, fault.headers))

    def _done(self, operation: str, path: str, octets: bytes) -> Result:
        self._check_login(octets)
        if parse_qs(urlsplit(self.path).query).get("api-version", [""])[0] not in _VERSIONS:
            raise RefusedError(400, "UnsupportedApiVersion", "The api-version is not supported.")
        if operation == "state":
            return self.acs.state(path.rpartition("/")[2])
        if len(octets) > _LARGEST:
            raise RefusedError(413, "RequestEntityTooLarge", "The request is too large.")
        mail = json.loads(octets)
        if wrong := request_fault(operation, mail):
            self.acs.violations.append(f"request of {operation}: {wrong}")
            raise RefusedError(400, "BadRequest", wrong)
        return self.acs.send(str(UUID(self.headers["Operation-Id"])), mail)

    def _check_login(self, octets: bytes) -> None:
        login = self.headers.get("Authorization", "")
        if login.startswith("Bearer "):
            if login.removeprefix("Bearer ") not in self.acs.tokens:
                raise RefusedError(401, "Unauthorized", "The token is not valid.")
            return
        digest = base64.b64encode(hashlib.sha256(octets).digest()).decode()
        date, host = self.headers.get("x-ms-date", ""), self.headers.get("Host", "")
        parsedate_to_datetime(date)
        to_sign = "\n".join([self.command, self.path, f"{date};{host};{digest}"])
        made = hmac.new(base64.b64decode(self.acs.key), to_sign.encode("utf-8"), hashlib.sha256).digest()
        expected = (
            "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature="
            + base64.b64encode(made).decode()
        )
        if self.headers.get("x-ms-content-sha256") != digest or login != expected:
            raise RefusedError(401, "Denied", "Denied by the resource provider.")

    def _answer(self, result: Result) -> None:
        octets = json.dumps(result.body).encode()
        self.send_response(result.status)
        for name, value in {"Content-Type": "application/json", **result.headers}.items():
            self.send_header(name, value)
        if result.status >= 400:
            self.send_header("x-ms-error-code", result.body["error"]["code"])
        self.send_header("x-ms-request-id", "11111111-2222-3333-4444-555555555555")
        self.send_header("Content-Length", str(len(octets)))
        self.end_headers()
        self.wfile.write(octets)


class Listener(ThreadingHTTPServer):
    """Accepts connections."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, acs: Acs) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.acs = acs

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients of these tests hang up in the middle


def _operation(method: str, path: str) -> str | None:
    if (method, path) == ("POST", "/emails:send"):
        return "send"
    is_state = method == "GET" and re.fullmatch("/emails/operations/[^/]+", path)
    return "state" if is_state else None


@contextmanager
def acs_server(*domains: str, tls: ssl.SSLContext | None = None) -> Iterator[Acs]:
    """Run the service with connected domains, and expect that all it heard and said was well formed."""
    acs = Acs(domains=domains, scheme="http" if tls is None else "https")
    with Listener(acs) as listener:
        if tls is not None:
            listener.socket = tls.wrap_socket(
                listener.socket, server_side=True, do_handshake_on_connect=False
            )
        acs.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield acs
        finally:
            listener.shutdown()
            thread.join()
    assert acs.violations == []
