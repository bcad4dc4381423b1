"""Accounts on the whole way of a job: who sends, through which server, with which password, how fast."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from connector.model.job import Complete, Fail
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.send.pipeline import Pipeline
from connector.settings.model import Settings
from connector.testing.behaviour import Behaviour, Hold, Say, Verb
from connector.testing.smtp import SmtpServer
from tests.jobs import job
from tests.servers.postfix import PASSWORD, USERNAME, Postfix

CANARY = "cAnArY-pÄss/word+1"
MAIL: dict[str, Any] = {
    "smtpEmailToRecipients": ["ann@example.test"],
    "smtpEmailSubject": "Order",
    "smtpEmailContent": "Thanks.",
}
SALES = {"address": "sales@example.test", "display_name": "Sales"}


@asynccontextmanager
async def pipeline(
    accounts: Mapping[str, Any], environ: Mapping[str, str] | None = None, **more: Any
) -> AsyncIterator[Pipeline]:
    settings = Settings.model_validate({"accounts": accounts, "ledger": {"kind": "memory"}, **more})
    async with open_pipeline(settings, Masker(), environ or {}) as opened:
        yield opened


def through(server: SmtpServer, **settings: Any) -> dict[str, Any]:
    return {"host": server.hostname, "port": server.port, "security": "none"} | SALES | settings


def parsed(data: bytes) -> EmailMessage:
    message = message_from_bytes(data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


async def test_an_account_sends_and_the_response_names_it() -> None:
    async with SmtpServer(users={"ada": CANARY}) as server:
        account = through(server, username="ada", password=CANARY, reply_to=["desk@example.test"])
        async with pipeline({"sales": account}) as opened:
            outcome = await opened.handle(job({**MAIL, "account": "sales"}))
    assert isinstance(outcome, Complete)
    assert outcome.variables["response"]["account"] == "sales"
    (received,) = server.received
    assert (received.sender, received.username) == ("sales@example.test", "ada")
    message = parsed(received.data)
    assert (message["From"], message["Reply-To"]) == ("Sales <sales@example.test>", "desk@example.test")


async def test_the_process_chooses_among_servers() -> None:
    async with SmtpServer() as usual, SmtpServer() as tagged:
        accounts = {"default": through(usual), "sales": through(tagged, process_ids=["order"])}
        async with pipeline(accounts) as opened:
            for number, process in enumerate(["order", "invoice"]):
                task = job(MAIL, element_instance_key=number + 1)
                outcome = await opened.handle(replace(task, bpmn_process_id=process))
                assert isinstance(outcome, Complete)
                assert outcome.variables["response"]["account"] == ("sales", "default")[number]
    assert (len(tagged.received), len(usual.received)) == (1, 1)


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        ({"allowed_process_ids": ["invoice"]}, {}),
        ({"allowed_tenants": ["a"]}, {}),
        ({}, {"account": "slaes"}),
    ],
)
async def test_an_account_that_the_job_may_not_use_sends_nothing(
    rule: dict[str, Any], changed: dict[str, Any]
) -> None:
    async with SmtpServer() as server, pipeline({"sales": through(server, **rule)}) as opened:
        outcome = await opened.handle(job({**MAIL, "account": "sales"} | changed))
        assert server.connections == []
    assert isinstance(outcome, Fail)
    assert outcome.error is not None
    assert (outcome.error["code"], outcome.retries) == ("ACCOUNT_NOT_FOUND", 0)


async def test_a_password_that_is_rotated_while_jobs_run_is_used_by_the_next_mail(tmp_path: Path) -> None:
    secret = tmp_path / "SALES_PASSWORD"
    secret.write_text("first")
    users = {"ada": "first"}
    hold = Hold(asyncio.Event())
    behaviour = Behaviour().on(Verb.DATA, hold, times=1)
    async with SmtpServer(users=users, behaviour=behaviour) as server:
        account = through(server, username="ada", password="secrets.SALES_PASSWORD")
        async with pipeline({"default": account}, secrets={"directory": str(tmp_path)}) as opened:
            running = asyncio.create_task(opened.handle(job(MAIL, element_instance_key=1)))
            await hold.reached.wait()
            secret.write_text("second")
            users["ada"] = "second"
            after = await opened.handle(job(MAIL, element_instance_key=2))
            hold.until.set()
            outcomes = [await running, after]
    assert [type(outcome) for outcome in outcomes] == [Complete, Complete]
    assert len(server.received) == 2


@pytest.mark.parametrize("written", ["secrets.PW", CANARY])
async def test_an_accounts_password_is_found_nowhere(written: str) -> None:
    echo = Behaviour().on(Verb.DOT, Say(250, f"2.0.0 queued for {CANARY}"))
    expression = f'={{seen: response.reply + " {CANARY}"}}'  # as a process could that knows it from elsewhere
    async with SmtpServer(behaviour=echo, users={"ada": CANARY}) as server:
        account = through(server, username="ada", password=written)
        async with pipeline({"default": account}, {"SECRET_PW": CANARY}) as opened:
            headers = {"resultVariable": "response", "resultExpression": expression}
            outcome = await opened.handle(job(MAIL, headers=headers))
    assert isinstance(outcome, Complete)
    assert outcome.variables["seen"].startswith("250 2.0.0 queued for ")
    assert CANARY not in json.dumps(outcome.variables, ensure_ascii=False)


async def test_a_secret_that_nobody_has_names_the_accounts_setting() -> None:
    async with SmtpServer() as server:
        account = through(server, username="ada", password="secrets.PW")
        async with pipeline({"default": account}) as opened:
            outcome = await opened.handle(job(MAIL))
        assert server.connections == []
    assert isinstance(outcome, Fail)
    assert outcome.message.startswith("SECRET_NOT_FOUND: accounts.default.password: there is no secret PW")


async def test_who_would_wait_too_long_goes_back_as_it_was() -> None:
    """Nor is the task's error handling asked: to wait for one's turn is no error of the process."""
    async with SmtpServer() as server:
        account = through(server, rate=0.1, max_wait=1)
        async with pipeline({"sales": account}) as opened:
            headers = {"resultVariable": "response", "errorExpression": '=bpmnError("ANY", "any")'}
            variables = {**MAIL, "account": "sales"}
            first = await opened.handle(job(variables, element_instance_key=1))
            second = await opened.handle(job(variables, element_instance_key=2, headers=headers))
    assert isinstance(first, Complete)
    assert isinstance(second, Fail)
    assert len(server.connections) == 1
    assert second.retries == 3
    assert 1 <= second.backoff <= 20
    assert "accounts.sales.rate" in second.message


async def test_a_job_that_went_back_is_sent_when_it_comes_again() -> None:
    async with SmtpServer() as server:
        account = through(server, rate=4, max_wait=0.01)
        async with pipeline({"sales": account}) as opened:
            variables = {**MAIL, "account": "sales"}
            await opened.handle(job(variables, element_instance_key=1))
            outcome = await opened.handle(job(variables, element_instance_key=2))
            assert isinstance(outcome, Fail)
            while not isinstance(outcome, Complete):  # at most a quarter of a second
                outcome = await opened.handle(job(variables, element_instance_key=2))
    assert outcome.variables["response"]["duplicate"] is False
    assert len(server.received) == 2


async def test_postfix_takes_the_mail_of_an_account(postfix: Postfix) -> None:
    """STARTTLS by a private authority, AUTH with a secret, the sender of the account."""
    account = {
        "host": postfix.hostname,
        "port": postfix.port,
        "ca_file": str(postfix.ca_file),
        "username": USERNAME,
        "password": "secrets.MAIL_PASSWORD",
        "min_tls": "1.3",
        "defaults": {"headers": {"X-Team": "sales"}},
        **SALES,
    }
    async with pipeline({"default": account}, {"SECRET_MAIL_PASSWORD": PASSWORD}) as opened:
        outcome = await opened.handle(job(MAIL))
    assert isinstance(outcome, Complete)
    response = outcome.variables["response"]
    message = parsed(await postfix.mail("ann", response["messageId"].encode()))
    assert (message["From"], message["X-Team"]) == ("Sales <sales@example.test>", "sales")
    assert "with ESMTPSA" in message["Received"]
    assert (response["account"], response["warnings"]) == ("default", [])


async def test_postfix_refuses_a_wrong_password_of_an_account(postfix: Postfix) -> None:
    account = {
        "host": postfix.hostname,
        "port": postfix.port,
        "ca_file": str(postfix.ca_file),
        "username": USERNAME,
        "password": CANARY,
        **SALES,
    }
    async with pipeline({"default": account}) as opened:
        outcome = await opened.handle(job(MAIL))
    assert isinstance(outcome, Fail)
    assert outcome.message.startswith("AUTH_FAILED: ")
    assert CANARY not in outcome.message
