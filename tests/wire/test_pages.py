"""The worker's pages over HTTP: who may see them, which answers count, what a form needs."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from connector.auth.browser import BrowserRequest
from connector.auth.loopback import NotListeningError
from connector.pages.server import serving_pages
from connector.pages.site import AccountPages
from connector.secrets.masker import Masker
from connector.settings.model import Settings
from tests.oauth import new_key
from tests.servers.authorization import SECRET, USER, AuthorizationServer, answering

TOKEN = "the-operators-own-token-of-the-pages"  # of this private worker only


def settings(issuer: AuthorizationServer, directory: Path, **changed: Any) -> Settings:
    oauth = {
        "grant": "authorization_code",
        "client_id": "connector",
        "client_secret": SECRET,
        "authorization_url": issuer.authorization_url,
        "token_url": issuer.token_url,
        "device_url": f"{issuer.base}/device_authorization",
        "scopes": "mail openid",
        **changed.pop("oauth", {}),
    }
    tree = {
        "accounts": {
            "sales": {"host": "mail.example.test", "address": USER, "oauth": oauth},
            "old": {"host": "mail.example.test", "username": "old", "password": "secrets.OLD"},
        },
        "tokens": {"path": directory / "tokens.json", "key": new_key()},
        "pages": {"listen": "localhost:0", "token": TOKEN},
        **changed,
    }
    return Settings.model_validate(tree)


@asynccontextmanager
async def served(given: Settings, issuer: AuthorizationServer) -> AsyncIterator[str]:
    async with serving_pages(lambda: given, {}, Masker()) as address:
        issuer.state.clients["connector"].redirects = (f"{address}/oauth2",)
        yield address


@asynccontextmanager
async def browser(address: str, *, logged_in: bool = True) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=address, timeout=30) as client:
        if logged_in:
            assert (await client.post("/login", data={"token": TOKEN})).status_code == 303
        yield client


async def word(client: httpx2.AsyncClient) -> str:
    found = re.search('name="word" value="([^"]+)"', (await client.get("/accounts")).text)
    assert found is not None
    return found[1]


async def authorize(client: httpx2.AsyncClient) -> str:
    """Begin a consent; where the browser is sent."""
    form = {"word": await word(client), "credential": "accounts.sales.oauth"}
    answer = await client.post("/authorize", data=form)
    assert answer.status_code == 303, answer.text
    return answer.headers["Location"]


async def test_without_a_session_there_is_the_login_only(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    given = settings(authorization_server, tmp_path)
    async with served(given, authorization_server) as address, browser(address, logged_in=False) as client:
        for path in ("/accounts", "/oauth2?code=x&state=y"):
            page = await client.get(path)
            assert "Token (pages.token)" in page.text
            assert "sales" not in page.text
        for path in ("/authorize", "/test", "/logout"):
            assert "Token (pages.token)" in (await client.post(path, data={"account": "sales"})).text
        for path in ("/login", "/authorize", "/accounts/x"):
            assert (await client.get(path)).status_code == 404
        page = await client.get("/accounts")
        assert page.headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in page.headers["Content-Security-Policy"]


async def test_a_wrong_token_takes_its_time(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    given = settings(authorization_server, tmp_path)
    async with served(given, authorization_server) as address, browser(address, logged_in=False) as client:
        begun = asyncio.get_running_loop().time()
        attempts = await asyncio.gather(
            *(client.post("/login", data={"token": wrong}) for wrong in ("", TOKEN[:-1], TOKEN.upper()))
        )
        assert [attempt.status_code for attempt in attempts] == [403] * 3
        assert asyncio.get_running_loop().time() - begun >= 3  # one after the other
        cookie = (await client.post("/login", data={"token": f" {TOKEN} "})).headers["Set-Cookie"]
        assert "HttpOnly; SameSite=Lax; Path=/" in cookie
        assert "Secure" not in cookie


async def test_a_form_of_another_site_does_nothing(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    given = settings(authorization_server, tmp_path)
    async with (
        served(given, authorization_server) as address,
        browser(address) as one,
        browser(address) as another,
    ):
        form = {"credential": "accounts.sales.oauth"}
        for wrong in ({}, {"word": ""}, {"word": await word(another)}):
            answer = await one.post("/authorize", data={**form, **wrong})
            assert (answer.status_code, "Nothing done" in answer.text) == (403, True)


async def test_an_answer_counts_once_and_in_its_own_browser(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    given = settings(authorization_server, tmp_path)
    async with (
        served(given, authorization_server) as address,
        browser(address) as one,
        browser(address) as another,
        browser(address, logged_in=False) as stranger,
    ):
        url = await authorize(one)
        asked = parse_qs(urlsplit(url).query)
        assert asked["redirect_uri"] == [f"{address}/oauth2"]
        assert asked["code_challenge_method"] == ["S256"]
        where = authorization_server.consent(url)
        assert (await stranger.get(where)).status_code == 403
        assert "This answer was used already, or came too late" in (await another.get(where)).text
        assert "It serves the next mail." in (await one.get(where)).text
        assert "This answer was used already, or came too late" in (await one.get(where)).text
        assert "/oauth2" not in str(given.tokens)
    assert len(authorization_server.token_requests("authorization_code")) == 1


async def test_what_a_person_did_not_tick_is_told(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    given = settings(authorization_server, tmp_path)
    granted = {"access_token": "a", "refresh_token": "r", "scope": "openid"}
    authorization_server.faults.append(answering(200, granted))
    async with served(given, authorization_server) as address, browser(address) as client:
        page = await client.get(authorization_server.consent(await authorize(client)))
        assert "The consent leaves out mail." in page.text
        assert "not authorized" in (await client.get("/accounts")).text


async def test_a_redirect_address_that_leads_elsewhere_is_named(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    oauth = {"redirect_url": "http://localhost/elsewhere"}
    given = settings(authorization_server, tmp_path, oauth=oauth)
    async with served(given, authorization_server) as address, browser(address) as client:
        form = {"word": await word(client), "credential": "accounts.sales.oauth"}
        page = await client.post("/authorize", data=form)
        assert "accounts.sales.oauth.redirect_url is http://localhost/elsewhere" in page.text
        assert f"register {address}/oauth2 at the provider" in page.text


async def test_a_code_for_another_device(authorization_server: AuthorizationServer, tmp_path: Path) -> None:
    given = settings(authorization_server, tmp_path, oauth={"grant": "device_code"})
    async with served(given, authorization_server) as address, browser(address) as client:
        form = {"word": await word(client), "credential": "accounts.sales.oauth"}
        page = await client.post("/authorize", data=form)
        found = re.search("<h1>([A-Z0-9-]+)</h1>", page.text)
        assert found is not None, page.text
        assert f"waits for the code {found[1]}" in (await client.get("/accounts")).text
        authorization_server.decide(found[1])
        async with asyncio.timeout(20):
            # As a person does, who looks again.
            while f"{USER} consented" not in (page := await client.get("/accounts")).text:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert "waits for the code" not in page.text


def asked(method: str, path: str, form: dict[str, str] | None = None, cookie: str = "") -> BrowserRequest:
    return BrowserRequest(method, path, {}, form or {}, {"cookie": cookie})


@pytest.mark.parametrize("prefix", ["", "/mail"])
async def test_below_a_path_and_by_https(
    authorization_server: AuthorizationServer, tmp_path: Path, prefix: str
) -> None:
    """A proxy may take the path away, or leave it."""
    given = settings(authorization_server, tmp_path)
    pages = AccountPages(lambda: given, {}, Masker(), "https://worker.example.com/mail")
    login = await pages.answer(asked("GET", f"{prefix}/accounts"))
    assert 'action="/mail/login"' in login.body
    headers = dict((await pages.answer(asked("POST", f"{prefix}/login", {"token": TOKEN}))).headers)
    assert headers["Location"] == "/mail/accounts"
    assert headers["Set-Cookie"].endswith("HttpOnly; SameSite=Lax; Path=/mail; Secure")
    cookie = headers["Set-Cookie"].partition(";")[0]
    listing = await pages.answer(asked("GET", f"{prefix}/accounts", cookie=cookie))
    assert 'action="/mail/authorize"' in listing.body
    await pages.aclose()


async def test_what_cannot_be_tested_is_said(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    given = settings(authorization_server, tmp_path)
    async with served(given, authorization_server) as address, browser(address) as client:
        form = {"word": await word(client), "account": "sales", "recipient": "<script>"}
        page = await client.post("/test", data=form)
        assert (page.status_code, "<script>" in page.text) == (400, False)
        page = await client.post("/test", data={**form, "account": "nobody"})
        assert "There is no such account." in page.text
        assert "password" in (await client.get("/accounts")).text  # the other account's login


async def test_a_port_that_is_taken_is_told(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    given = settings(authorization_server, tmp_path)
    async with served(given, authorization_server) as address:
        port = urlsplit(address).port
        taken = given.pages.model_copy(update={"listen": f"localhost:{port}"})
        again = given.model_copy(update={"pages": taken})
        with pytest.raises(NotListeningError, match=f"port {port} of localhost"):
            async with serving_pages(lambda: again, {}, Masker()):
                pass


async def test_a_request_for_headers_alone_and_one_that_makes_no_sense_are_answered(
    authorization_server: AuthorizationServer, tmp_path: Path
) -> None:
    given = settings(authorization_server, tmp_path)
    async with served(given, authorization_server) as address, browser(address, logged_in=False) as client:
        headers = await client.head("/accounts")
        assert (headers.status_code, headers.content) == (200, b"")
        place = urlsplit(address)
        reader, writer = await asyncio.open_connection(place.hostname, place.port)
        writer.write(b"GET //[ HTTP/1.1\r\nHost: x\r\n\r\n")
        async with asyncio.timeout(20):
            assert (await reader.read()).startswith(b"HTTP/1.1 400 ")
        writer.close()
