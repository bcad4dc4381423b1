"""Logging in with access tokens: at Postfix with Dovecot's SASL, at Dovecot's submission, at scripts."""

from __future__ import annotations

import base64
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connector.auth.entry import AccessToken
from connector.auth.memory_store import MemoryStore
from connector.auth.sources import TokenSources
from connector.errors import ErrorCode, Phase, TokenError, TransportError
from connector.model.server import Security, Server
from connector.settings.model import SmtpSettings
from connector.testing.behaviour import Behaviour, Say, Verb
from connector.testing.smtp import Offer, SmtpServer
from connector.transport.smtp.transport import SmtpTransport
from tests.oauth import by_consent, consented, credential
from tests.servers import authorization
from tests.servers.authorization import OTHER_USER, SECRET, USER, AuthorizationServer, answering
from tests.servers.dovecot import Dovecot
from tests.servers.postfix import Postfix
from tests.wire.smtp_submission import message

KILOBYTES = (500, 2_300, 6_000)


@pytest.fixture(scope="module")
def issuer(dovecot: Dovecot) -> Iterator[AuthorizationServer]:
    """An authorization server that Dovecot trusts; its smallest tokens have half a kilobyte."""
    with authorization.running(small=True) as server:
        dovecot.trust(server.key_id, server.public_key, server.state.algorithm)
        yield server


@pytest.fixture
def tokens(issuer: AuthorizationServer) -> Iterator[AuthorizationServer]:
    """That server, for one test."""
    issuer.asked.clear()
    yield issuer
    issuer.faults.clear()
    issuer.state.claims = {}
    issuer.state.size = 0
    issuer.state.lifetime = 3600


@pytest.fixture(params=["postfix", "submission"])
def server(request: pytest.FixtureRequest, dovecot: Dovecot) -> Server:
    """A real server that verifies tokens, as ada's."""
    port = dovecot.ports["submission"]
    if request.param == "postfix":
        postfix: Postfix = request.getfixturevalue("token_postfix")
        port = postfix.port
    return Server("localhost", port, Security.STARTTLS, USER)


@asynccontextmanager
async def transport(ca_file: Path | None = None) -> AsyncIterator[tuple[SmtpTransport, MemoryStore]]:
    store = MemoryStore()
    sources = TokenSources(store, None, lambda _: None)
    settings = SmtpSettings(ca_file=ca_file, helo_name="client.example")
    smtp = SmtpTransport(settings, tokens=sources.of)
    try:
        yield smtp, store
    finally:
        await smtp.aclose()
        await sources.aclose()


def only(monkeypatch: pytest.MonkeyPatch, mechanism: str) -> None:
    """Speak one mechanism; the servers offer both."""
    monkeypatch.setattr("connector.auth.sasl.BEARER_MECHANISMS", (mechanism,))


@pytest.mark.parametrize("size", KILOBYTES)
@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
async def test_a_token_of_any_size_logs_in(  # noqa: PLR0917 - pytest gives them by name
    server: Server,
    tokens: AuthorizationServer,
    dovecot: Dovecot,
    monkeypatch: pytest.MonkeyPatch,
    mechanism: str,
    size: int,
) -> None:
    only(monkeypatch, mechanism)
    tokens.state.size = size
    async with transport(dovecot.ca_file) as (smtp, store):
        wanted = by_consent(tokens)
        await consented(store, tokens, wanted)
        receipt = await smtp.submit(message("ann@example.test"), replace(server, credential=wanted))
    assert receipt.accepted == ("ann@example.test",)
    assert len(tokens.token_requests()) == 1


FAULTS: dict[str, dict[str, Any]] = {
    "expired": {"exp": int(time.time()) - 60},
    "another audience": {"aud": "other.example.test"},
    "another user": {"email": OTHER_USER},
}


