"""The copy of a mail in the folder of sent mails, on Dovecot: once, as it was sent, no second mail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from connector.errors import ErrorCode
from connector.model.incoming import MailProtocol
from connector.model.job import Complete, Fail
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.send.pipeline import Pipeline
from connector.settings.model import MAILBOX_TASK_TYPE
from connector.settings.sources import SettingsError, load
from connector.testing.smtp import SmtpServer
from tests.contract.mailboxes import DovecotPost
from tests.jobs import job
from tests.servers import verbs
from tests.servers.dovecot import Dovecot
from tests.servers.verbs import Failure
from tests.wire.checks import order
from tests.wire.sent_copies import MAIL, SECRETS, settings_of


@pytest.fixture
def post(dovecot: Dovecot) -> DovecotPost:
    return DovecotPost(dovecot, MailProtocol.IMAP)


@pytest.fixture
async def server() -> AsyncIterator[SmtpServer]:
    async with SmtpServer() as running:
        yield running


@asynccontextmanager
async def pipeline(post: DovecotPost, server: SmtpServer, **changed: str | None) -> AsyncIterator[Pipeline]:
    async with open_pipeline(settings_of(post, server.port, None, **changed), Masker(), SECRETS) as opened:
        yield opened


async def sent(opened: Pipeline, **variables: Any) -> dict[str, Any]:
    outcome = await opened.handle(job({**MAIL, **variables}))
    assert isinstance(outcome, Complete), outcome
    return dict(outcome.variables["response"])


async def failed(opened: Pipeline, **variables: Any) -> Fail:
    outcome = await opened.handle(job({**MAIL, **variables}))
    assert isinstance(outcome, Fail), outcome
    return outcome


async def test_the_copy_has_the_octets_that_were_sent(post: DovecotPost, server: SmtpServer) -> None:
    async with pipeline(post, server) as opened:
        response = await sent(opened)
        read = {"mailboxOperation": "read", "mailboxMessage": response["copy"]["id"]}
        outcome = await opened.handle(replace(job(read), type=MAILBOX_TASK_TYPE))
    assert [mail.data for mail in server.received] == post.found("Sent")
    assert (response["copy"]["to"], response["copy"]["folder"], response["warnings"]) == (
        "sent-folder",
        "Sent",
        [],
    )
    assert isinstance(outcome, Complete)
    assert outcome.variables["response"]["mail"]["messageId"] == response["messageId"]
    assert outcome.variables["response"]["mail"]["unread"] is False


async def test_a_duplicate_has_the_recorded_copy(post: DovecotPost, server: SmtpServer) -> None:
    async with pipeline(post, server) as opened:
        first, again = await sent(opened), await sent(opened)
    assert again == {**first, "duplicate": True}
    assert (len(server.received), len(post.found("Sent"))) == (1, 1)


async def test_blind_recipients_are_named_only_where_that_is_wanted(
    post: DovecotPost, server: SmtpServer
) -> None:
    async with pipeline(post, server, **{"accounts.default.copy.bcc": "true"}) as opened:
        await sent(opened)
    (copy,) = post.found("Sent")
    assert copy == b"Bcc: <eve@example.com>\r\n" + server.received[0].data
    assert b"Bcc" not in server.received[0].data


@pytest.mark.parametrize(("where", "copies"), [("none", 0), ("sent-folder", 1)])
async def test_a_task_may_say_otherwise(
    post: DovecotPost, server: SmtpServer, where: str, copies: int
) -> None:
    usual = "sent-folder" if where == "none" else "none"
    async with pipeline(post, server, **{"accounts.default.copy": usual}) as opened:
        response = await sent(opened, smtpEmailCopy=where)
    assert len(post.found("Sent")) == copies
    assert ("copy" in response) == bool(copies)


async def test_a_copy_that_cannot_be_made_is_refused_before_anything_is_sent(
    post: DovecotPost, server: SmtpServer
) -> None:
    none = {f"accounts.default.incoming.{name}": None for name in ("protocol", "host", "port", "username")}
    none |= {"accounts.default.incoming.password": None, "accounts.default.copy": None}
    own = {"hostname": "127.0.0.1", "port": server.port, "security": "none"}
    async with pipeline(post, server, **none) as opened:
        for variables, told in (
            ({"smtpEmailCopy": "directory"}, "directory is not available in this version"),
            ({"smtpEmailCopy": "document"}, "document is not available in this version"),
            ({"smtpEmailCopy": "folder"}, "smtpEmailCopy"),
            ({"smtpEmailCopy": "sent-folder"}, "sent-folder needs an account with a mailbox"),
            (
                {"smtpEmailCopy": "sent-folder", "authentication": own, "smtpEmailMailBoxName": "a@x.de"},
                "sent-folder needs an account with a mailbox",
            ),
        ):
            told_of = await failed(opened, **variables)
            assert told_of.message.startswith("INVALID_INPUT")
            assert told in told_of.message
    assert server.received == []


async def test_a_mailbox_that_is_down_is_a_warning_and_no_second_mail(
    post: DovecotPost, server: SmtpServer
) -> None:
    wrong = {"SECRET_MAILBOX": "a wrong password"}
    async with open_pipeline(settings_of(post, server.port), Masker(), wrong) as opened:
        first, again = await sent(opened), await sent(opened)
    (warning,) = first["warnings"]
    assert warning.startswith("copy: the mail is not in the folder of sent mails: ")
    assert "wrong password" not in warning
    assert "copy" not in first
    assert again == {**first, "duplicate": True}
    assert len(server.received) == 1


async def test_a_required_copy_is_tried_again_without_another_mail(
    post: DovecotPost, server: SmtpServer
) -> None:
    required = {
        "accounts.default.copy.required": "true",
        "accounts.default.incoming.security": "none",
        "smtp.timeouts.command": "0.5",
    }
    with verbs.running(post.server.ports["imap"]) as proxy:
        required["accounts.default.incoming.port"] = str(proxy.port)
        async with pipeline(post, server, **required) as opened:
            proxy.fail("APPEND", Failure.CLOSES, heard=False)
            told = await failed(opened)
            assert told.error is not None
            assert told.error["code"] == ErrorCode.COPY_FAILED
            assert "A retry of this job makes the copy and sends nothing." in told.message
            assert told.retries == 2
            response = await sent(opened)
    assert (len(server.received), len(post.found("Sent"))) == (1, 1)
    assert (response["duplicate"], response["copy"]["folder"]) == (True, "Sent")
    (copy,) = post.found("Sent")
    # What was sent is not kept from one attempt to the next.
    assert copy.startswith(b"X-Copy: rebuilt\r\n")


async def test_a_copy_that_finds_no_connection_is_made_later(post: DovecotPost, server: SmtpServer) -> None:
    limits = {"mailbox.max_connections": "1", "mailbox.wait": "0.05"}
    async with pipeline(post, server, **limits) as opened:
        await sent(opened, smtpEmailSubject="First", smtpEmailIdempotencyKey="first")
        (lane,) = opened._stages.mailboxes()._lanes.values()
        async with lane.places:
            told = await failed(opened)
        assert (told.retries, told.backoff) == (3, 5.0)
        response = await sent(opened)
    assert (response["duplicate"], response["copy"]["folder"]) == (True, "Sent")
    assert (len(server.received), len(post.found("Sent"))) == (2, 2)


async def test_a_folder_for_sent_mails_is_created(post: DovecotPost, server: SmtpServer) -> None:
    with post._imap() as imap:
        imap.delete("Sent")
    async with pipeline(post, server) as opened:
        await sent(opened)
    assert len(post.found("Sent")) == 1


# Bulk tasks

RECORDS = [{"to": f"r{number}@example.test", "key": f"k{number}"} for number in range(1, 4)]
BULK = {"smtpEmailToRecipients": None, "smtpEmailBccRecipients": None, "smtpEmailRecipientsData": RECORDS}


async def test_each_mail_of_a_bulk_task_has_its_copy(post: DovecotPost, server: SmtpServer) -> None:
    async with pipeline(post, server) as opened:
        response = await sent(opened, **BULK)
    assert sorted(mail.data for mail in server.received) == sorted(post.found("Sent"))
    assert (response["sent"], len(server.received)) == (3, 3)


async def test_a_required_copy_of_a_bulk_task_is_made_by_a_retry_without_another_mail(
    post: DovecotPost, server: SmtpServer
) -> None:
    required = {"accounts.default.copy.required": "true", "accounts.default.incoming.security": "none"}
    with verbs.running(post.server.ports["imap"]) as proxy:
        required["accounts.default.incoming.port"] = str(proxy.port)
        async with pipeline(post, server, **required) as opened:
            proxy.fail("APPEND", Failure.CLOSES, heard=False)
            told = await failed(opened, **BULK)
            assert told.error is not None
            assert told.error["code"] == ErrorCode.COPY_FAILED, told
            assert told.retries == 2
            response = await sent(opened, **BULK)
    assert (len(server.received), len(post.found("Sent"))) == (3, 3)
    assert (response["sent"], response["failed"]) == (3, 0)


async def test_a_copy_of_a_bulk_task_that_is_not_required_is_a_warning(
    post: DovecotPost, server: SmtpServer
) -> None:
    wrong = {"SECRET_MAILBOX": "a wrong password"}
    async with open_pipeline(settings_of(post, server.port), Masker(), wrong) as opened:
        response = await sent(opened, **BULK)
    assert (response["sent"], len(server.received)) == (3, 3)
    assert any("the mail is not in the folder of sent mails" in one for one in response["warnings"])


# What the settings say


@pytest.mark.parametrize("preset", ["office365", "gmail"])
async def test_a_provider_that_files_by_itself_gets_no_copy(preset: str) -> None:
    from connector.accounts.accounts import Accounts, Origin
    from connector.check.findings import Status
    from connector.check.run import reports
    from connector.settings.model import Settings
    from connector.tasks.mail_fields import read_copy

    account = {"preset": preset, "copy": "sent-folder", "security": "none", "host": "127.0.0.1", "port": 9}
    settings = Settings.model_validate({"accounts": {"sales": account}})
    found = Accounts(settings).named("sales", Origin("order", "a"))
    assert read_copy(None, found) is None
    (report,) = [report async for report in reports(order("sales"), settings, Masker(), {})]
    (copy,) = [finding for finding in report.findings if finding.step == "copy"]
    assert copy.status is Status.SKIPPED
    assert f"{preset} puts what it sends into the folder of sent mails by itself" in copy.message


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ({"copy": "directory"}, "directory is not available in this version"),
        ({"copy": "sent"}, "copy.to"),
        ({"copy": "sent-folder"}, "accounts.default: copy: sent-folder needs incoming with protocol imap"),
        ({"accounts.default.copy": "sent-folder"}, "copy: sent-folder needs incoming with protocol imap"),
        ({"accounts.default.copy.require": "true"}, "did you mean accounts.default.copy.required?"),
    ],
)
def test_what_copies_cannot_be(overrides: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load({}, overrides={"accounts.default.host": "x", **overrides})
    assert told in str(caught.value)


def test_an_account_goes_before_the_worker() -> None:
    given = {"accounts.default.host": "x", "copy": "sent-folder", "accounts.default.copy": "none"}
    settings = load({"SMTP_CONNECTOR_COPY_REQUIRED": "true"}, overrides=given).settings
    completed = settings.accounts["default"].copies.completed(settings.copies)
    assert (completed.to, completed.required, completed.bcc) == ("none", True, False)
