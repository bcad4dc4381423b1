"""The diagrams of ``bpmn-examples``, tested as their users would: nothing of them is changed or replaced."""

from __future__ import annotations

from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from connector.testing import Bpmn

JANE, JOE = "jane@example.org", "joe@example.org"
UNKNOWN, GREYLISTED = "550 5.1.1 no such user", "450 4.2.0 greylisted"
SERVER = {"mailServer": {"hostname": "smtp.example.com", "port": 587}}
SHIPPED: dict[str, Any] = {
    **SERVER,
    "customer": {"name": "Jane", "email": JANE},
    "order": {"id": "4711", "items": "article;pieces\nlamp;2\n"},
}
REPORT: dict[str, Any] = {
    "id": "E1",
    "name": "Jane",
    "amount": 80,
    "applicant": JANE,
    "approver": "boss@example.com",
}


def example(name: str) -> str:
    return f"bpmn-examples/{name}.bpmn"


async def test_notify(bpmn: Bpmn) -> None:
    run = await bpmn.run(example("notify"), **SHIPPED)
    assert run.path == ["order_shipped", "notify_customer", "customer_notified"]
    (mail,) = bpmn.inbox
    assert (mail.to, mail.subject) == ([JANE], "Your order 4711 is on its way")
    assert mail.sender == "orders@example.com"
    assert mail.headers["importance"] == "high"
    assert "<h2>Hello Jane,</h2>" in mail.html
    assert "Hello Jane," in mail.text
    (table,) = mail.attachments
    assert (table.name, table.content_type) == ("order-4711.csv", "text/csv")
    assert table.content.split() == [b"article;pieces", b"lamp;2"]


async def test_error_boundary(bpmn: Bpmn) -> None:
    bpmn.inbox.refuse(JANE, UNKNOWN)
    run = await bpmn.run(example("error-boundary"), **SHIPPED, orderDesk="desk@example.com")
    assert run.ended_at == ["desk_told"]
    assert [mail.to for mail in bpmn.inbox] == [["desk@example.com"]]
    assert run.variables["refusal"] == {
        "smtpCode": 550,
        "server": "smtp.example.com:587",
        "why": "5.1.1 no such user",
    }


async def test_error_mapping(bpmn: Bpmn) -> None:
    bpmn.inbox.refuse(JANE, UNKNOWN)
    run = await bpmn.run(example("error-mapping"), **SHIPPED)
    assert run.ended_at == ["address_to_be_asked"]
    bpmn.inbox.refuse(JANE, GREYLISTED)
    run = await bpmn.run(example("error-mapping"), **SHIPPED)
    assert run.ended_at == ["to_be_told_later"]
    assert run.variables["whyNot"] == "TEMPORARILY_REJECTED"
    assert len(bpmn.inbox) == 0


async def test_ignore_error(bpmn: Bpmn) -> None:
    bpmn.inbox.refuse(JANE, UNKNOWN)
    run = await bpmn.run(example("ignore-error"), **SHIPPED)
    assert run.ended_at == ["no_reminder"]
    assert (run.variables["reminded"], run.variables["reason"]) == (False, "RECIPIENT_REJECTED")


async def test_result_expression(bpmn: Bpmn) -> None:
    bpmn.inbox.refuse(JOE, UNKNOWN)
    run = await bpmn.run(example("result-expression"), **SHIPPED, recipients=[JANE, JOE])
    assert run.ended_at == ["some_to_call"]
    assert run.variables["notice"]["reached"] == [JANE]
    assert run.variables["everybodyReached"] is False


async def test_retry_backoff(bpmn: Bpmn) -> None:
    bpmn.inbox.refuse(JANE, GREYLISTED, times=2)
    run = await bpmn.run(example("retry-backoff"), **SHIPPED)
    assert (run.waits_at, len(bpmn.inbox)) == (["notify_customer"], 0)
    await bpmn.advance("PT1S")
    assert run.waits_at == ["notify_customer"]
    await bpmn.advance("PT2S")
    assert run.ended_at == ["customer_notified"]
    assert len(bpmn.inbox) == 1


async def test_approval_reminder(bpmn: Bpmn) -> None:
    run = await bpmn.run(example("approval-reminder"), **SERVER, report=REPORT, reminderAfter="P2D")
    assert run.waits_at == ["await_decision"]
    await bpmn.advance("P1DT23H59M")
    assert len(bpmn.inbox) == 1
    await bpmn.advance("PT1M")
    request, reminder = bpmn.inbox
    assert reminder.to == ["boss@example.com"]
    assert reminder.headers["In-Reply-To"] == request.headers["Message-ID"]
    await bpmn.publish("expense-decision", "E1", decision={"approved": False, "comment": "too late"})
    assert run.ended_at == ["approver_reminded", "applicant_told"]
    assert bpmn.inbox[2].subject == "Your expense report E1 was declined"


async def test_approval_in_time(bpmn: Bpmn) -> None:
    run = await bpmn.run(example("approval-reminder"), **SERVER, report=REPORT, reminderAfter="P2D")
    await bpmn.advance("P1D")
    await bpmn.publish("expense-decision", "E1", decision={"approved": True, "comment": "fine"})
    await bpmn.advance("P30D")
    assert run.ended_at == ["applicant_told"]
    assert [mail.to for mail in bpmn.inbox] == [["boss@example.com"], [JANE]]


