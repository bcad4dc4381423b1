"""The watch over OAuth credentials: warnings, metrics, grants that lie idle, and keys that were replaced."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from pydantic import SecretStr

from connector.accounts.credentials import ConfiguredCredential
from connector.auth.sources import TokenSources
from connector.auth.store import TokenStore
from connector.ledger import open_upkeep
from connector.model.credential import Credential
from connector.observe.metrics import Metrics
from connector.secrets.masker import Masker
from connector.send.assembly import Shared, open_pipeline
from connector.send.grant_watch import GrantWatch
from connector.settings.model import Settings
from tests.oauth import by_consent, consented, credential, file_store, key_file, new_key
from tests.servers.authorization import OTHER_USER, SECRET, USER, AuthorizationServer, answering

KEY = new_key()
GAUGE = "smtp_connector_credential_expires_timestamp_seconds"


@asynccontextmanager
async def watching(
    store: TokenStore, wanted: Credential, clock: list[datetime], **configured: Any
) -> AsyncIterator[tuple[GrantWatch, Metrics, list[MutableMapping[str, Any]]]]:
    sources, metrics = TokenSources(store, None, lambda _: None), Metrics()
    given = {"accounts": ("sales",), "mailboxes": (USER,), "secret_expires": None} | configured
    watch = GrantWatch(
        [ConfiguredCredential(wanted, **given)], sources, metrics, timedelta(days=14), lambda: clock[0]
    )
    with structlog.testing.capture_logs() as logs:
        try:
            yield watch, metrics, logs
        finally:
            await sources.aclose()


def events(logs: list[MutableMapping[str, Any]]) -> list[str]:
    return [line["event"] for line in logs if line["log_level"] == "warning"]


def now() -> datetime:
    return datetime.now(UTC)


async def test_what_ends_is_a_metric_and_a_warning_once_a_day(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    file, password, _ = key_file(tmp_path, "pkcs12")
    wanted = credential(
        authorization_server,
        client_secret=None,
        certificate=file,
        certificate_password=SecretStr(password or ""),
    )
    clock = [now()]
    secret_expires = (clock[0] + timedelta(days=10)).date()
    store = file_store(tmp_path / "tokens.json", KEY)
    async with watching(store, wanted, clock, secret_expires=secret_expires) as (watch, metrics, logs):
        await watch.look()
        assert events(logs) == ["client secret expires"]
        assert logs[0]["days_left"] == 9
        text = metrics.text().decode()
        for what in ("client secret", "certificate"):
            assert f'{GAUGE}{{credential="accounts.sales.oauth",what="{what}"}}' in text
        clock[0] += timedelta(hours=23)
        await watch.look()
        assert events(logs) == ["client secret expires"]
        clock[0] += timedelta(hours=1)
        await watch.look()
        assert events(logs) == ["client secret expires"] * 2
        clock[0] += timedelta(days=20)
        await watch.look()
        assert events(logs)[2:] == ["client secret expires", "certificate expires"]


@pytest.mark.parametrize(
    ("prepared", "event", "detail"),
    [
        ("nothing", "account not authorized", {"command": "smtp-connector authorize sales"}),
        ("other settings", "account not authorized", {"command": "smtp-connector authorize sales"}),
        ("another person", "consent by another person", {"person": OTHER_USER, "mailboxes": [USER]}),
    ],
)
async def test_an_account_that_cannot_send_is_told_of(
    authorization_server: AuthorizationServer,
    tmp_path: Path,
    prepared: str,
    event: str,
    detail: dict[str, Any],
) -> None:
    wanted = by_consent(authorization_server)
    store = file_store(tmp_path / "tokens.json", KEY)
    if prepared != "nothing":
        person = OTHER_USER if prepared == "another person" else USER
        await consented(store, authorization_server, wanted, person)
    if prepared == "other settings":
        wanted = replace(wanted, client_id="another")
    async with watching(store, wanted, [now()]) as (watch, _, logs):
        await watch.look()
    (line,) = logs
    assert line["event"] == event
    assert line.items() >= detail.items()
    assert line["accounts"] == ["sales"]


async def test_a_grant_that_lies_idle_is_used(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    wanted = by_consent(authorization_server, unused_days=90)
    store = file_store(tmp_path / "tokens.json", KEY)
    await consented(store, authorization_server, wanted)
    clock = [now() + timedelta(days=6)]
    async with watching(store, wanted, clock) as (watch, metrics, logs):
        await watch.look()
        assert authorization_server.token_requests() == []
        clock[0] += timedelta(days=2)
        await watch.look()
        assert len(authorization_server.token_requests("refresh_token")) == 1
        assert events(logs) == []
        assert 'what="grant"' in metrics.text().decode()


async def test_a_grant_that_cannot_be_used_in_time_is_told_of(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    wanted = by_consent(authorization_server, unused_days=90)
    store = file_store(tmp_path / "tokens.json", KEY)
    await consented(store, authorization_server, wanted)
    authorization_server.faults.append(answering(503, ""))
    async with watching(store, wanted, [now() + timedelta(days=80)]) as (watch, _, logs):
        await watch.look()
    assert events(logs) == ["idle grant not used", "grant expires"]
    assert logs[-1]["days_left"] == 9


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Set when a watch looks, which it does once all else is done."""
    event = asyncio.Event()

    async def look(_: GrantWatch) -> None:
        event.set()

    monkeypatch.setattr(GrantWatch, "look", look)
    return event


async def test_everything_is_encrypted_with_the_current_key_at_the_start(
    authorization_server: AuthorizationServer, tmp_path: Path, looked: asyncio.Event
) -> None:
    wanted = by_consent(authorization_server)
    path, newer = tmp_path / "tokens.json", new_key()
    await consented(file_store(path, KEY), authorization_server, wanted)
    sources = TokenSources(file_store(path, f"{newer},{KEY}"), None, lambda _: None)
    watch = GrantWatch([], sources, Metrics(), timedelta(days=14), now)
    running = asyncio.create_task(watch.run())
    await asyncio.wait_for(looked.wait(), 10)
    running.cancel()
    await asyncio.wait({running})
    await sources.aclose()
    assert not (await file_store(path, newer).read(wanted.place)).locked


async def test_a_worker_watches_and_a_single_mail_does_not(
    authorization_server: AuthorizationServer, looked: asyncio.Event
) -> None:
    oauth = {
        "grant": "client_credentials",
        "token_url": authorization_server.token_url,
        "client_id": "connector",
        "client_secret": SECRET,
    }
    account = {"host": "smtp.example.com", "address": USER, "oauth": oauth}
    tree = {"accounts": {"sales": account}, "ledger": {"kind": "memory"}}
    settings = Settings.model_validate(tree)
    async with open_upkeep(settings.ledger, settings.worker.lease) as upkeep:
        async with open_pipeline(settings, Masker(), {}):
            assert [task for task in asyncio.all_tasks() if "_watch_grants" in repr(task)] == []
        async with open_pipeline(settings, Masker(), {}, shared=Shared(upkeep)):
            assert [task for task in asyncio.all_tasks() if "_watch_grants" in repr(task)] != []
            await asyncio.wait_for(looked.wait(), 10)
