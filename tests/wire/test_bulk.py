"""Bulk tasks over a real socket: one mail for each record, once, and what is said of those that failed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any

import pytest

from connector.errors import ErrorCode
from connector.model.job import Complete, Fail, JobContext, Outcome
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.send.direct import EmlFile
from connector.send.pipeline import Pipeline
from connector.settings.sources import load
from connector.testing.behaviour import Behaviour, Drop, Hold, Say, Verb
from connector.testing.smtp import SmtpServer
from tests.jobs import job
from tests.wire.test_pipeline import mail, pipeline


def bulk(server: SmtpServer, records: Any, **changed: Any) -> dict[str, Any]:
    given = mail(server, smtpEmailRecipientsData=records, **changed)
    return {**given, "smtpEmailToRecipients": changed.get("smtpEmailToRecipients")}


def people(count: int) -> list[dict[str, Any]]:
    return [{"to": f"r{number}@example.test", "key": f"k{number}"} for number in range(1, count + 1)]


def response(outcome: Outcome) -> Mapping[str, Any]:
    assert isinstance(outcome, Complete), outcome
    found: Mapping[str, Any] = outcome.variables["response"]
    return found


def failure(outcome: Outcome) -> tuple[str, int, Mapping[str, Any]]:
    assert isinstance(outcome, Fail), outcome
    assert outcome.error is not None
    return outcome.error["code"], outcome.retries, outcome.error["variables"]


def addressed(server: SmtpServer) -> Counter[str]:
    return Counter(one for received in server.received for one in received.recipients)


def keys(variables: Mapping[str, Any], status: str = "FAIL") -> list[str]:
    return [one["key"] for one in variables["mails"] if one["status"] == status]


def contents(folder: Path) -> list[tuple[str, bytes]]:
    return [(file.name, file.read_bytes()) for file in sorted(folder.iterdir())]


async def attempts(opened: Pipeline, given: Sequence[Mapping[str, Any]], **more: Any) -> list[Outcome]:
    """Handle attempts at one job, one after the other."""
    return [await opened.handle(job(variables, **more)) for variables in given]


async def test_each_record_gets_a_mail_of_its_own() -> None:
    records = [
        {"to": "a@example.test", "key": "first", "attachments": [{"name": "a.txt", "content": "A"}]},
        {"to": ["b@example.test", "c@example.test"], "cc": "d@example.test"},
        {"bcc": "e@example.test"},
    ]
    async with SmtpServer() as server, pipeline() as opened:
        told = response(await opened.handle(job(bulk(server, records))))
        received = {one.recipients: message_from_bytes(one.data, policy=default) for one in server.received}
    assert list(told) == [
        *("status", "message", "account", "transport", "sent", "failed", "mails", "partial", "sentAt"),
        *("duplicate", "warnings"),
    ]
    assert (told["status"], told["sent"], told["failed"], told["partial"]) == ("SUCCESS", 3, 0, False)
    assert (told["message"], told["duplicate"], told["transport"]) == ("3 mails were sent", False, "smtp")
    assert keys(told, "SUCCESS") == ["first", "2", "3"]
    assert set(received) == {
        ("a@example.test",),
        ("b@example.test", "c@example.test", "d@example.test"),
        ("e@example.test",),
    }
    ids = {one["messageId"] for one in told["mails"]}
    assert ids == {one["Message-ID"] for one in received.values()}
    assert len(ids) == 3
    (attached,) = received["a@example.test",].iter_attachments()
    assert attached.get_filename() == "a.txt"


async def test_data_of_a_record_wins_over_the_tasks(tmp_path: Path) -> None:
    folder = tmp_path / "hello"
    folder.mkdir()
    (folder / "subject.txt").write_text("{{ greeting }} {{ name }}")
    (folder / "body.txt").write_text("{{ company }}")
    records = [{"to": "a@example.test", "data": {"name": "Ann"}}, {"to": "b@example.test", "data": {}}]
    inputs: dict[str, Any] = {
        "smtpEmailTemplate": "hello",
        "smtpEmailTemplateData": {"greeting": "Hello", "name": "all", "company": "ACME"},
        "smtpEmailSubject": None,
        "smtpEmailContent": None,
    }
    async with SmtpServer() as server, pipeline(templates__directory=str(tmp_path)) as opened:
        response(await opened.handle(job(bulk(server, records, **inputs))))
        subjects = {
            one.recipients[0]: message_from_bytes(one.data, policy=default)["Subject"]
            for one in server.received
        }
    assert subjects == {"a@example.test": "Hello Ann", "b@example.test": "Hello all"}


@pytest.mark.parametrize(
    ("records", "field", "words"),
    [
        ("x", "smtpEmailRecipientsData", "must be a list"),
        ([1], "smtpEmailRecipientsData[1]", "must be a context with to, cc"),
        ([{"to": "a@x.test"}, None], "smtpEmailRecipientsData[2]", "not null"),
        ([{"to": "a@x.test", "email": "b"}], "smtpEmailRecipientsData[1]", "'email' is not one of its keys"),
        (
            [{"key": "a"}, {"key": "b"}, {"key": "a"}],
            "smtpEmailRecipientsData[3].key",
            "[1] has the same key",
        ),
        ([{"key": "2"}, {}], "smtpEmailRecipientsData[2].key", "has its position"),
        ([{"key": ["a"]}], "smtpEmailRecipientsData[1].key", "must be text or a whole number"),
        ([{"key": "a\tb"}], "smtpEmailRecipientsData[1].key", "control character U+0009"),
        ([{"key": "x" * 101}], "smtpEmailRecipientsData[1].key", "at most 100"),
        ([{"to": "a@x.test"}] * 10_001, "smtpEmailRecipientsData", "more than 10,000 records"),
    ],
)
async def test_a_list_that_is_wrong_sends_nothing(records: Any, field: str, words: str) -> None:
    async with SmtpServer() as server, pipeline() as opened:
        outcome = await opened.handle(job(bulk(server, records)))
        assert server.connections == []
    code, retries, variables = failure(outcome)
    assert (code, retries, variables["field"]) == ("INVALID_INPUT", 0, field)
    assert isinstance(outcome, Fail)
    assert words in outcome.message


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"smtpEmailImportance": "very"}, "smtpEmailImportance"),
        ({"smtpEmailToRecipients": ["x@example.test"]}, "smtpEmailToRecipients"),
        ({"smtpEmailIdempotencyKey": "a\tb"}, "smtpEmailIdempotencyKey"),
        ({"smtpEmailAttachments": ["/etc/passwd"]}, "smtpEmailAttachments[1]"),
    ],
)
async def test_what_is_wrong_with_the_task_sends_nothing(changed: dict[str, Any], field: str) -> None:
    async with SmtpServer() as server, pipeline() as opened:
        outcome = await opened.handle(job(bulk(server, people(50), **changed)))
        assert server.connections == []
    code, retries, variables = failure(outcome)
    assert (retries, variables["field"]) == (0, field), code


async def test_what_is_wrong_with_a_record_fails_its_mail_only() -> None:
    records = [
        {"to": "a@example.test"},
        {"to": "not an address", "key": "b"},
        {"key": "c"},
        {"to": "secrets.MAIL", "key": "d"},
        {"to": "e@example.test", "data": {"name": "x"}, "key": "e"},
        {"to": "f@example.test", "attachments": ["/etc/passwd"], "key": "f"},
    ]
    async with SmtpServer() as server, pipeline() as opened:
        told = response(await opened.handle(job(bulk(server, records))))
        assert addressed(server) == {"a@example.test": 1}
    assert (told["sent"], told["failed"], told["partial"]) == (1, 5, True)
    assert told["message"] == "1 of 6 mails were sent"
    failed = {one["key"]: (one["code"], one["message"]) for one in told["mails"] if one["status"] == "FAIL"}
    assert {key: code for key, (code, _) in failed.items()} == {
        **dict.fromkeys("bcde", "INVALID_INPUT"),
        "f": "ATTACHMENT_NOT_ALLOWED",
    }
    places = {"b": "[2].to", "c": "[3].to", "d": "[4].to", "e": "[5].data", "f": "[6].attachments[1]"}
    for key, place in places.items():
        assert failed[key][1].startswith(f"smtpEmailRecipientsData{place}"), failed[key]


async def test_no_records_are_no_mails_and_no_error() -> None:
    async with SmtpServer() as server, pipeline() as opened:
        told = response(await opened.handle(job(bulk(server, []))))
        assert server.connections == []
        beside = bulk(server, [], smtpEmailToRecipients=["a@example.test"])
        assert response(await opened.handle(job(beside)))["accepted"] == ["a@example.test"]
    assert (told["sent"], told["failed"], told["mails"], told["partial"]) == (0, 0, [], False)
    assert "is empty" in told["warnings"][0]


async def test_a_null_list_asks_for_recipients() -> None:
    async with SmtpServer() as server, pipeline() as opened:
        assert failure(await opened.handle(job(bulk(server, None))))[0] == "INVALID_INPUT"


async def test_a_refused_recipient_in_the_middle() -> None:
    refused = Behaviour().on(Verb.RCPT, Say(550, "5.1.1 User unknown"), containing="r3@")
    async with SmtpServer(behaviour=refused) as server, pipeline() as opened:
        told = response(await opened.handle(job(bulk(server, people(5)))))
        again = response(await opened.handle(job(bulk(server, people(5)))))
        assert addressed(server) == {f"r{number}@example.test": 1 for number in (1, 2, 4, 5)}
    assert (told["sent"], told["failed"], keys(told)) == (4, 1, ["k3"])
    assert (again["sent"], keys(again), again["duplicate"]) == (4, ["k3"], True)


async def test_all_are_wanted_and_the_rest_gets_its_mail() -> None:
    refused = Behaviour().on(Verb.RCPT, Say(550, "5.1.1 User unknown"), containing="r3@", times=1)
    async with SmtpServer(behaviour=refused) as server, pipeline() as opened:
        given = bulk(server, people(5), smtpEmailRequireAllRecipients=True)
        first, second = await attempts(opened, [given, given])
        assert set(addressed(server).values()) == {1}
    code, retries, variables = failure(first)
    assert (code, retries, variables["sent"], variables["failed"]) == ("RECIPIENT_REJECTED", 0, 4, 1)
    assert (variables["partial"], keys(variables)) == (True, ["k3"])
    assert isinstance(first, Fail)
    assert "4 of 5 mails were sent; a retry sends only the others. Record k3: " in first.message
    assert response(second)["sent"] == 5


async def test_a_recipient_who_is_greylisted_gets_the_mail_by_the_retry() -> None:
    later = Behaviour().on(Verb.RCPT, Say(450, "4.2.0 later"), containing="r2@", times=2)
    async with SmtpServer(behaviour=later) as server, pipeline() as opened:
        given = bulk(server, people(3))
        first = await opened.handle(job(given, retries=3))
        last = await opened.handle(job(given, retries=1))
        assert addressed(server) == {"r1@example.test": 1, "r3@example.test": 1}
    code, retries, variables = failure(first)
    assert (code, retries, variables["sent"], variables["retryable"]) == ("TEMPORARILY_REJECTED", 2, 2, True)
    assert (response(last)["sent"], keys(response(last))) == (2, ["k2"])


async def test_none_sent_is_the_error_of_the_first() -> None:
    refused = Behaviour().on(Verb.RCPT, Say(550, "5.1.1 User unknown"))
    async with SmtpServer(behaviour=refused) as server, pipeline() as opened:
        code, retries, variables = failure(await opened.handle(job(bulk(server, people(3)))))
    assert (code, retries, variables["sent"], variables["failed"]) == ("RECIPIENT_REJECTED", 0, 0, 3)
    assert "partial" not in variables


async def test_a_wrong_password_is_tried_once() -> None:
    async with SmtpServer(users={"ann": "right"}) as server, pipeline() as opened:
        login = {"hostname": server.hostname, "port": server.port, "security": "none"}
        given = bulk(server, people(100), authentication={**login, "username": "ann", "password": "wrong"})
        code, retries, variables = failure(await opened.handle(job(given)))
        assert len(server.connections) == 1
    assert (code, retries, variables["sent"]) == ("AUTH_FAILED", 0, 0)


async def test_a_server_that_is_away_ends_the_attempt() -> None:
    async with SmtpServer() as server:
        pass
    async with pipeline() as opened:
        code, retries, variables = failure(await opened.handle(job(bulk(server, people(1_000)))))
    assert (code, retries, variables["sent"], variables["failed"]) == ("CONNECTION_FAILED", 2, 0, 1_000)
    assert len(variables["mails"]) < 60


async def test_data_that_changed_is_sent_only_where_nothing_was() -> None:
    refused = Behaviour().on(Verb.RCPT, Say(450, "4.2.0 later"), containing="r2@")
    async with SmtpServer(behaviour=refused) as server, pipeline() as opened:
        await opened.handle(job(bulk(server, people(3))))
        changed = [{**one, "to": one["to"].replace("r", "new")} for one in people(3)]
        told = response(await opened.handle(job(bulk(server, changed))))
        assert addressed(server) == dict.fromkeys(
            ("r1@example.test", "r3@example.test", "new2@example.test"), 1
        )
    assert (told["sent"], keys(told)) == (1, ["k1", "k3"])
    (first, *_) = (one for one in told["mails"] if one["key"] == "k1")
    assert first["message"].startswith("smtpEmailRecipientsData[1]: another mail was sent")


async def test_a_key_of_a_task_never_meets_that_of_a_record() -> None:
    async with SmtpServer() as server, pipeline() as opened:
        one = [{"to": "r@example.test", "key": "b/record:c"}]
        two = [{"to": "r@example.test", "key": "c"}]
        for number, (key, records) in enumerate((("a", one), ("a/record:b", two))):
            given = bulk(server, records, smtpEmailIdempotencyKey=key)
            assert response(await opened.handle(job(given, element_instance_key=number)))["sent"] == 1
        single = mail(server, smtpEmailIdempotencyKey="a/record:b/record:c")
        assert not response(await opened.handle(job(single)))["duplicate"]
        assert len(server.received) == 3


async def test_a_job_that_comes_again_is_answered_from_the_ledger() -> None:
    async with SmtpServer() as server, pipeline() as opened:
        first, second = await attempts(opened, [bulk(server, people(40))] * 2)
        assert len(server.received) == 40
    assert response(second)["duplicate"]
    assert response(second)["mails"] == response(first)["mails"]


async def test_two_workers_with_one_job_send_each_mail_once() -> None:
    async with SmtpServer() as server, pipeline() as opened:
        given = bulk(server, people(60))
        both = await asyncio.gather(opened.handle(job(given)), opened.handle(job(given)))
        assert set(addressed(server).values()) == {1}
    assert [response(one)["sent"] for one in both] == [60, 60]


@pytest.mark.parametrize("lost", [False, True])
async def test_a_cancelled_job_leaves_no_mail_in_doubt(*, lost: bool) -> None:
    hold = Hold()
    behaviour = Behaviour().on(Verb.DOT, hold, times=1)
    async with SmtpServer(behaviour=behaviour) as server, pipeline() as opened:
        context = JobContext()
        running = asyncio.create_task(opened.handle(job(bulk(server, people(300))), context))
        await hold.reached.wait()
        context.lost = lost
        running.cancel()
        asyncio.get_running_loop().call_later(0.05, hold.until.set)
        outcome = await running
        sent = len(server.received)
        told = response(await opened.handle(job(bulk(server, people(300)))))
        assert addressed(server) == {f"r{number}@example.test": 1 for number in range(1, 301)}
    code, retries, _ = failure(outcome)
    assert (code, retries) == ("CANCELLED", 3)
    assert 1 <= sent < 300
    assert isinstance(outcome, Fail)
    assert f"after {sent} mails" in outcome.message
    assert told["sent"] == 300


async def test_a_mail_in_doubt_is_a_persons_decision() -> None:
    broken = Behaviour().on(Verb.DOT, Drop(), times=1, keep=True)
    async with SmtpServer(behaviour=broken) as server, pipeline() as opened:
        given, context = bulk(server, people(4)), JobContext()
        first = await opened.handle(job(given), context)
        asked_again = await opened.handle(job(given))
        assert len(server.received) == 4
        assert context.when_taken is not None
    for outcome in (first, asked_again):
        code, retries, variables = failure(outcome)
        assert (code, retries, variables["sent"], variables["failed"]) == ("DELIVERY_UNCERTAIN", 0, 3, 1)


async def test_a_long_list_leaves_the_loop_to_others() -> None:
    turns, records = 0, [{"key": number} for number in range(10_000)]

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(others())
    async with SmtpServer() as server, pipeline() as opened:
        given = bulk(server, records, smtpEmailIdempotencyKey="a\tb")
        assert failure(await opened.handle(job(given)))[0] == "INVALID_INPUT"
    beside.cancel()
    assert turns >= 100


async def test_no_more_at_a_time_than_there_are_slots() -> None:
    hold, seen = asyncio.Event(), 0
    behaviour = Behaviour().on(Verb.DOT, Hold(until=hold))
    settings = {"worker__max_jobs": "4", "smtp__pool__wait": "60"}
    async with SmtpServer(behaviour=behaviour) as server, pipeline(**settings) as opened:
        hold.set()
        await opened.handle(job(bulk(server, people(40))))
        seen = len(server.connections)
    assert 1 < seen <= 4


async def test_the_rate_of_an_account_is_kept() -> None:
    async with SmtpServer() as server:
        account = {
            "host": server.hostname,
            "port": str(server.port),
            "security": "none",
            "address": "a@example.test",
            "rate": "50",
            "max_wait": "0.1",
        }
        settings = {f"accounts__default__{name}": value for name, value in account.items()}
        async with pipeline(**settings) as opened:
            given = bulk(server, people(30), authentication=None, smtpEmailMailBoxName=None)
            loop = asyncio.get_running_loop()
            began = loop.time()
            told = response(await opened.handle(job(given)))
            assert loop.time() - began >= 29 / 50
    assert (told["sent"], told["account"]) == (30, "default")


async def test_many_failures_fit_into_a_result() -> None:
    records = [{"to": "nobody", "key": f"{'ключ' * 20}-{number}"} for number in range(1_500)]
    async with SmtpServer() as server, pipeline() as opened:
        told = response(await opened.handle(job(bulk(server, [*records, {"to": "a@example.test"}]))))
    assert (told["sent"], told["failed"]) == (1, 1_500)
    assert keys(told, "SUCCESS") == []
    assert len(json.dumps(told)) < 1_500_000
    assert any("mails lacks" in warning for warning in told["warnings"]) == (len(told["mails"]) < 1_500)


async def test_above_a_thousand_records_only_failures_are_listed() -> None:
    refused = Behaviour().on(Verb.RCPT, Say(550, "5.1.1 User unknown"), containing="r700@")
    async with SmtpServer(behaviour=refused) as server, pipeline() as opened:
        told = response(await opened.handle(job(bulk(server, people(1_001)))))
    assert (told["sent"], told["failed"]) == (1_000, 1)
    assert [(one["key"], one["code"]) for one in told["mails"]] == [("k700", ErrorCode.RECIPIENT_REJECTED)]


async def test_a_dry_run_writes_a_file_for_each_mail(tmp_path: Path) -> None:
    settings = load({}, overrides={"ledger.kind": "memory"}).settings
    given = {**mail(SmtpServer(port=25)), "smtpEmailToRecipients": None, "smtpEmailRecipientsData": people(3)}
    async with open_pipeline(settings, Masker(), {}, EmlFile(tmp_path / "mail.eml")) as opened:
        told = response(await opened.handle(job(given)))
    assert told["sent"] == 3
    files = {name: message_from_bytes(octets) for name, octets in contents(tmp_path)}
    assert list(files) == ["mail-2.eml", "mail-3.eml", "mail.eml"]
    assert {one["To"] for one in files.values()} == {f"<r{number}@example.test>" for number in (1, 2, 3)}


async def test_infosys_tasks_send_bulk_too() -> None:
    async with SmtpServer(users={"ann": "right"}) as server, pipeline() as opened:
        login = {"hostname": server.hostname, "port": server.port, "security": "none"}
        login |= {"username": "ann", "password": "right"}
        given = bulk(server, people(3), authentication=login)
        outcome = await opened.handle(job(given, type="com.infosys.camundaconnectors.email:smtp:1"))
    told = response(outcome)
    assert (told["response"], told["sent"]) == ("3 mails were sent", 3)
