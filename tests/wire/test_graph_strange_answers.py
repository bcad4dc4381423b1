"""Answers of the wrong shape from Graph: an error with its words, and no token elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any, cast

import httpx2
import pytest

from connector.errors import ErrorCode, PostponedError
from connector.graph.api import GraphApi, GraphFaultError
from connector.mailbox.graph.tree import pages
from connector.webapi import api as webapi
from connector.webapi.allowance import Allowance, Ceiling
from tests.servers.graph_world import Graph
from tests.wire.graph_submission import FixedTokens, route

BASE = "https://graph.example.com/v1.0"
ELSEWHERE = "https://other.example.com/x"
Answering = Callable[[httpx2.Request], httpx2.Response]


def opened(answer: Answering) -> tuple[GraphApi, list[httpx2.Request]]:
    asked: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        asked.append(request)
        return answer(request)

    client = httpx2.AsyncClient(transport=httpx2.MockTransport(handle))
    where = route(cast("Graph", SimpleNamespace(base_url=BASE, token_url=f"{BASE}/token")))
    return GraphApi(where, client, FixedTokens("T0KEN"), Allowance(Ceiling("It", 4))), asked


@pytest.mark.parametrize(
    "told",
    [
        ELSEWHERE,
        "http://graph.example.com/v1.0/x",
        "https://graph.example.com:444/v1.0/x",
        "https://graph.example.com@other.example.com/x",
        "https://graph.example.com\\@other.example.com/x",
        "https://[",
    ],
)
async def test_a_next_page_elsewhere_is_refused(told: str) -> None:
    api, asked = opened(lambda _: httpx2.Response(200, json={"value": [], "@odata.nextLink": told}))
    with pytest.raises(GraphFaultError, match="another host"):
        _ = [found async for found in pages(api, "/messages")]
    assert len(asked) == 1


@pytest.mark.parametrize(
    "told", ["//other.example.com/x", "@other.example.com/x", "HTTPS://other.example.com/"]
)
async def test_a_relative_next_page_stays_with_the_service(told: str) -> None:
    bodies: list[dict[str, Any]] = [{"value": []}, {"value": [], "@odata.nextLink": told}]
    api, asked = opened(lambda _: httpx2.Response(200, json=bodies.pop()))
    _ = [found async for found in pages(api, "/messages")]
    assert [(one.url.scheme, one.url.host) for one in asked] == [("https", "graph.example.com")] * 2


async def test_a_pause_that_a_piece_is_told_is_kept_by_all() -> None:
    api, asked = opened(lambda _: httpx2.Response(429, headers={"Retry-After": "30"}))
    with pytest.raises(GraphFaultError, match="429"):
        await api.upload("PUT", "https://outlook.example.com/x", b"x", "bytes 0-0/1")
    with pytest.raises(PostponedError):
        await api.ask("GET", "/messages")
    assert len(asked) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirection_is_not_followed(status: int) -> None:
    api, asked = opened(lambda _: httpx2.Response(status, headers={"Location": ELSEWHERE}))
    with pytest.raises(GraphFaultError, match=str(status)):
        await api.ask("POST", "/sendMail", body=b"x")
    assert len(asked) == 1


@pytest.mark.parametrize(
    "url", ["http://other.example.com/x", "ftp://other.example.com/", "", "None", "https://["]
)
async def test_an_upload_goes_to_no_address_that_others_can_read(url: str) -> None:
    api, asked = opened(lambda _: httpx2.Response(201))
    with pytest.raises(GraphFaultError, match="must start with https://"):
        await api.upload("PUT", url, b"x", "bytes 0-0/1")
    assert asked == []


async def test_an_upload_to_another_host_has_no_token() -> None:
    api, asked = opened(lambda _: httpx2.Response(201))
    await api.upload("PUT", ELSEWHERE, b"x", "bytes 0-0/1")
    assert "authorization" not in asked[0].headers


async def test_an_answer_that_goes_on_and_on_comes_to_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each octet comes soon after the one before it, so that no read takes long."""
    monkeypatch.setattr(webapi, "_LONGEST_SECONDS", 0.2)

    async def dripping() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.001)

    api, _ = opened(lambda _: httpx2.Response(200, content=dripping()))
    with pytest.raises(GraphFaultError, match="no answer in time") as caught:
        await api.ask("POST", "/messages", body=b"x")
    assert (caught.value.served, caught.value.code) == (True, ErrorCode.CONNECTION_TIMEOUT)
