"""Each input variable the whole way: BPMN, engine, worker, SMTP, and the bytes that arrived.

What arrived is read by the standard library's parser, which had no part in writing it; what the process
got is read from the engine's own watch.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, time, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from pyzeebe import ZeebeClient

from connector.testing.smtp import ReceivedMail, SmtpServer
from tests.engine.processes import Static
from tests.engine.service import INFOSYS, NATIVE, running_worker, start
from tests.engine.watch import Watch

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
Check = Callable[[EmailMessage, ReceivedMail, dict[str, Any]], None]


@pytest.fixture
async def smtp() -> AsyncIterator[SmtpServer]:
    async with SmtpServer() as server:
        yield server


@pytest.fixture
async def worker(engine_address: str, tmp_path: Path) -> AsyncIterator[None]:
    (tmp_path / "files").mkdir()
    (tmp_path / "files/report.pdf").write_bytes(b"%PDF-1.7\n\x00\xff")
    (tmp_path / "files/body.html").write_text("<p>Grüße aus der Datei</p>", encoding="utf-8")
    async with running_worker(engine_address, attachments__roots=str(tmp_path / "files")):
        yield


def mail(smtp: SmtpServer, **inputs: Any) -> dict[str, Any]:
    """Give the inputs of an ordinary mail, with some of them changed; None removes one."""
    usual = {
        "authentication": {"hostname": smtp.hostname, "port": smtp.port},
        "smtpEmailMailBoxName": "workflow@example.test",
        "smtpEmailToRecipients": ["ann@example.test"],
        "smtpEmailSubject": "Order 4711",
        "smtpEmailContent": "Thank you.",
    }
    return {name: value for name, value in {**usual, **inputs}.items() if value is not None}


def text_of(message: EmailMessage, *preference: str) -> str:
    part = message.get_body(preference or ("plain",))
    assert part is not None
    content = part.get_content()
    assert isinstance(content, str)
    return content.replace("\r\n", "\n")


def attachments_of(message: EmailMessage) -> list[tuple[str, str | None, bytes]]:
    parts = []
    for part in message.iter_attachments():
        payload = part.get_payload(decode=True)
        assert isinstance(payload, bytes)
        parts.append((part.get_content_type(), part.get_filename(), payload))
    return parts


def has(name: str, value: str) -> Check:
    def check(message: EmailMessage, _mail: ReceivedMail, _result: dict[str, Any]) -> None:
        assert message[name] == value

    return check


def lacks(*names: str) -> Check:
    def check(message: EmailMessage, _mail: ReceivedMail, _result: dict[str, Any]) -> None:
        assert [name for name in names if name in message] == []

    return check


def envelope(*recipients: str, bcc: str = "") -> Check:
    def check(_message: EmailMessage, mail: ReceivedMail, result: dict[str, Any]) -> None:
        assert mail.recipients == recipients
        assert result["accepted"] == list(recipients)
        assert not bcc or bcc.encode() not in mail.data

    return check


def body(expected: str) -> Check:
    def check(message: EmailMessage, _mail: ReceivedMail, _result: dict[str, Any]) -> None:
        assert message.get_content_type() == "text/plain"
        assert text_of(message).removesuffix("\n") == expected

    return check


def html(expected: str) -> Check:
    def check(message: EmailMessage, _mail: ReceivedMail, _result: dict[str, Any]) -> None:
        assert message.get_content_type() == "text/html"
        assert text_of(message, "html").removesuffix("\n") == expected

    return check


def alternative(plain: str, markup: str) -> Check:
    def check(message: EmailMessage, _mail: ReceivedMail, _result: dict[str, Any]) -> None:
        assert message.get_content_type() == "multipart/alternative"
        assert [part.get_content_type() for part in message.iter_parts()] == ["text/plain", "text/html"]
        assert text_of(message).strip() == plain
        assert text_of(message, "html").strip() == markup

    return check


def attached(*expected: tuple[str, str | None, bytes]) -> Check:
    def check(message: EmailMessage, _mail: ReceivedMail, _result: dict[str, Any]) -> None:
        assert message.get_content_type() == "multipart/mixed"
        assert attachments_of(message) == list(expected)

    return check


def shown_inside(message: EmailMessage, _mail: ReceivedMail, _result: dict[str, Any]) -> None:
    assert message.get_content_type() == "multipart/alternative"
    related = list(message.iter_parts())[1]
    assert related.get_content_type() == "multipart/related"
    assert related.get_param("type") == "text/html"
    markup, image = related.iter_parts()
    assert 'src="cid:logo"' in markup.get_content()
    assert (image["Content-ID"], image.get_content_disposition()) == ("<logo>", "inline")
    assert image.get_payload(decode=True) == PNG


def due(moment: Callable[[], datetime]) -> Check:
    def check(message: EmailMessage, _mail: ReceivedMail, _result: dict[str, Any]) -> None:
        assert message["X-Message-Flag"] == "Follow up"
        assert parsedate_to_datetime(message["Reply-By"]) == moment()

    return check


def due_later_today(message: EmailMessage, _mail: ReceivedMail, _result: dict[str, Any]) -> None:
    assert message["X-Message-Flag"] == "Follow up"
    assert parsedate_to_datetime(message["Reply-By"]) > parsedate_to_datetime(message["Date"])


def tomorrow_at(hour: int, minute: int) -> Callable[[], datetime]:
    return lambda: datetime.combine(datetime.now(UTC).date() + timedelta(days=1), time(hour, minute), UTC)


def asks_for(notify: str) -> Check:
    def check(_message: EmailMessage, mail: ReceivedMail, _result: dict[str, Any]) -> None:
        assert mail.rcpt_parameters["ann@example.test"]["NOTIFY"] == notify
        assert mail.mail_parameters["ENVID"]

    return check


def warned(word: str) -> Check:
    def check(_message: EmailMessage, _mail: ReceivedMail, result: dict[str, Any]) -> None:
        assert any(word in warning for warning in result["warnings"])

    return check


IMPORTANT = ({"Importance": "high", "X-Priority": "1", "Priority": "urgent"},)
BOSS = "The Boss <boss@example.test>"
CASES: dict[str, tuple[dict[str, Any], tuple[Check, ...]]] = {
    "nothing but the mail": (
        {},
        (
            has("From", "workflow@example.test"),
            has("To", "ann@example.test"),
            has("Subject", "Order 4711"),
            body("Thank you."),
            envelope("ann@example.test"),
            lacks(
                "Cc",
                "Bcc",
                "Reply-To",
                "Importance",
                "Sensitivity",
                "Disposition-Notification-To",
                "Reply-By",
            ),
        ),
    ),
    "sender with a name": (
        {"smtpEmailMailBoxName": "Jürgen Müller <workflow@example.test>"},
        (has("From", "Jürgen Müller <workflow@example.test>"),),
    ),
    "recipients of every kind, one twice": (
        {
            "smtpEmailToRecipients": ["Ann <ann@example.test>", "bob@example.test"],
            "smtpEmailCcRecipients": "carol@example.test; ann@example.test",
            "smtpEmailBccRecipients": '["dave@example.test"]',
        },
        (
            envelope(
                "ann@example.test",
                "bob@example.test",
                "carol@example.test",
                "dave@example.test",
                bcc="dave@example.test",
            ),
            has("To", "Ann <ann@example.test>, bob@example.test"),
        ),
    ),
    "Bcc alone": (
        {"smtpEmailToRecipients": None, "smtpEmailBccRecipients": ["dave@example.test"]},
        (envelope("dave@example.test", bcc="dave@example.test"), has("To", "undisclosed-recipients:;")),
    ),
    "IDN domain": (
        {"smtpEmailToRecipients": ["ann@müller.example"]},
        (envelope("ann@xn--mller-kva.example"),),
    ),
    "non-ASCII local part": (
        {"smtpEmailToRecipients": ["jürgen@example.test"]},
        (envelope("jürgen@example.test"),),
    ),
    "subject beyond ASCII": (
        {"smtpEmailSubject": "Größe 😀 " * 20},
        (has("Subject", ("Größe 😀 " * 20).strip()),),
    ),
    "text beyond ASCII, with dots and From": (
        {"smtpEmailContent": "Grüße\n.\n..\nFrom here\n" + "lang " * 300},
        (body("Grüße\n.\n..\nFrom here\n" + "lang " * 300),),
    ),
    "html": ({"smtpEmailContentType": "HTML", "smtpEmailContent": "<p>Hi</p>"}, (html("<p>Hi</p>"),)),
    "html by path": (
        {"smtpEmailContentType": "html", "smtpEmailContent": "body.html"},
        (html("<p>Grüße aus der Datei</p>"),),
    ),
    "multipart": (
        {"smtpEmailContentType": "multipart", "smtpEmailContent": "<p>Hi <b>you</b></p>"},
        (alternative("Hi you", "<p>Hi <b>you</b></p>"),),
    ),
    "attachments of every kind": (
        {
            "smtpEmailAttachments": [
                "report.pdf",
                {"name": "Übersicht.csv", "contentType": "text/csv", "content": "a;ä\n"},
                {"name": "dot.png", "base64": base64.b64encode(PNG).decode()},
                {"camunda.document.type": "inline", "name": "note.txt", "content": "inline document"},
            ]
        },
        (
            attached(
                ("application/pdf", "report.pdf", b"%PDF-1.7\n\x00\xff"),
                ("text/csv", "Übersicht.csv", "a;ä\n".encode()),
                ("image/png", "dot.png", PNG),
                ("text/plain", "note.txt", b"inline document"),
            ),
        ),
    ),
    "image inside the body": (
        {
            "smtpEmailContentType": "multipart",
            "smtpEmailContent": '<p><img src="cid:logo"></p>',
            "smtpEmailAttachments": [
                {
                    "name": "logo.png",
                    "base64": base64.b64encode(PNG).decode(),
                    "inline": True,
                    "contentId": "logo",
                }
            ],
        },
        (shown_inside,),
    ),
    "importance high": (
        {"smtpEmailImportance": "high"},
        tuple(has(name, value) for name, value in IMPORTANT[0].items()),
    ),
    "importance true": ({"smtpEmailImportance": True}, (has("Importance", "high"),)),
    "importance false": ({"smtpEmailImportance": False}, (lacks("Importance", "X-Priority"),)),
    "importance low, quoted": (
        {"smtpEmailImportance": '"Low"'},
        (has("Importance", "low"), has("X-Priority", "5"), has("Priority", "non-urgent")),
    ),
    "personal": ({"smtpEmailSensitivity": "personal"}, (has("Sensitivity", "Personal"),)),
    "private": ({"smtpEmailSensitivity": "Private"}, (has("Sensitivity", "Private"),)),
    "confidential": ({"smtpEmailSensitivity": "confidential"}, (has("Sensitivity", "Company-Confidential"),)),
    "normal sensitivity": ({"smtpEmailSensitivity": "normal"}, (lacks("Sensitivity"),)),
    "read receipt": (
        {"smtpEmailReadReceipt": "${true}"},
        (has("Disposition-Notification-To", "<workflow@example.test>"),),
    ),
    "read receipt to somebody": (
        {"smtpEmailReadReceipt": BOSS},
        (has("Disposition-Notification-To", BOSS),),
    ),
    "no read receipt": ({"smtpEmailReadReceipt": "${false}"}, (lacks("Disposition-Notification-To"),)),
    "delivery receipt": ({"smtpEmailDeliveryReceipt": ["failure", "delay"]}, (asks_for("FAILURE,DELAY"),)),
    "follow-up today": ({"smtpEmailFollowUp": '"today"'}, (due_later_today,)),
    "follow-up tomorrow": ({"smtpFollowUp": "tomorrow"}, (due(tomorrow_at(17, 0)),)),
    "follow-up with a time": ({"smtpEmailFollowUp": "tomorrow 09:30"}, (due(tomorrow_at(9, 30)),)),
    "follow-up as a context": (
        {"smtpEmailFollowUp": {"day": "tomorrow", "time": "08:15"}},
        (due(tomorrow_at(8, 15)),),
    ),
    "reply-to": (
        {"smtpEmailDirectReplyTo": f"{BOSS}, ann@example.test"},
        (has("Reply-To", f"{BOSS}, ann@example.test"),),
    ),
    "headers": (
        {"smtpEmailHeaders": {"X-Case": "Füße", "List-Id": "orders"}},
        (has("X-Case", "Füße"), has("List-Id", "orders")),
    ),
    "threading": (
        {
            "smtpEmailInReplyTo": "<a@example.test>",
            "smtpEmailReferences": ["<r@example.test>", "<a@example.test>"],
        },
        (has("In-Reply-To", "<a@example.test>"), has("References", "<r@example.test> <a@example.test>")),
    ),
    "misspelt variable": ({"smtpEmailImportence": "high"}, (warned("smtpEmailImportance"),)),
}


@pytest.mark.usefixtures("worker")
@pytest.mark.parametrize(("inputs", "checks"), CASES.values(), ids=CASES)
async def test_an_input_reaches_the_inbox(  # noqa: PLR0917 - fixtures and a case
    zeebe: ZeebeClient,
    smtp: SmtpServer,
    watch: Watch,
    tmp_path: Path,
    inputs: dict[str, Any],
    checks: tuple[Check, ...],
) -> None:
    instance = await start(zeebe, tmp_path, mail(smtp, **inputs))
    await watch.completed(instance)
    (received,) = await smtp.wait_for(1)
    result = (await watch.variables(instance))["mail"]
    message = message_from_bytes(received.data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert message.defects == []
    assert received.sender == "workflow@example.test"
    assert (result["status"], result["messageId"]) == ("SUCCESS", message["Message-ID"])
    for check in checks:
        check(message, received, result)


@pytest.mark.usefixtures("worker")
async def test_the_infosys_task_type_runs_as_its_diagrams_expect(
    zeebe: ZeebeClient, watch: Watch, tmp_path: Path
) -> None:
    async with SmtpServer(users={"connector": "p"}) as smtp:
        authentication = {
            "hostname": smtp.hostname,
            "port": str(smtp.port),
            "username": "connector",
            "password": "p",
        }
        inputs = mail(
            smtp,
            authentication=authentication,
            smtpEmailMailBoxName="mailBoxName",
            smtpEmailToRecipients=["dev@localhost"],
            smtpEmailContent=Static("Hi there,\\nHow are you?"),
            smtpEmailImportance="${true}",
            smtpEmailReadReceipt="${false}",
        )
        instance = await start(
            zeebe, tmp_path, inputs, task_type=INFOSYS, headers={"resultVariable": "response"}
        )
        await watch.completed(instance)
        (received,) = smtp.received
    assert (await watch.variables(instance))["response"]["response"] == "Mail sent successfully"
    message = message_from_bytes(received.data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    assert (message["Importance"], message["From"]) == ("high", "mailBoxName")
    assert text_of(message) == "Hi there,\nHow are you?\n"


@pytest.mark.usefixtures("worker")
async def test_without_a_result_variable_the_process_gets_no_variable(
    zeebe: ZeebeClient, smtp: SmtpServer, watch: Watch, tmp_path: Path
) -> None:
    instance = await start(zeebe, tmp_path, mail(smtp), task_type=NATIVE, headers={})
    await watch.completed(instance)
    assert set(await watch.variables(instance)) == set(mail(smtp))
