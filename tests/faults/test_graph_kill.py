"""A worker that sends through Microsoft Graph is killed at any of its requests, again and again.

In exact mode no mail may arrive twice and none may be lost, also where the operator has chosen ``resend``:
the next worker finds what the dead one had sent.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from tests.faults.service_workers import KILLS, kill_again_and_again
from tests.servers.graph import graph_server

USER = "flow@example.test"


@pytest.mark.parametrize("kills", KILLS)
def test_no_mail_twice_and_none_lost(tmp_path: Path, kills: int) -> None:
    with graph_server(USER) as graph:
        graph.token(None, "Mail.ReadWrite", "Mail.Send")
        oauth = {
            "grant": "client_credentials",
            "client_id": "connector",
            "client_secret": "s",
            "token_url": graph.token_url,
        }
        account = {
            "transport": "graph",
            "address": USER,
            "graph": {"base_url": graph.base_url},
            "oauth": oauth,
            "uncertain": "resend",
        }
        keys = kill_again_and_again(graph, account, tmp_path, kills)
        copies = Counter(str(mail.fields["subject"]) for mail in graph.delivered)
        left = graph.mailbox(USER).inside("drafts")
        identifiers = {mail.message_id for mail in graph.delivered}
    print(f"{kills} kills, {len(keys)} mails: {dict(Counter(copies.values()))} by copies")  # noqa: T201
    assert set(copies) == keys
    assert set(copies.values()) == {1}
    assert len(identifiers) == len(keys)
    assert left == []
