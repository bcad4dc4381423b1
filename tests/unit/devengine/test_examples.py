"""The diagrams that we ship, and the process of the other tests, driven by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.engine.processes import send_process
from tests.unit.devengine.bench import Bench

SEND = "smtp-connector:send:1"
EXAMPLES = sorted((Path(__file__).parents[3] / "bpmn-examples").rglob("*.bpmn"))


def example(name: str) -> Bench:
    path = next(path for path in EXAMPLES if path.stem == name)
    return Bench(path.read_bytes())


def begin(bench: Bench, name: str, **variables: Any) -> int:
    given = {"mailServer": {"hostname": "127.0.0.1", "port": 25}, **variables}
    return bench.start(f"smtp-connector-{name}", **given)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: str(path.stem))
def test_every_example_deploys(path: Path) -> None:
    Bench(path.read_bytes())


def test_a_send_process_runs() -> None:
    bench = Bench(send_process("p", SEND, {"to": ["a@b.c"], "server.port": 25}, {"resultVariable": "=mail"}))
    instance = bench.start(order=4711)
    job = bench.complete(SEND, mail="sent")
    assert job.variables == {"order": 4711, "to": ["a@b.c"], "server": {"port": 25}}
    assert job.custom_headers == {"resultVariable": "=mail"}
    assert bench.ended_in(instance) == ["end"]
    assert bench.variables(instance) == {"order": 4711, "mail": "sent"}


@pytest.mark.parametrize("name", ["notify", "retry-backoff"])
def test_one_mail_and_the_end(name: str) -> None:
    bench = example(name)
    instance = begin(bench, name, customer={"email": "a@b.c", "name": "Ann"}, order={"id": "4711"})
    job = bench.complete(SEND, mail={"status": "sent"})
    assert job.variables["authentication"]["hostname"] == "127.0.0.1"
    assert job.custom_headers["elementTemplateId"] == "io.smtp-connector.send"
    assert bench.state(instance) == "COMPLETED"


def test_ask_remind_and_hear_the_decision() -> None:
    bench = example("approval-reminder")
    instance = begin(bench, "approval-reminder", reminderAfter="PT1M", report={"id": "R1"})
    bench.complete(SEND)
    assert bench.waits_in(instance) == ["await_decision"]
    bench.advance(60)
    bench.complete(SEND)
    assert bench.ended_in(instance) == ["approver_reminded"]
    bench.publish("expense-decision", "R1", decision="approved")
    bench.complete(SEND)
    assert bench.ended_in(instance) == ["approver_reminded", "applicant_told"]
    assert bench.state(instance) == "COMPLETED"


def test_a_question_is_confirmed_and_answered() -> None:
    bench = example("reply-and-threading")
    instance = begin(bench, "reply-and-threading", ticket={"id": "T1", "messageId": "<0@mail>"})
    bench.complete(SEND, confirmation={"messageId": "<1@mail>"})
    bench.publish("answer-written", "T1", answer="yes")
    answer = bench.complete(SEND)
    assert answer.variables["smtpEmailReferences"] == ["<0@mail>", "<1@mail>"]
    assert bench.ended_in(instance) == ["question_answered"]


def test_a_mail_for_each_record() -> None:
    bench = example("mail-per-record")
    instance = begin(bench, "mail-per-record", reminderRun="r", invoices=[{"id": "1"}, {"id": "2"}])
    for job in bench.take(SEND):
        bench.engine.complete_job(job.key, {"reminder": {"to": job.variables["invoice"]["id"]}})
    assert bench.variables(instance)["reminders"] == [{"to": "1"}, {"to": "2"}]
    assert "reminder" not in bench.variables(instance)
    assert bench.ended_in(instance) == ["customers_reminded"]


@pytest.mark.parametrize(
    ("refused", "ends"),
    [([], ["all_told", "contacts_told"]), (["a"], ["somebody_refused", "manager_told", "contacts_told"])],
)
def test_a_refusal_is_told_to_the_manager(refused: list[str], ends: list[str]) -> None:
    bench = example("escalation")
    instance = begin(bench, "escalation", contacts=["a"], manager="m", outage={"day": "d"})
    bench.complete(SEND, refused=refused)
    for job in bench.take(SEND):
        bench.engine.complete_job(job.key)
    assert sorted(bench.ended_in(instance)) == sorted(ends)
    assert bench.state(instance) == "COMPLETED"


@pytest.mark.parametrize(
    ("name", "result", "ends"),
    [
        ("attachments", {}, ["report_sent"]),
        ("ignore-error", {"reminded": True}, ["customer_reminded"]),
        ("ignore-error", {"reminded": False}, ["no_reminder"]),
        ("result-expression", {"everybodyReached": True}, ["all_told"]),
        ("result-expression", {"everybodyReached": False}, ["some_to_call"]),
        ("error-boundary", {}, ["customer_notified"]),
        ("error-mapping", {}, ["customer_notified"]),
    ],
)
def test_the_result_chooses_the_end(name: str, result: dict[str, Any], ends: list[str]) -> None:
    bench = example(name)
    sales = [{"item": "a", "pieces": 1, "amount": 2}]
    instance = begin(bench, name, month="2026-10", sales=sales)
    bench.complete(SEND, **result)
    assert bench.ended_in(instance) == ends
    assert bench.state(instance) == "COMPLETED"


def test_two_mails_are_sent_beside_each_other() -> None:
    bench = example("beside-the-flow")
    instance = begin(bench, "beside-the-flow", order={"id": "1"})
    first, second = bench.take(SEND)
    bench.engine.complete_job(second.key)
    bench.engine.complete_job(first.key)
    assert sorted(bench.ended_in(instance)) == ["customer_told", "goods_ordered"]


def test_a_wrong_address_is_told_to_the_desk() -> None:
    bench = example("error-boundary")
    instance = begin(bench, "error-boundary", customer={"name": "Ann"}, orderDesk="desk@b.c")
    bench.throw("ADDRESS_WRONG", SEND, refusal={"why": "no such user"})
    job = bench.complete(SEND)
    assert job.variables["smtpEmailToRecipients"] == "desk@b.c"
    assert "no such user" in job.variables["smtpEmailContent"]
    assert bench.ended_in(instance) == ["desk_told"]


@pytest.mark.parametrize(
    ("code", "ends"), [("ADDRESS", ["address_to_be_asked"]), ("MAIL", ["to_be_told_later"])]
)
def test_each_error_has_its_way(code: str, ends: list[str]) -> None:
    bench = example("error-mapping")
    instance = begin(bench, "error-mapping")
    bench.throw(code, SEND, error={"code": "X", "message": "m"})
    assert bench.ended_in(instance) == ends
