"""Mails above the limit of a request: fields in place of octets, and files in pieces."""

from __future__ import annotations

import base64
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from connector.errors import ConnectorError, ErrorCode, InputError, PostponedError, TransportError
from connector.graph import mailboxes
from connector.graph.mailboxes import GraphMailboxes
from connector.model.mail import ContentType, LoadedAttachment, Sensitivity
from connector.net.outbound import DIRECT
from connector.transport.graph import uploads
from connector.transport.graph.graph_transport import GraphTransport
from connector.webapi.allowance import Allowances
from tests.servers.graph import graph_server
from tests.servers.graph_world import Graph
from tests.wire.graph_submission import (
    USER,
    FixedTokens,
    Recorded,
    graph_mailboxes,
    message,
    route,
    transport,
)

LARGE = os.urandom(3_400_000)
SMALL = b"a,b\r\n1,2\r\n"
FILES = (
    LoadedAttachment("smtpEmailAttachments[0]", "größe.bin", "application/octet-stream", LARGE),
    LoadedAttachment("smtpEmailAttachments[1]", "table.csv", "text/csv", SMALL),
)


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> Iterator[Graph]:
    monkeypatch.setattr(uploads, "PIECE", 4 * 320 * 1024)
    with graph_server(USER) as running:
        yield running


async def sent(graph: Graph, **changes: Any) -> dict[str, bytes]:
    """The files of a large mail that went out."""
    async with transport(graph) as sending:
        await sending.submit(message(files=FILES, **changes), route(graph), Recorded())
    (out,) = graph.delivered
    return {file["name"]: base64.b64decode(file["contentBytes"]) for file in out.attachments}


async def test_a_large_mail_goes_as_fields_and_its_files_in_pieces(graph: Graph) -> None:
    logo = LoadedAttachment("smtpEmailAttachments[2]", "logo.png", "image/png", b"\x89PNG", True, "logo")
    html: Any = {"kind": ContentType.MULTIPART, "body": '<p>Grüße <img src="cid:logo"></p>'}
    mail = message(
        ["ada@example.com"], ["bob@example.com"], ["eve@example.com"], files=(*FILES, logo), **html
    )
    async with transport(graph) as sending:
        receipt = await sending.submit(mail, route(graph), Recorded())
    (out,) = graph.delivered
    assert graph.asked.count("putChunk") == 3
    assert out.recipients == ("ada@example.com", "bob@example.com", "eve@example.com")
    assert out.message_id == mail.message_id
    assert out.fields["subject"] == "Order 7 – größer"
    assert out.fields["body"]["contentType"] == "html"
    assert "Grüße" in out.fields["body"]["content"]
    files = {file["name"]: file for file in out.attachments}
    assert base64.b64decode(files["größe.bin"]["contentBytes"]) == LARGE
    assert base64.b64decode(files["table.csv"]["contentBytes"]) == SMALL
    assert (files["logo.png"]["isInline"], files["logo.png"]["contentId"]) == (True, "logo")
    assert any(warning.startswith("text: ") for warning in receipt.warnings)


async def test_a_large_mail_goes_by_a_draft_in_fast_mode_too(graph: Graph) -> None:
    record = Recorded()
    async with transport(graph) as sending:
        await sending.submit(message(files=FILES), route(graph, exact=False), record)
    assert record.committed[0].reference.startswith("graph:")


@pytest.mark.parametrize("fault", ["lost", "cut", "504", "503"])
async def test_a_piece_whose_answer_is_lost_is_not_sent_again(graph: Graph, fault: str) -> None:
    details = {
        "lost": {"status": None, "after": True},
        "cut": {"status": None},
        "504": {"status": 504, "after": True},
        "503": {"status": 503, "retry_after": "0"},
    }[fault]
    graph.fail("putChunk", skip=1, **details)  # type: ignore[arg-type]
    assert (await sent(graph))["größe.bin"] == LARGE
    assert graph.asked.count("uploadStatus") == 1


async def test_the_answer_to_the_last_piece_is_lost(graph: Graph) -> None:
    graph.fail("putChunk", skip=2, after=True)
    assert await sent(graph) == {"größe.bin": LARGE, "table.csv": SMALL}
    assert graph.asked.count("createUploadSession") == 1


async def test_an_upload_that_expires_is_begun_anew(graph: Graph) -> None:
    def expire(operation: str) -> None:
        if operation == "putChunk" and graph.asked.count("putChunk") == 1:
            graph.out.sessions.clear()

    graph.before = expire
    assert (await sent(graph))["größe.bin"] == LARGE
    assert graph.asked.count("createUploadSession") == 2


async def test_an_upload_that_fails_is_cancelled_and_leaves_no_draft(graph: Graph) -> None:
    graph.fail("putChunk", 403, code="ErrorAccessDenied", skip=1)
    async with transport(graph) as sending:
        with pytest.raises(TransportError) as caught:
            await sending.submit(message(files=FILES), route(graph), Recorded())
    assert caught.value.code is ErrorCode.AUTH_FAILED
    assert len(graph.out.cancelled) == 1
    assert (graph.delivered, graph.mailbox(USER).items) == ([], {})


