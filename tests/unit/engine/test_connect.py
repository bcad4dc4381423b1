"""Channels from settings: plain, TLS, OAuth; a real token endpoint and a real TLS gateway on loopback."""

import asyncio
import json
import logging
import ssl
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import grpc
import pytest
import trustme
from pydantic import SecretStr
from structlog.testing import capture_logs

from connector.auth.engine_token import EngineTokens, engine_credential
from connector.engine.connect import gateway_address
from connector.engine.grpc import GrpcEngine
from connector.engine.port import EngineDeniedError, EngineUnavailableError
from connector.errors import TokenError
from connector.model.job import Complete
from connector.settings.model import SEND_TASK_TYPE, EngineSettings, WorkerSettings
from connector.testing.engine import FakeEngine
from tests.servers.gateway import FakeGateway

SECRET = "s3cr3t-of-the-client"


class TokenEndpoint:
    """Answers the client-credentials grant as told; keeps what it was sent."""

    def __init__(self) -> None:
        self.forms: list[dict[str, str]] = []
        self.answers: list[tuple[int, Any]] = []
        self.lifetime = 3600.0
        self.asked, self.answering = threading.Event(), threading.Event()
        self.answering.set()
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                status, answer = endpoint.answer({k: v[0] for k, v in parse_qs(body).items()})
                self.send_response(status)
                self.end_headers()
                self.wfile.write(answer if isinstance(answer, bytes) else json.dumps(answer).encode())

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://localhost:{self.server.server_port}/oauth/token"

    def answer(self, form: dict[str, str]) -> tuple[int, Any]:
        self.forms.append(form)
        if not self.answering.is_set():
            self.asked.set()
            self.answering.wait()
        if self.answers:
            return self.answers.pop(0)
        return 200, {"access_token": f"token-{len(self.forms)}", "expires_in": self.lifetime}


