"""A worker that sends through Microsoft Graph is killed at any of its requests, again and again.

In exact mode no mail may arrive twice and none may be lost, also where the operator has chosen ``resend``:
the next worker finds what the dead one had sent.
"""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.ledger.ledger import Ledger
from connector.ledger.port import State
from connector.ledger.sqlite import SqliteStore
from connector.send.draft_sweep import DraftSweep
from tests.faults.service_workers import KILLS, Workers, kill_again_and_again
from tests.servers.graph import graph_server
from tests.servers.graph_world import Graph
from tests.wire.graph_submission import USER, graph_mailboxes, route


def account_of(graph: Graph) -> dict[str, Any]:
    oauth = {
        "grant": "client_credentials",
        "client_id": "connector",
        "client_secret": "s",
        "token_url": graph.token_url,
    }
    return {
        "transport": "graph",
        "address": USER,
        "graph": {"base_url": graph.base_url},
        "oauth": oauth,
        "uncertain": "resend",
    }


@pytest.mark.parametrize("kills", KILLS)
def test_no_mail_twice_and_none_lost(tmp_path: Path, kills: int) -> None:
    with graph_server(USER) as graph:
        graph.token(None, "Mail.ReadWrite", "Mail.Send")
        keys = kill_again_and_again(graph, account_of(graph), tmp_path, kills)
        copies = Counter(str(mail.fields["subject"]) for mail in graph.delivered)
        left = graph.mailbox(USER).inside("drafts")
        identifiers = {mail.message_id for mail in graph.delivered}
    print(f"{kills} kills, {len(keys)} mails: {dict(Counter(copies.values()))} by copies")  # noqa: T201
    assert set(copies) == keys
    assert set(copies.values()) == {1}
    assert len(identifiers) == len(keys)
    assert left == []


async def test_drafts_of_mails_that_are_not_tried_again_go_after_a_day(tmp_path: Path) -> None:
    with graph_server(USER) as graph:
        graph.token(None, "Mail.ReadWrite", "Mail.Send")
        with closing(Workers(graph, account_of(graph), tmp_path)) as workers:
            workers.run(["left"], fatal=1)  # the draft is made, and its worker hears no more of it
            workers.run(["doubtful"], fatal=2, cut=True)  # the send was let go, and did not arrive
        ledger = Ledger(SqliteStore(tmp_path / "ledger.db"))
        states = [
            (await ledger.entries(state=state))[0].state for state in (State.ATTEMPTING, State.COMMITTING)
        ]
        before = [mail.fields["subject"] for mail in graph.mailbox(USER).inside("drafts")]
        async with graph_mailboxes(graph) as mailboxes:
            later = datetime.now(UTC) + timedelta(days=2)
            await DraftSweep([route(graph)], mailboxes, ledger, lambda: later).sweep()
        await ledger.aclose()
        after = [mail.fields["subject"] for mail in graph.mailbox(USER).inside("drafts")]
    assert states == [State.ATTEMPTING, State.COMMITTING]
    assert (before, after) == (["left", "doubtful"], ["doubtful"])
