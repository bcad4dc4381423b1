"""What a good server gets to see: commands, parameters, recipients and octets."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from connector.errors import ErrorCode, Phase, TransportError
from connector.model.envelope import EightBit, Message
from connector.model.receipt import Delivery
from connector.model.server import Security
from connector.testing.behaviour import Behaviour, Drop, Hold, Say, Verb
from connector.testing.smtp import Offer, SmtpServer
from connector.transport.port import Unrecorded
from connector.transport.smtp.transaction import CHUNK_SIZE
from tests.wire.smtp_submission import bulky, failure, good_context, message, to, transport

NOTHING_OFFERED = Offer(
    pipelining=False, size=None, eight_bit=False, smtputf8=False, dsn=False, enhanced_status_codes=False
)


def with_envelope(**changes: object) -> Message:
    plain = message()
    return dataclasses.replace(plain, envelope=dataclasses.replace(plain.envelope, **changes))  # type: ignore[arg-type] # names are checked at run time


async def test_pipelined_envelope() -> None:
    async with SmtpServer() as server, transport() as smtp:
        receipt = await smtp.submit(message("b@x.example", "c@x.example"), to(server))
    assert str(receipt.reply).startswith("250 2.0.0 Ok: queued as")
    assert receipt.accepted == ("b@x.example", "c@x.example")
    assert (receipt.rejected, receipt.warnings) == ((), ())
    assert server.received[0].data == message().data
    assert server.connections[0].pipelined
    assert server.connections[0].commands == [
        "EHLO client.example",
        f"MAIL FROM:<ada@example.com> SIZE={len(message().data)}",
        "RCPT TO:<b@x.example>",
        "RCPT TO:<c@x.example>",
        "DATA",
        "QUIT",
    ]


async def test_only_what_is_offered_is_used() -> None:
    async with SmtpServer(offer=NOTHING_OFFERED) as server, transport() as smtp:
        await smtp.submit(with_envelope(notify=("success",), envelope_id="1"), to(server))
    assert not server.connections[0].pipelined
    assert server.connections[0].commands[1:4] == [
        "MAIL FROM:<ada@example.com>",
        "RCPT TO:<bob@example.com>",
        "DATA",
    ]


async def test_delivery_receipts_are_asked_for() -> None:
    mail = with_envelope(notify=("success", "delay"), envelope_id="a=b+c ä")
    async with SmtpServer() as server, transport() as smtp:
        assert (await smtp.submit(mail, to(server))).warnings == ()
    parameters = server.received[0].mail_parameters
    assert (parameters["RET"], parameters["ENVID"]) == ("HDRS", "a+3Db+2Bc+20+C3+A4")
    assert server.received[0].rcpt_parameters == {"bob@example.com": {"NOTIFY": "SUCCESS,DELAY"}}


async def test_delivery_receipts_that_cannot_be_had_are_a_warning() -> None:
    async with SmtpServer(offer=Offer(dsn=False)) as server, transport() as smtp:
        receipt = await smtp.submit(with_envelope(notify=("never",)), to(server))
    assert len(receipt.warnings) == 1
    assert "DSN" in receipt.warnings[0]
    assert server.received[0].rcpt_parameters == {"bob@example.com": {}}


async def test_smtputf8_where_a_local_part_needs_it() -> None:
    mail = with_envelope(recipients=("jürgen@example.com",), smtputf8=True)
    async with SmtpServer() as server, transport() as smtp:
        await smtp.submit(mail, to(server))
    assert "SMTPUTF8" in server.received[0].mail_parameters
    assert server.received[0].recipients == ("jürgen@example.com",)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"recipients": ("bob@example.com", "jürgen@example.com")}, ErrorCode.RECIPIENT_REJECTED),
        ({"sender": "jürgen@example.com"}, ErrorCode.SENDER_REJECTED),
        ({}, ErrorCode.MESSAGE_REJECTED),
    ],
)
async def test_smtputf8_that_cannot_be_had(changes: dict[str, object], code: ErrorCode) -> None:
    async with SmtpServer(offer=Offer(smtputf8=False)) as server:
        error = await failure(with_envelope(smtputf8=True, **changes), to(server))
        await server.wait_until_idle()
    assert (error.code, error.phase) == (code, Phase.MAIL)
    assert "SMTPUTF8" in error.message
    assert server.connections[0].commands == ["EHLO client.example", "QUIT"]


@pytest.mark.parametrize(("spare", "fits"), [(0, True), (-1, False)])
async def test_the_announced_size_is_kept_to_the_octet(spare: int, fits: bool) -> None:
    mail = message(body=b".dots are not counted twice\r\n")
    async with SmtpServer(offer=Offer(size=len(mail.data) + spare)) as server, transport() as smtp:
        if fits:
            await smtp.submit(mail, to(server))
            assert len(server.received) == 1
            return
        with pytest.raises(TransportError) as caught:
            await smtp.submit(mail, to(server))
        await smtp.aclose()
        assert server.connections[0].commands == ["EHLO client.example", "QUIT"]
    assert (caught.value.code, caught.value.phase) == (ErrorCode.MESSAGE_TOO_LARGE, Phase.MAIL)


async def test_size_0_is_no_limit() -> None:
    async with SmtpServer(offer=Offer(size=0)) as server, transport() as smtp:
        await smtp.submit(message(), to(server))
        assert len(server.received) == 1


REFUSED = Say(550, "5.1.1 No such user")
GREYLISTED = Say(450, "4.2.0 Come again")


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize("refusal", [REFUSED, GREYLISTED], ids=["5xx", "4xx"])
async def test_one_refused_recipient_among_several(refusal: Say, pipelining: bool) -> None:
    behaviour = Behaviour().on(Verb.RCPT, refusal, containing="bad@")
    async with (
        SmtpServer(behaviour=behaviour, offer=Offer(pipelining=pipelining)) as server,
        transport() as smtp,
    ):
        receipt = await smtp.submit(message("a@x.example", "bad@x.example", "c@x.example"), to(server))
    assert receipt.accepted == server.received[0].recipients == ("a@x.example", "c@x.example")
    assert receipt.warnings == ()
    assert [rejection.as_variable() for rejection in receipt.rejected] == [
        {
            "address": "bad@x.example",
            "code": refusal.code,
            "enhancedCode": refusal.lines[0][:5],
            "text": refusal.lines[0],
        }
    ]


@pytest.mark.parametrize("pipelining", [True, False])
@pytest.mark.parametrize(
    ("first", "second", "require_all", "code"),
    [
        (REFUSED, REFUSED, False, ErrorCode.RECIPIENT_REJECTED),
        (GREYLISTED, GREYLISTED, False, ErrorCode.TEMPORARILY_REJECTED),
        (REFUSED, GREYLISTED, False, ErrorCode.TEMPORARILY_REJECTED),
        (GREYLISTED, REFUSED, False, ErrorCode.TEMPORARILY_REJECTED),
        (REFUSED, None, True, ErrorCode.RECIPIENT_REJECTED),
        (None, REFUSED, True, ErrorCode.RECIPIENT_REJECTED),
        (GREYLISTED, None, True, ErrorCode.TEMPORARILY_REJECTED),
        (GREYLISTED, REFUSED, True, ErrorCode.RECIPIENT_REJECTED),
    ],
)
async def test_nobody_gets_it(
    first: Say | None, second: Say | None, require_all: bool, code: ErrorCode, pipelining: bool
) -> None:
    behaviour = Behaviour()
    for address, refusal in (("a@", first), ("b@", second)):
        if refusal is not None:
            behaviour.on(Verb.RCPT, refusal, containing=address)
    async with SmtpServer(behaviour=behaviour, offer=Offer(pipelining=pipelining)) as server:
        mail = message("a@x.example", "b@x.example", require_all=require_all)
        error = await failure(mail, to(server))
        await server.wait_until_idle()
    assert (error.code, error.phase) == (code, Phase.RCPT)
    refused = [rejection.address[0] for rejection in error.rejected]
    assert refused == [name for name, refusal in (("a", first), ("b", second)) if refusal]
    assert server.received == []
    assert server.connections[0].commands[-1] == "QUIT"


async def test_all_required_and_all_taken() -> None:
    async with SmtpServer() as server, transport() as smtp:
        await smtp.submit(message("a@x.example", "b@x.example", require_all=True), to(server))
        assert server.received[0].recipients == ("a@x.example", "b@x.example")


async def test_no_empty_message_where_the_server_asks_for_content_after_refusing_all() -> None:
    """RFC 2920 section 3.1: the pipelined DATA may be answered with 354; a lone dot would be a mail."""
    behaviour = (
        Behaviour().on(Verb.RCPT, REFUSED).on(Verb.DATA, Say(354, "Go on")).on(Verb.DOT, Drop(), keep=True)
    )
    async with SmtpServer(behaviour=behaviour) as server:
        error = await failure(message(), to(server))
        await server.wait_until_idle()
    assert error.code is ErrorCode.RECIPIENT_REJECTED
    assert server.connections[0].received_bytes.endswith(b"DATA\r\n")
    assert server.received == []


async def test_the_recipients_refused_before_a_break_are_told() -> None:
    behaviour = Behaviour().on(Verb.RCPT, REFUSED, containing="a@").on(Verb.RCPT, Drop(), containing="b@")
    async with SmtpServer(behaviour=behaviour) as server:
        error = await failure(message("a@x.example", "b@x.example"), to(server))
    assert error.code is ErrorCode.CONNECTION_FAILED
    assert [rejection.address for rejection in error.rejected] == ["a@x.example"]


@pytest.mark.parametrize(
    "body",
    [
        b".\r\n",
        b"..\r\n",
        b".\r\n.\r\n..\r\n...\r\n",
        b"a\r\n.\r\nQUIT\r\n",
        b"x.\r\n\r\n.x\r\n",
        b"\r\n" * 3,
    ],
)
async def test_dots_arrive_as_they_are(body: bytes) -> None:
    async with SmtpServer() as server, transport() as smtp:
        await smtp.submit(message(body=body), to(server))
        assert server.received[0].data == message(body=body).data


@pytest.mark.parametrize("security", [Security.NONE, Security.STARTTLS])
async def test_a_refusal_in_the_middle_of_the_content_keeps_back_the_dot(security: Security) -> None:
    # This server takes whatever ends with a dot, although it has just refused it.
    behaviour = Behaviour().on(Verb.CONTENT, Say(451, "4.3.0 Not now"), keep=True)

    class Slow(Unrecorded):
        async def committing(self, delivery: Delivery) -> None:
            async with asyncio.timeout(10):
                while b"Hello." not in server.connections[0].received_bytes:  # noqa: ASYNC110 - the server has no event
                    await asyncio.sleep(0)
            for _ in range(20):  # the ledger's write takes longer
                await asyncio.sleep(0)

    async with (
        SmtpServer(behaviour=behaviour, tls_context=good_context()) as server,
        transport() as smtp,
    ):
        with pytest.raises(TransportError) as caught:
            await smtp.submit(message(), to(server, security), Slow())
        await server.wait_until_idle()
        assert server.received == []
    assert (caught.value.code, caught.value.phase) == (ErrorCode.TEMPORARILY_REJECTED, Phase.CONTENT)


async def test_a_refusal_of_the_content_that_meets_the_dot_on_its_way_is_the_verdict() -> None:
    whole = len(message().data + b".\r\n")
    behaviour = Behaviour().on(Verb.CONTENT, Say(451, "4.3.0 Not now"), after=whole, times=1)
    async with SmtpServer(behaviour=behaviour) as server, transport() as smtp:
        with pytest.raises(TransportError) as caught:
            await smtp.submit(message(), to(server))
        assert (caught.value.code, caught.value.phase) == (ErrorCode.TEMPORARILY_REJECTED, Phase.DOT)
        assert server.received == []
        await smtp.submit(message(), to(server))
        assert (len(server.received), len(server.connections)) == (1, 2)


@pytest.mark.parametrize("shift", range(-4, 5))
async def test_dots_at_the_border_of_two_chunks(shift: int) -> None:
    head = len(message(body=b"").data)
    filler = b"x" * (CHUNK_SIZE - head - 2 + shift)
    body = filler + b"\r\n.\r\n..\r\n" + filler + b"\r\n.end\r\n"
    async with SmtpServer() as server, transport() as smtp:
        await smtp.submit(message(body=body), to(server))
        assert server.received[0].data == message(body=body).data


@pytest.mark.parametrize("security", [Security.NONE, Security.STARTTLS])
async def test_a_large_message_waits_for_a_slow_reader(security: Security) -> None:
    pause = Hold()
    behaviour = Behaviour().on(Verb.CONTENT, pause, after=1_000_000)
    mail = bulky()
    async with SmtpServer(behaviour=behaviour, tls_context=good_context()) as server, transport() as smtp:
        sending = asyncio.create_task(smtp.submit(mail, to(server, security)))
        await pause.reached.wait()
        assert not sending.done()
        pause.until.set()
        await sending
        assert server.received[0].data == mail.data


@pytest.mark.parametrize(
    "data", [b"", b"no end", b"bare\nLF\r\n", b"bare\rCR\r\n", b"x\n.\r\nMAIL FROM:<evil@x>\r\n"]
)
async def test_octets_that_could_smuggle_a_second_mail_are_refused(data: bytes) -> None:
    async with SmtpServer() as server, transport() as smtp:
        with pytest.raises(ValueError, match="CRLF"):
            await smtp.submit(dataclasses.replace(message(), data=data), to(server))
        await smtp.aclose()
        assert not any(line.startswith("MAIL") for line in server.connections[0].commands)


@pytest.mark.parametrize(
    "address",
    [
        "a@x>\r\nRCPT TO:<evil@x",
        "a@x.example> SIZE=1",
        "a b@x.example",
        "a\0@x.example",
        '"a\r\nb"@x.example',
    ],
)
@pytest.mark.parametrize("place", ["sender", "recipient"])
async def test_an_address_cannot_add_to_the_command(place: str, address: str) -> None:
    changes: dict[str, object] = {"sender": address} if place == "sender" else {"recipients": (address,)}
    async with SmtpServer() as server, transport() as smtp:
        with pytest.raises(ValueError, match="must not hold"):
            await smtp.submit(with_envelope(**changes), to(server))
        await smtp.aclose()
        assert server.connections[0].commands == ["EHLO client.example", "QUIT"]


async def test_a_quoted_local_part_passes() -> None:
    async with SmtpServer() as server, transport() as smtp:
        await smtp.submit(with_envelope(recipients=('"a > b"@x.example',)), to(server))
        assert server.received[0].recipients == ('"a > b"@x.example',)


async def test_the_empty_sender_of_a_bounce() -> None:
    async with SmtpServer() as server, transport() as smtp:
        await smtp.submit(with_envelope(sender=""), to(server))
        assert server.received[0].sender == ""


async def test_a_reply_is_shown_short_and_printable() -> None:
    text = "5.7.1 \x1b[31mred\u202e\u2028" + "y" * 2000
    async with SmtpServer(behaviour=Behaviour().on(Verb.MAIL, Say(554, text))) as server:
        error = await failure(message(), to(server))
    assert error.reply is not None
    assert len(error.reply.text) == 500
    assert error.message.replace("\n", " ").isprintable()


async def test_many_mails_at_a_time() -> None:
    async with SmtpServer(tls_context=good_context()) as server, transport() as smtp:
        target = to(server, Security.STARTTLS)
        await asyncio.gather(*(smtp.submit(message(f"r{n}@x.example"), target) for n in range(50)))
        assert {mail.recipients for mail in server.received} == {(f"r{n}@x.example",) for n in range(50)}


@pytest.mark.parametrize("offered", [True, False])
async def test_8_bit_octets_go_only_where_the_server_takes_them(offered: bool) -> None:
    plain = message()
    data = plain.data + "Grüße\r\n".encode()
    mail = dataclasses.replace(plain, eight_bit=EightBit(data, plain.data, ("careful",)))
    async with SmtpServer(offer=Offer(eight_bit=offered)) as server, transport() as smtp:
        receipt = await smtp.submit(mail, to(server))
    (received,) = server.received
    assert received.data == (data if offered else plain.data)
    assert received.mail_parameters.get("BODY") == ("8BITMIME" if offered else None)
    assert received.mail_parameters["SIZE"] == str(len(received.data))
    assert receipt.warnings == (() if offered else ("careful",))