@contextmanager
def serving(endpoint: TokenEndpoint) -> Iterator[TokenEndpoint]:
    thread = threading.Thread(target=endpoint.server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield endpoint
    finally:
        endpoint.server.shutdown()
        endpoint.server.server_close()
        thread.join()


@pytest.fixture
def endpoint() -> Iterator[TokenEndpoint]:
    with serving(TokenEndpoint()) as endpoint:
        yield endpoint


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
async def gateway(authority: trustme.CA) -> AsyncIterator[FakeGateway]:
    certificate = authority.issue_cert("localhost")
    credentials = grpc.ssl_server_credentials(
        [
            (
                certificate.private_key_pem.bytes(),
                b"".join(blob.bytes() for blob in certificate.cert_chain_pems),
            )
        ]
    )
    async with FakeGateway(FakeEngine(), credentials) as gateway:
        yield gateway


def with_credentials(address: str, endpoint: TokenEndpoint, ca_file: Path, **more: Any) -> EngineSettings:
    return EngineSettings(
        address=address,
        ca_file=ca_file,
        client_id="mailer",
        client_secret=SecretStr(SECRET),
        oauth_url=endpoint.url,
        **more,
    )


@asynccontextmanager
async def tokens_for(settings: EngineSettings) -> AsyncIterator[EngineTokens]:
    tokens = EngineTokens(settings)
    try:
        yield tokens
    finally:
        await tokens.aclose()


def engine_at(settings: EngineSettings) -> GrpcEngine:
    return GrpcEngine(settings, WorkerSettings(name="test"))


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Failures are not remembered, so that a test need not wait."""
    monkeypatch.setattr("connector.auth.source._REMEMBER_REFUSAL", 0.0)
    monkeypatch.setattr("connector.auth.source._REMEMBER_ABSENCE", 0.0)


def test_where_the_gateway_is() -> None:
    cloud = EngineSettings(
        cluster_id="c1", cluster_region="bru-2", client_id="x", client_secret=SecretStr(SECRET)
    )
    assert gateway_address(EngineSettings()) == "localhost:26500"
    assert gateway_address(EngineSettings(address="zeebe:1")) == "zeebe:1"
    assert gateway_address(cloud) == "c1.bru-2.zeebe.camunda.io:443"
    assert gateway_address(cloud.model_copy(update={"address": "proxy:443"})) == "proxy:443"


async def test_the_environment_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    async with FakeGateway(FakeEngine()) as gateway:
        monkeypatch.setenv("ZEEBE_ADDRESS", "nowhere.invalid:1")
        monkeypatch.setenv("ZEEBE_CLIENT_ID", "somebody")
        async with engine_at(EngineSettings(address=gateway.address)) as engine:
            assert await engine.version() == "8.6.0"
        assert "authorization" not in gateway.metadata[0]


async def test_tls_with_the_operators_authority(gateway: FakeGateway, ca_file: Path) -> None:
    async with engine_at(EngineSettings(address=gateway.address, tls=True, ca_file=ca_file)) as engine:
        assert await engine.version() == "8.6.0"


async def test_an_unknown_authority_is_not_trusted(gateway: FakeGateway) -> None:
    async with engine_at(EngineSettings(address=gateway.address, tls=True)) as engine:
        with pytest.raises(EngineUnavailableError):
            await engine.version()
    assert gateway.requests == []


async def test_a_token_is_on_every_call_and_fetched_once(
    gateway: FakeGateway, endpoint: TokenEndpoint, ca_file: Path
) -> None:
    settings = with_credentials(gateway.address, endpoint, ca_file, audience="zeebe-api", scope="jobs")
    async with engine_at(settings) as engine:
        await engine.version()
        key = gateway.engine.create_job(SEND_TASK_TYPE)
        (job,) = await engine.activate(SEND_TASK_TYPE, 1, 0)
        await engine.report(job, Complete())
        stream = engine.stream(SEND_TASK_TYPE)
        gateway.refuse("StreamActivatedJobs", grpc.StatusCode.UNAVAILABLE)
        with pytest.raises(EngineUnavailableError):
            await anext(stream)
    assert {seen["authorization"] for seen in gateway.metadata} == {"Bearer token-1"}
    assert len(gateway.metadata) == 4
    assert gateway.engine.outcomes(key) == [Complete()]
    assert endpoint.forms == [
        {
            "grant_type": "client_credentials",
            "client_id": "mailer",
            "client_secret": SECRET,
            "audience": "zeebe-api",
            "scope": "jobs",
        }
    ]


async def test_a_token_near_its_end_is_renewed(
    gateway: FakeGateway, endpoint: TokenEndpoint, ca_file: Path
) -> None:
    endpoint.lifetime = 1e-6
    async with engine_at(with_credentials(gateway.address, endpoint, ca_file)) as engine:
        await engine.version()
        await engine.version()
    assert [seen["authorization"] for seen in gateway.metadata] == ["Bearer token-1", "Bearer token-2"]


async def test_a_token_that_the_gateway_does_not_take_is_renewed(
    gateway: FakeGateway, endpoint: TokenEndpoint, ca_file: Path
) -> None:
    gateway.refuse("Topology", grpc.StatusCode.UNAUTHENTICATED, "revoked")
    async with engine_at(with_credentials(gateway.address, endpoint, ca_file)) as engine:
        with pytest.raises(EngineDeniedError):
            await engine.version()
        assert await engine.version() == "8.6.0"
    assert gateway.metadata[1]["authorization"] == "Bearer token-2"


async def test_calls_that_come_at_once_share_one_request(endpoint: TokenEndpoint, ca_file: Path) -> None:
    async with tokens_for(with_credentials("x:1", endpoint, ca_file)) as source:
        assert await asyncio.gather(*(source.token() for _ in range(5))) == [SecretStr("token-1")] * 5
    assert len(endpoint.forms) == 1


async def test_an_endpoint_that_gives_the_same_token_again_is_not_asked_for_ever(
    endpoint: TokenEndpoint, ca_file: Path
) -> None:
    same = SecretStr("the same")
    endpoint.answers = [(200, {"access_token": "the same", "expires_in": 3600})] * 2
    async with tokens_for(with_credentials("x:1", endpoint, ca_file)) as source:
        await source.token()
        assert [await source.token(same) for _ in range(3)] == [same] * 3
    assert len(endpoint.forms) == 2


@pytest.mark.usefixtures("forgetful")
async def test_a_wrong_secret_says_what_to_change_until_it_is_put_right(
    gateway: FakeGateway, endpoint: TokenEndpoint, ca_file: Path
) -> None:
    endpoint.answers = [(401, {"error": "invalid_client", "error_description": f"{SECRET} is wrong"})]
    async with engine_at(with_credentials(gateway.address, endpoint, ca_file)) as engine:
        with pytest.raises(
            EngineDeniedError,
            match=r"check engine\.client_id and engine\.client_secret\. .*401 invalid_client",
        ) as caught:
            await engine.version()
        assert SECRET not in str(caught.value)
        assert await engine.version() == "8.6.0"


@pytest.mark.usefixtures("forgetful")
@pytest.mark.parametrize(
    "answer", [(503, b"<html>"), (200, b"<html>"), (200, []), (200, {"token": 1}), (429, {})]
)
async def test_an_endpoint_out_of_order_is_waited_for(
    gateway: FakeGateway, endpoint: TokenEndpoint, ca_file: Path, answer: tuple[int, Any]
) -> None:
    endpoint.answers = [answer]
    async with engine_at(with_credentials(gateway.address, endpoint, ca_file)) as engine:
        with pytest.raises(EngineUnavailableError) as caught:
            await engine.version()
        assert not isinstance(caught.value, EngineDeniedError)
        assert endpoint.url in str(caught.value)
        assert await engine.version() == "8.6.0"


async def test_an_endpoint_that_is_down_is_waited_for(gateway: FakeGateway, ca_file: Path) -> None:
    with serving(TokenEndpoint()) as gone:
        pass
    async with engine_at(with_credentials(gateway.address, gone, ca_file)) as engine:
        with pytest.raises(EngineUnavailableError, match="cannot be reached") as caught:
            await engine.version()
    assert not isinstance(caught.value, EngineDeniedError)
    assert gateway.requests == []


async def test_a_refusal_is_remembered_for_a_moment(endpoint: TokenEndpoint, ca_file: Path) -> None:
    endpoint.answers = [(401, {})] * 3
    async with tokens_for(with_credentials("x:1", endpoint, ca_file)) as source:
        for _ in range(3):
            with pytest.raises(TokenError):
                await source.token()
    assert len(endpoint.forms) == 1


async def test_the_secret_does_not_travel_in_clear(endpoint: TokenEndpoint, ca_file: Path) -> None:
    settings = with_credentials("x:1", endpoint, ca_file).model_copy(
        update={"oauth_url": "http://login.example.com/token"}
    )
    async with tokens_for(settings) as source:
        with pytest.raises(TokenError, match="https://"):
            await source.token()


def test_a_cloud_cluster_needs_no_endpoint_and_no_audience() -> None:
    credential = engine_credential(
        EngineSettings(
            cluster_id="c1", cluster_region="bru-2", client_id="me", client_secret=SecretStr(SECRET)
        )
    )
    assert credential.endpoints.token == "https://login.cloud.camunda.io/oauth/token"
    assert dict(credential.extra) == {"audience": "zeebe.camunda.io"}


async def test_the_endpoints_certificate_is_checked(
    authority: trustme.CA, ca_file: Path, endpoint: TokenEndpoint
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    endpoint.server.socket = context.wrap_socket(endpoint.server.socket, server_side=True)
    endpoint.url = endpoint.url.replace("http://", "https://")
    trusted = with_credentials("x:1", endpoint, ca_file)
    async with tokens_for(trusted) as source:
        assert await source.token() == SecretStr("token-1")
    async with tokens_for(trusted.model_copy(update={"ca_file": None})) as source:
        with pytest.raises(TokenError, match="cannot be reached"):
            await source.token()


async def test_the_endpoint_may_be_a_public_one_while_the_gateway_has_a_private_authority(
    authority: trustme.CA, tmp_path: Path, endpoint: TokenEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    endpoint.server.socket = context.wrap_socket(endpoint.server.socket, server_side=True)
    endpoint.url = endpoint.url.replace("http://", "https://")
    public, private = tmp_path / "public.pem", tmp_path / "private.pem"
    authority.cert_pem.write_to_path(str(public))
    trustme.CA().cert_pem.write_to_path(str(private))
    monkeypatch.setenv("SSL_CERT_FILE", str(public))  # where OpenSSL finds the system's authorities
    async with tokens_for(with_credentials("x:1", endpoint, private)) as source:
        assert await source.token() == SecretStr("token-1")


async def test_the_secret_and_the_token_are_in_no_log(
    gateway: FakeGateway, endpoint: TokenEndpoint, ca_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    endpoint.answers = [(401, {"error": "invalid_client"})]
    with capture_logs() as logs:
        async with engine_at(with_credentials(gateway.address, endpoint, ca_file)) as engine:
            with pytest.raises(EngineDeniedError):
                await engine.version()
        async with engine_at(with_credentials(gateway.address, endpoint, ca_file)) as engine:
            await engine.version()
    assert len(endpoint.forms) == 2
    for text in (caplog.text, str(logs)):
        assert SECRET not in text
        assert "token-2" not in text
