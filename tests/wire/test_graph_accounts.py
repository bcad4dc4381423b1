"""A task on an account with ``transport: graph``: settings, ledger, response, errors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from connector import send_mail
from connector.errors import ConnectorError, ErrorCode
from connector.graph import mailboxes
from connector.webapi.api import Limits
from tests.servers.graph import graph_server
from tests.servers.graph_world import Graph
from tests.wire.graph_submission import USER, settings

MAIL = {
    "account": "sales",
    "smtpEmailToRecipients": ["ada@example.com"],
    "smtpEmailBccRecipients": ["eve@example.com"],
    "smtpEmailSubject": "Order 7",
    "smtpEmailContent": "Guten Tag",
}


@pytest.fixture
def graph() -> Iterator[Graph]:
    with graph_server(USER) as running:
        running.token(None, "Mail.ReadWrite", "Mail.Send")
        yield running


async def send(graph: Graph, directory: Path, key: str | None = None, **changes: Any) -> Mapping[str, Any]:
    mail = {**MAIL, **changes.pop("mail", {})}
    return await send_mail(mail, settings(graph, directory, **changes), key=key, environ={})


async def test_a_task_sends_through_graph_and_the_result_names_it(graph: Graph, tmp_path: Path) -> None:
    response = await send(graph, tmp_path)
    assert (response["transport"], response["account"], response["status"]) == ("graph", "sales", "SUCCESS")
    assert response["accepted"] == ["ada@example.com", "eve@example.com"]
    assert response["reply"] == "202 Accepted"
    (out,) = graph.delivered
    assert (out.mailbox, out.message_id) == (USER, response["messageId"])


async def test_the_ledger_stands_around_it(graph: Graph, tmp_path: Path) -> None:
    first = await send(graph, tmp_path, "order-7")
    second = await send(graph, tmp_path, "order-7")
    assert (first["duplicate"], second["duplicate"]) == (False, True)
    assert second["messageId"] == first["messageId"]
    assert len(graph.delivered) == 1


async def test_a_mail_that_a_stopped_worker_had_sent_is_found(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph.fail("send", after=True)
    graph.fail("getMessage", 500, times=9)
    monkeypatch.setattr(mailboxes, "Limits", lambda: Limits(look=0.05, interval=0.01))
    with pytest.raises(ConnectorError) as caught:
        await send(graph, tmp_path, "order-7")
    assert caught.value.code is ErrorCode.DELIVERY_UNCERTAIN
    monkeypatch.undo()
    graph.faults.clear()
    response = await send(graph, tmp_path, "order-7")
    assert response["status"] == "SUCCESS"
    assert "found in Sent Items" in response["reply"]
    assert len(graph.delivered) == 1


async def test_a_mail_that_is_not_found_stays_in_doubt(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailboxes, "Limits", lambda: Limits(look=0.05, interval=0.01))
    graph.fail("send")
    for _ in range(2):
        with pytest.raises(ConnectorError) as caught:
            await send(graph, tmp_path, "order-7")
        assert caught.value.code is ErrorCode.DELIVERY_UNCERTAIN
    assert graph.delivered == []
    resent = await send(graph, tmp_path, "order-7", uncertain="resend")
    assert resent["status"] == "SUCCESS"
    assert len(graph.delivered) == 1


async def test_what_graph_cannot_do_names_the_input(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(ConnectorError) as caught:
        await send(graph, tmp_path, mail={"smtpEmailDeliveryReceipt": "failure"})
    assert caught.value.code is ErrorCode.INVALID_INPUT
    assert "smtpEmailDeliveryReceipt" in caught.value.message
    assert graph.asked == []


async def test_neither_token_nor_secret_is_in_an_error(graph: Graph, tmp_path: Path) -> None:
    graph.tokens.clear()
    with pytest.raises(ConnectorError) as caught:
        await send(graph, tmp_path)
    assert caught.value.code is ErrorCode.AUTH_FAILED
    assert graph.issued not in str(caught.value)
    assert "s3cret" not in str(caught.value)
