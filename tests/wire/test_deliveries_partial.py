"""A mail that some recipients have and others do not yet: who is served when, and what the process hears."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest

from connector.ledger.port import Answer, Operation, State
from connector.model.job import Complete, Fail, Job, Outcome, Throw
from connector.testing.behaviour import Behaviour, Drop, Hold, Say, Verb
from connector.testing.smtp import Offer, SmtpServer
from tests.jobs import job
from tests.wire.test_deliveries import LEASE, Store, error_code, pipeline, response
from tests.wire.test_pipeline import mail

ADA, BOB, CYD = "ada@x.example", "bob@x.example", "cyd@x.example"
GREYLISTED = Say(450, "4.2.0 Greylisted, come again")
UNKNOWN = Say(550, "5.1.1 No such user")
GOOD = Say(250, "2.0.0 Ok")


def to_three(server: SmtpServer, **inputs: object) -> dict[str, Any]:
    return mail(server, smtpEmailToRecipients=[ADA, BOB, CYD], **inputs)


def copies(server: SmtpServer) -> Counter[str]:
    return Counter(recipient for one in server.received for recipient in one.recipients)


def one_each(server: SmtpServer) -> bool:
    return copies(server) == Counter([ADA, BOB, CYD])


def told(outcome: Outcome) -> dict[str, Any]:
    assert isinstance(outcome, Fail)
    assert outcome.error is not None
    variables: dict[str, Any] = outcome.error["variables"]
    return variables


def again(first: Job, retries: int, **variables: object) -> Job:
    return job({**first.variables, **variables}, retries=retries)


async def test_a_greylisted_recipient_is_served_by_the_next_attempt() -> None:
    behaviour = Behaviour().on(Verb.RCPT, GREYLISTED, containing=BOB, times=1)
    async with SmtpServer(behaviour=behaviour) as server, pipeline(Store()) as opened:
        first = job(to_three(server), retries=3)
        outcome = await opened.handle(first)
        assert error_code(outcome) == "TEMPORARILY_REJECTED"
        variables = told(outcome)
        assert (variables["accepted"], variables["partial"]) == ([ADA, CYD], True)
        assert [one["address"] for one in variables["rejected"]] == [BOB]
        assert isinstance(outcome, Fail)
        assert outcome.retries == 2
        assert outcome.backoff > 0
        assert "2 of 3 recipients have the mail" in outcome.message
        done = response(await opened.handle(again(first, 2)))
        assert (done["accepted"], done["rejected"], done["partial"]) == ([ADA, CYD, BOB], [], False)
        assert one_each(server)
        one, other = (message_from_bytes(received.data) for received in server.received)
        assert (one["Date"], one["Message-ID"]) == (other["Date"], other["Message-ID"])
        assert done["messageId"] == one["Message-ID"]
        assert not done["warnings"]
        assert response(await opened.handle(again(first, 1))) == {**done, "duplicate": True}


async def test_on_the_last_attempt_the_task_completes_without_the_rest() -> None:
    behaviour = Behaviour().on(Verb.RCPT, GREYLISTED, containing=BOB)
    async with SmtpServer(behaviour=behaviour) as server, pipeline(Store()) as opened:
        first = job(to_three(server), retries=2)
        assert error_code(await opened.handle(first)) == "TEMPORARILY_REJECTED"
        done = response(await opened.handle(again(first, 1)))
    assert (done["accepted"], done["partial"]) == ([ADA, CYD], True)
    assert [one["address"] for one in done["rejected"]] == [BOB]
    assert done["reply"].startswith("250 ")


async def test_with_one_attempt_only_it_completes_at_once() -> None:
    behaviour = Behaviour().on(Verb.RCPT, GREYLISTED, containing=BOB)
    async with SmtpServer(behaviour=behaviour) as server, pipeline(Store()) as opened:
        done = response(await opened.handle(job(to_three(server), retries=1)))
    assert (done["accepted"], done["partial"]) == ([ADA, CYD], True)


async def test_a_recipient_refused_for_good_is_told_once_and_not_asked_for_again() -> None:
    behaviour = Behaviour().on(Verb.RCPT, UNKNOWN, containing=ADA)
    behaviour.on(Verb.RCPT, GREYLISTED, containing=BOB, times=1)
    async with SmtpServer(behaviour=behaviour) as server, pipeline(Store()) as opened:
        first = job(to_three(server), retries=3)
        await opened.handle(first)
        done = response(await opened.handle(again(first, 2)))
        commands = [line for one in server.connections for line in one.commands]
    assert (done["accepted"], [one["address"] for one in done["rejected"]]) == ([CYD, BOB], [ADA])
    assert done["rejected"][0]["text"] == "5.1.1 No such user"
    assert sum("RCPT" in line and ADA in line for line in commands) == 1


async def test_the_rest_refused_for_good_ends_the_mail() -> None:
    behaviour = Behaviour().on(Verb.RCPT, GREYLISTED, containing=BOB, times=1)
    behaviour.on(Verb.RCPT, UNKNOWN, containing=BOB)
    async with SmtpServer(behaviour=behaviour) as server, pipeline(Store()) as opened:
        first = job(to_three(server), retries=3)
        await opened.handle(first)
        done = response(await opened.handle(again(first, 2)))
    assert ([one["address"] for one in done["rejected"]], done["partial"]) == ([BOB], True)


async def test_any_other_error_for_the_rest_is_an_incident_whose_retry_serves_it() -> None:
    behaviour = Behaviour().on(Verb.DOT, GOOD, times=1).on(Verb.DOT, Say(554, "5.7.1 Spam"), times=1)
    async with (
        SmtpServer(behaviour=behaviour, offer=Offer(recipients=1)) as server,
        pipeline(Store()) as opened,
    ):
        first = job(to_three(server), retries=3)
        outcome = await opened.handle(first)
        assert error_code(outcome) == "MESSAGE_REJECTED"
        assert isinstance(outcome, Fail)
        assert outcome.retries == 0
        assert "1 of 3 recipients has the mail; a retry serves the others" in outcome.message
        assert told(outcome)["accepted"] == [ADA]
        done = response(await opened.handle(again(first, 3)))
        assert done["accepted"] == [ADA, BOB, CYD]
        assert one_each(server)


async def test_a_broken_link_after_a_delivery_is_an_incident_too() -> None:
    behaviour = Behaviour().on(Verb.DATA, Say(354, "Go on"), times=1).on(Verb.DATA, Drop(), times=1)
    async with (
        SmtpServer(behaviour=behaviour, offer=Offer(recipients=1)) as server,
        pipeline(Store()) as opened,
    ):
        first = job(to_three(server), retries=3)
        outcome = await opened.handle(first)
        assert error_code(outcome) == "CONNECTION_FAILED"
        assert isinstance(outcome, Fail)
        assert outcome.retries == 0
        assert not told(outcome)["retryable"]
        assert response(await opened.handle(again(first, 3)))["accepted"] == [ADA, BOB, CYD]
        assert one_each(server)


async def test_a_ledger_lost_between_deliveries_hands_the_job_back() -> None:
    store = Store()
    store.fails_at = 4  # begin, committing, delivered: the second committing fails
    async with SmtpServer(offer=Offer(recipients=1)) as server, pipeline(store) as opened:
        first = job(to_three(server), retries=3)
        outcome = await opened.handle(first)
        assert isinstance(outcome, Fail)
        assert (error_code(outcome), outcome.retries) == ("LEDGER_UNAVAILABLE", 3)
        store.now += 2 * LEASE
        assert response(await opened.handle(again(first, 3)))["accepted"] == [ADA, BOB, CYD]
        assert one_each(server)


async def test_cancelled_between_deliveries_the_job_goes_back_and_the_rest_follows() -> None:
    pause = Hold()
    behaviour = Behaviour().on(Verb.MAIL, GOOD, times=1).on(Verb.MAIL, pause, times=1)
    async with (
        SmtpServer(behaviour=behaviour, offer=Offer(recipients=1)) as server,
        pipeline(Store()) as opened,
    ):
        first = job(to_three(server), retries=3)
        handling = asyncio.create_task(opened.handle(first))
        await pause.reached.wait()
        handling.cancel()
        outcome = await handling
        assert isinstance(outcome, Fail)
        assert (error_code(outcome), outcome.retries) == ("CANCELLED", 3)
        assert response(await opened.handle(again(first, 3)))["accepted"] == [ADA, BOB, CYD]
        assert one_each(server)


async def test_cancelled_while_a_delivery_is_recorded_no_other_begins() -> None:
    """The record is waited for, and the cancellation is not forgotten over it."""
    store = Store()
    async with SmtpServer(offer=Offer(recipients=1)) as server, pipeline(store) as opened:
        first = job(to_three(server), retries=3)
        handling: asyncio.Task[Outcome]
        apply = store.apply

        async def cancelling(operations: Sequence[Operation]) -> list[Answer]:
            answers = await apply(operations)
            if store.groups == 3:  # begin, committing, delivered
                handling.cancel()
                await asyncio.sleep(0)
            return answers

        store.apply = cancelling  # type: ignore[method-assign]
        handling = asyncio.create_task(opened.handle(first))
        assert error_code(await handling) == "CANCELLED"
        assert copies(server) == Counter([ADA])
        assert response(await opened.handle(again(first, 3)))["accepted"] == [ADA, BOB, CYD]
        assert one_each(server)


@pytest.mark.parametrize("policy", ["incident", "resend", "assume-sent"])
async def test_doubt_is_about_the_recipients_of_its_delivery(policy: str) -> None:
    behaviour = Behaviour().on(Verb.DOT, GOOD, times=1).on(Verb.DOT, Drop(), times=1, keep=True)
    async with (
        SmtpServer(behaviour=behaviour, offer=Offer(recipients=1)) as server,
        pipeline(Store(), ledger__uncertain=policy) as opened,
    ):
        first = job(to_three(server), retries=3)
        outcome = await opened.handle(first)
        if policy != "assume-sent":
            assert error_code(outcome) == "DELIVERY_UNCERTAIN"
            assert told(outcome)["accepted"] == [ADA]
            if policy == "incident":
                assert error_code(await opened.handle(again(first, 3))) == "DELIVERY_UNCERTAIN"
                assert copies(server) == Counter([ADA, BOB])
                return
            outcome = await opened.handle(again(first, 3))
        done = response(outcome)
        assert done["accepted"] == [ADA, BOB, CYD]
        assert copies(server) == Counter([ADA, BOB, CYD, *([BOB] if policy == "resend" else [])])
        uncertain = [warning for warning in done["warnings"] if warning.startswith("uncertain: ")]
        assert len(uncertain) == (policy == "assume-sent")


async def test_another_task_with_the_same_key_goes_on_with_the_rest() -> None:
    behaviour = Behaviour().on(Verb.RCPT, GREYLISTED, containing=BOB, times=1)
    async with SmtpServer(behaviour=behaviour) as server, pipeline(Store()) as opened:
        keyed = to_three(server, smtpEmailIdempotencyKey="order-1")
        headers = {"errorExpression": 'bpmnError("LATER")'}
        stopped = await opened.handle(job(keyed, headers=headers, retries=3))
        assert isinstance(stopped, Throw)
        done = response(await opened.handle(job(keyed, element_instance_key=13)))
        assert done["accepted"] == [ADA, CYD, BOB]
        assert one_each(server)


async def test_inputs_that_changed_do_not_reach_the_rest() -> None:
    behaviour = Behaviour().on(Verb.RCPT, GREYLISTED, containing=BOB, times=1)
    async with SmtpServer(behaviour=behaviour) as server, pipeline(Store()) as opened:
        first = job(to_three(server), retries=3)
        await opened.handle(first)
        outcome = await opened.handle(again(first, 2, smtpEmailSubject="Another"))
        assert error_code(outcome) == "INVALID_INPUT"
        assert len(server.received) == 1


async def test_a_file_that_changed_in_between_is_a_warning(tmp_path: Path) -> None:
    behaviour = Behaviour().on(Verb.RCPT, GREYLISTED, containing=BOB, times=1)
    report = tmp_path / "report.txt"
    report.write_text("first")
    roots = {"attachments__roots": str(tmp_path)}
    async with SmtpServer(behaviour=behaviour) as server, pipeline(Store(), **roots) as opened:
        first = job(to_three(server, smtpEmailAttachments=[str(report)]), retries=3)
        await opened.handle(first)
        report.write_text("second")
        done = response(await opened.handle(again(first, 2)))
    assert [warning.partition(":")[0] for warning in done["warnings"]] == ["changed"]


async def test_a_mail_refused_after_the_dot_keeps_its_date() -> None:
    behaviour = Behaviour().on(Verb.DOT, Say(451, "4.3.0 Not now"), times=1, keep=True)
    store = Store()
    async with SmtpServer(behaviour=behaviour) as server, pipeline(store) as opened:
        first = job(to_three(server), retries=3)
        assert error_code(await opened.handle(first)) == "TEMPORARILY_REJECTED"
        assert await store.state() is State.RELEASED
        (entry,) = await store.entries(key=None, state=None, limit=1)
        assert entry.progress is not None
        assert isinstance(await opened.handle(again(first, 2)), Complete)
        dates = {message_from_bytes(received.data)["Date"] for received in server.received}
    assert len(dates) == 1
