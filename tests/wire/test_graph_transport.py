"""The Graph transport against our double: modes, octets, blind copies, tokens, limits, refusals."""

from __future__ import annotations

import asyncio
import email
from collections.abc import Iterator
from typing import Any

import pytest

from connector.errors import ConnectorError, ErrorCode, InputError, PostponedError, TransportError
from connector.model.envelope import PrivateCopy
from connector.model.mail import DeliveryReceipt
from connector.model.server import Quota
from tests.servers.graph import graph_server
from tests.servers.graph_world import Graph
from tests.wire.graph_submission import USER, FixedTokens, Recorded, message, route, transport


@pytest.fixture
def graph() -> Iterator[Graph]:
    with graph_server(USER, "ada@example.test", "team@example.test") as running:
        yield running


async def refused(graph: Graph, mail: Any = None, tokens: FixedTokens | None = None, **changes: Any) -> Any:
    """The error of a mail that must not go out."""
    async with transport(graph, tokens) as sending:
        with pytest.raises(ConnectorError) as caught:
            await sending.submit(mail or message(), route(graph, **changes), Recorded())
    assert graph.delivered == []
    return caught.value


async def test_exact_mode_sends_a_draft_under_its_immutable_id(graph: Graph) -> None:
    mail, record = message(to=["ada@example.com"], bcc=["eve@example.com"]), Recorded()
    async with transport(graph) as sending:
        receipt = await sending.submit(mail, route(graph), record)
    assert graph.asked == ["createDraft", "send"]
    (delivery,), (sent,) = record.committed, graph.mailbox(USER).inside("sentitems")
    assert delivery.reference == f"graph:{sent.id}"
    assert (receipt.transport, str(receipt.reply)) == ("graph", "202 Accepted")
    assert receipt.accepted == ("ada@example.com", "eve@example.com")
    (out,) = graph.delivered
    assert (out.message_id, out.recipients) == (mail.message_id, ("ada@example.com", "eve@example.com"))
    assert out.mime is not None
    assert out.mime.endswith(mail.data), "the octets are ours, below a Bcc field"


async def test_another_attempt_clears_the_drafts_of_those_before_it(graph: Graph) -> None:
    mailbox, mail, record = graph.mailbox(USER), message(), Recorded()
    left, sent, foreign = (
        mailbox.add({"internetMessageId": name, "isDraft": draft}, None, folder)
        for name, draft, folder in (
            (mail.message_id, True, "drafts"),
            (mail.message_id, False, "sentitems"),
            ("<other@example.test>", True, "drafts"),
        )
    )
    record.repeated = True
    async with transport(graph) as sending:
        await sending.submit(mail, route(graph), record)
    assert [item.id for item in mailbox.inside("deleteditems")] == [left.id]
    assert [item.id for item in mailbox.inside("drafts")] == [foreign.id]
    assert sent.id in [item.id for item in mailbox.inside("sentitems")]


@pytest.mark.parametrize("operation", ["listMessages", "deleteMessage"])
async def test_drafts_that_cannot_be_cleared_hold_no_mail_up(graph: Graph, operation: str) -> None:
    mail, record = message(), Recorded()
    graph.mailbox(USER).add({"internetMessageId": mail.message_id, "isDraft": True}, None, "drafts")
    graph.fail(operation, 403)
    record.repeated = True
    async with transport(graph) as sending:
        await sending.submit(mail, route(graph), record)
    assert len(graph.delivered) == 1
    assert operation in graph.asked


async def test_fast_mode_is_one_request(graph: Graph) -> None:
    record = Recorded()
    async with transport(graph, FixedTokens(graph.token(None, "Mail.Send"))) as sending:
        await sending.submit(message(bcc=["eve@example.com"]), route(graph, exact=False), record)
    assert graph.asked == ["sendMail"]
    assert [one.reference for one in record.committed] == [""]
    assert graph.delivered[0].recipients == ("ada@example.com", "eve@example.com")


