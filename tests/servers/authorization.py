"""An OAuth 2.0 authorization server on loopback: every grant, a page for consent, and faults on demand.

In a thread of this process, on Authlib's core. Users log in and consent at ``/authorize`` with a browser, or
by :meth:`AuthorizationServer.consent`; tokens are signed JWTs, which :mod:`tests.servers.dovecot` verifies.
"""

from __future__ import annotations

import html
import json
import secrets
import threading
from base64 import b64encode
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from authlib.oauth2.rfc6749.errors import OAuth2Error
from joserfc.jwk import ECKey, KeyParameters, RSAKey

from tests.servers.authorization_core import Core, Request
from tests.servers.authorization_state import Client, State
from tests.servers.dovecot import AUDIENCE, ISSUER

Fault = Callable[["Handler"], bool]
"""Asked before a request to the token endpoint is served: True when it has answered in the server's place."""

SECRET = "client-secret-value-7f3a9c"  # of this private server only
USER, USER_PASSWORD = "ada@example.test", "ada's own password"
OTHER_USER = "bob@example.test"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that has come."""

    path: str
    form: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(slots=True)
class AuthorizationServer:
    """A running server; its clients are ``connector`` (with :data:`SECRET`) and ``public`` (without one).

    Attributes:
        faults: What goes wrong at the token endpoint next, in this order.
        refusal: What the consent page answers with in place of a code: error and description.
        asked: Every request to an endpoint that programs ask.
        given: Every answer to them that has fields.
    """

    state: State
    port: int = 0
    faults: deque[Fault] = field(default_factory=deque)
    refusal: tuple[str, str] | None = None
    asked: list[Asked] = field(default_factory=list)
    given: list[Mapping[str, Any]] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def base(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def token_url(self) -> str:
        return f"{self.base}/token"

    @property
    def authorization_url(self) -> str:
        return f"{self.base}/authorize"

    @property
    def core(self) -> Core:
        return Core(self.state, self.base)

    @property
    def public_key(self) -> bytes:
        """For whoever verifies tokens, as PEM."""
        return self.state.key.as_pem(private=False)

    @property
    def key_id(self) -> str:
        return str(self.state.key.kid)

    def token_requests(self, grant_type: str | None = None) -> list[Mapping[str, str]]:
        """The forms that came to the token endpoint, of one grant or of all."""
        forms = [asked.form for asked in self.asked if asked.path == "/token"]
        return [form for form in forms if grant_type in {None, form.get("grant_type")}]

    def refresh_token(self, user: str = USER, client: str = "connector", scope: str = "mail") -> str:
        """A refresh token as it follows a consent."""
        return self.core.new_refresh(client, user, scope)

    def consent(self, url: str, user: str = USER, *, agree: bool = True) -> str:
        """Answer an authorization request as its page would; where the browser would be sent.

        Raises:
            OAuth2Error: The page would show this error and send the browser nowhere.
        """
        values = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
        status, body, headers = self._decided(values, user if agree else None)
        if status != 302:
            raise AssertionError(f"not redirected: {status} {body}")
        return dict(headers)["Location"]

    def decide(self, user_code: str, user: str = USER, *, agree: bool = True) -> None:
        """Answer a device's request as its page would."""
        self.state.decisions[user_code] = user, agree

    def _decided(self, values: Mapping[str, str], user: str | None) -> tuple[int, Any, list[tuple[str, str]]]:
        with self.lock:
            request = Request("GET", self.authorization_url, values, {})
            grant = self.core.get_consent_grant(request, user)
            self.core.validate_requested_scope(values.get("scope"))
            if self.refusal is not None:
                error, description = self.refusal
                query = {"error": error, "error_description": description, "state": values.get("state", "")}
                return 302, "", [("Location", f"{values['redirect_uri']}?{urlencode(query)}")]
            return self.core.create_authorization_response(request, user, grant)  # type: ignore[no-any-return]


