"""How long an answer is used, who shares it, and what becomes of it when the provider is away."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable

import pytest

from connector.errors import ErrorCode, SecretError
from connector.secrets.cache import CachedSecrets
from connector.secrets.port import ProviderUnavailableError, UnusableSecretError
from connector.secrets.resolve import SecretResolver
from connector.settings.secrets import SecretSettings

TTL, STALE = 300.0, 3600.0


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Remote:
    """A provider that gives what a test says, and can be held."""

    place = "the remote vault"

    def __init__(self) -> None:
        self.answer: str | Exception | None = "v1"
        self.asked = 0
        self.going = asyncio.Event()
        self.going.set()
        self.arrived = asyncio.Event()

    async def get(self, name: str) -> str | None:
        self.asked += 1
        answer = self.answer
        self.arrived.set()
        await self.going.wait()
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def remote() -> Remote:
    return Remote()


@pytest.fixture
def cached(remote: Remote, clock: Clock) -> CachedSecrets:
    return CachedSecrets(remote, SecretSettings(), clock)


async def test_a_value_is_used_for_its_time_and_then_asked_for_again(
    cached: CachedSecrets, remote: Remote, clock: Clock
) -> None:
    assert await cached.get("A") == "v1"
    remote.answer = "v2"
    clock.now += TTL - 1
    assert await cached.get("A") == "v1"
    clock.now += 1
    assert await cached.get("A") == "v2"
    assert remote.asked == 2


async def test_absence_is_kept_for_five_seconds(cached: CachedSecrets, remote: Remote, clock: Clock) -> None:
    remote.answer = None
    assert await cached.get("A") is None
    remote.answer = "made"
    clock.now += 4.9
    assert await cached.get("A") is None
    clock.now += 0.1
    assert await cached.get("A") == "made"


async def test_without_a_time_every_job_asks(remote: Remote, clock: Clock) -> None:
    cached = CachedSecrets(remote, SecretSettings.model_validate({"ttl": 0, "stale": 0}), clock)
    for _ in range(3):
        await cached.get("A")
    assert remote.asked == 3


async def test_a_forgotten_value_is_asked_for_again(cached: CachedSecrets, remote: Remote) -> None:
    await cached.get("A")
    remote.answer = "v2"
    cached.forget("A", since=math.inf)
    assert await cached.get("A") == "v2"


async def test_of_many_who_were_refused_with_one_value_the_first_asks(
    cached: CachedSecrets, remote: Remote, clock: Clock
) -> None:
    await cached.get("A")
    looked_up = clock.now
    clock.now += 1
    for _ in range(100):
        cached.forget("A", since=looked_up)
        await cached.get("A")
    assert remote.asked == 2


async def test_what_a_request_brings_after_it_was_forgotten_is_not_kept(
    cached: CachedSecrets, remote: Remote
) -> None:
    remote.going.clear()
    before = asyncio.create_task(cached.get("A"))
    await remote.arrived.wait()
    cached.forget("A", since=math.inf)
    remote.answer = "v2"
    after = asyncio.create_task(cached.get("A"))
    remote.arrived.clear()
    await asyncio.wait_for(remote.arrived.wait(), 10)
    remote.going.set()
    assert (await before, await after) == ("v1", "v2")
    assert await cached.get("A") == "v2"
    assert remote.asked == 2


async def test_an_old_value_bridges_an_outage_for_a_while(
    cached: CachedSecrets, remote: Remote, clock: Clock
) -> None:
    await cached.get("A")
    remote.answer = ProviderUnavailableError("sealed")
    clock.now += TTL
    assert await cached.get("A") == "v1"
    assert await cached.get("A") == "v1"
    assert remote.asked == 2  # not at every job: a provider that hangs would hold up each of them
    clock.now += 5
    assert await cached.get("A") == "v1"
    assert remote.asked == 3
    clock.now += STALE - 5
    with pytest.raises(ProviderUnavailableError, match="sealed"):
        await cached.get("A")


@pytest.mark.parametrize("ending", [UnusableSecretError("denied"), None])
async def test_a_value_that_was_withdrawn_does_not_come_back_in_an_outage(
    cached: CachedSecrets, remote: Remote, clock: Clock, ending: Exception | None
) -> None:
    await cached.get("A")
    clock.now += TTL
    remote.answer = ending
    if ending is None:
        assert await cached.get("A") is None
    else:
        with pytest.raises(UnusableSecretError):
            await cached.get("A")
    clock.now += 5
    remote.answer = ProviderUnavailableError("down")
    with pytest.raises(ProviderUnavailableError):
        await cached.get("A")


async def test_a_forgotten_value_does_not_bridge_an_outage(cached: CachedSecrets, remote: Remote) -> None:
    await cached.get("A")
    cached.forget("A", since=math.inf)
    remote.answer = ProviderUnavailableError("down")
    with pytest.raises(ProviderUnavailableError):
        await cached.get("A")


async def test_a_failure_is_everybodys_own_and_not_kept(cached: CachedSecrets, remote: Remote) -> None:
    remote.answer = ProviderUnavailableError("down")
    errors = await asyncio.gather(*(cached.get("A") for _ in range(8)), return_exceptions=True)
    assert len({id(error) for error in errors}) == 8
    assert {str(error) for error in errors} == {"down"}
    remote.answer = "v1"
    assert await cached.get("A") == "v1"
    assert remote.asked == 2


async def test_a_request_that_nobody_waits_for_fails_in_silence(
    cached: CachedSecrets, remote: Remote, caplog: pytest.LogCaptureFixture
) -> None:
    remote.answer = ProviderUnavailableError("down")
    remote.going.clear()
    job = asyncio.create_task(cached.get("A"))
    await remote.arrived.wait()
    job.cancel()
    await asyncio.wait({job})
    remote.going.set()
    await cached.aclose()
    assert caplog.records == []


async def test_closing_ends_what_is_under_way(cached: CachedSecrets, remote: Remote) -> None:
    remote.going.clear()
    job = asyncio.create_task(cached.get("A"))
    await remote.arrived.wait()
    await cached.aclose()
    with pytest.raises(asyncio.CancelledError):
        await job


async def test_names_are_not_kept_without_end(cached: CachedSecrets, remote: Remote) -> None:
    for number in range(1500):
        await cached.get(f"N{number}")
    await cached.get("N1499")
    assert remote.asked == 1500
    await cached.get("N0")
    assert remote.asked == 1501


async def test_a_secret_that_a_server_refused_is_asked_for_anew(
    cached: CachedSecrets, remote: Remote
) -> None:
    secrets = SecretResolver([cached], SecretSettings(), lambda _: None)
    resolved = await secrets.resolve_text("secrets.A", "f", "smtp.example.com", 587)
    secrets.forget(resolved.uses, since=math.inf)
    await secrets.resolve_text("secrets.A", "f", "smtp.example.com", 587)
    assert remote.asked == 2


async def test_a_provider_that_is_away_fails_the_job_for_another_try(
    cached: CachedSecrets, remote: Remote
) -> None:

    remote.answer = ProviderUnavailableError("it answered 503")
    remembered: list[str] = []
    remember: Callable[[str], None] = remembered.append
    secrets = SecretResolver([cached], SecretSettings(), remember)
    with pytest.raises(
        SecretError, match=r"cannot be looked up now \(the remote vault\): it answered 503"
    ) as caught:
        await secrets.resolve({"authentication": {"password": "secrets.A"}})
    assert caught.value.code is ErrorCode.SECRETS_UNAVAILABLE
    assert caught.value.variables["retryable"] is True
    remote.answer = "v2"
    await secrets.resolve({"authentication": {"password": "secrets.A"}})
    assert remembered == ["v2"]
