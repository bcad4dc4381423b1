"""The mail servers of the tests take a good token in both mechanisms, and no other."""

from __future__ import annotations

import base64
import imaplib
import poplib
import smtplib
import time
from collections.abc import Callable, Iterator

import pytest
from pydantic import SecretStr

from connector.auth.bearer import BEARER_MECHANISMS, BearerLogin, TokenRefusal
from tests.servers import authorization
from tests.servers.authorization import OTHER_USER, USER, AuthorizationServer
from tests.servers.dovecot import Dovecot
from tests.servers.postfix import Postfix

Outcome = TokenRefusal | None
"""What the server said about the token; None when it let the user in."""


@pytest.fixture(scope="module")
def tokens(dovecot: Dovecot) -> Iterator[AuthorizationServer]:
    """An authorization server that Dovecot trusts; its smallest tokens have half a kilobyte."""
    with authorization.running(small=True) as server:
        dovecot.trust(server.key_id, server.public_key, server.state.algorithm)
        yield server


def by_smtp(port: int, login: BearerLogin) -> Outcome:
    with smtplib.SMTP("127.0.0.1", port) as smtp:
        smtp.ehlo()
        smtp.starttls()
        smtp.docmd("AUTH", login.mechanism)
        code, text = smtp.docmd(base64.b64encode(login.message()).decode())
        if code == 235:
            return None
        assert code == 334
        code, _ = smtp.docmd(base64.b64encode(login.acknowledgement).decode())
        assert code == 535
    return TokenRefusal.read(base64.b64decode(text))


def by_imap(port: int, login: BearerLogin) -> Outcome:
    said: list[bytes] = []

    def answer(challenge: bytes) -> bytes:
        if not said and not challenge:
            said.append(b"")
            return login.message()
        said.append(challenge)
        return login.acknowledgement

    with imaplib.IMAP4("127.0.0.1", port) as imap:
        try:
            imap.authenticate(login.mechanism, answer)
        except imaplib.IMAP4.error:
            return TokenRefusal.read(said[-1])
    return None


def by_pop3(port: int, login: BearerLogin) -> Outcome:
    pop3 = poplib.POP3("127.0.0.1", port)
    try:
        pop3._shortcmd(f"AUTH {login.mechanism}")  # type: ignore[attr-defined]
        reply = pop3._shortcmd(base64.b64encode(login.message()).decode())  # type: ignore[attr-defined]
        if reply.startswith(b"+OK"):
            return None
        with pytest.raises(poplib.error_proto):
            pop3._shortcmd(base64.b64encode(login.acknowledgement).decode())  # type: ignore[attr-defined]
    finally:
        pop3.close()
    return TokenRefusal.read(base64.b64decode(reply[2:]))


@pytest.fixture(params=["postfix", "submission", "imap", "pop3"])
def log_in(request: pytest.FixtureRequest, dovecot: Dovecot) -> Callable[[BearerLogin], Outcome]:
    way = {"imap": by_imap, "pop3": by_pop3}.get(request.param, by_smtp)
    if request.param == "postfix":
        postfix: Postfix = request.getfixturevalue("token_postfix")
        return lambda login: way(postfix.port, login)
    return lambda login: way(dovecot.ports[request.param], login)


@pytest.mark.parametrize("mechanism", BEARER_MECHANISMS)
def test_a_good_token_lets_its_user_in(
    log_in: Callable[[BearerLogin], Outcome], tokens: AuthorizationServer, mechanism: str
) -> None:
    token = tokens.state.access_token(USER)
    assert len(token) < 512
    assert log_in(BearerLogin(mechanism, USER, SecretStr(token), "127.0.0.1", 587)) is None


@pytest.mark.parametrize("mechanism", BEARER_MECHANISMS)
@pytest.mark.parametrize("fault", ["expired", "audience", "user", "signature"])
def test_another_token_does_not(
    log_in: Callable[[BearerLogin], Outcome], tokens: AuthorizationServer, mechanism: str, fault: str
) -> None:
    tokens_with = {
        "expired": lambda: tokens.state.access_token(USER, exp=int(time.time()) - 60),
        "audience": lambda: tokens.state.access_token(USER, aud="other.example.test"),
        "user": lambda: tokens.state.access_token(OTHER_USER),
        "signature": lambda: tokens.state.access_token(USER)[:-8] + "AAAAAAAA",
    }
    login = BearerLogin(mechanism, USER, SecretStr(tokens_with[fault]()), "127.0.0.1", 587)
    refusal = log_in(login)
    assert refusal is not None
    assert refusal.status == ("401" if mechanism == "XOAUTH2" else "invalid_token")
