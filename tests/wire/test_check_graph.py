"""``check`` of accounts with ``transport: graph``: token, permissions, mailbox, test mail."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from connector.check.findings import CheckStep, Report, Status
from connector.errors import ErrorCode
from connector.model.addresses import Mailbox
from tests.servers.graph import graph_server
from tests.servers.graph_world import Graph
from tests.wire.checks import checked, finding, order, statuses

USER = "flow@example.test"
TO = Mailbox("me@example.com")


@pytest.fixture
def graph() -> Iterator[Graph]:
    with graph_server(USER) as running:
        yield running


async def report(graph: Graph, recipient: Mailbox | None = None, **graph_settings: Any) -> Report:
    account = {
        "transport": "graph",
        "address": USER,
        "graph": {"base_url": graph.base_url, **graph_settings},
        "oauth": {
            "grant": "client_credentials",
            "client_id": "connector",
            "client_secret": "secrets.PW",
            "token_url": graph.token_url,
        },
    }
    (found,) = await checked(order("sales", recipient=recipient), accounts={"sales": account})
    return found


async def test_an_application_that_may_do_all_is_warned_about(graph: Graph) -> None:
    graph.token(None, "Mail.Send", "Mail.ReadWrite")
    found = await report(graph, TO)
    assert statuses(found) == {
        "grant": "ok",
        "token": "ok",
        "permissions": "warning",
        "mailbox": "ok",
        "mail": "ok",
    }
    permissions = finding(found, CheckStep.PERMISSIONS)
    assert "every mailbox of the tenant" in permissions.message
    assert "RBAC for Applications" in (permissions.fix or "")
    assert permissions.facts["operations"] == ["send", "drafts", "read", "change"]
    assert [one.recipients for one in graph.delivered] == [("me@example.com",)]


async def test_delegated_permissions_are_no_reason_to_warn(graph: Graph) -> None:
    graph.token(USER, "Mail.Send", "Mail.ReadWrite")
    found = await report(graph)
    assert found.status is Status.OK
    assert finding(found, CheckStep.PERMISSIONS).message == "delegated: Mail.Send, Mail.ReadWrite"


async def test_a_delegated_permission_that_is_missing_is_named(graph: Graph) -> None:
    graph.token(USER, "Mail.Send")
    found = await report(graph)
    permissions = finding(found, CheckStep.PERMISSIONS)
    assert (permissions.status, permissions.code) == (Status.FAILED, ErrorCode.AUTH_FAILED)
    assert "missing: Mail.ReadWrite" in permissions.message
    assert not finding(found, CheckStep.MAILBOX).reached


async def test_fast_mode_needs_no_more_than_mail_send(graph: Graph) -> None:
    graph.token(USER, "Mail.Send")
    found = await report(graph, TO, mode="fast")
    assert statuses(found)["mailbox"] == "skipped"
    assert statuses(found)["mail"] == "ok"


async def test_permissions_that_exchange_grants_are_not_in_the_token(graph: Graph) -> None:
    by_exchange = graph.tokens[graph.token(None, "Mail.Send", "Mail.ReadWrite")]
    graph.tokens[graph.token(None)] = by_exchange
    found = await report(graph)
    assert found.status is Status.OK
    assert "RBAC" in finding(found, CheckStep.PERMISSIONS).message


async def test_a_mailbox_that_is_not_there(graph: Graph) -> None:
    graph.token(None, "Mail.Send", "Mail.ReadWrite")
    found = await report(graph, user="gone@example.test")
    mailbox = finding(found, CheckStep.MAILBOX)
    assert (mailbox.status, mailbox.code) == (Status.FAILED, ErrorCode.SENDER_REJECTED)
    assert "graph.user" in (mailbox.fix or "")


async def test_a_token_that_cannot_be_read_is_no_failure(graph: Graph) -> None:
    graph.tokens["opaque"] = graph.tokens[graph.token(None, "Mail.Send", "Mail.ReadWrite")]
    graph.issued = "opaque"
    found = await report(graph)
    assert statuses(found)["permissions"] == "skipped"
    assert statuses(found)["mailbox"] == "ok"
