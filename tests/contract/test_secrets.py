"""One list of promises over every place that keeps secrets; the remote ones behind their cache as well."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from connector.secrets.cache import CachedSecrets
from connector.secrets.port import ProviderUnavailableError, UnusableSecretError
from connector.settings.secrets import SecretSettings
from tests.contract.keepers import KEEPERS, NAME, REMOTE, Keeper
from tests.servers.secret_stores import SecretStore


@pytest.fixture(params=KEEPERS)
async def keeper(
    request: pytest.FixtureRequest, tmp_path: Path, authority: trustme.CA
) -> AsyncIterator[Keeper]:
    with KEEPERS[request.param](tmp_path, authority) as keeper:
        yield keeper
        await keeper.aclose()


@pytest.fixture(params=REMOTE)
async def remote(
    request: pytest.FixtureRequest, tmp_path: Path, authority: trustme.CA
) -> AsyncIterator[Keeper]:
    with REMOTE[request.param](tmp_path, authority) as keeper:
        yield keeper
        await keeper.aclose()


def service(keeper: Keeper) -> SecretStore:
    assert keeper.store is not None
    return keeper.store


async def test_a_value_is_found(keeper: Keeper) -> None:
    keeper.put("pass-word")
    assert await keeper.provider.get(NAME) == "pass-word"


async def test_what_is_not_there_is_none(keeper: Keeper) -> None:
    keeper.put(None)
    assert await keeper.provider.get(NAME) is None
    keeper.put("value")
    assert await keeper.provider.get("mail/relay-passwor") is None


async def test_a_rotated_value_is_found(keeper: Keeper) -> None:
    for value in ("old", "new"):
        keeper.put(value)
        assert await keeper.provider.get(NAME) == value


@pytest.mark.parametrize(
    ("kept", "value"),
    [
        ("value\n", "value"),
        ("value\r\n", "value"),
        ("value\n\n", "value\n"),
        (" value ", " value "),
        ("gr\u00fc\u00df \U0001f511", "gr\u00fc\u00df \U0001f511"),
        ('{"json": "as it is"}', '{"json": "as it is"}'),
        ("secrets.OTHER", "secrets.OTHER"),
    ],
)
async def test_a_value_is_its_text_without_one_line_break_at_its_end(
    keeper: Keeper, kept: str, value: str
) -> None:
    keeper.put(kept)
    assert await keeper.provider.get(NAME) == value


@pytest.mark.parametrize("value", ["", "\n"])
async def test_an_empty_value_is_a_mistake_and_not_a_password(keeper: Keeper, value: str) -> None:
    keeper.put(value)
    with pytest.raises(UnusableSecretError, match="is empty"):
        await keeper.provider.get(NAME)


async def test_a_value_that_is_too_long_is_refused(keeper: Keeper) -> None:
    keeper.put("x" * 65_537)
    with pytest.raises(UnusableSecretError, match="more than 65536 bytes"):
        await keeper.provider.get(NAME)


@pytest.mark.parametrize("name", ["mail/../mail/relay-password", "mail/../../sys/relay-password"])
async def test_a_name_that_leads_elsewhere_gives_nothing(keeper: Keeper, name: str) -> None:
    keeper.put("value")
    (found,) = await asyncio.gather(keeper.provider.get(name), return_exceptions=True)
    assert found is None or "'..'" in str(found)


async def test_a_denied_secret_is_not_absent_and_says_what_to_grant(remote: Keeper) -> None:
    remote.put("canary")
    service(remote).denied.add(remote.kept_as)
    with pytest.raises(UnusableSecretError, match=r"polic|role|GetSecretValue") as caught:
        await remote.provider.get(NAME)
    assert "canary" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_a_service_that_fails_is_not_absent(remote: Keeper) -> None:
    remote.put("value")
    service(remote).down = True
    with pytest.raises(ProviderUnavailableError):
        await remote.provider.get(NAME)
    service(remote).down = False
    assert await remote.provider.get(NAME) == "value"


async def test_an_unreachable_service_is_not_absent(remote: Keeper) -> None:
    service(remote).stop()
    with pytest.raises(ProviderUnavailableError, match=r"cannot be|no access token"):
        await remote.provider.get(NAME)


async def test_a_slow_service_is_given_up(remote: Keeper) -> None:
    remote.put("value")
    service(remote).going.clear()
    cached = CachedSecrets(remote.provider, SecretSettings.model_validate({"timeout": 0.2}))
    with pytest.raises(ProviderUnavailableError, match=r"no answer within 0\.2 s"):
        await cached.get(NAME)
    service(remote).going.set()
    assert await CachedSecrets(remote.provider, SecretSettings()).get(NAME) == "value"


async def test_64_jobs_make_one_request_and_a_cancelled_one_takes_no_other_along(remote: Keeper) -> None:
    remote.put("value")
    service(remote).going.clear()
    cached = CachedSecrets(remote.provider, SecretSettings())
    jobs = [asyncio.create_task(cached.get(NAME)) for _ in range(64)]
    assert await asyncio.to_thread(service(remote).arrived.wait, 10)
    for job in jobs[:32]:
        job.cancel()
    service(remote).going.set()
    assert await asyncio.gather(*jobs[32:]) == ["value"] * 32
    assert len(service(remote).read) == 1
    assert all(job.cancelled() for job in jobs[:32])


async def test_many_names_at_once(keeper: Keeper) -> None:
    keeper.put("value")
    found = await asyncio.gather(*(keeper.provider.get(NAME if n % 2 else f"x/y{n}") for n in range(40)))
    assert found == [None, "value"] * 20
