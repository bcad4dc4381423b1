"""``smtp-connector authorize``: a person consents, and the grant is there for the next mail."""

from __future__ import annotations

import json
import re
import stat
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest
import yaml

from tests.commands.terminal import command, dialogue
from tests.oauth import new_key
from tests.servers.authorization import OTHER_USER, SECRET, USER, AuthorizationServer, answering

ADDRESS = r"http://127\.0\.0\.1:\d+/authorize\?\S+"


def settings(server: AuthorizationServer, directory: Path, **oauth: Any) -> str:
    """A file with two accounts on one grant, and one with a password."""
    block = {
        "grant": "authorization_code",
        "client_id": "connector",
        "client_secret": SECRET,
        "authorization_url": server.authorization_url,
        "token_url": server.token_url,
        "device_url": f"{server.base}/device_authorization",
        "revocation_url": f"{server.base}/revocation",
        "scopes": "mail openid",
        **oauth,
    }
    tree = {
        "credentials": {"shared": {name: value for name, value in block.items() if value is not None}},
        "accounts": {
            "sales": {"host": "mail.example.test", "address": USER, "oauth": "shared"},
            "support": {"host": "mail.example.test", "address": USER, "oauth": "shared"},
            "old": {"host": "mail.example.test", "username": "old", "password": "secrets.OLD"},
        },
        "tokens": {"path": str(directory / "tokens.json"), "key": new_key()},
    }
    file = directory / "worker.yaml"
    file.write_text(yaml.safe_dump(tree))
    return str(file)


async def come_back(where: str) -> httpx2.Response:
    """Go where the provider sends the browser."""
    async with httpx2.AsyncClient() as browser:
        return await browser.get(where)