async def test_a_small_file_whose_answer_is_lost_is_there_once(graph: Graph) -> None:
    graph.fail("addAttachment", after=True)
    assert (await sent(graph))["table.csv"] == SMALL
    assert graph.asked.count("addAttachment") == 1


async def test_no_token_goes_to_the_address_of_an_upload(graph: Graph) -> None:
    await sent(graph)
    pieces = [
        headers
        for operation, headers in zip(graph.asked, graph.requests, strict=True)
        if operation == "putChunk"
    ]
    assert len(pieces) == 3
    assert not any("authorization" in headers for headers in pieces)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sensitivity": Sensitivity.PRIVATE}, "smtpEmailSensitivity"),
        ({"in_reply_to": "<x@example.com>"}, "smtpEmailInReplyTo"),
        ({"headers": (("List-Id", "<a.example.com>"),)}, "smtpEmailHeaders.List-Id"),
    ],
)
async def test_what_fields_cannot_say_is_refused_by_name(graph: Graph, changes: Any, field: str) -> None:
    async with transport(graph) as sending:
        with pytest.raises(InputError) as caught:
            await sending.submit(message(files=FILES, **changes), route(graph), Recorded())
        await sending.submit(message(**changes), route(graph), Recorded())
    assert caught.value.field == field
    assert len(graph.delivered) == 1, "a small mail says it by its octets"


async def test_a_signed_mail_above_the_limit_is_refused(graph: Graph) -> None:
    from dataclasses import replace

    mail = message(files=FILES)
    signed = replace(mail, data=mail.data.replace(b"multipart/mixed", b"multipart/signed", 1))
    async with transport(graph) as sending:
        with pytest.raises(ConnectorError) as caught:
            await sending.submit(signed, route(graph), Recorded())
    assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE
    assert graph.asked == []


async def test_own_headers_and_a_read_receipt_survive(graph: Graph) -> None:
    from connector.model.addresses import Mailbox

    changes: Any = {"headers": (("X-Case", "4711"),), "read_receipt": Mailbox(USER)}
    async with transport(graph) as sending:
        await sending.submit(message(files=FILES, **changes), route(graph), Recorded())
    (out,) = graph.delivered
    assert {"name": "X-Case", "value": "4711"} in out.fields["internetMessageHeaders"]
    assert out.fields["isReadReceiptRequested"] is True


async def test_a_token_without_the_right_to_drafts_is_told_so(graph: Graph) -> None:
    tokens = FixedTokens(graph.token(None, "Mail.Send"))
    async with transport(graph, tokens) as sending:
        with pytest.raises(TransportError) as caught:
            await sending.submit(message(files=FILES), route(graph, exact=False), Recorded())
    assert caught.value.code is ErrorCode.AUTH_FAILED
    assert "Mail" in caught.value.message


async def test_a_mail_goes_as_a_whole_when_the_mailbox_takes_its_octets(
    graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mailboxes, "_CEILING", replace(mailboxes._CEILING, octets=8_000_000))
    now = 1000.0
    tokens = FixedTokens(graph.token(None, "Mail.ReadWrite", "Mail.Send"))
    asked = GraphMailboxes(lambda _: tokens, DIRECT, Allowances(lambda: now))
    sending = GraphTransport(asked)
    try:
        for key in ("k1", "k2"):
            await sending.submit(message(files=FILES, key=key), route(graph), Recorded())
        before = list(graph.asked)
        with pytest.raises(PostponedError) as caught:
            await sending.submit(message(files=FILES, key="k3"), route(graph), Recorded())
        assert graph.asked == before, "nothing was asked, and no draft is left"
        await sending.submit(message(key="small"), route(graph), Recorded())
        assert caught.value.retry_after == timedelta(minutes=5)
        now += 300
        await sending.submit(message(files=FILES, key="k3"), route(graph), Recorded())
    finally:
        await asked.aclose()
    assert len(graph.delivered) == 4


async def test_pieces_are_asked_within_the_limits_of_the_mailbox(graph: Graph) -> None:
    tokens = FixedTokens(graph.token(None, "Mail.ReadWrite", "Mail.Send"))
    async with graph_mailboxes(graph, tokens) as asked:
        allowance = (await asked.api(route(graph)))._asking.allowance
        table = replace(FILES[1], data=bytes(30_000))
        await GraphTransport(asked).submit(message(files=(FILES[0], table)), route(graph), Recorded())
        # The double counts pieces as the service does.
        assert len(allowance._asked) == len(graph.asked)
        octets = sum(int(headers.get("content-length", 0)) for headers in graph.requests)
        assert 0 <= allowance._uploaded - octets < 1_000
