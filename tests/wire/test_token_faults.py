"""Everything that goes wrong at a token endpoint: each fault has its code and names what to change."""

from __future__ import annotations

import traceback
from dataclasses import replace
from datetime import timedelta

import pytest

from connector.auth.memory_store import MemoryStore
from connector.errors import ErrorCode
from connector.model.credential import ClientAuthentication, Endpoints
from tests.oauth import by_consent, consented, credential
from tests.servers import authorization
from tests.servers.authorization import (
    AuthorizationServer,
    answering,
    hanging_up,
    losing_the_answer,
    silent,
)
from tests.wire.token_sources import Opening, refusal

HTML = "<html><body>Welcome to the hotel's network</body></html>"


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (answering(500, "oh"), "answered 500"),
        (answering(503, HTML, Content_Type="text/html"), "answered 503"),
        (answering(200, HTML, Content_Type="text/html"), "answered 200 with text/html, not with JSON"),
        (answering(404, HTML, Content_Type="text/html"), "answered 404 with text/html, not with JSON"),
        (
            answering(302, "", Location="https://elsewhere.example/login?key=s3cret"),
            "a redirect to https://elsewhere.example/login, which is not followed",
        ),
        (answering(200, {"token_type": "Bearer"}), "without an access token"),
        (answering(200, {"access_token": ["a"]}), "without an access token"),
        (answering(200, {"access_token": "a", "token_type": "mac"}), "no bearer token"),
        (answering(200, ["access_token"]), "not with JSON"),
        (answering(400, {"error": "temporarily_unavailable"}), "temporarily_unavailable"),
        (answering(200, "x" * 2_000_000), "more than 1000000 bytes"),
        (hanging_up, "cannot be reached"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_an_endpoint_that_fails_for_now(
    authorization_server: AuthorizationServer, opened: Opening, fault: authorization.Fault, words: str
) -> None:
    authorization_server.faults.append(fault)
    error = await refusal(await opened(credential(authorization_server)))
    assert (error.code, error.retryable) == (ErrorCode.TOKEN_FAILED, True)
    assert words in error.message
    assert error.variables["server"] == f"127.0.0.1:{authorization_server.port}"


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7), ("999999", 3600), ("Fri, 31 Dec 1999 23:59:59 GMT", 0), ("soon", None)]
)
async def test_retry_after_is_the_pause(
    authorization_server: AuthorizationServer, opened: Opening, header: str, seconds: int | None
) -> None:
    authorization_server.faults.append(answering(429, {"error": "slow_down"}, Retry_After=header))
    error = await refusal(await opened(credential(authorization_server)))
    assert error.code is ErrorCode.TOKEN_FAILED
    assert error.retry_after == (timedelta(seconds=seconds) if seconds is not None else None)


async def test_an_endpoint_is_left_alone_as_long_as_it_wants(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    authorization_server.faults.append(answering(429, "", Retry_After="600"))
    tokens = await opened(credential(authorization_server))
    for _ in range(50):
        await refusal(tokens)
    assert len(authorization_server.token_requests()) == 1


async def test_a_silent_endpoint(
    authorization_server: AuthorizationServer, opened: Opening, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.auth.endpoint._SECONDS", 0.05)
    authorization_server.faults.append(silent)
    error = await refusal(await opened(credential(authorization_server)))
    assert error.code is ErrorCode.TOKEN_FAILED
    assert "did not answer in 0.05 s" in error.message


async def test_a_dead_endpoint(authorization_server: AuthorizationServer, opened: Opening) -> None:
    wanted = credential(authorization_server)
    dead = replace(wanted, endpoints=Endpoints("http://127.0.0.1:1/token"))
    error = await refusal(await opened(dead))
    assert error.code is ErrorCode.TOKEN_FAILED
    assert "cannot be reached" in error.message


async def test_credentials_do_not_travel_in_clear(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    wanted = credential(authorization_server)
    clear = replace(wanted, endpoints=Endpoints("http://login.example.com/token"))
    error = await refusal(await opened(clear))
    assert "https://" in error.message
    assert authorization_server.asked == []


@pytest.mark.parametrize(
    ("status", "answer", "code", "words"),
    [
        (401, {"error": "invalid_client"}, ErrorCode.AUTH_FAILED, "accounts.sales.oauth.client_secret"),
        (400, {"error": "invalid_scope"}, ErrorCode.AUTH_FAILED, "accounts.sales.oauth.scopes (sent: mail)"),
        (400, {"error": "unauthorized_client"}, ErrorCode.AUTH_FAILED, "accounts.sales.oauth.client_id"),
        (400, {"error": "nothing_we_know"}, ErrorCode.AUTH_FAILED, "check accounts.sales.oauth."),
        (200, {"error": "invalid_client"}, ErrorCode.AUTH_FAILED, "said: 200 invalid_client"),
        (
            401,
            {
                "error": "invalid_client",
                "error_description": "AADSTS7000215: Invalid client secret provided.",
            },
            ErrorCode.AUTH_FAILED,
            "enter the secret's value, which the portal shows once, not its id",
        ),
        (
            401,
            {"error": "invalid_client", "error_description": "AADSTS7000222: expired keys"},
            ErrorCode.AUTH_FAILED,
            "The client secret has expired",
        ),
        (
            400,
            {"error": "unauthorized_client", "error_description": "AADSTS700016: not found"},
            ErrorCode.AUTH_FAILED,
            "accounts.sales.oauth.tenant",
        ),
    ],
)
async def test_a_refusal_names_the_setting(  # noqa: PLR0917 - pytest gives them by name
    authorization_server: AuthorizationServer,
    opened: Opening,
    status: int,
    answer: dict[str, str],
    code: ErrorCode,
    words: str,
) -> None:
    authorization_server.faults.append(answering(status, answer))
    error = await refusal(await opened(credential(authorization_server)))
    assert (error.code, error.retryable) == (code, False)
    assert words in error.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"error": "invalid_grant"}, "takes the refresh token no more"),
        ({"error": "interaction_required"}, "log in again"),
        (
            {"error": "invalid_grant", "error_description": "AADSTS65001: not consented"},
            "An administrator has to",
        ),
        (
            {"error": "invalid_grant", "error_description": "AADSTS700082: inactivity"},
            "not used for too long",
        ),
        ({"error": "invalid_grant", "error_description": "AADSTS53003: blocked"}, "Conditional Access"),
    ],
)
async def test_a_grant_that_has_ended_names_the_command(
    authorization_server: AuthorizationServer, opened: Opening, answer: dict[str, str], words: str
) -> None:
    store, wanted = MemoryStore(), by_consent(authorization_server)
    await consented(store, authorization_server, wanted)
    authorization_server.faults.append(answering(400, answer))
    error = await refusal(await opened(wanted, store))
    assert error.code is ErrorCode.AUTHORIZATION_REQUIRED
    assert words in error.message
    assert error.message.endswith("Run: smtp-connector authorize sales")