async def test_a_consent_on_a_loopback_port(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    config = settings(authorization_server, tmp_path)
    async with dialogue("authorize", "sales", "--no-browser", "-c", config) as run:
        url = (await run.heard(ADDRESS))[0]
        page = await come_back(authorization_server.consent(url))
        ended = await run.ended()
    assert ended.code == 0, ended.stderr
    assert f"{USER} consented to mail openid" in ended.stdout
    assert "It serves sales, support from the next mail on" in ended.stdout
    assert page.status_code == 200
    assert "Done" in page.text
    assert "no-store" in page.headers["Cache-Control"]
    status = await command("authorize", "--status", "--json", "-c", config)
    (shared,) = json.loads(status.stdout)
    assert (status.code, shared["state"], shared["person"]) == (0, "good", USER)
    assert shared["accounts"] == ["sales", "support"]
    assert stat.S_IMODE((tmp_path / "tokens.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
async def test_both_families_of_addresses_are_listened_on(
    authorization_server: AuthorizationServer, tmp_path: Path, host: str
) -> None:
    config = settings(authorization_server, tmp_path)
    async with dialogue("authorize", "sales", "--no-browser", "-c", config) as run:
        url = (await run.heard(ADDRESS))[0]
        where = authorization_server.consent(url).replace("localhost", host)
        assert (await come_back(where)).status_code == 200
        assert (await run.ended()).code == 0


async def test_the_browser_is_opened(authorization_server: AuthorizationServer, tmp_path: Path) -> None:
    opened = tmp_path / "opened"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {opened}.new && mv {opened}.new {opened}\n')
    browser.chmod(0o755)
    config = settings(authorization_server, tmp_path)
    async with dialogue("authorize", "sales", "-c", config, environ={"BROWSER": str(browser)}) as run:
        printed = (await run.heard(ADDRESS))[0]
        deadline = time.monotonic() + 30
        while not opened.exists() and time.monotonic() < deadline:
            await run.heard(".")
        assert opened.read_text() == printed
        await come_back(authorization_server.consent(printed))
        assert (await run.ended()).code == 0


async def test_an_answer_is_pasted_where_the_browser_is_elsewhere(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    config = settings(authorization_server, tmp_path)
    async with dialogue("authorize", "support", "--no-browser", "-c", config) as run:
        url = (await run.heard(ADDRESS))[0]
        run.type(authorization_server.consent(url))
        assert (await run.ended()).code == 0


async def test_a_configured_redirect_address(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    client = authorization_server.state.clients["connector"]
    client.redirects = ("http://localhost/back", "https://worker.example.com/oauth2")
    config = settings(authorization_server, tmp_path, redirect_url="http://localhost/back")
    async with dialogue("authorize", "sales", "--no-browser", "-c", config) as run:
        where = authorization_server.consent((await run.heard(ADDRESS))[0])
        assert re.match(r"http://localhost:\d+/back\?", where)
        assert (await come_back(where.replace("/back", "/other"))).status_code == 404
        await come_back(where)
        assert (await run.ended()).code == 0


async def test_a_device_code(authorization_server: AuthorizationServer, tmp_path: Path) -> None:
    config = settings(authorization_server, tmp_path, client_id="public", client_secret=None)
    async with dialogue("authorize", "sales", "--device", "-c", config) as run:
        code = (await run.heard(r"enter ([A-Z]{4}-[A-Z]{4})"))[1]
        authorization_server.decide(code)
        ended = await run.ended()
    assert ended.code == 0, ended.stderr
    assert f"{USER} consented" in ended.stdout


async def test_a_refused_device_code(authorization_server: AuthorizationServer, tmp_path: Path) -> None:
    config = settings(authorization_server, tmp_path, client_id="public", client_secret=None)
    async with dialogue("authorize", "sales", "--device", "-c", config) as run:
        code = (await run.heard(r"enter ([A-Z]{4}-[A-Z]{4})"))[1]
        authorization_server.decide(code, agree=False)
        ended = await run.ended()
    assert (ended.code, "The consent was refused" in ended.stderr) == (1, True)


async def test_a_consent_by_another_person_is_a_warning(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    config = settings(authorization_server, tmp_path)
    async with dialogue("authorize", "sales", "--no-browser", "-c", config) as run:
        url = (await run.heard(ADDRESS))[0]
        page = await come_back(authorization_server.consent(url, OTHER_USER))
        ended = await run.ended()
    assert ended.code == 0
    assert f"Attention: the account logs in as {USER}" in ended.stdout
    assert f"otherwise consent again as {USER}" in ended.stdout
    assert "Attention" in page.text
    status = await command("authorize", "sales", "--status", "-c", config)
    assert f"warning        the account logs in as {USER}" in status.stdout


REFUSALS = {
    "refused": (("access_denied", ""), "The consent was refused: start again, and accept"),
    "refused at Microsoft": (
        ("access_denied", "AADSTS65004: User declined to consent"),
        "accept what is asked for",
    ),
    "no administrator's consent": (
        ("access_denied", "AADSTS90094: Admin consent is required"),
        "An administrator has to consent to the application first",
    ),
    "another tenant": (
        ("access_denied", "AADSTS50020: User account from another"),
        "log in as a user of the tenant",
    ),
    "unknown scope": (("invalid_scope", "AADSTS70011"), "credentials.shared.scopes"),
}


@pytest.mark.parametrize(("refusal", "words"), REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_has_its_own_words(
    authorization_server: AuthorizationServer, tmp_path: Path, refusal: tuple[str, str], words: str
) -> None:
    authorization_server.refusal = refusal
    config = settings(authorization_server, tmp_path)
    async with dialogue("authorize", "sales", "--no-browser", "-c", config) as run:
        page = await come_back(authorization_server.consent((await run.heard(ADDRESS))[0]))
        ended = await run.ended()
    assert ended.code == 1
    assert words in ended.stderr
    assert "No consent" in page.text
    assert not (tmp_path / "tokens.json").exists()


async def test_a_person_who_refuses(authorization_server: AuthorizationServer, tmp_path: Path) -> None:
    config = settings(authorization_server, tmp_path)
    async with dialogue("authorize", "sales", "--no-browser", "-c", config) as run:
        await come_back(authorization_server.consent((await run.heard(ADDRESS))[0], agree=False))
        ended = await run.ended()
    assert (ended.code, "The consent was refused" in ended.stderr) == (1, True)


async def test_an_answer_of_another_request_changes_nothing(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    """A page that an attacker has sent the browser to, with a code of the attacker's."""
    config = settings(authorization_server, tmp_path)
    async with dialogue("authorize", "sales", "--no-browser", "-c", config) as run:
        url = (await run.heard(ADDRESS))[0]
        where = authorization_server.consent(url)
        forged = await come_back(re.sub("state=[^&]+", "state=forged", where))
        assert forged.status_code == 400
        assert "belongs to another request" in forged.text
        assert (await come_back(where)).status_code == 200
        assert (await run.ended()).code == 0


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"access_token": "a", "refresh_token": "r", "scope": "openid"}, "leaves out mail"),
        ({"access_token": "a", "scope": "mail openid"}, "no refresh token"),
    ],
)
async def test_a_consent_that_is_of_no_use_is_not_kept(
    authorization_server: AuthorizationServer, tmp_path: Path, answer: dict[str, str], words: str
) -> None:
    authorization_server.faults.append(answering(200, answer))
    config = settings(authorization_server, tmp_path)
    async with dialogue("authorize", "sales", "--no-browser", "-c", config) as run:
        await come_back(authorization_server.consent((await run.heard(ADDRESS))[0]))
        ended = await run.ended()
    assert (ended.code, words in ended.stderr) == (1, True), ended.stderr
    assert not (tmp_path / "tokens.json").exists()


async def test_a_wrong_client_secret_names_the_setting(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    config = settings(authorization_server, tmp_path, client_secret="wrong-secret-canary")
    async with dialogue("authorize", "sales", "--no-browser", "-c", config) as run:
        await come_back(authorization_server.consent((await run.heard(ADDRESS))[0]))
        ended = await run.ended()
    assert ended.code == 1
    assert "credentials.shared.client_secret" in ended.stderr
    assert "wrong-secret-canary" not in ended.stderr + ended.stdout


async def test_what_to_enter_is_shown_before_anything_is_opened(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    shown = await command("authorize", "sales", "--show", "-c", settings(authorization_server, tmp_path))
    assert shown.code == 0
    for expected in (
        "redirect address          http://localhost",
        "scope                     mail",
        "connector",
    ):
        assert expected in shown.stdout
    assert SECRET not in shown.stdout
    assert authorization_server.asked == []


async def test_a_refresh_token_of_another_system_is_taken_over(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    config = settings(authorization_server, tmp_path)
    token = authorization_server.refresh_token(scope="mail openid")
    exported = json.dumps({"refreshToken": token, "accessToken": "x", "tokenExpiry": 1, "scope": "mail"})
    taken = await command("authorize", "sales", "--import", "-", "-c", config, stdin=exported)
    assert taken.code == 0, taken.stderr
    assert token not in (tmp_path / "tokens.json").read_text()
    assert authorization_server.state.refreshes[token].used
    again = await command("authorize", "sales", "--import", "-", "-c", config, stdin=exported)
    assert again.code == 1
    status = await command("authorize", "sales", "--status", "-c", config)
    assert "credentials.shared: good" in status.stdout, "what failed has not replaced what is good"


@pytest.mark.parametrize("exported", ["{}", '{"refreshToken": ""}', "[]", "x", '{"refreshToken": 5}'])
async def test_what_is_no_refresh_token(
    authorization_server: AuthorizationServer, tmp_path: Path, exported: str
) -> None:
    config = settings(authorization_server, tmp_path)
    taken = await command("authorize", "sales", "--import", "-", "-c", config, stdin=exported)
    assert taken.code == 2
    assert authorization_server.asked == []


async def test_a_shared_grant_is_revoked_after_a_question(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    config = settings(authorization_server, tmp_path)
    token = authorization_server.refresh_token(scope="mail openid")
    exported = json.dumps({"refreshToken": token})
    await command("authorize", "sales", "--import", "-", "-c", config, stdin=exported)
    asked = await command("authorize", "sales", "--revoke", "-c", config)
    assert asked.code == 1
    assert "used by the accounts sales, support" in asked.stderr
    assert authorization_server.state.ended == set()
    revoked = await command("authorize", "sales", "--revoke", "--yes", "-c", config)
    assert (revoked.code, "was given back" in revoked.stdout) == (0, True)
    assert len(authorization_server.state.ended) == 1
    status = await command("authorize", "--status", "-c", config)
    assert (status.code, "credentials.shared: not authorized" in status.stdout) == (1, True)
    assert "smtp-connector authorize sales" in status.stdout


async def test_a_store_without_its_key_is_told_of_before_the_consent(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    config = (settings(authorization_server, tmp_path), "--set", "tokens.key=secrets.NOWHERE")
    ended = await command("authorize", "sales", "--no-browser", "-c", *config)
    assert ended.code == 1
    assert ended.stdout == ""
    assert "tokens.key: there is no secret NOWHERE" in ended.stderr
    status = await command("authorize", "--status", "-c", *config)
    assert (status.code, "credentials.shared: unknown" in status.stdout) == (1, True), status.stderr
    assert "tokens.key: there is no secret NOWHERE" in status.stdout


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["old"], "logs in without OAuth"),
        (["slaes"], "did you mean sales?"),
        ([], "which account?"),
        (["sales", "--device", "--show"], "--device and --show are different things"),
    ],
)
async def test_wrong_usage(
    authorization_server: AuthorizationServer, tmp_path: Path, arguments: list[str], words: str
) -> None:
    ended = await command("authorize", *arguments, "-c", settings(authorization_server, tmp_path))
    assert (ended.code, words in ended.stderr) == (2, True), ended.stderr


async def test_an_application_needs_no_consent(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    config = settings(authorization_server, tmp_path, grant="client_credentials")
    ended = await command("authorize", "sales", "-c", config)
    assert (ended.code, "which needs no consent" in ended.stderr) == (2, True)