@pytest.mark.parametrize("mechanism", ["XOAUTH2", "OAUTHBEARER"])
@pytest.mark.parametrize("fault", FAULTS)
async def test_a_token_that_is_refused_is_renewed_once(  # noqa: PLR0917 - pytest gives them by name
    server: Server,
    tokens: AuthorizationServer,
    dovecot: Dovecot,
    monkeypatch: pytest.MonkeyPatch,
    mechanism: str,
    fault: str,
) -> None:
    only(monkeypatch, mechanism)
    tokens.state.claims = FAULTS[fault]
    async with transport(dovecot.ca_file) as (smtp, store):
        wanted = by_consent(tokens)
        await consented(store, tokens, wanted)
        with pytest.raises(TransportError) as caught:
            await smtp.submit(message(), replace(server, credential=wanted))
    error = caught.value
    assert (error.code, error.phase) == (ErrorCode.AUTH_FAILED, Phase.AUTH)
    assert error.variables["smtpCode"] == 535
    status = "401" if mechanism == "XOAUTH2" else "invalid_token"
    assert f"refuses the access token (status {status}" in error.message
    assert "accounts.sales.oauth" in error.message
    assert len(tokens.token_requests()) == 2


async def test_a_revoked_token_is_renewed_and_the_mail_goes_out(
    server: Server, tokens: AuthorizationServer, dovecot: Dovecot
) -> None:
    async with transport(dovecot.ca_file) as (smtp, store):
        wanted = by_consent(tokens)
        await consented(store, tokens, wanted)
        source = smtp._tokens(wanted)  # type: ignore[misc]
        tokens.state.claims = {"exp": int(time.time()) - 60}  # as good as revoked, and only the server knows
        await source.token()
        tokens.state.claims = {}
        receipt = await smtp.submit(message("ann@example.test"), replace(server, credential=wanted))
    assert receipt.accepted == ("ann@example.test",)
    assert len(tokens.token_requests()) == 2


@pytest.mark.parametrize("step", [600, -600])
async def test_a_clock_that_was_set_while_a_token_was_kept(
    server: Server, tokens: AuthorizationServer, dovecot: Dovecot, step: int
) -> None:
    """A token of a quarter of an hour looks ten minutes younger, and has ended; or ten minutes older."""
    kept = tokens.state.access_token(USER, exp=int(time.time()) + (-60 if step > 0 else 900))
    async with transport(dovecot.ca_file) as (smtp, store):
        wanted = by_consent(tokens)
        await consented(store, tokens, wanted)
        async with store.turn(wanted.place) as turn:
            assert turn.kept.entry is not None
            access = AccessToken(SecretStr(kept), turn.kept.now + step, 900)
            await turn.keep(replace(turn.kept.entry, access=access))
        receipt = await smtp.submit(message("ann@example.test"), replace(server, credential=wanted))
    assert receipt.accepted == ("ann@example.test",)
    assert len(tokens.token_requests()) == 1


async def test_an_applications_own_token(
    server: Server, tokens: AuthorizationServer, dovecot: Dovecot
) -> None:
    tokens.state.claims = {"email": USER}
    async with transport(dovecot.ca_file) as (smtp, _):
        receipt = await smtp.submit(
            message("ann@example.test"), replace(server, credential=credential(tokens))
        )
    assert receipt.accepted == ("ann@example.test",)


# --- servers that misbehave -------------------------------------------------------------------------


def scripted(behaviour: Behaviour, *mechanisms: str) -> SmtpServer:
    return SmtpServer(users={}, offer=Offer(auth=mechanisms or ("XOAUTH2",)), behaviour=behaviour)


async def refused_by(
    behaviour: Behaviour, tokens: AuthorizationServer, *mechanisms: str
) -> tuple[TransportError, SmtpServer]:
    async with scripted(behaviour, *mechanisms) as smtp_server, transport() as (smtp, _):
        target = Server("127.0.0.1", smtp_server.port, Security.NONE, USER, credential=credential(tokens))
        with pytest.raises(TransportError) as caught:
            await smtp.submit(message(), target)
        await smtp_server.wait_until_idle()
    return caught.value, smtp_server