class Handler(BaseHTTPRequestHandler):
    """Serves one connection."""

    protocol_version = "HTTP/1.1"
    server: Listener

    @property
    def world(self) -> AuthorizationServer:
        return self.server.world

    def do_GET(self) -> None:
        path, values = urlsplit(self.path).path, dict(parse_qsl(urlsplit(self.path).query))
        if path == "/authorize":
            try:
                with self.world.lock:
                    self.world.core.get_consent_grant(Request("GET", self.world.base, values, {}))
                    self.world.core.validate_requested_scope(values.get("scope"))
            except OAuth2Error as error:
                self.page(400, f"<h1>Error</h1><p>{html.escape(str(error))}</p>")
            else:
                self.page(200, _LOGIN.format(values=_hidden(values)))
        elif path == "/device":
            self.page(200, _LOGIN.format(values=_hidden({"user_code": values.get("user_code", "")})))
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        form = dict(parse_qsl(self.rfile.read(length).decode(), keep_blank_values=True))
        path = urlsplit(self.path).path
        if path in {"/authorize", "/device"}:
            self._page_posted(path, form)
            return
        world = self.world
        world.asked.append(Asked(path, form, dict(self.headers.items())))
        if path == "/token" and world.faults and world.faults.popleft()(self):
            return
        request = Request("POST", f"{world.base}{path}", form, dict(self.headers.items()))
        with world.lock:
            if path == "/token":
                answer = world.core.create_token_response(request)
            elif path == "/device_authorization":
                answer = world.core.create_endpoint_response("device_authorization", request)
            else:
                answer = world.core.create_endpoint_response("revocation", request)
        self.answer(answer[0], answer[1], dict(answer[2]))

    def _page_posted(self, path: str, form: dict[str, str]) -> None:
        """Go on from the login page to the consent page, and from there back to the application."""
        user, password = form.pop("login", ""), form.pop("password", None)
        decision = form.pop("decision", None)
        if password is not None and self.world.state.users.get(user) != password:
            self.page(401, "<h1>Wrong user or password</h1>")
        elif decision is None:
            values = _hidden({**form, "login": user})
            self.page(200, _CONSENT.format(values=values, user=html.escape(user), what=form.get("scope", "")))
        elif path == "/device":
            self.world.decide(form["user_code"], user, agree=decision == "accept")
            self.page(200, "<h1>Done</h1><p>Go back to your device.</p>")
        else:
            where = self.world.consent(f"?{urlencode(form)}", user, agree=decision == "accept")
            self.send_response(302)
            self.send_header("Location", where)
            self.send_header("Content-Length", "0")
            self.end_headers()

    def page(self, status: int, body: str) -> None:
        """Answer a browser."""
        self.answer(status, f"<!doctype html><title>Log in</title>{body}", {"Content-Type": "text/html"})

    def answer(self, status: int, body: Any, headers: Mapping[str, str]) -> None:
        """Answer with text, or with a value as JSON."""
        if isinstance(body, dict):
            self.world.given.append(body)
        octets = (body if isinstance(body, str) else json.dumps(body)).encode()
        self.send_response_only(status)
        self.send_header("Date", formatdate(self.world.state.now(), usegmt=True))
        for name, value in {**headers, "Content-Length": str(len(octets))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(octets)

    def hang_up(self) -> None:
        """Close without an answer."""
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


class Listener(ThreadingHTTPServer):
    """Accepts connections."""

    daemon_threads = True

    def __init__(self, world: AuthorizationServer) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.world = world

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients of these tests hang up in the middle


# --- faults -----------------------------------------------------------------------------------------


def answering(status: int, body: Any, **headers: str) -> Fault:
    """Answer so in place of the server; underscores in header names stand for hyphens."""

    def fault(handler: Handler) -> bool:
        handler.answer(status, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return True

    return fault


def repeating(handler: Handler) -> bool:
    """Refuse a request, and repeat all that was sent, in the forms in which servers do."""
    sent = [text for name, text in handler.world.asked[-1].form.items() if name != "grant_type"]
    login = handler.headers.get("Authorization", "").removeprefix("Basic ")
    words = [form for text in sent for form in (text, quote(text, safe=""), base64_of(text))]
    handler.answer(400, {"error": "invalid_request", "error_description": " ".join([login, *words])}, {})
    return True


def base64_of(text: str) -> str:
    """The text in base64."""
    return b64encode(text.encode()).decode()


def silent(handler: Handler) -> bool:
    """Say nothing until the server ends."""
    handler.world.ending.wait()
    handler.hang_up()
    return True


def hanging_up(handler: Handler) -> bool:
    """Close the connection without an answer, with nothing done."""
    handler.hang_up()
    return True


def losing_the_answer(handler: Handler) -> bool:
    """Serve the request, and close the connection before the answer."""
    form = handler.world.asked[-1].form
    with handler.world.lock:
        handler.world.core.create_token_response(Request("POST", handler.world.token_url, form, {}))
    handler.hang_up()
    return True


@contextmanager
def running(*, small: bool = False, **settings: Any) -> Iterator[AuthorizationServer]:
    """Run a server until the block ends.

    Args:
        small: Sign with an elliptic curve: tokens of 430 octets in place of 680.
        settings: Values of :class:`~tests.servers.authorization_state.State`.
    """
    # A name of its own for the key: Dovecot never forgets one.
    name: KeyParameters = {"kid": secrets.token_hex(8)}
    key = ECKey.generate_key("P-256", name) if small else RSAKey.generate_key(2048, name)
    state = State(ISSUER, AUDIENCE, key, **settings)
    state.users |= {USER: USER_PASSWORD, OTHER_USER: "bob's own password"}
    state.clients |= {"connector": Client("connector", SECRET), "public": Client("public")}
    world = AuthorizationServer(state)
    with Listener(world) as listener:
        world.port = listener.server_address[1]
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield world
        finally:
            world.ending.set()
            listener.shutdown()
            thread.join()


# --- pages ------------------------------------------------------------------------------------------

_LOGIN = """<h1>Log in</h1><form method="post">{values}
<label>User <input name="login"></label> <label>Password <input name="password" type="password"></label>
<button>Next</button></form>"""
_CONSENT = """<h1>{user}, may the application do this?</h1><p>{what}</p><form method="post">{values}
<button name="decision" value="accept">Accept</button>
<button name="decision" value="refuse">Refuse</button></form>"""


def _hidden(values: Mapping[str, str]) -> str:
    return "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in values.items()
    )
