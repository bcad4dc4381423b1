"""Lost answers: what the transport says of a mail must be the truth of the service, or doubt."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from connector.errors import ConnectorError, ErrorCode
from connector.webapi.api import Limits
from tests.servers.graph import graph_server
from tests.servers.graph_world import Graph
from tests.wire.graph_submission import LIMITS, SHORT_LOOK, USER, Recorded, message, route, transport


@pytest.fixture
def graph() -> Iterator[Graph]:
    with graph_server(USER) as running:
        yield running


# What goes wrong where, whether the mail goes out, and what is to be said: True for sent, None for doubt.
_POINTS: dict[str, tuple[str, dict[str, Any]]] = {
    "the draft is refused": ("createDraft", {"status": 400}),
    "the draft is throttled": ("createDraft", {"status": 429, "retry_after": "60"}),
    "the draft fails": ("createDraft", {"status": 500}),
    "the draft is cut": ("createDraft", {}),
    "the draft is made and cut": ("createDraft", {"after": True}),
    "the draft is made and 504": ("createDraft", {"status": 504, "after": True}),
    "the send is refused": ("send", {"status": 403, "code": "ErrorSendAsDenied"}),
    "the send is throttled": ("send", {"status": 429, "retry_after": "60"}),
    "the send is put off": ("send", {"status": 503, "retry_after": "60"}),
    "the send is cut": ("send", {}),
    "the send is 500": ("send", {"status": 500}),
    "the send is 504": ("send", {"status": 504}),
    "the mail is sent and cut": ("send", {"after": True}),
    "the mail is sent and 504": ("send", {"status": 504, "after": True}),
    "the mail is sent and 503": ("send", {"status": 503, "after": True}),
    "the mail is sent and 500": ("send", {"status": 500, "after": True}),
}
_FAST: dict[str, tuple[str, dict[str, Any]]] = {
    "the mail is refused": ("sendMail", {"status": 400}),
    "the mail is throttled": ("sendMail", {"status": 429, "retry_after": "60"}),
    "the request is cut": ("sendMail", {}),
    "the request is 504": ("sendMail", {"status": 504}),
    "the mail is sent and cut": ("sendMail", {"after": True}),
    "the mail is sent and 504": ("sendMail", {"status": 504, "after": True}),
}


async def attempted(graph: Graph, *, exact: bool, limits: Limits = LIMITS) -> bool | None:
    """Send a mail once: True where it is said to be sent, False where not, None where in doubt."""
    async with transport(graph, limits=limits) as sending:
        try:
            await sending.submit(message(), route(graph, exact=exact), Recorded())
        except ConnectorError as error:
            return None if error.code is ErrorCode.DELIVERY_UNCERTAIN else False
    return True


@pytest.mark.parametrize("point", _POINTS)
async def test_exact_mode_tells_the_truth(graph: Graph, point: str) -> None:
    operation, details = _POINTS[point]
    graph.fail(operation, **details)
    doubtful = operation == "send" and "after" not in details and details.get("status") in {None, 500, 504}
    told = await attempted(graph, exact=True, limits=SHORT_LOOK if doubtful else LIMITS)
    truth = len(graph.delivered) == 1
    assert told is (None if doubtful else truth)


@pytest.mark.parametrize("point", _FAST)
async def test_fast_mode_never_claims_what_it_does_not_know(graph: Graph, point: str) -> None:
    operation, details = _FAST[point]
    graph.fail(operation, **details)
    told = await attempted(graph, exact=False)
    truth = len(graph.delivered) == 1
    doubtful = details.get("status") in {None, 504}
    assert told is (None if doubtful else truth)


async def test_a_mail_in_the_outbox_is_looked_for_until_it_is_sent(graph: Graph) -> None:
    graph.out.lag = 3
    graph.fail("send", after=True)
    assert await attempted(graph, exact=True) is True
    assert graph.asked.count("getMessage") == 3


async def test_looks_that_fail_are_repeated(graph: Graph) -> None:
    graph.fail("send", after=True)
    graph.fail("getMessage", 503, retry_after="0", times=2)
    graph.fail("getMessage")
    assert await attempted(graph, exact=True) is True


async def test_a_worker_that_stops_during_the_send_looks_once_more(graph: Graph) -> None:
    reached = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hold(operation: str) -> None:
        if operation == "send":
            loop.call_soon_threadsafe(reached.set)

    graph.before = hold
    graph.fail("send", after=True)
    async with transport(graph) as sending:
        mail = asyncio.create_task(sending.submit(message(), route(graph), Recorded()))
        await reached.wait()
        mail.cancel()
        receipt = await mail
    assert (receipt.reply is not None, len(graph.delivered)) == (True, 1)


async def test_the_next_attempt_finds_what_a_crash_left_behind(graph: Graph) -> None:
    record = Recorded()
    async with transport(graph) as sending:
        await sending.submit(message(), route(graph), record)
        (delivery,) = record.committed
        found = await sending.find(delivery.reference, route(graph))
        graph.fail("send", 400)
        with pytest.raises(ConnectorError):
            await sending.submit(message(), route(graph), record)
        foreign = await sending.find("acs:1", route(graph))
    async with transport(graph, limits=SHORT_LOOK) as sending:
        lost = await sending.find(record.committed[1].reference, route(graph))
    assert found is not None
    assert "Sent Items" in found.text
    assert (lost, foreign) == (None, None)


@pytest.mark.parametrize(("exact", "operation"), [(True, "createDraft"), (True, "send"), (False, "sendMail")])
async def test_a_redirect_says_where_it_leads_and_what_to_change(
    graph: Graph, exact: bool, operation: str
) -> None:
    graph.fail(operation, 302, location="http://portal.example.test/login?back=token")
    async with transport(graph) as sending:
        with pytest.raises(ConnectorError) as caught:
            await sending.submit(message(), route(graph, exact=exact), Recorded())
    assert (caught.value.code, caught.value.retryable) == (ErrorCode.CONNECTION_FAILED, True)
    doing = "make the draft" if operation == "createDraft" else "send the mail"
    assert caught.value.message == (
        f"Microsoft Graph did not {doing}: it answered 302, a redirect to http://portal.example.test/login, "
        "which is not followed. Check accounts.sales.graph.base_url, the network and the proxy. Nothing was "
        "sent."
    )
    assert graph.delivered == []
