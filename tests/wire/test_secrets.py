"""Secrets over real sockets: where they may go, what a rotation costs, and that they are seen nowhere."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme

from connector.errors import SecretError
from connector.model.job import Complete, Fail, Outcome
from connector.observe.logs import configure_logging
from connector.secrets.cache import CachedSecrets
from connector.secrets.masker import Masker
from connector.secrets.resolve import SecretResolver
from connector.send.assembly import open_pipeline
from connector.send.pipeline import Pipeline
from connector.settings.model import LogSettings
from connector.settings.secrets import SecretSettings
from connector.settings.sources import load
from connector.testing.smtp import SmtpServer
from tests.contract.keepers import NAME, REMOTE, Keeper, server_tls
from tests.jobs import job
from tests.servers import secret_stores
from tests.servers.secret_stores import SecretStore, secret_store

PASSWORD = "cAnArY-pass/word+1"


@asynccontextmanager
async def pipeline(
    environ: Mapping[str, str], /, settings: Mapping[str, str] | None = None
) -> AsyncIterator[Pipeline]:
    loaded = load({}, overrides={"ledger.kind": "memory", **(settings or {})}).settings
    async with open_pipeline(loaded, Masker(), environ) as opened:
        yield opened


def mail(hostname: str, port: int, password: str = "secrets.PW", **changed: Any) -> dict[str, Any]:
    login = {"username": "worker", "password": password}
    return {
        "authentication": {"hostname": hostname, "port": port, **login},
        "smtpEmailMailBoxName": "workflow@example.test",
        "smtpEmailToRecipients": ["ann@example.test"],
        "smtpEmailSubject": "Order",
        "smtpEmailContent": "Thanks.",
        **changed,
    }


def error(outcome: Outcome) -> dict[str, Any]:
    assert isinstance(outcome, Fail)
    assert outcome.error is not None
    return dict(outcome.error)


# --- the attack: somebody who may edit a diagram wants the worker's password --------------------------


def bound(server: SmtpServer) -> dict[str, str]:
    return {"secrets.bind": json.dumps({"PW": [f"{server.hostname}:{server.port}"]})}


async def test_a_bound_secret_reaches_its_server() -> None:
    async with (
        SmtpServer(users={"worker": PASSWORD}) as relay,
        pipeline({"SECRET_PW": PASSWORD}, bound(relay)) as opened,
    ):
        assert isinstance(await opened.handle(job(mail(relay.hostname, relay.port))), Complete)


@pytest.mark.parametrize("spelling", ["localhost", "LOCALHOST", "localhost.", "::1", "[::1]", "secrets.EVIL"])
@pytest.mark.parametrize("password", ["secrets.PW", "{{secrets.PW}}", "{{ secrets.pw }}", "x{{secrets.P.W}}"])
async def test_a_bound_secret_never_reaches_another(spelling: str, password: str) -> None:
    environ = {"SECRET_PW": PASSWORD, "SECRET_P_W": PASSWORD, "SECRET_EVIL": "localhost"}
    async with (
        SmtpServer(users={"worker": PASSWORD}) as relay,
        SmtpServer(users={"worker": PASSWORD}) as evil,
    ):
        bind = {"PW": [f"127.0.0.1:{relay.port}"], "P_W": [f"127.0.0.1:{relay.port}"]}
        async with pipeline(environ, {"secrets.bind": json.dumps(bind)}) as opened:
            outcome = await opened.handle(job(mail(spelling, evil.port, password)))
            assert error(outcome)["code"] == "SECRET_NOT_ALLOWED"
            assert (evil.connections, relay.connections) == ([], [])


async def test_the_same_host_at_another_port_is_another_server() -> None:
    async with SmtpServer() as relay, SmtpServer() as evil:
        async with pipeline({"SECRET_PW": PASSWORD}, bound(relay)) as opened:
            outcome = await opened.handle(job(mail(relay.hostname, evil.port)))
        assert error(outcome)["code"] == "SECRET_NOT_ALLOWED"
        assert evil.connections == []


@pytest.mark.parametrize("hostname", ["{{secrets.PW}}.evil.test", "secrets.PW"])
async def test_a_bound_secret_is_not_looked_up_in_the_dns(
    hostname: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up: list[object] = []
    monkeypatch.setattr("socket.getaddrinfo", lambda host, *_, **__: looked_up.append(host))
    async with pipeline({"SECRET_PW": "hunter2"}, {"secrets.bind": '{"PW": "127.0.0.1"}'}) as opened:
        variables = mail(hostname, 587, "not the worker's")
        outcome = await opened.handle(job(variables))
    assert error(outcome)["code"] == "SECRET_NOT_ALLOWED"
    assert "hunter2" not in json.dumps(error(outcome))
    assert looked_up == []


@pytest.mark.parametrize("hostname", ["localhost", "LOCALHOST.", "[::1]", "127.0.0.2", "::ffff:127.0.0.1"])
async def test_a_task_can_name_no_server_that_the_operator_has_not_listed(hostname: str) -> None:
    async with SmtpServer() as relay:
        settings = {"smtp.hosts": f"127.0.0.1:{relay.port}"}
        async with pipeline({"SECRET_PW": PASSWORD}, settings) as opened:
            outcome = await opened.handle(job(mail(hostname, relay.port)))
        assert relay.connections == []
    assert error(outcome)["code"] == "INVALID_INPUT"
    assert error(outcome)["variables"]["field"] == "authentication.hostname"
    assert error(outcome)["variables"]["allowed"] == [f"127.0.0.1:{relay.port}"]
    assert "smtp.hosts" in error(outcome)["message"]


async def test_a_listed_server_is_used_and_its_other_ports_are_not() -> None:
    async with SmtpServer(users={"worker": PASSWORD}) as relay, SmtpServer() as other:
        settings = {"smtp.hosts": f"127.0.0.1:{relay.port}"}
        async with pipeline({"SECRET_PW": PASSWORD}, settings) as opened:
            first = await opened.handle(job(mail("127.0.0.1", relay.port), element_instance_key=1))
            outcome = await opened.handle(job(mail("127.0.0.1", other.port), element_instance_key=2))
        assert isinstance(first, Complete)
        assert error(outcome)["code"] == "INVALID_INPUT"
        assert other.connections == []


# --- a provider that is away, and a password that is rotated ------------------------------------------


@asynccontextmanager
async def with_vault(authority: trustme.CA, directory: Path) -> AsyncIterator[tuple[SecretStore, Pipeline]]:
    authority.cert_pem.write_to_path(str(directory / "ca.pem"))
    with secret_store(secret_stores.vault, server_tls(authority)) as store:
        store.tokens.add("hvs.given")
        settings = {
            "secrets.vault.address": f"https://127.0.0.1:{store.port}",
            "secrets.vault.ca_file": str(directory / "ca.pem"),
            "secrets.vault.token": "hvs.given",
            "secrets.vault.path": "mail",
            "smtp.pool.max_messages": "1",  # or the second mail would go over the first one's connection
        }
        async with pipeline({}, settings) as opened:
            yield store, opened


async def test_a_vault_that_is_down_fails_the_job_for_another_try_and_nothing_is_sent(
    tmp_path: Path, authority: trustme.CA
) -> None:
    async with (
        SmtpServer(users={"worker": PASSWORD}) as relay,
        with_vault(authority, tmp_path) as (store, opened),
    ):
        store.values["mail/PW"] = PASSWORD
        store.down = True
        outcome = await opened.handle(job(mail(relay.hostname, relay.port), retries=3))
        assert relay.connections == []
        assert error(outcome)["code"] == "SECRETS_UNAVAILABLE"
        assert isinstance(outcome, Fail)
        assert (outcome.retries, outcome.backoff) == (2, 30)
        store.down = False
        assert isinstance(await opened.handle(job(mail(relay.hostname, relay.port))), Complete)


async def test_after_a_refused_login_the_new_password_is_used_at_once(
    tmp_path: Path, authority: trustme.CA
) -> None:
    users = {"worker": "old-password"}
    async with SmtpServer(users=users) as relay, with_vault(authority, tmp_path) as (store, opened):
        store.values["mail/PW"] = "old-password"
        variables = mail(relay.hostname, relay.port)
        assert isinstance(await opened.handle(job(variables, element_instance_key=1)), Complete)
        users["worker"] = store.values["mail/PW"] = "new-password"
        assert isinstance(await opened.handle(job(variables, element_instance_key=2)), Complete)
        assert len(store.read) == 2


async def test_a_password_that_stays_refused_is_tried_once(tmp_path: Path, authority: trustme.CA) -> None:
    async with (
        SmtpServer(users={"worker": "another"}) as relay,
        with_vault(authority, tmp_path) as (store, opened),
    ):
        store.values["mail/PW"] = PASSWORD
        outcome = await opened.handle(job(mail(relay.hostname, relay.port)))
        assert error(outcome)["code"] == "AUTH_FAILED"
        assert len(relay.connections) == 1
        assert len(store.read) == 2


# --- a canary -----------------------------------------------------------------------------------------


@pytest.fixture(params=REMOTE)
async def remote(
    request: pytest.FixtureRequest, tmp_path: Path, authority: trustme.CA
) -> AsyncIterator[Keeper]:
    with REMOTE[request.param](tmp_path, authority) as keeper:
        yield keeper
        await keeper.aclose()


@pytest.fixture
def _logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = before


@pytest.mark.usefixtures("_logging_restored")
async def test_no_library_logs_a_value_or_a_credential_at_debug(
    remote: Keeper, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not even before the masker has heard of the value: the one that is looked for here never does."""
    configure_logging(LogSettings(level="debug", format="json"), Masker())
    cached = CachedSecrets(remote.provider, SecretSettings.model_validate({"ttl": 0}))
    resolver = SecretResolver([cached], SecretSettings(), lambda _: None)
    assert remote.store is not None
    for value in (PASSWORD, "rotated-cAnArY"):
        remote.put(value)
        await resolver.resolve({"authentication": {"password": f"secrets.{NAME}"}})
    remote.put("cAnArY" * 20_000)
    with pytest.raises(SecretError) as too_long:
        await resolver.resolve({"authentication": {"password": f"secrets.{NAME}"}})
    remote.store.denied.add(remote.kept_as)
    with pytest.raises(SecretError) as denied:
        await resolver.resolve({"authentication": {"password": f"secrets.{NAME}"}})
    for failure in (too_long, denied):
        logging.getLogger("connector").error("failed", exc_info=failure.value)
    logging.getLogger("connector").info("end of the log")
    written = capsys.readouterr().err
    assert "end of the log" in written
    credentials = (
        "vault-secret-id",
        "hvs.token-1",
        "worker's own key",
        "azure-access-token",
        "google-access",
    )
    for canary in ("cAnArY", *credentials):
        assert canary not in written


@pytest.mark.parametrize(("password", "shown"), [("plain-text-pw", False), ("short", True)])
async def test_a_jobs_own_password_is_masked_in_its_incident(password: str, shown: bool) -> None:
    """An engine may resolve secrets itself and hand over plain values. A short one may be any word."""
    async with SmtpServer() as server, pipeline({}) as opened:
        inputs = mail(server.hostname, server.port, password, smtpEmailAttachments=[f"/srv/{password}/a.txt"])
        outcome = await opened.handle(job(inputs))
    assert error(outcome)["code"] == "ATTACHMENT_NOT_ALLOWED"
    assert isinstance(outcome, Fail)
    assert (password in f"{outcome.message} {outcome.error}") is shown
