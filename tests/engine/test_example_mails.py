"""The mails of the examples on an engine: who gets which, in what order, and how they hang together."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import AsyncIterator, Mapping
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from pyzeebe import ZeebeClient

from connector.demo.examples import EXAMPLES
from connector.testing.behaviour import Say, Verb
from connector.testing.smtp import ReceivedMail, SmtpServer
from tests.engine.records import Records
from tests.engine.service import running_worker
from tests.engine.watch import Watch

_EXAMPLES = Path(__file__).parents[2] / "bpmn-examples"

JANE = "jane@example.org"
VARIABLES: dict[str, Any] = {
    "customer": {"name": "Jane", "email": JANE},
    "order": {"id": "4711", "items": "article;pieces\nlamp;2\n"},
}
UNKNOWN = Say(550, "5.1.1 no such user")


@pytest.fixture
async def smtp(engine_address: str) -> AsyncIterator[SmtpServer]:
    """A mail server, and a worker beside it."""
    async with SmtpServer() as server, running_worker(engine_address):
        yield server


async def start(zeebe: ZeebeClient, smtp: SmtpServer, name: str, variables: Mapping[str, Any]) -> int:
    """Deploy an example and start it; the process instance's key."""
    await zeebe.deploy_resource(str(_EXAMPLES / f"{name}.bpmn"))
    server: dict[str, Any] = {"hostname": smtp.hostname, "port": smtp.port}
    started = await zeebe.run_process(
        f"smtp-connector-{name}", variables={**VARIABLES, **variables, "mailServer": server}
    )
    return started.process_instance_key


