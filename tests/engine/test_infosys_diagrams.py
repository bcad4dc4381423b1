"""Diagrams for Infosys's connector run unchanged: what its element template writes, and what its page shows.

Texts stand in these tasks as that template puts them there: choices and the server as they are, lists and
sentences as FEEL. What arrives is read by the standard library's parser.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from pyzeebe import ZeebeClient

from connector.testing.smtp import SmtpServer
from tests.engine.processes import Static
from tests.engine.service import INFOSYS, running_worker, start
from tests.engine.watch import Watch

HEADERS = {
    "resultVariable": "result",
    "resultExpression": "={answer: response.response}",
    "errorExpression": '=if error.code = "404" then bpmnError("404", "Got a 404 Error!!") else null',
}


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    async with SmtpServer(users={"workflow": "p"}) as server:
        yield server


@pytest.fixture
async def worker(engine_address: str, tmp_path: Path) -> AsyncIterator[None]:
    (tmp_path / "D:").mkdir()
    (tmp_path / "D:/Body.html").write_text("<p>Guten Tag</p>", encoding="utf-8")
    (tmp_path / "D:/Notice.txt").write_text("Closed on Monday.", encoding="utf-8")
    secrets = {"SECRET_MY_SECRET": "p"}
    async with running_worker(engine_address, secrets, attachments__roots=str(tmp_path)):
        yield


def server(smtp: SmtpServer) -> dict[str, Any]:
    """The four fields of its group for authentication, all of them text."""
    return {
        "authentication.hostname": Static(smtp.hostname),
        "authentication.port": Static(smtp.port),
        "authentication.username": Static("workflow"),
        "authentication.password": Static("secrets.MY_SECRET"),
    }


async def run(zeebe: ZeebeClient, watch: Watch, directory: Path, inputs: dict[str, Any]) -> dict[str, Any]:
    """Run a process with such a task to its end; its variables."""
    instance = await start(zeebe, directory, inputs, task_type=INFOSYS, headers=HEADERS)
    await watch.completed(instance)
    return await watch.variables(instance)


def arrived(smtp: SmtpServer) -> EmailMessage:
    (mail,) = smtp.received
    message = message_from_bytes(mail.data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return "\n".join(str(part.get_content()).splitlines())


@pytest.mark.usefixtures("worker")
async def test_a_task_as_its_template_writes_it(
    zeebe: ZeebeClient, smtp: SmtpServer, watch: Watch, tmp_path: Path
) -> None:
    """With every choice left alone: false is literal text, and so is the sensitivity."""
    inputs = {
        **server(smtp),
        "smtpEmailMailBoxName": "orders@example.com",
        "smtpEmailToRecipients": ["ann@example.test"],
        "smtpEmailSubject": "Order shipped",
        "smtpEmailContentType": Static("Text"),
        "smtpEmailContent": "Hello,\nthank you.",
        "smtpEmailImportance": Static("${false}"),
        "smtpEmailReadReceipt": Static("${false}"),
        "smtpEmailSensitivity": Static("Normal"),
    }
    variables = await run(zeebe, watch, tmp_path, inputs)
    message = arrived(smtp)
    assert variables["answer"] == variables["result"]["response"] == "Mail sent successfully"
    assert body(message, "plain") == "Hello,\nthank you."
    assert [
        name for name in ("Importance", "Sensitivity", "Disposition-Notification-To") if name in message
    ] == []


@pytest.mark.usefixtures("worker")
async def test_a_task_as_its_template_writes_it_with_everything_chosen(
    zeebe: ZeebeClient, smtp: SmtpServer, watch: Watch, tmp_path: Path
) -> None:
    inputs = {
        **server(smtp),
        "smtpEmailMailBoxName": "orders@example.com",
        "smtpEmailToRecipients": ["ann@example.test"],
        "smtpEmailCcRecipients": ["bob@example.test"],
        "smtpEmailBccRecipients": ["cem@example.test"],
        "smtpEmailSubject": "Order shipped",
        "smtpEmailContentType": Static("HTML"),
        "smtpEmailContent": "D:/Body.html",
        "smtpEmailAttachments": ["file://D:/Notice.txt"],
        "smtpEmailImportance": Static("${true}"),
        "smtpEmailReadReceipt": Static("${true}"),
        "smtpEmailFollowUp": Static("tomorrow"),
        "smtpEmailDirectReplyTo": Static("sales@example.com"),
        "smtpEmailSensitivity": Static("Confidential"),
    }
    variables = await run(zeebe, watch, tmp_path, inputs)
    message = arrived(smtp)
    assert variables["result"]["accepted"] == ["ann@example.test", "bob@example.test", "cem@example.test"]
    assert body(message, "html") == "<p>Guten Tag</p>"
    assert [part.get_filename() for part in message.iter_attachments()] == ["Notice.txt"]
    assert (message["Importance"], message["Sensitivity"]) == ("high", "Company-Confidential")
    assert (message["Reply-To"], message["X-Message-Flag"]) == ("sales@example.com", "Follow up")
    assert message["Disposition-Notification-To"] == "<orders@example.com>"


@pytest.mark.usefixtures("worker")
async def test_a_task_as_its_documentation_shows_it(
    zeebe: ZeebeClient, smtp: SmtpServer, watch: Watch, tmp_path: Path
) -> None:
    """Booleans are booleans there, words are in lower case, and names stand without a domain."""
    inputs = {
        **server(smtp),
        "smtpEmailMailBoxName": "mailBoxName",
        "smtpEmailToRecipients": ["demo@localhost"],
        "smtpEmailCcRecipients": ["demo@localhost"],
        "smtpEmailBccRecipients": ["demo@localhost"],
        "smtpEmailSubject": "subject",
        "smtpEmailContentType": "text",
        "smtpEmailContent": "Hello, world!",
        "smtpEmailAttachments": ["file://D:/Notice.txt"],
        "smtpEmailImportance": True,
        "smtpEmailReadReceipt": False,
        "smtpEmailFollowUp": "today",
        "smtpEmailDirectReplyTo": ["demo@localhost"],
        "smtpEmailSensitivity": "Private",
    }
    variables = await run(zeebe, watch, tmp_path, inputs)
    message = arrived(smtp)
    # Named three times, and one copy.
    assert variables["result"]["accepted"] == ["demo@localhost"]
    assert (message["From"], message["Reply-To"]) == ("mailBoxName", "demo@localhost")
    assert (message["Importance"], message["Sensitivity"]) == ("high", "Private")
    assert message["X-Message-Flag"] == "Follow up"
    assert "Disposition-Notification-To" not in message
    assert body(message, "plain") == "Hello, world!"