@pytest.mark.parametrize(
    ("reply", "code", "requests"),
    [
        (Say(535, "5.7.8 no"), ErrorCode.AUTH_FAILED, 2),
        (Say(535, "5.7.139 SmtpClientAuthentication is disabled for the Tenant"), ErrorCode.AUTH_FAILED, 2),
        (Say(454, "4.7.0 Temporary authentication failure"), ErrorCode.AUTH_UNAVAILABLE, 1),
        (Say(432, "4.3.2 Concurrent connections limit exceeded"), ErrorCode.AUTH_UNAVAILABLE, 1),
        (Say(421, "4.7.0 Going"), ErrorCode.TEMPORARILY_REJECTED, 1),
        (Say(500, "5.5.2 Line too long"), ErrorCode.AUTH_FAILED, 1),
        (Say(500, "5.5.6 SASL response limit exceeded"), ErrorCode.AUTH_FAILED, 1),
    ],
    ids=lambda value: str(getattr(value, "code", value)),
)
async def test_what_a_refusal_costs(
    authorization_server: AuthorizationServer, reply: Say, code: ErrorCode, requests: int
) -> None:
    behaviour = Behaviour().on(Verb.CREDENTIALS, reply)
    error, _ = await refused_by(behaviour, authorization_server)
    assert (error.code, error.phase) == (code, Phase.AUTH)
    assert len(authorization_server.token_requests()) == requests
    if reply.code == 500:
        assert "longer than it takes" in error.message


async def test_no_token_goes_to_a_server_that_takes_none(authorization_server: AuthorizationServer) -> None:
    error, smtp_server = await refused_by(Behaviour(), authorization_server, "PLAIN", "LOGIN")
    assert "offers only PLAIN, LOGIN to log in, not XOAUTH2 or OAUTHBEARER" in error.message
    assert not [line for line in smtp_server.connections[-1].commands if line.startswith("AUTH")]


async def test_a_server_that_repeats_the_token_is_not_quoted(
    authorization_server: AuthorizationServer,
) -> None:
    token = authorization_server.state.access_token(USER)
    authorization_server.faults.extend([answering(200, {"access_token": token, "expires_in": 3600})] * 2)
    sent = base64.b64encode(f"user={USER}\x01auth=Bearer {token}\x01\x01".encode()).decode()
    behaviour = Behaviour().on(Verb.CREDENTIALS, Say(535, f"5.7.8 No: {token[:300]}", token, sent))
    error, _ = await refused_by(behaviour, authorization_server)
    told = f"{error} {error.variables} {error!r}"
    assert token not in told
    assert sent not in told
    assert SECRET not in told


async def test_a_server_is_not_dialled_without_a_token(authorization_server: AuthorizationServer) -> None:
    authorization_server.faults.append(answering(503, ""))
    async with scripted(Behaviour()) as smtp_server, transport() as (smtp, _):
        target = Server(
            "127.0.0.1", smtp_server.port, Security.NONE, USER, credential=credential(authorization_server)
        )
        with pytest.raises(TokenError) as caught:
            await smtp.submit(message(), target)
        assert smtp_server.connections == []
    assert caught.value.code is ErrorCode.TOKEN_FAILED


async def test_a_token_that_no_mechanism_can_carry(authorization_server: AuthorizationServer) -> None:
    authorization_server.faults.append(answering(200, {"access_token": "two words"}))
    error, _ = await refused_by(Behaviour(), authorization_server)
    assert "no bearer token" in error.message
    assert "two words" not in error.message


async def test_connections_are_shared_by_the_mails_of_one_credential(
    server: Server, tokens: AuthorizationServer, dovecot: Dovecot
) -> None:
    tokens.state.claims = {"email": USER}
    async with transport(dovecot.ca_file) as (smtp, _):
        target = replace(server, credential=credential(tokens))
        for _ in range(3):
            await smtp.submit(message("ann@example.test"), target)
        assert smtp.connections() == 1
