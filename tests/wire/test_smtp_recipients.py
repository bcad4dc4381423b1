"""More recipients than a server takes at a time, and what is told of those whom it refuses."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from connector.errors import ErrorCode, Phase, Reply, TransportError
from connector.model.receipt import Delivery, Receipt
from connector.model.server import Quota
from connector.testing.behaviour import Action, Behaviour, Drop, Hold, Say, Silence, Verb
from connector.testing.smtp import Offer, SmtpServer
from connector.transport.port import Unrecorded
from connector.transport.smtp.transaction import GROUP_SIZE
from tests.wire.smtp_submission import failure, message, to, transport

REFUSED = Say(550, "5.1.1 No such user")


def people(count: int) -> tuple[str, ...]:
    return tuple(f"r{number}@x.example" for number in range(count))


def limited(limit: int, behaviour: Behaviour | None = None, *, pipelining: bool = True) -> SmtpServer:
    return SmtpServer(behaviour=behaviour, offer=Offer(recipients=limit, pipelining=pipelining))


def taken(server: SmtpServer) -> list[tuple[str, ...]]:
    return [mail.recipients for mail in server.received]


def refused(receipt: Receipt | TransportError) -> dict[str, str]:
    return {rejection.address: str(rejection.reply) for rejection in receipt.rejected}


async def test_twenty_thousand_are_asked_for_in_groups() -> None:
    """All at once would come back in one burst, which nothing tells from a flood."""
    first = Hold()
    async with SmtpServer(behaviour=Behaviour().on(Verb.MAIL, first, times=1)) as server, transport() as smtp:
        sending = asyncio.create_task(smtp.submit(message(*people(20_000)), to(server)))
        await first.reached.wait()
        assert server.connections[0].received_bytes.count(b"RCPT") == GROUP_SIZE - 1
        first.until.set()
        receipt = await sending
        assert receipt.accepted == server.received[0].recipients == people(20_000)
        assert receipt.warnings == ()


@pytest.mark.parametrize("count", [GROUP_SIZE - 2, GROUP_SIZE - 1, GROUP_SIZE, GROUP_SIZE + 1])
@pytest.mark.parametrize("require_all", [True, False])
async def test_at_the_border_of_a_group(count: int, require_all: bool) -> None:
    async with SmtpServer() as server, transport() as smtp:
        await smtp.submit(message(*people(count), require_all=require_all), to(server))
        assert taken(server) == [people(count)]


@pytest.mark.parametrize("pipelining", [True, False])
async def test_who_is_one_too_many_gets_it_in_a_further_transaction(pipelining: bool) -> None:
    async with limited(100, pipelining=pipelining) as server, transport() as smtp:
        receipt = await smtp.submit(message(*people(250)), to(server))
        assert taken(server) == [people(250)[:100], people(250)[100:200], people(250)[200:]]
        assert {mail.data for mail in server.received} == {message().data}
        assert len(server.connections) == 1
    assert (receipt.accepted, receipt.rejected, receipt.warnings) == (people(250), (), ())


async def test_the_limit_is_not_run_against_for_every_recipient() -> None:
    """Postfix counts those far beyond its limit as errors, and ends the session for too many of them."""
    async with limited(100) as server, transport() as smtp:
        receipt = await smtp.submit(message(*people(2_000)), to(server))
        asked = server.connections[0].received_bytes.count(b"RCPT")
    assert len(receipt.accepted) == 2_000
    assert asked <= 20 * (100 + GROUP_SIZE)


async def test_refused_for_good_is_refused_once() -> None:
    behaviour = Behaviour().on(Verb.RCPT, REFUSED, containing="r1@")
    async with limited(2, behaviour) as server, transport() as smtp:
        receipt = await smtp.submit(message(*people(4)), to(server))
        await smtp.aclose()
        assert server.connections[0].commands.count("RCPT TO:<r1@x.example>") == 1
    assert receipt.accepted == ("r0@x.example", "r2@x.example", "r3@x.example")
    assert refused(receipt) == {"r1@x.example": "550 5.1.1 No such user"}
    assert receipt.warnings == ()


@pytest.mark.parametrize(
    ("reply", "again"),
    [
        (Say(452, "4.5.3 Too many recipients"), True),
        (Say(452, "Too many recipients"), True),
        (Say(552, "5.5.3 Too many recipients"), True),
        (Say(452, "4.2.2 The recipient's inbox is out of storage space"), False),
        (Say(450, "4.5.3 Later"), False),
        (Say(552, "Mailbox full"), False),
    ],
    ids=lambda value: str(getattr(value, "lines", value)),
)
async def test_which_replies_are_about_the_number(reply: Say, again: bool) -> None:
    behaviour = Behaviour().on(Verb.RCPT, reply, containing="r1@", times=1)
    async with SmtpServer(behaviour=behaviour) as server, transport() as smtp:
        receipt = await smtp.submit(message(*people(2)), to(server))
        assert taken(server) == [("r0@x.example",), *([("r1@x.example",)] if again else [])]
    assert len(receipt.rejected) == (not again)


async def test_a_server_that_takes_nobody_yet_is_not_full() -> None:
    behaviour = Behaviour().on(Verb.RCPT, Say(452, "4.5.3 Too many recipients"), times=1)
    async with SmtpServer(behaviour=behaviour) as server, transport() as smtp:
        receipt = await smtp.submit(message(*people(2)), to(server))
        assert taken(server) == [("r1@x.example",)]
    assert list(refused(receipt)) == ["r0@x.example"]


async def test_a_warning_is_given_once_for_all_transactions() -> None:
    mail = message(*people(2))
    mail = dataclasses.replace(mail, envelope=dataclasses.replace(mail.envelope, notify=("never",)))
    async with SmtpServer(offer=Offer(dsn=False, recipients=1)) as server, transport() as smtp:
        receipt = await smtp.submit(mail, to(server))
        assert len(server.received) == 2
    assert [warning.partition(" does ")[2] for warning in receipt.warnings] == [
        "not offer delivery receipts (DSN): none was requested."
    ]


async def test_a_server_that_has_room_for_none_of_the_rest_is_asked_once() -> None:
    behaviour = Behaviour().on(Verb.RCPT, Say(452, "4.5.3 No more of you"), containing="bad")
    async with SmtpServer(behaviour=behaviour) as server, transport() as smtp:
        receipt = await smtp.submit(message("a@x", "bad1@x", "bad2@x"), to(server))
        assert sum(line.startswith("MAIL") for line in server.connections[0].commands) == 2
        assert taken(server) == [("a@x",)]
    assert refused(receipt) == dict.fromkeys(("bad1@x", "bad2@x"), "452 4.5.3 No more of you")
    assert receipt.warnings == ()


@pytest.mark.parametrize("pipelining", [True, False])
async def test_where_all_are_required_nobody_gets_a_part(pipelining: bool) -> None:
    async with limited(2, pipelining=pipelining) as server:
        error = await failure(message(*people(5), require_all=True), to(server))
        await server.wait_until_idle()
        assert server.connections[0].received_bytes.count(b"RCPT") == 5
    assert (error.code, error.phase) == (ErrorCode.MESSAGE_REJECTED, Phase.RCPT)
    assert not error.retryable
    assert "takes 2 recipients of one mail, this one has 5" in error.message
    assert "smtpEmailRequireAllRecipients" in error.message
    assert tuple(refused(error)) == people(5)[2:]
    assert server.received == []


async def test_a_recipient_refused_for_another_reason_is_no_limit() -> None:
    behaviour = Behaviour().on(Verb.RCPT, Say(452, "4.2.2 Mailbox full"), containing="bad")
    async with SmtpServer(behaviour=behaviour) as server:
        error = await failure(message("a@x", "bad@x", require_all=True), to(server))
    assert (error.code, error.retryable) == (ErrorCode.TEMPORARILY_REJECTED, True)


GOOD = Say(250, "2.0.0 Ok")
AGAIN = Say(451, "4.3.0 Not now")
CLOSING = Say(421, "4.7.0 Enough", close=True)


class Heard(Unrecorded):
    """Keeps what a ledger would hear."""

    def __init__(self) -> None:
        self.begun: list[tuple[str, ...]] = []
        self.done: list[tuple[str, ...]] = []

    async def committing(self, delivery: Delivery) -> None:
        self.begun.append(delivery.recipients)

    async def delivered(self, delivery: Delivery, reply: Reply) -> None:
        self.done.append(delivery.recipients)


async def test_each_delivery_is_heard_of_before_and_after() -> None:
    heard = Heard()
    async with limited(2) as server, transport() as smtp:
        receipt = await smtp.submit(message(*people(5)), to(server), heard)
    groups = [people(5)[:2], people(5)[2:4], people(5)[4:]]
    assert heard.begun == groups
    assert heard.done == groups[:-1], "the last one is the receipt's"
    assert receipt.accepted == people(5)


@pytest.mark.parametrize("limit", [1, 2, 5, 6])
async def test_an_accounts_limit_makes_deliveries(limit: int) -> None:
    async with SmtpServer() as server, transport() as smtp:
        route = dataclasses.replace(to(server), quota=Quota(max_recipients=limit))
        receipt = await smtp.submit(message(*people(5)), route)
        assert max(len(recipients) for recipients in taken(server)) == min(limit, 5)
        assert sum(taken(server), ()) == receipt.accepted == people(5)
        assert len(server.connections) == 1


async def test_an_accounts_limit_is_no_way_around_all_or_none() -> None:
    async with SmtpServer() as server:
        route = dataclasses.replace(to(server), quota=Quota(max_recipients=2))
        error = await failure(message(*people(5), require_all=True), route)
        assert server.connections == []
    assert error.code is ErrorCode.MESSAGE_REJECTED
    assert "takes 2 recipients of one mail, this one has 5" in error.message


async def test_a_delivery_that_is_refused_as_a_whole_stops_no_other() -> None:
    behaviour = Behaviour().on(Verb.RCPT, REFUSED, containing="r1@")
    async with SmtpServer(behaviour=behaviour) as server, transport() as smtp:
        route = dataclasses.replace(to(server), quota=Quota(max_recipients=1))
        receipt = await smtp.submit(message(*people(3)), route)
        assert len(server.connections) == 1
    assert receipt.accepted == ("r0@x.example", "r2@x.example")
    assert refused(receipt) == {"r1@x.example": "550 5.1.1 No such user"}


async def test_a_mail_that_every_delivery_refuses_fails_for_the_one_to_try_again() -> None:
    behaviour = Behaviour().on(Verb.RCPT, AGAIN, containing="r1@").on(Verb.RCPT, REFUSED)
    async with SmtpServer(behaviour=behaviour) as server:
        route = dataclasses.replace(to(server), quota=Quota(max_recipients=1))
        error = await failure(message(*people(3)), route)
    assert error.code is ErrorCode.TEMPORARILY_REJECTED
    assert tuple(refused(error)) == people(3)


@pytest.mark.parametrize("action", [CLOSING, Drop()], ids=str)
async def test_a_connection_that_ends_between_deliveries_is_renewed(action: Action) -> None:
    behaviour = Behaviour().on(Verb.MAIL, GOOD, times=1).on(Verb.MAIL, action, times=1)
    async with limited(1, behaviour) as server, transport() as smtp:
        receipt = await smtp.submit(message(*people(3)), to(server))
        assert sum(taken(server), ()) == people(3)
    assert receipt.accepted == people(3)


@pytest.mark.parametrize(
    ("verb", "action", "code"),
    [
        (Verb.MAIL, AGAIN, ErrorCode.TEMPORARILY_REJECTED),
        (Verb.RCPT, CLOSING, ErrorCode.TEMPORARILY_REJECTED),
        (Verb.DATA, AGAIN, ErrorCode.TEMPORARILY_REJECTED),
        (Verb.DOT, Say(554, "5.7.1 Spam"), ErrorCode.MESSAGE_REJECTED),
        (Verb.DATA, Silence(), ErrorCode.CONNECTION_TIMEOUT),
        (Verb.DOT, Silence(), ErrorCode.DELIVERY_UNCERTAIN),
    ],
    ids=str,
)
async def test_a_later_delivery_that_fails_takes_nothing_back(
    verb: Verb, action: Action, code: ErrorCode
) -> None:
    behaviour = Behaviour().on(verb, GOOD if verb is not Verb.DATA else Say(354, "Go on"), times=1)
    if verb is Verb.RCPT:
        behaviour = Behaviour().on(verb, GOOD, containing="r0@")
    heard = Heard()
    async with limited(1, behaviour.on(verb, action)) as server, transport(command=0.3, dot=0.3) as smtp:
        with pytest.raises(TransportError) as caught:
            await smtp.submit(message(*people(3)), to(server), heard)
        assert taken(server)[0] == ("r0@x.example",)
    assert caught.value.code is code
    assert heard.done == [("r0@x.example",)]


async def test_a_refusal_is_told_with_the_ones_before_it() -> None:
    behaviour = Behaviour().on(Verb.RCPT, REFUSED, containing="r0@")
    behaviour.on(Verb.DOT, GOOD, times=1).on(Verb.DOT, Say(554, "5.7.1 Spam"))
    async with SmtpServer(behaviour=behaviour) as server, transport() as smtp:
        route = dataclasses.replace(to(server), quota=Quota(max_recipients=1))
        with pytest.raises(TransportError) as caught:
            await smtp.submit(message(*people(3)), route)
    assert refused(caught.value) == {"r0@x.example": "550 5.1.1 No such user"}


async def test_cancelled_between_deliveries_it_goes_back() -> None:
    pause = Hold()
    behaviour = Behaviour().on(Verb.MAIL, GOOD, times=1).on(Verb.MAIL, pause)
    heard = Heard()
    async with limited(1, behaviour) as server, transport() as smtp:
        sending = asyncio.create_task(smtp.submit(message(*people(2)), to(server), heard))
        await pause.reached.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
    assert heard.done == [("r0@x.example",)]


async def test_who_was_refused_before_the_server_broke_off_is_named() -> None:
    """In the manner of Postfix, which ends a session after too many refusals."""
    behaviour = Behaviour().on(Verb.RCPT, REFUSED, times=1_500)
    behaviour.on(Verb.RCPT, Say(421, "4.7.0 test.example Error: too many errors", close=True))
    async with SmtpServer(behaviour=behaviour) as server:
        error = await failure(message(*people(2_000)), to(server))
    assert (error.code, error.phase) == (ErrorCode.TEMPORARILY_REJECTED, Phase.RCPT)
    assert tuple(refused(error)) == people(1_500)
    assert "421 4.7.0 test.example Error: too many errors" in error.message
    assert "1500 of 2000 recipients (r0@x.example, r1@x.example, r2@x.example, …)" in error.message


async def test_who_was_refused_before_an_uncertain_outcome_is_told() -> None:
    behaviour = Behaviour().on(Verb.RCPT, REFUSED, containing="r0@").on(Verb.DOT, Drop(), keep=True)
    async with SmtpServer(behaviour=behaviour) as server:
        error = await failure(message(*people(2)), to(server))
    assert error.code is ErrorCode.DELIVERY_UNCERTAIN
    assert refused(error) == {"r0@x.example": "550 5.1.1 No such user"}
