"""A mail from a template, as a server gets it."""

from __future__ import annotations

from collections.abc import Mapping
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

import connector.mailtemplates
from connector.errors import ConnectorError
from connector.send.direct import send_mail
from connector.settings.model import Settings
from connector.testing.smtp import SmtpServer

EXAMPLES = Path(connector.mailtemplates.__file__).parent / "examples"
REMINDER = {"name": "Jane <b>", "task": "Sign", "due": "2026-12-01", "url": "https://a.example/"}


async def sent(directory: Path, variables: Mapping[str, Any]) -> EmailMessage:
    async with SmtpServer() as server:
        settings = Settings.model_validate(
            {"templates": {"directory": directory}, "ledger": {"kind": "memory"}}
        )
        given = {
            "authentication": {"hostname": server.hostname, "port": server.port, "security": "none"},
            "smtpEmailMailBoxName": "ann@example.com",
            "smtpEmailToRecipients": "bob@example.com",
            **variables,
        }
        await send_mail(given, settings, environ={})
        (mail,) = server.received
    message = message_from_bytes(mail.data, policy=default)
    assert isinstance(message, EmailMessage)
    return message


async def test_subject_text_and_html_of_a_template() -> None:
    variables = {"smtpEmailTemplate": "reminder", "smtpEmailTemplateData": REMINDER, "smtpEmailLocale": "de"}
    mail = await sent(EXAMPLES, variables)
    assert mail["Subject"] == "Erinnerung: Sign bis 01.12.2026"
    assert mail.get_content_type() == "multipart/alternative"
    text, html = (part.get_content() for part in mail.iter_parts())
    assert "Guten Tag Jane <b>," in text
    assert "<bdi>Jane &lt;b&gt;</bdi>" in html


async def test_the_tasks_subject_and_its_variables() -> None:
    mail = await sent(EXAMPLES, {"smtpEmailTemplate": "reminder", "smtpEmailSubject": "Mine", **REMINDER})
    assert mail["Subject"] == "Mine"


async def test_files_of_a_template(tmp_path: Path) -> None:
    for name in ("a/body.html", "a/images/logo.png", "a/attachments/terms.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('<img src="cid:logo.png">')
    mail = await sent(tmp_path, {"smtpEmailTemplate": "a", "smtpEmailSubject": "s"})
    assert [part.get_content_type() for part in mail.walk()] == [
        "multipart/mixed",
        "multipart/alternative",
        "text/plain",
        "multipart/related",
        "text/html",
        "image/png",
        "text/plain",
    ]


async def test_nothing_is_sent_without_the_data() -> None:
    with pytest.raises(ConnectorError) as raised:
        await sent(EXAMPLES, {"smtpEmailTemplate": "reminder", "smtpEmailTemplateData": {"task": "Sign"}})
    assert raised.value.variables == {
        "retryable": False,
        "template": "reminder",
        "file": "reminder/subject.txt",
        "line": 1,
        "name": "due",
    }


async def test_a_text_part_by_hand() -> None:
    body = {
        "smtpEmailSubject": "s",
        "smtpEmailContent": "<p>Hello</p>",
        "smtpEmailContentType": "html",
        "smtpEmailTextContent": "By hand",
    }
    mail = await sent(EXAMPLES, body)
    assert [part.get_content().strip() for part in mail.iter_parts()] == ["By hand", "<p>Hello</p>"]
