"""HTTP requests through a proxy: each kind of client, and what the environment may say about it."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import trustme
from pydantic import SecretStr

from connector.auth.endpoint import EndpointClient, EndpointError, Form
from connector.errors import AttachmentError, ErrorCode, SecretError
from connector.message.content.rooted_files import Allowance
from connector.message.content.urls import UrlFetcher
from connector.net.outbound import DIRECT, Outbound, outbound
from connector.secrets.providers import open_secrets
from connector.settings.http import HttpSettings
from connector.settings.model import AttachmentSettings
from connector.settings.secrets import SecretSettings
from tests.contract.keepers import StaticCredential, service_account
from tests.servers import http_proxy, secret_stores
from tests.servers.http_proxy import ForwardProxy
from tests.servers.secret_stores import Service, secret_store
from tests.servers.web import WebServer, web_server

LOGIN = ("worker", "pr0xy:p@ss/word")
HOST = "files.example.test"  # RFC 6761: no DNS knows it


def way(proxy: ForwardProxy, *exceptions: str, login: bool = True) -> Outbound:
    named = {"proxy_username": LOGIN[0], "proxy_password": LOGIN[1]} if login else {}
    return outbound(HttpSettings.model_validate({"proxy": proxy.url, "no_proxy": exceptions, **named}))


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.fixture
def secure_web(authority: trustme.CA) -> Iterator[WebServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(HOST, "vault.example.test", "login.example.test").configure_cert(context)
    with web_server(context) as server:
        yield server


@pytest.fixture
def trust(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


async def public(host: str, port: int) -> list[str]:
    return ["93.184.215.14"]


async def private(host: str, port: int) -> list[str]:
    return ["10.0.0.8"]


async def fetch(url: str, going: Outbound, tls: ssl.SSLContext, resolve: Any = public) -> bytes:
    settings = AttachmentSettings(urls=(HOST,))
    fetcher = UrlFetcher(settings, resolve=resolve, tls=tls, way=going)
    try:
        return (await fetcher.fetch(url, Allowance(settings).portion("attachments"))).data
    finally:
        await fetcher.aclose()


# Attachments


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_attachment_comes_through_the_proxy(
    web: WebServer, secure_web: WebServer, trust: ssl.SSLContext, scheme: str
) -> None:
    server = web if scheme == "http" else secure_web
    server.serve("/a.pdf", b"octets")
    with http_proxy.running({HOST: server.port}, LOGIN) as proxy:
        assert await fetch(f"{scheme}://{HOST}/a.pdf", way(proxy), trust) == b"octets"
    method, port = ("GET", 80) if scheme == "http" else ("CONNECT", 443)
    assert proxy.asked == [f"{method} {HOST}:{port}"]
    assert server.requests[0][1]["Host"] == HOST


async def test_a_private_address_never_reaches_the_proxy(web: WebServer, trust: ssl.SSLContext) -> None:
    with http_proxy.running({HOST: web.port}) as proxy:
        with pytest.raises(AttachmentError) as caught:
            await fetch(f"http://{HOST}/a.pdf", way(proxy, login=False), trust, private)
        assert caught.value.code is ErrorCode.ATTACHMENT_NOT_ALLOWED
        assert (proxy.asked, proxy.refused) == ([], 0)


@pytest.mark.parametrize(
    ("exceptions", "asked"),
    [((), (True, HOST)), ((HOST,), (False, "93.184.215.14"))],
    ids=["all", "not its host"],
)
async def test_a_host_by_its_name_decides_and_not_its_address(
    trust: ssl.SSLContext,
    monkeypatch: pytest.MonkeyPatch,
    exceptions: tuple[str, ...],
    asked: tuple[bool, str],
) -> None:
    """A request that goes straight to its host names the address that was checked."""
    seen: list[tuple[bool, str]] = []

    class Recorder(httpx2.AsyncBaseTransport):
        def __init__(self, *, proxy: httpx2.Proxy | None, **_: object) -> None:
            self._proxied = proxy is not None

        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            seen.append((self._proxied, request.url.host))
            return httpx2.Response(200, content=pieces())

    async def pieces() -> AsyncIterator[bytes]:
        yield b"octets"

    monkeypatch.setattr(httpx2, "AsyncHTTPTransport", Recorder)
    with http_proxy.running({}) as proxy:
        going = way(proxy, *exceptions, login=False)
        assert await fetch(f"https://{HOST}/a.pdf", going, trust) == b"octets"
    assert seen == [asked]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_a_login_that_the_proxy_refuses_is_named_without_it(trust: ssl.SSLContext, scheme: str) -> None:
    with http_proxy.running({}, ("another", "login")) as proxy, pytest.raises(AttachmentError) as caught:
        await fetch(f"{scheme}://{HOST}/a.pdf", way(proxy), trust)
    assert "407" in caught.value.message
    assert LOGIN[1] not in caught.value.message
    assert proxy.refused == 1


async def test_a_proxy_that_is_not_there_is_named(trust: ssl.SSLContext) -> None:
    with http_proxy.running({}) as proxy:
        gone = way(proxy, login=False)
    with pytest.raises(AttachmentError, match=r"no connection to the proxy \(http\.proxy\)"):
        await fetch(f"https://{HOST}/a.pdf", gone, trust)


# Token endpoints


async def test_a_token_endpoint_is_asked_through_the_proxy(
    trust: ssl.SSLContext, authority: trustme.CA
) -> None:
    async with token_endpoint(authority) as port:
        with http_proxy.running({"login.example.test": port}, LOGIN) as proxy:
            client = EndpointClient(trust, way(proxy))
            answer = await client.post("https://login.example.test/token", Form({"grant_type": "x"}))
            await client.aclose()
    assert answer.text("access_token") == "token"
    assert proxy.asked == ["CONNECT login.example.test:443"]


@asynccontextmanager
async def token_endpoint(authority: trustme.CA) -> AsyncIterator[int]:
    import asyncio

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        body = json.dumps({"access_token": "token"}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("login.example.test").configure_cert(context)
    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


# Secret stores


STORES: dict[str, tuple[Service, str, str]] = {
    "vault": (secret_stores.vault, "mail/relay/password", "mail/relay/password"),
    "aws": (secret_stores.aws, "password", "password"),
    "azure": (secret_stores.azure, "password", "password"),
    "gcp": (secret_stores.google, "password", "password"),
}


def settings_for(store: str, directory: Path) -> SecretSettings:
    """A store at a host that no DNS knows, with an authority that the environment names."""
    endpoint = f"https://{store}.example.test"
    (directory / "account.json").write_text(json.dumps(service_account(f"{endpoint}/token")))
    login = {"role_id": "worker", "secret_id": "vault-secret-id", "ca_file": directory / "ca.pem"}
    given: dict[str, Any] = {
        "vault": {"address": endpoint, **login},
        "aws": {"region": "eu-central-1", "endpoint": endpoint},
        "azure": {"vault_url": endpoint},
        "gcp": {"project": "mail-1", "endpoint": endpoint},
    }
    return SecretSettings.model_validate({store: given[store]})


@pytest.fixture
def clouds(tmp_path: Path, authority: trustme.CA, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Identities for every cloud; gives the directory of their files."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    for name in ("REQUESTS_CA_BUNDLE", "AWS_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(bundle))
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "key")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "account.json"))
    monkeypatch.setattr("connector.secrets.azure.DefaultAzureCredential", lambda **_: StaticCredential())
    return tmp_path


@pytest.mark.parametrize("name", STORES)
async def test_a_secret_store_is_asked_through_the_proxy(
    clouds: Path, authority: trustme.CA, name: str
) -> None:
    answers, secret, kept_as = STORES[name]
    host = f"{name}.example.test"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(host).configure_cert(context)
    with secret_store(answers, context) as store, http_proxy.running({host: store.port}, LOGIN) as proxy:
        store.values[kept_as] = "value"
        async with open_secrets(settings_for(name, clouds), {}, lambda _: None, way(proxy)) as secrets:
            assert (await secrets.resolve_text(f"secrets.{secret}", "password", "", 0)).value == "value"
    assert f"CONNECT {host}:443" in proxy.asked
    assert {asked.split()[1] for asked in proxy.asked} <= {f"{host}:443", "oauth2.googleapis.com:443"}


@pytest.mark.parametrize("name", STORES)
async def test_no_secret_store_uses_the_environments_proxy(
    clouds: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with http_proxy.running({}) as proxy:
        for variable in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(variable, proxy.url)
        async with open_secrets(settings_for(name, clouds), {}, lambda _: None) as secrets:
            with pytest.raises(SecretError):
                await secrets.resolve_text(f"secrets.{STORES[name][1]}", "password", "", 0)
        assert proxy.asked == []


# What the environment may say


async def test_the_environments_proxy_counts_only_where_an_operator_says_so(
    web: WebServer, trust: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    web.serve("/a.pdf", b"octets")
    with http_proxy.running({HOST: web.port}, ("u", "p@ss")) as proxy:
        for name in ("http_proxy", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://u:p%40ss@127.0.0.1:{proxy.port}")
        assert outbound(HttpSettings()) is DIRECT
        going = outbound(HttpSettings(proxy="environment"))
        assert going.passwords == ("p@ss", "p@ss")
        assert await fetch(f"http://{HOST}/a.pdf", going, trust) == b"octets"
        assert len(proxy.asked) == 1
        monkeypatch.setenv("NO_PROXY", "example.test")
        with pytest.raises(AttachmentError):
            await fetch(
                f"http://{HOST}/a.pdf", outbound(HttpSettings(proxy="environment")), trust, unreachable
            )
        client = EndpointClient(trust)
        with pytest.raises(EndpointError, match="cannot be reached"):
            await client.post("https://login.example.test/token", Form({}))
        await client.aclose()
        assert len(proxy.asked) == 1


async def unreachable(host: str, port: int) -> list[str]:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize(
    ("url", "proxied"),
    [
        ("https://login.microsoftonline.com/x", True),
        ("https://internal.example.com/x", False),
        ("https://a.internal.example.com/x", False),
        ("https://notinternal.example.com/x", True),
        ("https://other.example.com:8443/x", False),
        ("https://other.example.com/x", True),
        ("http://10.1.2.3/x", False),
        ("http://11.1.2.3/x", True),
        ("http://localhost:8200/x", False),
        ("http://127.0.0.1:8200/x", False),
        ("http://[::1]:8200/x", False),
    ],
)
def test_which_hosts_are_reached_without_it(url: str, proxied: bool) -> None:
    settings = HttpSettings(
        proxy="http://proxy.example.com:3128",
        no_proxy=("internal.example.com", "other.example.com:8443", "10.0.0.0/8"),
    )
    assert (outbound(settings).proxy_for(url) is not None) is proxied


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"proxy": "http://u:CANARY@proxy:3128"}, "use proxy_username and proxy_password"),
        ({"proxy": "socks5://proxy:1080"}, "a SOCKS proxy cannot be used"),
        ({"proxy": "proxy:3128"}, "expected http://proxy.example.com:3128, or environment"),
        ({"no_proxy": ["a.example"]}, "need proxy, the address of one"),
        ({"proxy": "http://proxy:1", "proxy_username": "u"}, "must be set together"),
        ({"proxy": "http://proxy:1", "no_proxy": ["https://a.example/"]}, "is no host"),
    ],
)
def test_a_proxy_setting_that_is_wrong(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        HttpSettings.model_validate(given)


def test_the_login_is_in_no_representation() -> None:
    settings = HttpSettings(proxy="http://proxy:1", proxy_username="u", proxy_password=SecretStr("CANARY"))
    assert "CANARY" not in repr(settings) + repr(outbound(settings))
