"""Azure Communication Services: what a mail becomes, who asks, and what each answer is taken for."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from connector.errors import ConnectorError, ErrorCode, InputError, TransportError
from connector.model.addresses import Mailbox
from connector.model.mail import ContentType, DeliveryReceipt, Importance, LoadedAttachment
from connector.model.server import Quota
from connector.transport.acs.acs_transport import operation_of
from connector.transport.port import UNRECORDED
from tests.servers.acs import Acs, acs_server
from tests.wire.acs_submission import CREDENTIAL, message, route, transport
from tests.wire.graph_submission import USER, FixedTokens, Recorded

PDF = LoadedAttachment("smtpEmailAttachments[0]", "Bericht Ä.pdf", "application/pdf", b"%PDF \x00\xff")
LOGO = LoadedAttachment(
    "smtpEmailAttachments[1]", "logo.png", "image/png", b"\x89PNG", True, "logo@example.test"
)


@pytest.fixture
def acs() -> Iterator[Acs]:
    with acs_server("example.test") as running:
        yield running


async def refused(acs: Acs, mail: Any = None, **changes: Any) -> ConnectorError:
    async with transport() as sending:
        with pytest.raises(ConnectorError) as caught:
            await sending.submit(mail or message(), route(acs, **changes), UNRECORDED)
    assert caught.value.code is not ErrorCode.DELIVERY_UNCERTAIN
    assert acs.delivered == []
    return caught.value


async def test_a_mail_in_all_its_parts(acs: Acs) -> None:
    mail = message(
        ["ada@example.com"],
        ["carl@example.com"],
        ["eve@example.com"],
        files=[PDF, LOGO],
        body='<p>Guten Tag <img src="cid:logo@example.test"></p>',
        kind=ContentType.MULTIPART,
        reply_to=(Mailbox("desk@example.test", "Desk Ä"),),
        importance=Importance.HIGH,
        headers=(("X-Case", "7 Ä"), ("ClientCorrelationId", "123")),
        in_reply_to="<parent@example.com>",
    )
    async with transport() as sending:
        receipt = await sending.submit(mail, route(acs), UNRECORDED)
    (sent,) = acs.delivered
    assert sent["senderAddress"] == USER
    assert sent["recipients"] == {
        "to": [{"address": "ada@example.com"}],
        "cc": [{"address": "carl@example.com"}],
        "bcc": [{"address": "eve@example.com"}],
    }
    assert sent["content"]["subject"] == "Order 7 – größer"
    assert "<img" in sent["content"]["html"]
    assert "Guten Tag" in sent["content"]["plainText"]
    assert sent["replyTo"] == [{"address": "desk@example.test", "displayName": "Desk Ä"}]
    headers = sent["headers"]
    assert (headers["Importance"], headers["x-priority"]) == ("high", "1")
    assert (headers["X-Case"], headers["ClientCorrelationId"]) == ("7 Ä", "123")
    assert headers["In-Reply-To"] == "<parent@example.com>"
    assert headers["Message-ID"] == mail.message_id
    pdf, logo = sorted(sent["attachments"], key=lambda file: str(file["name"]))
    assert (pdf["name"], pdf["contentType"]) == (PDF.name, "application/pdf")
    assert base64.b64decode(pdf["contentInBase64"]) == PDF.data
    assert logo["contentId"] == "logo@example.test"
    assert receipt.transport == "acs"
    assert receipt.accepted == ("ada@example.com", "carl@example.com", "eve@example.com")


async def test_the_result_names_the_operation(acs: Acs) -> None:
    mail = message()
    async with transport() as sending:
        receipt = await sending.submit(mail, route(acs), UNRECORDED)
    (operation,) = acs.sends
    assert str(receipt.reply) == f"202 Succeeded, operation {operation}"
    assert UUID(operation).version == 5
    assert operation == operation_of(mail)
    assert operation != operation_of(replace(mail, ended=1))


async def test_the_reference_is_recorded_before_anything_is_asked(acs: Acs) -> None:
    record = Recorded(refusal=RuntimeError("stop"))
    async with transport() as sending:
        with pytest.raises(RuntimeError):
            await sending.submit(message(), route(acs), record)
    assert acs.asked == []


async def test_a_text_mail_to_blind_recipients_only(acs: Acs) -> None:
    async with transport() as sending:
        await sending.submit(message([], bcc=["eve@example.com"]), route(acs), UNRECORDED)
    (sent,) = acs.delivered
    assert sent["recipients"] == {"to": [], "cc": [], "bcc": [{"address": "eve@example.com"}]}
    assert "html" not in sent["content"]


async def test_headers_of_the_account_go_with_every_request(acs: Acs) -> None:
    async with transport() as sending:
        await sending.submit(message(), route(acs, headers=(("X-Gateway-Tenant", "finance"),)), UNRECORDED)
    assert {request.get("x-gateway-tenant") for request in acs.requests} == {"finance"}


# Who asks


async def test_an_application_asks_with_its_token(acs: Acs) -> None:
    tokens = FixedTokens("stale", acs.token())
    async with transport(tokens=tokens) as sending:
        await sending.submit(message(), route(acs, credential=CREDENTIAL, password=None), UNRECORDED)
    assert len(acs.delivered) == 1
    assert tokens.refused == ["stale"]


async def test_a_signature_that_is_refused_once_is_made_anew(acs: Acs) -> None:
    acs.fail("send", 401)
    async with transport() as sending:
        await sending.submit(message(), route(acs), UNRECORDED)
    assert acs.asked[:2] == ["send", "send"]


async def test_another_key_is_refused_and_not_told(acs: Acs) -> None:
    other = base64.b64encode(b"another key of another resource").decode()
    error = await refused(acs, password=SecretStr(other))
    assert error.code is ErrorCode.AUTH_FAILED
    assert "access_key" in error.message
    assert other not in error.message


async def test_a_key_that_is_none_is_named(acs: Acs) -> None:
    error = await refused(acs, password=SecretStr("endpoint=https://x;accesskey=abc"))
    assert error.code is ErrorCode.AUTH_FAILED
    assert "base64" in error.message
    assert acs.asked == []


# What it cannot do


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"sender": Mailbox(USER, "Flow")}, "smtpEmailMailBoxName"),
        ({"delivery_receipt": (DeliveryReceipt.FAILURE,)}, "smtpEmailDeliveryReceipt"),
        ({"read_receipt": Mailbox(USER)}, "smtpEmailReadReceipt"),
        ({"to": ["ä@example.com"]}, "smtpEmailToRecipients"),
        ({"headers": (("X-MS-AcsEmail-Suppress-Invalid-Attachment", "true"),)}, "smtpEmailHeaders.X-MS"),
    ],
)
async def test_what_it_cannot_do_names_the_input(acs: Acs, changes: dict[str, Any], field: str) -> None:
    error = await refused(acs, message(**changes))
    assert isinstance(error, InputError)
    assert error.field.startswith(field)
    assert "Azure Communication Services" in error.message
    assert acs.asked == []


async def test_a_signed_mail_is_refused(acs: Acs) -> None:
    plain = message()
    signed = plain.data.replace(b"Content-Type: text/plain", b"Content-Type: multipart/signed", 1)
    error = await refused(acs, replace(plain, data=signed))
    assert "smtpEmailSign" in error.message
    dkim = await refused(acs, replace(plain, data=b"DKIM-Signature: v=1\r\n" + plain.data))
    assert "signing.dkim" in dkim.message
    assert acs.asked == []


async def test_limits_are_named_before_anything_is_asked(acs: Acs) -> None:
    many = [f"r{number}@example.com" for number in range(51)]
    recipients = await refused(acs, message(many))
    assert "50 recipients" in recipients.message
    large = await refused(acs, message(body="x" * 2000), max_size=1024)
    assert large.code is ErrorCode.MESSAGE_TOO_LARGE
    assert "acs.max_size" in large.message
    images = await refused(acs, message(files=[LOGO], kind=ContentType.HTML), api_version="2023-03-31")
    assert "api_version" in images.message
    assert acs.asked == []


async def test_those_who_have_the_mail_already_would_get_it_again(acs: Acs) -> None:
    whole = message(["ada@example.com", "carl@example.com"])
    error = await refused(acs, whole.to(("carl@example.com",)))
    assert "served already" in error.message


# What the answers mean


@pytest.mark.parametrize(
    ("status", "code", "meaning"),
    [
        (400, "BadRequest", ErrorCode.MESSAGE_REJECTED),
        (400, "InvalidEmailAddress", ErrorCode.RECIPIENT_REJECTED),
        (400, "InvalidSenderUserName", ErrorCode.SENDER_REJECTED),
        (401, "Unauthorized", ErrorCode.AUTH_FAILED),
        (403, "Forbidden", ErrorCode.AUTH_FAILED),
        (404, "DomainNotLinked", ErrorCode.SENDER_REJECTED),
        (404, "NotFound", ErrorCode.MESSAGE_REJECTED),
        (413, "RequestEntityTooLarge", ErrorCode.MESSAGE_TOO_LARGE),
        (429, "TooManyRequests", ErrorCode.RATE_LIMITED),
        (500, "InternalServerError", ErrorCode.TEMPORARILY_REJECTED),
    ],
)
async def test_an_answer_becomes_our_code(acs: Acs, status: int, code: str, meaning: ErrorCode) -> None:
    acs.fail("send", status, code=code, times=9)
    error = await refused(acs)
    assert error.code is meaning
    assert f"{status} {code}" in error.message
    assert "11111111-2222" in error.message


async def test_a_pause_is_kept_to_and_told(acs: Acs) -> None:
    acs.fail("send", 429, retry_after="0")
    async with transport() as sending:
        await sending.submit(message(), route(acs), UNRECORDED)
    assert acs.asked[:2] == ["send", "send"]
    acs.fail("send", 429, retry_after="90")
    async with transport() as sending:
        with pytest.raises(TransportError) as caught:
            await sending.submit(message(key="k2"), route(acs), UNRECORDED)
    assert caught.value.retry_after is not None
    assert caught.value.retry_after.total_seconds() == 90


@pytest.mark.parametrize(
    ("failure", "meaning"),
    [
        ("EmailDropped", ErrorCode.MESSAGE_REJECTED),
        ("EmailDroppedAllRecipientsSuppressed", ErrorCode.RECIPIENT_REJECTED),
        ("Canceled", ErrorCode.MESSAGE_REJECTED),
    ],
)
async def test_a_send_that_fails_is_an_error(acs: Acs, failure: str, meaning: ErrorCode) -> None:
    acs.failure = failure
    error = await refused(acs)
    assert error.code is meaning
    assert isinstance(error, TransportError)
    assert error.ended


async def test_a_slow_send_is_waited_for(acs: Acs) -> None:
    acs.polls = 4
    async with transport() as sending:
        receipt = await sending.submit(message(), route(acs), UNRECORDED)
    assert acs.asked.count("state") == 4
    assert receipt.warnings == ()


@pytest.mark.parametrize(("limit", "warnings"), [(0.0, 0), (0.5, 1)])
async def test_a_send_without_an_end_counts_as_sent(acs: Acs, limit: float, warnings: int) -> None:
    acs.polls, acs.pause = 1000, "60"
    async with transport() as sending:
        receipt = await sending.submit(message(), route(acs, poll_limit=limit), UNRECORDED)
    assert str(receipt.reply).startswith("202 Accepted, operation ")
    assert len(receipt.warnings) == warnings
    assert "state" not in acs.asked


async def test_polls_that_fail_are_repeated(acs: Acs) -> None:
    acs.fail("state", 429, retry_after="0", times=2)
    acs.fail("state")
    async with transport() as sending:
        receipt = await sending.submit(message(), route(acs, quota=Quota(max_wait=0.0)), UNRECORDED)
    assert "Succeeded" in str(receipt.reply)