async def test_mail_per_record(bpmn: Bpmn) -> None:
    bpmn.inbox.refuse("gone@example.org", UNKNOWN)
    invoices = [
        {"id": f"R-{number}", "name": "You", "email": address, "amount": 80, "due": "yesterday"}
        for number, address in enumerate([JANE, "gone@example.org", JOE])
    ]
    variables: dict[str, Any] = {**SERVER, "invoices": invoices, "reminderRun": "2026-11"}
    run = await bpmn.run(example("mail-per-record"), **variables)
    assert [mail.to for mail in bpmn.inbox] == [[JANE], [JOE]]
    assert run.variables["reminders"][1] == {"to": "gone@example.org", "refused": "5.1.1 no such user"}
    again = await bpmn.run(example("mail-per-record"), **variables)
    assert [each.get("duplicate") for each in again.variables["reminders"]] == [True, None, True]
    assert len(bpmn.inbox) == 2


async def test_mail_for_a_list(bpmn: Bpmn) -> None:
    invoices = [{"id": "R-1", "name": "A <b> & Co", "due": "today", "amount": 80}] * 3
    run = await bpmn.run(example("mail-for-list"), **SERVER, invoices=invoices, accountsDesk=JANE)
    (mail,) = bpmn.inbox
    assert (run.ended_at, mail.to, mail.subject) == (["desk_told"], [JANE], "3 invoices are overdue")
    assert mail.html is not None
    assert mail.html.count("<td>A &lt;b> &amp; Co</td>") == 3
    assert mail.text is not None
    assert "240 EUR" in mail.text


async def test_weekly_report(bpmn: Bpmn) -> None:
    bpmn.deploy(example("weekly-report"))
    await bpmn.advance("P14D")
    assert [mail.to for mail in bpmn.inbox] == [["board@example.com"]] * 2
    first, second = (parsedate_to_datetime(mail.headers["Date"]) for mail in bpmn.inbox)
    assert (first.weekday(), first.hour, (second - first).days) == (0, 8, 7)
    (table,) = bpmn.inbox[0].attachments
    assert table.name == f"sales-{first:%Y-%m-%d}.csv"
    assert table.content == b"item;pieces;amount\nTea pot;12;480\nCup;96;864\n"


async def test_attachments(bpmn: Bpmn) -> None:
    variables: dict[str, Any] = {
        "month": "2026-11",
        "sales": [{"item": "Tea pot", "pieces": 12, "amount": 480}],
        "board": [JANE, JOE],
        "review": {"start": "20261204T090000Z", "end": "20261204T100000Z"},
        "logo": "iVBORw0KGgo=",
    }
    run = await bpmn.run(example("attachments"), **SERVER, **variables)
    assert run.ended_at == ["report_sent"]
    (mail,) = bpmn.inbox
    files = {file.name: file for file in mail.attachments}
    assert set(files) == {"logo.png", "sales-2026-11.csv", "review.ics"}
    assert files["logo.png"].content == b"\x89PNG\r\n\x1a\n"
    assert b"Tea pot;12;480" in files["sales-2026-11.csv"].content


async def test_reply_and_threading(bpmn: Bpmn) -> None:
    question = "<question@example.org>"
    ticket = {"id": "T1", "name": "Jane", "customer": JANE, "subject": "Tea", "messageId": question}
    run = await bpmn.run(example("reply-and-threading"), **SERVER, ticket=ticket)
    assert run.waits_at == ["answer_written"]
    await bpmn.publish("answer-written", "T1", answer="Two minutes.")
    assert run.ended_at == ["question_answered"]
    confirmation, answer = bpmn.inbox
    assert answer.headers["References"] == f"{question} {confirmation.headers['Message-ID']}"
    assert answer.headers["X-Ticket"] == "T1"
    assert "Two minutes." in answer.text


async def test_beside_the_flow(bpmn: Bpmn) -> None:
    bpmn.inbox.refuse(JANE, GREYLISTED, times=1)
    run = await bpmn.run(example("beside-the-flow"), **SHIPPED, warehouse="warehouse@example.com")
    assert (run.waits_at, run.ended_at) == (["customer_told"], [])
    assert [mail.to for mail in bpmn.inbox] == [["warehouse@example.com"]]
    await bpmn.advance("PT2S")
    assert sorted(run.ended_at) == ["customer_told", "goods_ordered"]
    assert [mail.to for mail in bpmn.inbox][1:] == [[JANE]]


@pytest.mark.parametrize("refused", [False, True])
async def test_escalation(bpmn: Bpmn, *, refused: bool) -> None:
    if refused:
        bpmn.inbox.refuse(JOE, UNKNOWN)
    outage = {"what": "The shop", "day": "Sunday", "from": "02:00", "to": "04:00"}
    variables: dict[str, Any] = {
        "outage": outage,
        "contacts": [JANE, JOE],
        "accountManager": "boss@example.com",
    }
    run = await bpmn.run(example("escalation"), **SERVER, **variables)
    assert run.path.count("tell_manager") == refused
    assert sorted(run.ended_at) == (["contacts_told", "manager_told"] if refused else ["contacts_told"])
    assert [mail.recipients for mail in bpmn.inbox][1:] == [["boss@example.com"]] * refused