async def test_an_answer_that_repeats_what_was_sent_is_not_quoted(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    store, wanted = MemoryStore(), by_consent(authorization_server)
    token = (await consented(store, authorization_server, wanted)).get_secret_value()
    words = f"Refused {token} of {authorization.SECRET}\r\nX: y" + "z" * 5000
    authorization_server.faults.append(answering(400, {"error": "invalid_grant", "error_description": words}))
    told = str(await refusal(await opened(wanted, store)))
    assert token not in told
    assert authorization.SECRET not in told
    assert "Refused *** of ***" in told
    assert "\n" not in told
    assert len(told) < 700


@pytest.mark.parametrize("way", list(ClientAuthentication))
@pytest.mark.parametrize("by_person", [True, False])
async def test_a_traceback_holds_no_secret(
    authorization_server: AuthorizationServer, opened: Opening, way: ClientAuthentication, by_person: bool
) -> None:
    make = by_consent if by_person else credential
    store, wanted = MemoryStore(), make(authorization_server, client_authentication=way)
    token = (await consented(store, authorization_server, wanted)).get_secret_value()
    authorization_server.faults.extend([authorization.repeating, answering(200, {"token_type": token})])
    for _ in range(2):
        error = await refusal(await opened(wanted, store))
        told = "".join(traceback.format_exception(error)) + repr(error) + repr(error.variables)
        assert "invalid_request" in told or "access token" in told
        for secret in (token, authorization.SECRET):
            for form in (secret, authorization.base64_of(secret).rstrip("=")[:-1]):
                assert form not in told


async def test_a_secret_in_base64_at_the_end_of_an_answer_is_not_shown_in_part(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    store, wanted = MemoryStore(), by_consent(authorization_server)
    token = (await consented(store, authorization_server, wanted)).get_secret_value()
    encoded = authorization.base64_of(token)
    words = "y" * 270 + encoded
    authorization_server.faults.append(answering(400, {"error": "invalid_grant", "error_description": words}))
    told = str(await refusal(await opened(wanted, store)))
    assert "y" * 270 in told
    assert encoded[4:24] not in told


async def test_a_lost_answer_costs_the_grant_and_says_why(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    store, wanted = MemoryStore(), by_consent(authorization_server)
    await consented(store, authorization_server, wanted)
    authorization_server.faults.append(losing_the_answer)
    tokens = await opened(wanted, store)
    assert (await refusal(tokens)).code is ErrorCode.TOKEN_FAILED
    again = await opened(wanted, store)
    error = await refusal(again)
    assert error.code is ErrorCode.AUTHORIZATION_REQUIRED
    assert "never got its answer, because the worker died or the connection broke" in error.message


@pytest.mark.parametrize("fault", [answering(429, ""), answering(400, {"error": "invalid_client"})])
async def test_a_failure_that_leaves_the_grant_good(
    authorization_server: AuthorizationServer, opened: Opening, fault: authorization.Fault
) -> None:
    store, wanted = MemoryStore(), by_consent(authorization_server)
    await consented(store, authorization_server, wanted)
    authorization_server.faults.append(fault)
    await refusal(await opened(wanted, store))
    kept = (await store.read(wanted.place)).entry
    assert kept is not None
    assert kept.asked is None
    assert await (await opened(wanted, store)).token()
