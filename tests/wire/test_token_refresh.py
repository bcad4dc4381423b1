"""Access tokens after a consent: refreshed, kept, shared, and renewed ahead of their end."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connector.auth.memory_store import MemoryStore
from connector.errors import ErrorCode
from tests.oauth import by_consent, consented, credential, file_store, new_key
from tests.servers.authorization import OTHER_USER, USER, AuthorizationServer, answering
from tests.wire.token_sources import Opening, claims, grow_old, refusal


async def test_a_rotated_refresh_token_is_kept(
    authorization_server: AuthorizationServer, opened: Opening, tmp_path: Path
) -> None:
    store, wanted = file_store(tmp_path / "tokens", new_key()), by_consent(authorization_server)
    first = await consented(store, authorization_server, wanted)
    tokens = await opened(wanted, store)
    token = await tokens.token()
    assert claims(authorization_server, token)["email"] == USER
    kept = (await store.read(wanted.place)).entry
    assert kept is not None
    assert kept.refresh not in {None, first}
    assert kept.consent is not None
    assert kept.consent.person == USER
    assert await tokens.token(token) != token
    assert authorization_server.state.ended == set()


async def test_a_refresh_token_that_stays_is_kept_too(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    authorization_server.state.rotate = False
    store, wanted = MemoryStore(), by_consent(authorization_server)
    first = await consented(store, authorization_server, wanted)
    tokens = await opened(wanted, store)
    await tokens.token(await tokens.token())
    kept = (await store.read(wanted.place)).entry
    assert kept is not None
    assert kept.refresh == first


async def test_a_hundred_at_once_make_one_request(
    authorization_server: AuthorizationServer, opened: Opening, tmp_path: Path
) -> None:
    store, wanted = file_store(tmp_path / "tokens", new_key()), by_consent(authorization_server)
    await consented(store, authorization_server, wanted)
    sources = [await opened(wanted, store) for _ in range(2)]
    tokens = await asyncio.gather(*(tokens.token() for tokens in sources * 50))
    assert len(set(tokens)) == 1
    assert len(authorization_server.token_requests()) == 1


async def test_a_hundred_whose_token_is_refused_make_one_request(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    store, wanted = MemoryStore(), by_consent(authorization_server)
    await consented(store, authorization_server, wanted)
    tokens = await opened(wanted, store)
    first = await tokens.token()
    found = await asyncio.gather(*(tokens.token(first) for _ in range(100)))
    assert len(set(found)) == 1
    assert len(authorization_server.token_requests()) == 2


async def test_a_new_token_that_is_refused_too_is_given_back(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    """Asking on would be of no use, and get the application locked out."""
    tokens = await opened(credential(authorization_server))
    second = await tokens.token(await tokens.token())
    assert await tokens.token(second) == second
    assert len(authorization_server.token_requests()) == 2


async def test_nobody_has_consented(authorization_server: AuthorizationServer, opened: Opening) -> None:
    store, wanted = MemoryStore(), by_consent(authorization_server)
    tokens = await opened(wanted, store)
    error = await refusal(tokens)
    assert error.code is ErrorCode.AUTHORIZATION_REQUIRED
    assert "Run: smtp-connector authorize sales" in error.message
    await consented(store, authorization_server, wanted)
    assert await tokens.token(), "the next mail finds the consent without a restart"


async def test_a_consent_to_other_settings(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    store = MemoryStore()
    await consented(store, authorization_server, by_consent(authorization_server))
    error = await refusal(await opened(by_consent(authorization_server, scopes=("mail", "more")), store))
    assert error.code is ErrorCode.AUTHORIZATION_REQUIRED
    assert "other settings" in error.message
    assert authorization_server.asked == []


async def test_another_client_secret_leaves_the_consent_good(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    store = MemoryStore()
    await consented(store, authorization_server, by_consent(authorization_server))
    authorization_server.state.clients["connector"].secret = "rotated"
    tokens = await opened(by_consent(authorization_server, client_secret=SecretStr("rotated")), store)
    assert await tokens.token()


async def test_a_revoked_grant_is_not_asked_for_again(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    store, wanted = MemoryStore(), by_consent(authorization_server)
    await consented(store, authorization_server, wanted)
    authorization_server.state.refreshes.clear()
    tokens = await opened(wanted, store)
    first, second = await refusal(tokens), await refusal(tokens)
    assert first.code is second.code is ErrorCode.AUTHORIZATION_REQUIRED
    assert first.error == "invalid_grant"
    assert "Run: smtp-connector authorize sales" in second.message
    assert len(authorization_server.token_requests()) == 1
    await consented(store, authorization_server, wanted)
    assert await tokens.token()


async def test_a_token_is_renewed_ahead_of_its_end_while_it_serves(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    tokens = await opened(credential(authorization_server))
    first = await tokens.token()
    grow_old(tokens, 3600 - 200)
    assert await tokens.token() == first, "nobody waits"
    await tokens.aclose()
    assert await tokens.token() != first
    assert len(authorization_server.token_requests()) == 2


async def test_an_endpoint_that_is_down_costs_nothing_while_a_token_serves(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    tokens = await opened(credential(authorization_server))
    first = await tokens.token()
    grow_old(tokens, 3600 - 200)
    authorization_server.faults.extend([answering(503, "")] * 2)
    assert await tokens.token() == first
    await tokens.aclose()
    assert await tokens.token() == first


async def test_a_token_that_has_ended_is_not_given(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    tokens = await opened(credential(authorization_server))
    first = await tokens.token()
    grow_old(tokens, 3600)
    assert await tokens.token() != first


@pytest.mark.parametrize("skew", [600, -600])
async def test_a_server_clock_that_is_off_changes_nothing(
    authorization_server: AuthorizationServer, opened: Opening, skew: float
) -> None:
    """The lifetime counts, not the moments in the token."""
    authorization_server.state.skew = skew
    tokens = await opened(credential(authorization_server))
    assert await tokens.token() == await tokens.token()
    assert len(authorization_server.token_requests()) == 1


@pytest.mark.parametrize("lifetime", [None, "3600", -5, "soon"])
async def test_a_lifetime_in_any_form(
    authorization_server: AuthorizationServer, opened: Opening, lifetime: Any
) -> None:
    authorization_server.faults.append(answering(200, {"access_token": "a", "expires_in": lifetime}))
    tokens = await opened(credential(authorization_server))
    assert await tokens.token() == await tokens.token() == SecretStr("a")


async def test_another_user_in_the_store_is_another_credential(
    authorization_server: AuthorizationServer, opened: Opening
) -> None:
    store = MemoryStore()
    ada = by_consent(authorization_server)
    bob = by_consent(authorization_server, place="accounts.bob.oauth")
    await consented(store, authorization_server, ada)
    await consented(store, authorization_server, bob, OTHER_USER)
    token = await (await opened(bob, store)).token()
    assert claims(authorization_server, token)["email"] == OTHER_USER
