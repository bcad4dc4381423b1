"""Expressions on the way of a job, over a real socket: never a second mail, nothing given away."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from structlog.testing import capture_logs

from connector import feel
from connector.feel import Evaluation, Expression
from connector.model.job import Complete, Fail, Outcome, Throw
from connector.model.receipt import Receipt
from connector.send import outcome as outcomes
from connector.testing.behaviour import Behaviour, Say, Verb
from connector.testing.smtp import SmtpServer
from tests.jobs import job
from tests.wire.test_pipeline import CANARY, mail, pipeline

LONG = "{n: count(for i in 1..20000 return i)}"


async def handled(
    server: SmtpServer, headers: dict[str, str], environ: dict[str, str] | None = None, **inputs: Any
) -> Outcome:
    async with pipeline(environ) as opened:
        return await opened.handle(job(mail(server, **inputs), headers=headers))


@pytest.mark.parametrize("name", ["resultExpression", "errorExpression", "errorMapping"])
async def test_a_broken_expression_connects_to_nobody(name: str) -> None:
    async with SmtpServer() as server:
        outcome = await handled(server, {name: "={a: response"})
        assert server.connections == []
    assert isinstance(outcome, Fail)
    assert outcome.message.startswith(f"EXPRESSION_ERROR: {name}: ")
    assert outcome.message.endswith("\n={a: response\n             ^")
    assert outcome.retries == 0


async def test_who_cancels_a_long_expression_still_hears_that_the_mail_was_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    began, go_on = threading.Event(), threading.Event()

    class Held(Expression):
        __slots__ = ()

        def evaluate(self, *arguments: Any, **named: Any) -> Evaluation:
            if threading.current_thread() is not threading.main_thread():
                began.set()
                assert go_on.wait(20)
            return super().evaluate(*arguments, **named)

    held = Held(LONG, feel.compile(LONG)._node)
    monkeypatch.setattr("connector.tasks.headers.feel.compile", lambda _: held)
    async with SmtpServer() as server:
        running = asyncio.create_task(handled(server, {"resultExpression": LONG}))
        assert await asyncio.to_thread(began.wait, 20)
        running.cancel()
        await asyncio.sleep(0)
        go_on.set()
        assert await running == Complete({"n": 20000})
        assert len(server.received) == 1


async def test_a_fault_of_our_own_after_the_mail_is_an_incident_that_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> Outcome:
        raise ZeroDivisionError("a bug")

    monkeypatch.setattr("connector.send.pipeline.outcome.succeeded", broken)
    with capture_logs() as logs:
        async with SmtpServer() as server:
            outcome = await handled(server, {"resultVariable": "mail"})
            assert len(server.received) == 1
    assert isinstance(outcome, Fail)
    assert outcome.retries == 0
    assert "The mail was sent as <" in outcome.message
    assert "a bug" not in outcome.message
    assert [log["event"] for log in logs if log["log_level"] == "error"] == ["result not made"]


async def test_a_mail_that_cannot_be_described_was_sent_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    described = outcomes.response

    def broken(message_id: str, receipt: Receipt, *more: Any) -> dict[str, Any]:
        if receipt.accepted:
            raise ZeroDivisionError("a bug")
        return described(message_id, receipt, *more)

    monkeypatch.setattr("connector.send.outcome.response", broken)
    async with SmtpServer() as server:
        outcome = await handled(server, {"resultVariable": "mail"})
        assert len(server.received) == 1
    assert isinstance(outcome, Complete)
    assert outcome.variables["mail"]["status"] == "SUCCESS"
    assert "failed to describe it" in outcome.variables["mail"]["warnings"][0]


async def test_a_result_may_be_nested_deeply() -> None:
    depth = 60
    nested = "{a: " * depth + "messageId" + "}" * depth
    async with SmtpServer() as server:
        outcome = await handled(server, {"resultExpression": nested})
    assert isinstance(outcome, Complete)
    value = outcome.variables
    for _ in range(depth):
        value = value["a"]
    assert str(value).startswith("<")


# Secrets

THROWN = f'bpmnError("C-{CANARY}", "m {CANARY}", {{k: ["v {CANARY}"]}})'
LEAKS: dict[str, tuple[dict[str, str], type[Outcome]]] = {
    "result": ({"resultExpression": f'{{a: {{b: ["x {CANARY}"]}}, reply: reply}}'}, Complete),
    "result variable": ({"resultVariable": "mail"}, Complete),
    "BPMN error": ({"errorExpression": THROWN}, Throw),
    "job error": ({"errorExpression": f'jobError("m {CANARY}", {{v: "v {CANARY}"}})'}, Fail),
    "ignored": ({"resultVariable": "mail", "errorExpression": f'ignoreError({{v: "{CANARY}"}})'}, Complete),
    "an expression that fails": ({"errorExpression": f'jobError("{CANARY}", 5)'}, Fail),
}


@pytest.mark.parametrize("accepted", [True, False])
@pytest.mark.parametrize(("headers", "kind"), LEAKS.values(), ids=LEAKS)
async def test_a_secret_is_masked_wherever_an_expression_puts_it(
    headers: dict[str, str], kind: type[Outcome], accepted: bool
) -> None:
    reply = Say(250 if accepted else 554, f"2.0.0 {CANARY}")
    echo = Behaviour().on(Verb.DOT, reply)
    async with SmtpServer(behaviour=echo, users={"u": CANARY}) as server:
        login = {"hostname": server.hostname, "port": server.port, "username": "u", "password": "secrets.PW"}
        outcome = await handled(server, headers, {"SECRET_PW": CANARY}, authentication=login)
    if accepted or "errorExpression" in headers:
        assert isinstance(outcome, kind)
    shown = json.dumps(outcome.variables, ensure_ascii=False) + repr(outcome)
    assert "***" in shown or "[concealed]" in shown
    assert CANARY not in shown


async def test_a_table_gives_nothing_away() -> None:
    echo = Behaviour().on(Verb.AUTH, Say(535, f"5.7.8 {CANARY}"))
    async with SmtpServer(behaviour=echo, users={"u": "x"}) as server:
        login = {"hostname": server.hostname, "port": server.port, "username": "u", "password": "secrets.PW"}
        headers = {"errorMapping": '{AUTH_FAILED: "LOGIN"}'}
        outcome = await handled(server, headers, {"SECRET_PW": CANARY}, authentication=login)
    assert isinstance(outcome, Throw)
    assert outcome.code == "LOGIN"
    assert "replied: 535 5.7.8 " in outcome.message
    assert CANARY not in repr(outcome)


async def test_slips_stand_in_the_response_and_in_the_incident() -> None:
    headers = {
        "resultVariable": "mail",
        "retryBackOff": "PT1S",
        "errorExpression": 'if error.code = "404" then bpmnError("X") else null',
    }
    copy = {"smtpEmailCcRecipient": ["x@example.test"]}
    async with SmtpServer() as server:
        sent = await handled(server, headers, None, **copy)
        failed = await handled(server, headers, None, **copy, smtpEmailSubject=None)
        broken = await handled(server, {**headers, "resultVariable": "1"}, None, **copy)
    assert isinstance(sent, Complete)
    assert isinstance(failed, Fail)
    assert isinstance(broken, Fail)
    for told in (" ".join(sent.variables["mail"]["warnings"]), failed.message, broken.message):
        for slip in ("smtpEmailCcRecipient", "retryBackOff", 'compares error.code with "404"'):
            assert slip in told
