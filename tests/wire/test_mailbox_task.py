"""A mailbox job from its variables to its outcome, over Dovecot."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from connector import InputError, MailboxError, use_mailbox
from connector.model.incoming import MailProtocol
from connector.model.job import Complete, Fail, JobContext, Throw
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.send.pipeline import Pipeline
from connector.settings.model import MAILBOX_TASK_TYPE, Settings
from connector.settings.sources import load
from tests.contract.mailboxes import DovecotPost, mail
from tests.contract.test_mailbox import WITH_FILE
from tests.jobs import job
from tests.servers.dovecot import PASSWORD, Dovecot

SECRETS = {"SECRET_MAILBOX": PASSWORD}


@pytest.fixture
def post(dovecot: Dovecot) -> DovecotPost:
    return DovecotPost(dovecot, MailProtocol.IMAP)


def settings_of(post: DovecotPost, **changed: str) -> Settings:
    account = {
        "host": "localhost",
        "username": post.user,
        "password": "secrets.MAILBOX",
        "incoming.protocol": "imap",
        "incoming.port": str(post.server.ports["imaps"]),
    }
    overrides = {f"accounts.default.{name}": value for name, value in account.items()}
    general = {"ledger.kind": "memory", "smtp.ca_file": str(post.server.ca_file)}
    return load({}, overrides={**general, **overrides, **changed}).settings


@asynccontextmanager
async def pipeline(settings: Settings, environ: Mapping[str, str] = SECRETS) -> AsyncIterator[Pipeline]:
    async with open_pipeline(settings, Masker(), environ) as opened:
        yield opened


def task(headers: dict[str, str] | None = None, **variables: Any) -> Any:
    given = {"resultVariable": "result"} if headers is None else headers
    return replace(job(variables, headers=given), type=MAILBOX_TASK_TYPE)


async def result_of(opened: Pipeline, **variables: Any) -> dict[str, Any]:
    outcome = await opened.handle(task(**variables))
    assert isinstance(outcome, Complete), outcome
    return dict(outcome.variables["result"])


async def failure_of(opened: Pipeline, **variables: Any) -> Fail:
    outcome = await opened.handle(task(**variables))
    assert isinstance(outcome, Fail), outcome
    return outcome


SUMMARY_KEYS = [
    *("id", "messageId", "folder", "from", "to", "cc", "replyTo", "subject", "date", "sentAt", "receivedAt"),
    *("size", "importance", "unread", "flagged", "hasAttachments", "inReplyTo", "references"),
]


async def test_every_operation_has_the_result_of_the_contract(post: DovecotPost) -> None:
    post.deliver(WITH_FILE)
    async with pipeline(settings_of(post)) as opened:
        folders = await result_of(opened, mailboxOperation="listFolders")
        listed = await result_of(opened, mailboxOperation="list", mailboxPreview=True)
        (found,) = listed["messages"]
        searched = await result_of(opened, mailboxOperation="search", mailboxSearch={"subject": "grüße"})
        one = {"mailboxMessage": found["id"]}
        read = await result_of(opened, mailboxOperation="read", mailboxAttachments="inline", **one)
        marked = await result_of(opened, mailboxOperation="mark", mailboxMark="flagged", **one)
        moved = await result_of(opened, mailboxOperation="move", mailboxTargetFolder="Sent", **one)
        there = {"mailboxMessage": moved["id"]}
        copied = await result_of(opened, mailboxOperation="copy", mailboxTargetFolder="trash", **there)
        deleted = await result_of(opened, mailboxOperation="delete", **there)
    assert list(folders) == ["status", "account", "folders", "warnings"]
    assert {"name": "Sent", "path": "Sent", "role": "sent", "unread": 0, "total": 0} in folders["folders"]
    assert (list(listed), listed["nextPage"]) == (
        ["status", "account", "messages", "nextPage", "warnings"],
        None,
    )
    assert list(found) == [*SUMMARY_KEYS, "preview"]
    assert (found["subject"], found["preview"]) == ("Grüße", "Schöne Grüße")
    assert searched["messages"][0]["id"] == found["id"]
    assert list(read["mail"]) == [*SUMMARY_KEYS, "headers", "text", "html", "attachments", "autoSubmitted"]
    assert read["mail"]["headers"][0] == {"name": "From", "value": "ann@example.test"}
    assert read["mail"]["attachments"] == [
        {
            "name": "bill.pdf",
            "contentType": "application/pdf",
            "size": 5,
            "inline": False,
            "contentId": None,
            "base64": base64.b64encode(b"%PDF-").decode(),
        }
    ]
    assert marked["id"] == found["id"]
    assert moved["id"].endswith(":Sent")
    assert copied["id"].endswith(":Trash")
    assert deleted["deleted"] is True
    assert all(each["status"] == "SUCCESS" and each["account"] == "default" for each in (folders, deleted))


async def test_attachments_come_as_they_are_asked_for(post: DovecotPost) -> None:
    post.deliver(WITH_FILE)
    one = {"mailboxOperation": "read", "mailboxMessage": "<file@example.test>"}
    async with pipeline(settings_of(post)) as opened:
        none = await result_of(opened, mailboxAttachments="none", **one)
        names = await result_of(opened, **one)
    assert none["mail"]["attachments"] == []
    assert [list(each) for each in names["mail"]["attachments"]] == [
        ["name", "contentType", "size", "inline", "contentId"]
    ]


async def test_expressions_see_the_result(post: DovecotPost) -> None:
    post.deliver(mail())
    headers = {
        "resultExpression": "{first: messages[1].subject, all: count(response.messages)}",
        "errorExpression": 'if response.messages[1].unread then bpmnError("UNREAD") else null',
    }
    async with pipeline(settings_of(post)) as opened:
        outcome = await opened.handle(
            task({"resultExpression": headers["resultExpression"]}, mailboxOperation="list")
        )
        thrown = await opened.handle(task(headers, mailboxOperation="list"))
    assert isinstance(outcome, Complete)
    assert outcome.variables == {"first": "Number 1", "all": 1}
    assert not outcome.mail_sent
    assert isinstance(thrown, Throw)
    assert (thrown.code, thrown.mail_sent) == ("UNREAD", False)


async def test_a_missing_mail_can_be_caught(post: DovecotPost) -> None:
    headers = {"errorMapping": '{MESSAGE_NOT_FOUND: "GONE"}'}
    async with pipeline(settings_of(post)) as opened:
        read = {"mailboxOperation": "read", "mailboxMessage": "<nowhere@example.test>"}
        outcome = await opened.handle(task(headers, **read))
        failed = await failure_of(opened, **read)
    assert isinstance(outcome, Throw)
    assert outcome.code == "GONE"
    assert failed.retries == 0
    assert failed.error is not None
    assert failed.error["code"] == "MESSAGE_NOT_FOUND"
    assert failed.error["variables"]["server"] == f"localhost:{post.server.ports['imaps']}"


async def test_an_account_without_a_mailbox_is_an_incident(post: DovecotPost) -> None:
    settings = load({}, overrides={"ledger.kind": "memory", "accounts.default.host": "localhost"}).settings
    async with pipeline(settings) as opened:
        failed = await failure_of(opened, mailboxOperation="list")
    assert "ACCOUNT_NOT_FOUND" in failed.message
    assert "accounts.default.incoming" in failed.message


async def test_a_result_that_is_too_large_is_refused_by_its_limit(post: DovecotPost) -> None:
    post.deliver(mail(1, body="x" * 3_000))
    post.deliver(WITH_FILE.replace(b"JVBERi0=", base64.b64encode(b"y" * 3_000)))
    for number in range(2, 12):
        post.deliver(mail(number, subject="s" * 300))
    async with pipeline(settings_of(post, **{"mailbox.max_result": "2500"})) as opened:
        for variables in (
            {"mailboxOperation": "read", "mailboxMessage": "<mail-1@example.test>"},
            {
                "mailboxOperation": "read",
                "mailboxMessage": "<file@example.test>",
                "mailboxAttachments": "inline",
            },
            {"mailboxOperation": "list"},
        ):
            failed = await failure_of(opened, **variables)
            assert failed.message.startswith("MESSAGE_TOO_LARGE")
            assert "mailbox.max_result" in failed.message
            assert failed.retries == 0
        await result_of(opened, mailboxOperation="read", mailboxMessage="<file@example.test>")


async def test_a_wrong_password_is_tried_once_and_never_shown(post: DovecotPost) -> None:
    async with pipeline(settings_of(post), {"SECRET_MAILBOX": "wrong-password"}) as opened:
        failed = await failure_of(opened, mailboxOperation="list")
        again = await failure_of(opened, mailboxOperation="list")
    assert failed.message.startswith("AUTH_FAILED")
    assert "wrong-password" not in f"{failed} {again}"
    assert post.server.log.count(f"user=<{post.user}>") <= 2


async def test_a_corrected_password_serves_the_next_job(post: DovecotPost, tmp_path: Path) -> None:
    file = tmp_path / "MAILBOX"
    file.write_text("a wrong password")
    post.deliver(mail())
    async with pipeline(settings_of(post, **{"secrets.directory": str(tmp_path)}), {}) as opened:
        assert "AUTH_FAILED" in (await failure_of(opened, mailboxOperation="list")).message
        file.write_text(PASSWORD)
        found = await result_of(opened, mailboxOperation="list")
    assert len(found["messages"]) == 1


async def test_a_kept_connection_that_was_closed_is_replaced(post: DovecotPost) -> None:
    post.deliver(mail())
    async with pipeline(settings_of(post)) as opened:
        await result_of(opened, mailboxOperation="list")
        mailboxes = opened._stages.mailboxes()
        (lane,) = mailboxes._lanes.values()
        lane.idle[0].mailbox.session.session.client.socket().shutdown(socket.SHUT_RDWR)
        assert len((await result_of(opened, mailboxOperation="list"))["messages"]) == 1
        assert mailboxes.connections == 1


async def test_connections_are_kept_and_no_more_than_allowed(post: DovecotPost) -> None:
    post.deliver(mail())
    async with pipeline(settings_of(post, **{"mailbox.max_connections": "2"})) as opened:
        await asyncio.gather(*(result_of(opened, mailboxOperation="list") for _ in range(8)))
        mailboxes = opened._stages.mailboxes()
        assert mailboxes.connections == 2
        assert b"smtp_connector_mailbox_connections 2.0" in opened._stages.metrics.text()
    assert mailboxes.connections == 0
    counted = b'smtp_connector_mailbox_operations_total{operation="list",outcome="ok"} 8.0'
    assert counted in opened._stages.metrics.text()


async def test_a_job_that_finds_no_connection_is_handed_back(post: DovecotPost) -> None:
    settings = settings_of(post, **{"mailbox.max_connections": "1", "mailbox.wait": "0.05"})
    async with pipeline(settings) as opened:
        await result_of(opened, mailboxOperation="list")
        mailboxes = opened._stages.mailboxes()
        (lane,) = mailboxes._lanes.values()
        async with lane.places:
            failed = await failure_of(opened, mailboxOperation="list")
    assert failed.message.startswith("CANCELLED")
    assert "mailbox.max_connections" in failed.message
    assert (failed.retries, failed.backoff) == (3, 5.0)


async def test_a_cancelled_job_costs_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        server = {"hostname": "127.0.0.1", "port": listener.getsockname()[1], "username": "u"}
        settings = load({}, overrides={"ledger.kind": "memory"}).settings
        async with pipeline(settings) as opened:
            login = {**server, "password": "a password", "security": "none"}
            wanted = task(mailboxOperation="list", authentication=login)
            running = asyncio.create_task(opened.handle(wanted, JobContext()))
            silent, _ = await asyncio.get_running_loop().sock_accept(listener)
            running.cancel()
            outcome = await running
            silent.close()
    assert isinstance(outcome, Fail)
    assert outcome.message.startswith("CANCELLED")
    assert outcome.retries == 3


async def test_the_log_may_say_operation_account_and_server(post: DovecotPost) -> None:
    context = JobContext()
    async with pipeline(settings_of(post)) as opened:
        await opened.handle(task(mailboxOperation="list"), context)
    assert context.facts["operation"] == "list"
    assert context.facts["account"] == "default"
    assert context.facts["server"] == f"localhost:{post.server.ports['imaps']}"


async def test_a_program_uses_a_mailbox_without_an_engine(post: DovecotPost) -> None:
    post.deliver(mail())
    settings = settings_of(post)
    found = await use_mailbox({"mailboxOperation": "list"}, settings, environ=SECRETS)
    assert found["messages"][0]["subject"] == "Number 1"
    with pytest.raises(InputError):
        await use_mailbox({"mailboxOperation": "peek"}, settings, environ=SECRETS)
    with pytest.raises(MailboxError):
        await use_mailbox({"mailboxOperation": "read", "mailboxMessage": "<a@b>"}, settings, environ=SECRETS)