async def test_nothing_is_kept_where_the_account_says_so(graph: Graph) -> None:
    mailbox = route(graph, exact=False, save_to_sent_items=False)
    async with transport(graph) as sending:
        await sending.submit(message(bcc=["eve@example.com"]), mailbox, Recorded())
    assert graph.mailbox(USER).items == {}
    (out,) = graph.delivered
    assert out.mime is None
    assert out.fields["subject"] == "Order 7 – größer"
    assert out.recipients == ("ada@example.com", "eve@example.com")


async def test_a_person_uses_the_own_mailbox(graph: Graph) -> None:
    tokens = FixedTokens(graph.token("ada@example.test", "Mail.ReadWrite", "Mail.Send"))
    graph.mailbox("ada@example.test").send_as.add(USER)
    async with transport(graph, tokens) as sending:
        await sending.submit(message(), route(graph, user=None), Recorded())
    assert graph.delivered[0].mailbox == "ada@example.test"


async def test_a_person_sends_from_a_shared_mailbox(graph: Graph) -> None:
    tokens = FixedTokens(graph.token("ada@example.test", "Mail.ReadWrite.Shared", "Mail.Send.Shared"))
    graph.mailbox("team@example.test").shared_with.add("ada@example.test")
    graph.mailbox("team@example.test").send_as.add(USER)
    async with transport(graph, tokens) as sending:
        await sending.submit(message(), route(graph, user="team@example.test"), Recorded())
    assert graph.mailbox("team@example.test").inside("sentitems")


async def test_every_request_asks_for_immutable_ids_and_has_the_headers_of_the_account(graph: Graph) -> None:
    async with transport(graph) as sending:
        await sending.submit(message(), route(graph, headers=(("X-Gateway-Tenant", "finance"),)), Recorded())
    for headers in graph.requests:
        assert headers["prefer"] == 'IdType="ImmutableId"'
        assert headers["x-gateway-tenant"] == "finance"


async def test_a_refused_token_is_followed_by_one_new_one(graph: Graph) -> None:
    tokens = FixedTokens("ended.long.ago", graph.token(None, "Mail.ReadWrite", "Mail.Send"))
    async with transport(graph, tokens) as sending:
        await sending.submit(message(), route(graph), Recorded())
    assert tokens.refused == ["ended.long.ago"]
    assert len(graph.delivered) == 1


async def test_a_second_refused_token_is_the_end(graph: Graph) -> None:
    error = await refused(graph, tokens=FixedTokens("a.b.c", "d.e.f"))
    assert error.code is ErrorCode.AUTH_FAILED
    assert "accounts.sales.oauth" in error.message


async def test_a_short_pause_is_waited_for(graph: Graph) -> None:
    graph.fail("send", 429, code="ApplicationThrottled", retry_after="0")
    graph.fail("createDraft", 503, retry_after="0")
    async with transport(graph) as sending:
        await sending.submit(message(), route(graph), Recorded())
    assert graph.asked == ["createDraft", "createDraft", "send", "send"]
    assert len(graph.delivered) == 1


async def test_a_long_pause_is_the_back_off_and_holds_for_the_mailbox(graph: Graph) -> None:
    graph.fail("createDraft", 429, code="TooManyRequests", retry_after="120")
    async with transport(graph) as sending:
        with pytest.raises(TransportError) as caught:
            await sending.submit(message(), route(graph), Recorded())
        assert caught.value.code is ErrorCode.RATE_LIMITED
        assert caught.value.retry_after is not None
        assert caught.value.retry_after.total_seconds() == 120
        with pytest.raises(PostponedError):
            await sending.submit(message(), route(graph), Recorded())
        other = route(graph, user="team@example.test")
        with pytest.raises(TransportError) as sender:
            await sending.submit(message(), other, Recorded())
    assert sender.value.code is ErrorCode.SENDER_REJECTED, "another mailbox has limits of its own"
    assert graph.asked.count("createDraft") == 2


async def test_a_daily_quota_says_so_and_waits_an_hour(graph: Graph) -> None:
    graph.fail("send", 429, code="ErrorExceededMessageLimit")
    error = await refused(graph)
    assert (error.code, error.retry_after.total_seconds()) == (ErrorCode.RATE_LIMITED, 3600)
    assert "quota" in error.message


