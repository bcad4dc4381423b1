"""One suite for two authorization servers: the tests' own on Authlib's core, and oidc-provider."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from joserfc.jwk import import_key
from pydantic import SecretStr

from connector.auth.client import OAuthClient
from connector.auth.consent import (
    ConsentResult,
    code_of,
    import_grant,
    keep_consent,
    request_consent,
    revoke_grant,
)
from connector.auth.device import DeviceRequest, await_device, request_device
from connector.auth.memory_store import MemoryStore
from connector.auth.source import Tokens
from connector.auth.sources import TokenSources
from connector.auth.store import TokenStore
from connector.errors import ErrorCode, TokenError
from connector.model.credential import ClientAuthentication, Credential, Endpoints, Grant
from tests.oauth import file_store, key_file, new_key
from tests.servers import authorization, oidc_provider
from tests.servers.authorization import SECRET, USER
from tests.servers.authorization_state import Client

REDIRECT = "http://localhost:49152"


@dataclass(frozen=True)
class Provider:
    """A server, and a person at it.

    Attributes:
        consents: Opens an address as a browser does, and consents; where the browser is sent.
        types_in: Enters a device's code, and consents.
        certificate: The key file of the client ``signer``.
    """

    endpoints: Endpoints
    consents: Callable[[str], Awaitable[str]]
    types_in: Callable[[DeviceRequest], Awaitable[object]]
    certificate: Path

    def credential(self, grant: Grant = Grant.AUTHORIZATION_CODE, **changes: Any) -> Credential:
        given = Credential(
            "accounts.sales.oauth",
            "custom",
            grant,
            self.endpoints,
            "connector",
            command="sales",
            client_secret=SecretStr(SECRET),
            scopes=("openid", "email", "mail") if grant.needs_consent else ("mail",),
        )
        return replace(given, **changes)


@pytest.fixture(scope="module", params=["authlib", "oidc-provider"])
def provider(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    file, _, public = key_file(tmp_path_factory.mktemp("provider"), "rsa")
    yield from (_authlib(file, public) if request.param == "authlib" else _oidc_provider(file, public))


def _authlib(file: Path, public: bytes) -> Iterator[Provider]:
    with authorization.running(scopes=frozenset({"openid", "email", "mail"})) as server:
        server.state.clients |= {
            "basic": Client("basic", SECRET),
            "signer": Client("signer", key=import_key(public, "RSA")),
        }
        endpoints = Endpoints(
            server.token_url,
            server.authorization_url,
            f"{server.base}/device_authorization",
            f"{server.base}/revocation",
        )

        async def consents(url: str) -> str:
            return server.consent(url)

        async def types_in(request: DeviceRequest) -> None:
            server.decide(request.user_code)

        yield Provider(endpoints, consents, types_in, file)


def _oidc_provider(file: Path, public: bytes) -> Iterator[Provider]:
    if reason := oidc_provider.missing():
        if os.environ.get("CI"):
            pytest.fail(f"CI must have oidc-provider: {reason}")
        pytest.skip(f"oidc-provider cannot be run here: {reason}")
    key = {**import_key(public, "RSA").as_dict(private=False), "use": "sig"}
    clients = (
        oidc_provider.client("connector", "client_secret_post", client_secret=SECRET),
        oidc_provider.client("basic", "client_secret_basic", client_secret=SECRET),
        oidc_provider.client("public", "none"),
        oidc_provider.client("signer", "private_key_jwt", jwks={"keys": [key]}),
    )
    with oidc_provider.running(*clients) as server:

        async def consents(url: str) -> str:
            return await oidc_provider.walk(url, USER)

        async def types_in(request: DeviceRequest) -> str:
            assert request.complete is not None
            return await oidc_provider.walk(request.complete, USER)

        yield Provider(server.endpoints, consents, types_in, file)


@asynccontextmanager
async def opened(store: TokenStore | None = None) -> AsyncIterator[TokenSources]:
    sources = TokenSources(store or MemoryStore(), None, lambda _: None)
    try:
        yield sources
    finally:
        await sources.aclose()


async def consented(provider: Provider, client: OAuthClient, store: TokenStore) -> ConsentResult:
    """Consent in a browser, and keep the grant."""
    request = request_consent(client.credential, REDIRECT, USER)
    where = await provider.consents(request.url)
    assert where.startswith(REDIRECT)
    code = code_of(client.credential, request, dict(parse_qsl(urlsplit(where).query)))
    granted = await client.redeem(code, request.verifier, REDIRECT)
    return await keep_consent(client, store, granted, (USER,))


async def refusal(tokens: Tokens) -> TokenError:
    with pytest.raises(TokenError) as caught:
        await tokens.token()
    return caught.value


async def test_a_consent_is_used_refreshed_and_rotated(provider: Provider) -> None:
    wanted = provider.credential()
    async with opened() as sources:
        result = await consented(provider, sources.client(wanted), sources.store)
        assert (result.person, result.by_another) == (USER, False)
        assert "mail" in result.scopes
        before = (await sources.store.read(wanted.place)).entry
        assert before is not None
        tokens = sources.of(wanted)
        first = await tokens.token()
        assert await tokens.token(first) != first
        after = (await sources.store.read(wanted.place)).entry
        assert after is not None
        assert after.refresh not in {None, before.refresh}
    # The provider ends the grant when a refresh token comes twice.
    assert before.refresh is not None
    async with opened() as other:
        client = other.client(wanted)
        with pytest.raises(TokenError) as caught:
            await import_grant(client, other.store, before.refresh, (USER,))
        assert (caught.value.code, caught.value.error) == (ErrorCode.AUTHORIZATION_REQUIRED, "invalid_grant")
        assert after.refresh is not None
        with pytest.raises(TokenError):
            await import_grant(client, other.store, after.refresh, (USER,))


async def test_two_workers_and_a_hundred_mails_leave_the_grant_good(
    provider: Provider, tmp_path: Path
) -> None:
    wanted, path, key = provider.credential(), tmp_path / "tokens.json", new_key()
    async with opened(file_store(path, key)) as one, opened(file_store(path, key)) as two:
        await consented(provider, one.client(wanted), one.store)
        workers = [one.of(wanted), two.of(wanted)]
        for _ in range(3):
            first = await workers[0].token()
            new = await asyncio.gather(*(worker.token(first) for worker in workers * 50))
            assert len(set(new)) == 1
            assert new[0] != first
            # A refused token is renewed once in a while only: both forget that it was.
            for worker in workers:
                worker._renewed = None


async def test_a_device_code(provider: Provider) -> None:
    wanted = provider.credential(Grant.DEVICE_CODE, client_id="public", client_secret=None)
    async with opened() as sources:
        client = sources.client(wanted)
        request = await request_device(client)

        async def at_once(_: float) -> None:
            """The person is quicker than any interval."""

        await provider.types_in(request)
        granted = await await_device(client, request, at_once)
        result = await keep_consent(client, sources.store, granted, (USER,))
        assert result.person == USER
        tokens = sources.of(wanted)
        assert await tokens.token(await tokens.token())


@pytest.mark.parametrize("way", ["post", "basic", "certificate"])
async def test_an_application_for_itself(provider: Provider, way: str) -> None:
    changes: dict[str, Any] = {"client_authentication": ClientAuthentication.POST}
    if way == "basic":
        changes = {"client_authentication": ClientAuthentication.BASIC, "client_id": "basic"}
    elif way == "certificate":
        changes = {"client_id": "signer", "client_secret": None, "certificate": provider.certificate}
    wanted = provider.credential(Grant.CLIENT_CREDENTIALS, **changes)
    async with opened() as sources:
        tokens = sources.of(wanted)
        first = await tokens.token()
        assert await tokens.token() == first
        assert await tokens.token(first) != first


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"client_secret": SecretStr("wrong")}, "accounts.sales.oauth.client_secret"),
        ({"client_id": "nobody"}, "accounts.sales.oauth.client_id"),
        ({"scopes": ("mail", "other")}, "accounts.sales.oauth.scopes (sent: mail other)"),
    ],
)
async def test_a_refusal_names_the_setting(provider: Provider, changes: dict[str, Any], words: str) -> None:
    async with opened() as sources:
        error = await refusal(sources.of(provider.credential(Grant.CLIENT_CREDENTIALS, **changes)))
    assert (error.code, error.retryable) == (ErrorCode.AUTH_FAILED, False)
    assert words in error.message
    assert SECRET not in str(error)


async def test_a_code_is_good_with_its_verifier_only(provider: Provider) -> None:
    async with opened() as sources:
        client = sources.client(provider.credential())
        request = request_consent(client.credential, REDIRECT)
        where = await provider.consents(request.url)
        code = code_of(client.credential, request, dict(parse_qsl(urlsplit(where).query)))
        with pytest.raises(TokenError) as caught:
            await client.redeem(code, "another-verifier-of-forty-three-characters-x", REDIRECT)
    assert caught.value.error == "invalid_grant"


async def test_a_grant_that_was_given_back_is_refused(provider: Provider) -> None:
    wanted = provider.credential()
    async with opened() as sources:
        client = sources.client(wanted)
        await consented(provider, client, sources.store)
        kept = (await sources.store.read(wanted.place)).entry
        assert kept is not None
        assert kept.refresh is not None
        assert await revoke_grant(client, sources.store)
        assert (await refusal(sources.of(wanted))).code is ErrorCode.AUTHORIZATION_REQUIRED
        with pytest.raises(TokenError) as caught:
            await import_grant(client, sources.store, kept.refresh, (USER,))
    assert caught.value.error == "invalid_grant"
