"""What a service that keeps secrets may answer without harm: too much, too deep, or something else."""

from __future__ import annotations

import gzip
import ssl
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from connector.net.http_clients import open_client
from connector.net.outbound import DIRECT
from connector.secrets.http import ask
from connector.secrets.port import ProviderUnavailableError
from tests.servers.web import WebServer, web_server


@pytest.fixture
def web() -> Iterator[WebServer]:
    with web_server() as server:
        yield server


@pytest.mark.parametrize(
    ("body", "headers", "reason"),
    [
        (b" " * 2_000_001, {}, "more than 2000000 bytes"),
        (gzip.compress(b" " * 50_000_000), {"Content_Encoding": "gzip"}, "more than 2000000 bytes"),
        (b"[" * 100_000, {}, "is not JSON"),
        (b"<html>", {}, "is not JSON"),
        (b"not gzip", {"Content_Encoding": "gzip"}, "cannot be reached"),
    ],
    ids=["large", "compressed", "deep", "another service", "wrong encoding"],
)
async def test_what_is_no_answer_is_refused(
    web: WebServer, body: bytes, headers: Mapping[str, Any], reason: str
) -> None:
    web.serve("/v1/secret", body, **headers)
    client = open_client(ssl.create_default_context(), DIRECT, 5, f"http://{web.host}")
    try:
        with pytest.raises(ProviderUnavailableError, match=reason):
            await ask(client, "/v1/secret", headers={})
        web.serve("/v1/secret", gzip.compress(b'{"data": {"a": "b"}}'), Content_Encoding="gzip")
        assert (await ask(client, "/v1/secret", headers={})).context("data") == {"a": "b"}
    finally:
        await client.aclose()
