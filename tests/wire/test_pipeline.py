"""The way of one job over a real socket: order of the stages, cancellation, identity, no leaks."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from typing import Any

import pytest

from connector.model.job import Complete, Fail
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.send.pipeline import Pipeline
from connector.settings.sources import load
from connector.testing.behaviour import Behaviour, Hold, Say, Verb
from connector.testing.smtp import SmtpServer
from tests.jobs import job

CANARY = "cAnArY-pÄss/word+1"


@asynccontextmanager
async def pipeline(environ: Mapping[str, str] | None = None, /, **overrides: str) -> AsyncIterator[Pipeline]:
    given = {"ledger.kind": "memory", **{k.replace("__", "."): v for k, v in overrides.items()}}
    settings = load({}, overrides=given).settings
    async with open_pipeline(settings, Masker(), environ or {}) as opened:
        yield opened


def mail(server: SmtpServer, **changed: Any) -> dict[str, Any]:
    return {
        "authentication": {"hostname": server.hostname, "port": server.port},
        "smtpEmailMailBoxName": "workflow@example.test",
        "smtpEmailToRecipients": ["ann@example.test"],
        "smtpEmailSubject": "Order",
        "smtpEmailContent": "Thanks.",
        **changed,
    }


async def test_the_response_has_what_the_contract_promises() -> None:
    async with SmtpServer() as server, pipeline() as opened:
        before = datetime.now(UTC) - timedelta(seconds=1)
        outcome = await opened.handle(job(mail(server)))
    assert isinstance(outcome, Complete)
    response = outcome.variables["response"]
    assert list(response) == [
        "status",
        "message",
        "messageId",
        "account",
        "transport",
        "accepted",
        "rejected",
        "partial",
        "reply",
        "sentAt",
        "duplicate",
        "warnings",
    ]
    assert before <= datetime.fromisoformat(response["sentAt"]) <= datetime.now(UTC)
    assert response["reply"].startswith("250 ")
    assert (response["account"], response["transport"], response["duplicate"]) == (None, "smtp", False)


async def test_the_response_tells_the_moment_of_a_follow_up_and_what_is_odd() -> None:
    async with SmtpServer() as server, pipeline() as opened:
        inputs = {"smtpEmailFollowUp": "2096-11-20T17:00:00+01:00", "smtpEmailContent": "<p>Thanks.</p>"}
        outcome = await opened.handle(job(mail(server, **inputs)))
    assert isinstance(outcome, Complete)
    response = outcome.variables["response"]
    moment = datetime.fromisoformat(response["followUpAt"])
    assert moment == datetime(2096, 11, 20, 16, tzinfo=UTC)
    warnings = " ".join(response["warnings"])
    assert "message.time_zone is not set" in warnings
    assert "smtpEmailContent looks like HTML" in warnings


async def test_every_attempt_at_a_mail_has_the_same_message_id_and_another_mail_another() -> None:
    refused = Behaviour().on(Verb.DOT, Say(451, "4.3.0 later"), times=2, keep=True)
    async with SmtpServer(behaviour=refused) as server, pipeline() as opened:
        chosen = mail(server, smtpEmailIdempotencyKey="order-4711")
        for variables, element_instance in ((mail(server), 12), (chosen, 14)):
            await opened.handle(job(variables, element_instance_key=element_instance))
        for variables, element_instance in ((mail(server), 12), (chosen, 15), (mail(server), 13)):
            await opened.handle(job(variables, element_instance_key=element_instance))
        ids = [message_from_bytes(received.data)["Message-ID"] for received in server.received]
    assert ids[:2] == ids[2:4]
    assert len(set(ids)) == 3


@pytest.mark.parametrize("verb", [Verb.EHLO, Verb.MAIL, Verb.RCPT, Verb.DATA])
async def test_a_cancelled_job_that_sent_nothing_is_handed_back_as_it_was(verb: Verb) -> None:
    hold = Hold(asyncio.Event())
    async with SmtpServer(behaviour=Behaviour().on(verb, hold)) as server, pipeline() as opened:
        running = asyncio.create_task(opened.handle(job(mail(server), retries=2)))
        await hold.reached.wait()
        running.cancel()
        outcome = await running
        hold.until.set()
        assert server.received == []
    assert isinstance(outcome, Fail)
    assert outcome.error is not None
    assert (outcome.error["code"], outcome.retries, outcome.backoff) == ("CANCELLED", 2, 0)


async def test_a_job_cancelled_after_the_final_dot_is_uncertain() -> None:
    hold = Hold(asyncio.Event())
    async with SmtpServer(behaviour=Behaviour().on(Verb.DOT, hold)) as server, pipeline() as opened:
        running = asyncio.create_task(opened.handle(job(mail(server))))
        await hold.reached.wait()
        running.cancel()
        outcome = await running
        hold.until.set()
    assert isinstance(outcome, Fail)
    assert outcome.error is not None
    assert (outcome.error["code"], outcome.retries) == ("DELIVERY_UNCERTAIN", 0)


async def test_a_fault_of_the_task_is_found_before_anything_is_sent() -> None:
    async with SmtpServer() as server, pipeline() as opened:
        outcome = await opened.handle(job(mail(server), headers={"resultVariable": "a b"}))
        assert server.connections == []
    assert isinstance(outcome, Fail)
    assert outcome.message.startswith("EXPRESSION_ERROR: resultVariable")


async def test_the_task_decides_the_pause_and_otherwise_the_settings_do() -> None:
    greylisting = Behaviour().on(Verb.RCPT, Say(450, "4.2.0 later"))
    busy = Behaviour().on(Verb.CONNECT, Say(421, "4.3.2 closing", close=True))
    overrides = {"worker__retry_backoff": "7", "worker__rejection_backoff": "11"}
    async with pipeline(**overrides) as opened:
        pauses = []
        for behaviour, headers in ((greylisting, {}), (busy, {}), (greylisting, {"retryBackoff": "PT3S"})):
            async with SmtpServer(behaviour=behaviour) as server:
                outcome = await opened.handle(job(mail(server), headers=headers))
            assert isinstance(outcome, Fail)
            pauses.append((outcome.retries, outcome.backoff))
        closed = {"hostname": "127.0.0.1", "port": server.port}
        outcome = await opened.handle(job(mail(server, authentication=closed)))
    assert pauses == [(2, 11), (2, 11), (2, 3)]
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.backoff) == (2, 7)


async def test_a_server_that_echoes_the_login_gives_nothing_away() -> None:
    plain = base64.b64encode(f"\0connector\0{CANARY}".encode()).decode()
    echo = Behaviour().on(Verb.AUTH, Say(535, f"5.7.8 no: {plain} {CANARY}"))
    login = {"username": "connector", "password": "{{secrets.PW}}"}
    async with (
        SmtpServer(behaviour=echo, users={"connector": "x"}) as server,
        pipeline({"SECRET_PW": CANARY}) as opened,
    ):
        authentication = {"hostname": server.hostname, "port": server.port, **login}
        outcome = await opened.handle(job(mail(server, authentication=authentication)))
    assert isinstance(outcome, Fail)
    assert outcome.error is not None
    assert outcome.error["code"] == "AUTH_FAILED"
    seen = outcome.message + json.dumps(outcome.error, ensure_ascii=False)
    assert CANARY not in seen
    assert plain not in seen


async def test_a_secret_in_a_result_is_masked() -> None:
    echo = Behaviour().on(Verb.DOT, Say(250, f"2.0.0 queued for {CANARY}"))
    async with (
        SmtpServer(behaviour=echo, users={"u": CANARY}) as server,
        pipeline({"SECRET_PW": CANARY}) as opened,
    ):
        login = {"username": "u", "password": "secrets.PW"}
        authentication = {"hostname": server.hostname, "port": server.port, **login}
        outcome = await opened.handle(job(mail(server, authentication=authentication)))
    assert isinstance(outcome, Complete)
    assert outcome.variables["response"]["reply"].startswith("250 2.0.0 queued for ")
    assert CANARY not in json.dumps(outcome.variables, ensure_ascii=False)


async def test_a_password_that_a_diagram_holds_changes_no_result() -> None:
    login = {"username": "u", "password": "SUCCESS"}
    async with SmtpServer(users={"u": "SUCCESS"}) as guarded, SmtpServer() as other, pipeline() as opened:
        own = {"hostname": guarded.hostname, "port": guarded.port, **login}
        headers = {"resultVariable": "SUCCESS"}
        first = await opened.handle(job(mail(guarded, authentication=own), headers=headers))
        second = await opened.handle(job(mail(other)))
    assert isinstance(first, Complete)
    assert isinstance(second, Complete)
    assert first.variables["SUCCESS"]["status"] == second.variables["response"]["status"] == "SUCCESS"


async def test_a_host_that_is_a_secret_is_masked_however_it_is_spelt() -> None:
    secret = "LocalHost"
    async with pipeline({"SECRET_HOST": secret}) as opened:
        authentication = {"hostname": "secrets.HOST", "port": 1}
        variables = {
            "smtpEmailMailBoxName": "a@example.test",
            "smtpEmailToRecipients": "b@example.test",
            "smtpEmailSubject": "s",
            "smtpEmailContent": "c",
        }
        outcome = await opened.handle(job({**variables, "authentication": authentication}))
    assert isinstance(outcome, Fail)
    assert outcome.error is not None
    assert outcome.error["code"] == "CONNECTION_FAILED"
    assert "localhost" not in (outcome.message + json.dumps(outcome.error)).lower()


async def test_a_key_of_the_task_never_meets_an_element_instance_of_the_same_number() -> None:
    async with SmtpServer() as server, pipeline() as opened:
        await opened.handle(job(mail(server), element_instance_key=4711))
        await opened.handle(job(mail(server, smtpEmailIdempotencyKey="4711"), element_instance_key=1))
        ids = {message_from_bytes(mail.data)["Message-ID"] for mail in server.received}
    assert len(ids) == 2


async def test_a_secret_outside_authentication_stays_text() -> None:
    async with SmtpServer() as server, pipeline({"SECRET_PW": CANARY}) as opened:
        text = "secrets.PW and {{secrets.PW}}"
        await opened.handle(job(mail(server, smtpEmailSubject="secrets.PW", smtpEmailContent=text)))
    (received,) = server.received
    assert b"Subject: secrets.PW\r\n" in received.data
    assert text.encode() in received.data


@pytest.mark.parametrize(("kind", "threads"), [("multipart", 1), ("html", 0), ("text", 0)])
async def test_a_long_text_part_is_made_off_the_loop(
    kind: str, threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[object] = []
    to_thread = asyncio.to_thread

    async def counted(work: Any, *args: Any) -> Any:
        used.append(work)
        return await to_thread(work, *args)

    monkeypatch.setattr("connector.send.submission.asyncio.to_thread", counted)
    body = "<p>Hello.</p>\n" * 500
    async with SmtpServer() as server, pipeline() as opened:
        inputs = {"smtpEmailContentType": kind, "smtpEmailContent": body}
        assert isinstance(await opened.handle(job(mail(server, **inputs))), Complete)
    assert len([work for work in used if getattr(work, "func", None)]) == threads