def read(mail: ReceivedMail) -> EmailMessage:
    message = message_from_bytes(mail.data, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def report(reminder_after: str) -> dict[str, Any]:
    known = {
        "id": uuid4().hex,
        "name": "Jane",
        "amount": 80,
        "applicant": JANE,
        "approver": "boss@example.com",
    }
    return {"report": known, "reminderAfter": reminder_after}


async def decide(zeebe: ZeebeClient, variables: Mapping[str, Any], *, approved: bool) -> None:
    decision: dict[str, Any] = {"approved": approved, "comment": "as discussed"}
    number = variables["report"]["id"]
    await zeebe.publish_message("expense-decision", number, {"decision": decision}, 60_000)


async def test_an_approver_who_is_late_is_reminded_in_the_same_conversation(
    zeebe: ZeebeClient, watch: Watch, smtp: SmtpServer
) -> None:
    variables = report("PT1S")
    instance = await start(zeebe, smtp, "approval-reminder", variables)
    await smtp.wait_for(2)
    await decide(zeebe, variables, approved=False)
    await watch.completed(instance)
    assert sorted(await watch.end_events(instance)) == ["applicant_told", "approver_reminded"]
    request, reminder, notice = map(read, smtp.received)
    assert [mail.recipients for mail in smtp.received] == [("boss@example.com",)] * 2 + [(JANE,)]
    assert reminder["In-Reply-To"] == reminder["References"] == request["Message-ID"]
    assert reminder["Subject"] == f"Re: {request['Subject']}"
    assert (request["Importance"], reminder["Importance"]) == (None, "high")
    assert request["X-Message-Flag"] == reminder["X-Message-Flag"] == "Follow up"
    assert request["Reply-To"] == JANE
    assert notice["Subject"].endswith("was declined")
    assert "was declined: as discussed" in notice.get_content()


async def test_an_approver_in_time_is_not_reminded(
    zeebe: ZeebeClient, watch: Watch, smtp: SmtpServer
) -> None:
    variables = report("P2D")
    instance = await start(zeebe, smtp, "approval-reminder", variables)
    await decide(zeebe, variables, approved=True)
    await watch.completed(instance)
    assert await watch.end_events(instance) == ["applicant_told"]
    assert [mail.recipients for mail in smtp.received] == [("boss@example.com",), (JANE,)]
    assert "was approved: as discussed" in read(smtp.received[1]).get_content()


async def test_each_record_is_a_mail_of_its_own_and_none_goes_twice(
    zeebe: ZeebeClient, watch: Watch, smtp: SmtpServer
) -> None:
    addresses = [JANE, "gone@example.org", "joe@example.org"]
    smtp.behaviour.on(Verb.RCPT, UNKNOWN, containing="gone@example.org")
    invoices = [
        {"id": f"R-{n}", "name": "You", "email": address, "amount": n, "due": "yesterday"}
        for n, address in enumerate(addresses)
    ]
    variables = {"invoices": invoices, "reminderRun": uuid4().hex}
    first, again = [await _reminders(zeebe, watch, smtp, variables) for _ in range(2)]
    assert sorted(mail.recipients for mail in smtp.received) == [(JANE,), ("joe@example.org",)]
    subjects = {mail.recipients[0]: read(mail)["Subject"] for mail in smtp.received}
    assert subjects == {JANE: "Invoice R-0 is overdue", "joe@example.org": "Invoice R-2 is overdue"}
    assert [each["to"] for each in first] == addresses
    assert [each.get("duplicate") for each in first] == [False, None, False]
    assert [each.get("duplicate") for each in again] == [True, None, True]
    assert first[1] == again[1] == {"to": "gone@example.org", "refused": "5.1.1 no such user"}
    assert [each.get("messageId") for each in first] == [each.get("messageId") for each in again]


async def _reminders(
    zeebe: ZeebeClient, watch: Watch, smtp: SmtpServer, variables: Mapping[str, Any]
) -> list[dict[str, Any]]:
    instance = await start(zeebe, smtp, "mail-per-record", variables)
    await watch.completed(instance)
    reminders: list[dict[str, Any]] = (await watch.variables(instance))["reminders"]
    return reminders


async def test_the_attachments_are_what_the_process_made(
    zeebe: ZeebeClient, watch: Watch, smtp: SmtpServer
) -> None:
    scene = EXAMPLES["attachments"].scenes("")[0]
    await watch.completed(await start(zeebe, smtp, "attachments", scene.variables))
    (mail,) = smtp.received
    message = read(mail)
    files = {part.get_filename(): part for part in message.walk() if part.get_filename()}
    types = {name: part.get_content_type() for name, part in files.items()}
    assert types == {"sales-2026-11.csv": "text/csv", "review.ics": "text/calendar", "logo.png": "image/png"}
    table = files["sales-2026-11.csv"].get_content().splitlines()
    assert table == ["item;pieces;amount", "Tea pot;12;480", "Cup;96;864"]
    calendar = files["review.ics"].get_content()
    assert calendar.startswith("BEGIN:VCALENDAR\r\n")  # RFC 5545 section 3.1
    assert "DTSTART:20261204T090000Z\r\n" in calendar
    assert files["logo.png"].get_content() == b64decode(scene.variables["logo"])
    assert files["logo.png"]["Content-ID"] == "<logo>"
    html = message.get_body(("html",))
    assert html is not None
    assert "src='cid:logo'" in html.get_content()
    assert "<b>1344 EUR</b>" in html.get_content()


async def test_every_mail_of_a_conversation_names_those_before(
    zeebe: ZeebeClient, watch: Watch, smtp: SmtpServer
) -> None:
    number, question = uuid4().hex, "<question@example.org>"
    ticket = {"id": number, "name": "Jane", "customer": JANE, "subject": "Tea", "messageId": question}
    instance = await start(zeebe, smtp, "reply-and-threading", {"ticket": ticket})
    await zeebe.publish_message("answer-written", number, {"answer": "Two minutes."}, 60_000)
    await watch.completed(instance)
    confirmation, answer = map(read, smtp.received)
    assert confirmation["In-Reply-To"] == confirmation["References"] == question
    assert answer["In-Reply-To"] == confirmation["Message-ID"]
    assert answer["References"] == f"{question} {confirmation['Message-ID']}"
    assert answer["Subject"] == confirmation["Subject"] == "Re: Tea"
    assert answer["Reply-To"] == confirmation["Reply-To"] == f"support+{number}@example.com"
    assert answer["X-Ticket"] == number
    assert "Two minutes." in answer.get_content()


async def test_the_main_flow_ends_while_the_mail_beside_it_waits(
    zeebe: ZeebeClient, records: Records, smtp: SmtpServer
) -> None:
    smtp.behaviour.on(Verb.RCPT, Say(450, "4.2.0 Greylisted"), containing=JANE)
    instance = await start(zeebe, smtp, "beside-the-flow", {"warehouse": "warehouse@example.com"})
    await records.failure(instance)
    await records.element_completed(instance, "goods_ordered")
    assert [mail.recipients for mail in smtp.received] == [("warehouse@example.com",)]
    smtp.behaviour.rules.clear()
    await records.completed(instance)
    assert await records.end_events(instance) == ["goods_ordered", "customer_told"]
    assert [mail.recipients for mail in smtp.received][1:] == [(JANE,)]
    assert (await records.variables(instance))["customerTold"] is True


async def test_the_mail_beside_the_main_flow_may_fail(
    zeebe: ZeebeClient, watch: Watch, smtp: SmtpServer
) -> None:
    smtp.behaviour.on(Verb.RCPT, UNKNOWN, containing=JANE)
    instance = await start(zeebe, smtp, "beside-the-flow", {"warehouse": "warehouse@example.com"})
    await watch.completed(instance)
    assert sorted(await watch.end_events(instance)) == ["customer_told", "goods_ordered"]
    variables = await watch.variables(instance)
    assert (variables["customerTold"], variables["reason"]) == (False, "RECIPIENT_REJECTED")


@pytest.mark.parametrize(
    ("refused", "told", "ends"),
    [
        pytest.param([], [("a@x.example", "b@x.example")], ["all_told", "contacts_told"], id="nobody"),
        pytest.param(
            ["b@x.example"],
            [("a@x.example",), ("boss@example.com",)],
            ["contacts_told", "manager_told", "somebody_refused"],
            id="one",
        ),
        pytest.param(
            ["a@x.example", "b@x.example"],
            [("boss@example.com",)],
            ["contacts_told", "manager_told", "somebody_refused"],
            id="everybody",
        ),
    ],
)
async def test_who_is_refused_is_escalated_while_the_others_are_told(  # noqa: PLR0917 - fixtures and a case
    zeebe: ZeebeClient,
    records: Records,
    smtp: SmtpServer,
    refused: list[str],
    told: list[tuple[str, ...]],
    ends: list[str],
) -> None:
    for address in refused:
        smtp.behaviour.on(Verb.RCPT, UNKNOWN, containing=address)
    outage = {"what": "The shop", "day": "Sunday", "from": "02:00", "to": "04:00"}
    variables = {
        "outage": outage,
        "contacts": ["a@x.example", "b@x.example"],
        "accountManager": "boss@example.com",
    }
    instance = await start(zeebe, smtp, "escalation", variables)
    await records.completed(instance)
    assert sorted(await records.end_events(instance)) == ends
    assert [mail.recipients for mail in smtp.received] == told
    assert [each["escalationCode"] for each in records.escalations(instance)] == ["RECIPIENT_REFUSED"] * bool(
        refused
    )
    if refused:
        body = read(smtp.received[-1]).get_content()
        assert [
            address for address in variables["contacts"] if f"{address}: 5.1.1 no such user" in body
        ] == refused