async def test_four_requests_at_a_time(graph: Graph) -> None:
    async with transport(graph) as sending:
        mails = (message(key=f"k{number}") for number in range(12))
        patient = route(graph, quota=Quota(max_wait=60))
        await asyncio.gather(*(sending.submit(mail, patient, Recorded()) for mail in mails))
    assert len(graph.delivered) == 12
    assert graph.busiest <= 4


@pytest.mark.parametrize(
    ("status", "error", "code", "retryable"),
    [
        (400, "ErrorInvalidRecipients", ErrorCode.RECIPIENT_REJECTED, False),
        (400, "ErrorSomethingNew", ErrorCode.MESSAGE_REJECTED, False),
        (403, "ErrorAccessDenied", ErrorCode.AUTH_FAILED, False),
        (403, "ErrorSendAsDenied", ErrorCode.SENDER_REJECTED, False),
        (404, "ErrorInvalidUser", ErrorCode.SENDER_REJECTED, False),
        (404, "MailboxNotEnabledForRESTAPI", ErrorCode.SENDER_REJECTED, False),
        (409, "ErrorIrresolvableConflict", ErrorCode.TEMPORARILY_REJECTED, True),
        (413, "ErrorMessageSizeExceeded", ErrorCode.MESSAGE_TOO_LARGE, False),
        (500, "UnknownError", ErrorCode.TEMPORARILY_REJECTED, True),
    ],
)
async def test_what_the_errors_of_the_service_mean(
    graph: Graph, status: int, error: str, code: ErrorCode, retryable: bool
) -> None:
    graph.fail("createDraft", status, code=error)
    told = await refused(graph)
    assert (told.code, told.retryable) == (code, retryable)
    assert error in told.message


async def test_the_service_checks_the_sender_itself(graph: Graph) -> None:
    error = await refused(graph, user="ada@example.test")
    assert error.code is ErrorCode.SENDER_REJECTED
    assert graph.mailbox("ada@example.test").items == {}, "no draft is left"


async def test_a_ledger_that_is_down_sends_nothing_and_leaves_no_draft(graph: Graph) -> None:
    record = Recorded(OSError("no ledger"))
    async with transport(graph) as sending:
        with pytest.raises(OSError, match="no ledger"):
            await sending.submit(message(), route(graph), record)
    assert graph.delivered == []
    assert graph.mailbox(USER).items == {}


async def test_what_graph_cannot_do_is_refused_by_name_before_anything_is_asked(graph: Graph) -> None:
    mail = message()
    cases = [
        (message(delivery_receipt=(DeliveryReceipt.FAILURE,)), "smtpEmailDeliveryReceipt"),
        (_with(mail, private=(PrivateCopy("eve@example.com", b""),)), "smtpEmailBccRecipients"),
        (_with(mail, data=b"DKIM-Signature: v=1\r\n" + mail.data), "signing.dkim"),
        (mail.to(("eve@example.com",)), "served already"),
        (message(to=["ä@example.com"]), "not ASCII"),
    ]
    for case, named in cases:
        error = await refused(graph, case)
        assert named in error.message
        assert isinstance(error, InputError) or error.code is ErrorCode.MESSAGE_REJECTED
    assert graph.asked == []


async def test_a_limit_of_recipients_holds_for_the_whole_mail(graph: Graph) -> None:
    error = await refused(graph, message(cc=["eve@example.com"]), quota=Quota(max_recipients=1))
    assert "max_recipients" in error.message


async def test_a_service_that_is_not_there(graph: Graph) -> None:
    error = await refused(graph, base_url="http://127.0.0.1:9/v1.0")
    assert (error.code, error.retryable) == (ErrorCode.CONNECTION_FAILED, True)


def test_the_blind_copy_field_is_folded_and_names_only_the_blind() -> None:
    from connector.transport.graph.blind_copies import with_blind_copies

    many = [f"blind{number}@example.com" for number in range(60)]
    octets = with_blind_copies(message(bcc=many))
    assert max(map(len, octets.split(b"\r\n"))) < 998
    parsed = email.message_from_bytes(octets)
    assert [one.strip().strip("<>") for one in str(parsed["Bcc"]).split(",")] == many
    assert with_blind_copies(message()) == message().data


def _with(mail: Any, **changes: Any) -> Any:
    from dataclasses import replace

    return replace(mail, **changes)
