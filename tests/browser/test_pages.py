"""The worker's pages in a browser: log in, consent, refuse, test; with a worker that runs all the time."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import uuid4

import pytest
from pyzeebe import ZeebeClient

from tests.browser.person import Person
from tests.browser.test_consent import mail, settings
from tests.engine.service import start
from tests.engine.watch import Watch
from tests.engine.worker_process import Running, run
from tests.servers.authorization import OTHER_USER, USER, USER_PASSWORD, AuthorizationServer
from tests.servers.dovecot import Dovecot
from tests.servers.sink import Sink

TOKEN = "the-operators-own-token-of-the-pages"  # of this private worker only


@pytest.fixture(autouse=True)
def redirects(issuer: AuthorizationServer) -> None:
    """Let answers go to the pages."""
    issuer.state.clients["connector"].redirects = ("http://localhost/oauth2",)


@asynccontextmanager
async def working(engine_address: str, config: str, *options: str) -> AsyncIterator[tuple[Running, str]]:
    """A worker, and the address of its pages."""
    environ = {"SECRET_PAGES": TOKEN}
    async with run(engine_address, environ, "--config", config, *options) as worker:
        await worker.logged("pages are served")
        lines = [json.loads(line) for line in worker.log.splitlines() if "pages are served" in line]
        yield worker, lines[0]["address"]


async def enter(person: Person, address: str) -> None:
    await person.open(address)
    await person.type("Token", TOKEN)
    await person.press("Log in")


async def consent(person: Person, user: str = USER, password: str = USER_PASSWORD) -> None:
    await person.press_in("sales", "Authorize")
    await person.log_in(user, password)
    await person.press("Accept")


PAGES = {"listen": "localhost:0", "token": "secrets.PAGES"}


async def test_a_consent_while_the_worker_runs_serves_its_next_job(  # noqa: PLR0917 - fixtures
    person: Person,
    issuer: AuthorizationServer,
    dovecot: Dovecot,
    dovecot_sink: Sink,
    engine_address: str,
    zeebe: ZeebeClient,
    watch: Watch,
    tmp_path: Path,
) -> None:
    config = settings(issuer, dovecot, tmp_path, pages=PAGES)
    mark = uuid4().hex
    async with working(engine_address, config) as (_, address):
        early = await start(zeebe, tmp_path, mail("sales", "too early"))
        incident = await watch.incident(early)
        assert "AUTHORIZATION_REQUIRED" in incident["errorMessage"]
        assert "Run: smtp-connector authorize sales" in incident["errorMessage"]
        await enter(person, address)
        assert "not authorized" in await person.sees_in("sales")
        await consent(person)
        assert f"{USER} consented to mail openid. It serves the next mail." in await person.sees()
        await person.follow("Accounts")
        row = await person.sees_in("sales")
        assert "good" in row
        assert f"{USER} consented on " in row
        assert "access token until" in row
        await watch.completed(await start(zeebe, tmp_path, mail("sales", mark)))
    assert mark in dovecot_sink.received[-1].data.decode()


async def test_an_account_is_tested_with_a_mail(  # noqa: PLR0917 - fixtures
    person: Person,
    issuer: AuthorizationServer,
    dovecot: Dovecot,
    dovecot_sink: Sink,
    engine_address: str,
    tmp_path: Path,
) -> None:
    config = settings(issuer, dovecot, tmp_path, pages=PAGES)
    async with working(engine_address, config) as (_, address):
        await enter(person, address)
        await person.press_in("sales", "Test")
        assert "Test of sales: failed" in await person.sees()
        assert "Run: smtp-connector authorize sales" in await person.sees_in("grant")
        await person.follow("Accounts")
        await consent(person)
        await person.follow("Accounts")
        await person.type("Recipient of a test mail through sales", "ann@example.test")
        await person.press_in("sales", "Test")
        assert "Test of sales: warning" in await person.sees()  # its client secret is in the file
        assert "a new access token" in await person.sees_in("token")
        assert "logged in with" in await person.sees_in("auth")
        assert "sent to ann@example.test" in await person.sees_in("mail")
    assert "Test mail through sales" in dovecot_sink.received[-1].data.decode()


async def test_another_persons_consent_is_told_before_the_first_mail(
    person: Person, issuer: AuthorizationServer, dovecot: Dovecot, engine_address: str, tmp_path: Path
) -> None:
    config = settings(issuer, dovecot, tmp_path, pages=PAGES)
    async with working(engine_address, config) as (worker, address):
        await enter(person, address)
        await consent(person, OTHER_USER, "bob's own password")
        assert f"Attention: the account logs in as {USER}." in await person.sees()
        await person.follow("Accounts")
        assert f"otherwise consent again as {USER}" in await person.sees_in("sales")
        await worker.logged(f'"person": "{OTHER_USER}"')


async def test_a_refusal_and_an_administrators_missing_consent(
    person: Person, issuer: AuthorizationServer, dovecot: Dovecot, engine_address: str, tmp_path: Path
) -> None:
    config = settings(issuer, dovecot, tmp_path, pages=PAGES)
    async with working(engine_address, config) as (_, address):
        await enter(person, address)
        await person.press_in("sales", "Authorize")
        await person.log_in(USER, USER_PASSWORD)
        await person.press("Refuse")
        assert "The consent was refused" in await person.sees()
        await person.follow("Accounts")
        assert "not authorized" in await person.sees_in("sales")
        issuer.refusal = ("access_denied", "AADSTS90094: The grant requires admin permission.")
        await consent(person)
        assert "An administrator has to consent to the application first" in await person.sees()


async def test_without_the_token_nothing_is_shown(
    person: Person, issuer: AuthorizationServer, dovecot: Dovecot, engine_address: str, tmp_path: Path
) -> None:
    config = settings(issuer, dovecot, tmp_path, pages=PAGES)
    async with working(engine_address, config) as (worker, address):
        await person.open(f"{address}/accounts")
        await person.type("Token", "a guess")
        await person.press("Log in")
        assert "That is not the token." in await person.sees()
        assert "sales" not in await person.sees()
        await worker.logged("wrong token for the pages")
        await enter(person, address)
        await person.press("Log out")
        await person.open(f"{address}/accounts")
        assert "Token (pages.token)" in await person.sees()
        assert TOKEN not in worker.log


async def test_one_of_several_processes_serves_the_pages(
    person: Person, issuer: AuthorizationServer, dovecot: Dovecot, engine_address: str, tmp_path: Path
) -> None:
    config = settings(issuer, dovecot, tmp_path, pages=PAGES)
    async with working(engine_address, config, "--processes", "2") as (worker, address):
        await enter(person, address)
        await consent(person)
        assert "Done" in await person.sees()
        worker.process.terminate()
        assert await worker.ended() == 0
    assert worker.log.count('"pages are served"') == 1
