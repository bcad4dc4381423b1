"""What ``smtp-connector check --bpmn`` finds in a diagram, and what it leaves alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from connector.check.diagrams import check_diagram
from connector.check.findings import Report, Status
from connector.settings.model import Settings
from connector.tasks.send_inputs import NATIVE
from tests.diagrams import diagram, element, extensions, mapped, path, start, zeebe

SEND = "smtp-connector:send:1"
MAILBOX = "smtp-connector:mailbox:1"
EXAMPLES = {
    file.stem: file.read_bytes() for file in (Path(__file__).parents[3] / "bpmn-examples").glob("*.bpmn")
}
NO_SETTINGS: Mapping[str, Any] = {}


def task(inputs: Mapping[str, str], headers: Mapping[str, str] | None = None, task_type: str = SEND) -> bytes:
    """A process with one task, as the modeler saves it."""
    written = [zeebe("header", key=key, value=value) for key, value in (headers or {}).items()]
    definition = zeebe("taskDefinition", type=task_type, retries="3")
    inside = extensions(definition, mapped(inputs), zeebe("taskHeaders", *written))
    return diagram(start(), element("serviceTask", "mail", inside, name="Tell\nthem"), path("start", "mail"))


async def checked(content: bytes, settings: Mapping[str, Any] = NO_SETTINGS) -> Report:
    wanted = Settings.model_validate(settings)
    return await check_diagram("order.bpmn", content, wanted, configured=bool(settings))


async def told(content: bytes, settings: Mapping[str, Any] = NO_SETTINGS) -> tuple[Status, str, str]:
    """The one finding that there is: its status, its message and its fix."""
    (found,) = (await checked(content, settings)).findings
    return found.status, found.message, found.fix or ""


@pytest.mark.parametrize("name", sorted(EXAMPLES))
async def test_the_examples_need_no_change(name: str) -> None:
    report = await checked(EXAMPLES[name])
    assert [found for found in report.findings if found.status is not Status.OK] == []


async def test_the_examples_of_the_reference_are_taken() -> None:
    from reference_pages.inputs import EXAMPLES

    assert {definition.name for definition in NATIVE} <= set(EXAMPLES)
    for definition in NATIVE:
        name, example = definition.name, EXAMPLES[definition.name]
        needed = (
            {"smtpEmailTemplate": "reminder"} if name in {"smtpEmailTemplateData", "smtpEmailLocale"} else {}
        )
        report = await checked(task({**needed, name: example}))
        assert [found.message for found in report.findings if found.status is Status.FAILED] == [], name


@pytest.mark.parametrize("pause", ["PT30S", "=PT30S"])
async def test_the_pause_of_version_1_of_the_template(pause: str) -> None:
    status, message, fix = await told(task({}, {"retryBackoff": pause}))
    assert status is Status.WARNING
    assert message.startswith(f"Tell them: retryBackoff is {pause}, as version 1 of the element template")
    assert fix.startswith("Clear Retry backoff")


async def test_a_pause_that_a_modeler_chose_is_left_alone() -> None:
    status, _, _ = await told(task({}, {"retryBackoff": "PT10S"}))
    assert status is Status.OK


@pytest.mark.parametrize(
    ("name", "meant"), [("smtpEmailSubjct", "smtpEmailSubject"), ("smtp_email_content", "smtpEmailContent")]
)
async def test_a_misspelt_input(name: str, meant: str) -> None:
    status, message, _ = await told(task({name: "x"}))
    assert (status, meant in message) == (Status.WARNING, True)


async def test_a_misspelt_input_of_a_mailbox_task() -> None:
    status, message, _ = await told(task({"mailboxFoldr": "x"}, task_type=MAILBOX))
    assert (status, "mailboxFolder" in message) == (Status.WARNING, True)


@pytest.mark.parametrize(
    ("headers", "words"),
    [
        ({"errorExpresion": "=null"}, "did you mean errorExpression"),
        ({"errorExpression": '=if error.code = "404" then null else null'}, '"404", which is not an error'),
        ({"errorExpression": '=bpmnError("X")'}, "answers every mail that was sent"),
        ({"resultExpression": "={a: "}, "resultExpression"),
        ({"resultExpression": "={n: lenght(reply)}"}, "no function lenght; did you mean string length?"),
        ({"errorExpression": "=if error.code in (null) then throw(1) else null"}, "function throw"),
        ({"retryBackoff": "30 seconds"}, "is not an ISO 8601 duration"),
    ],
)
async def test_each_wrong_header_is_told(headers: Mapping[str, str], words: str) -> None:
    status, message, _ = await told(task({}, headers))
    assert status in {Status.WARNING, Status.FAILED}
    assert words in message


async def test_every_header_is_told_of_however_wrong_another_is() -> None:
    wrong = {
        "resultVariable": "my mail",
        "resultExpression": "{",
        "errorMapping": "{*: 1}",
        "jobTimeout": "2h",
    }
    report = await checked(task({}, {**wrong, "retryBackoff": "5 minutes"}))
    told = [found.message.removeprefix("Tell them: ").split(":")[0] for found in report.findings]
    assert set(told) == {*wrong, "retryBackoff"}


@pytest.mark.parametrize(
    "expression",
    [
        '{n: string length(reply), m: upper case(string join(["a"], ","))}',
        "{double: function(x) x * 2, n: double(3)}",
        "{n: if (count(rejected)) = 0 then null else not(partial)}",
        "{n: for r in (rejected) return (r.address)}",
    ],
)
async def test_functions_that_exist_are_no_finding(expression: str) -> None:
    assert (await checked(task({}, {"resultExpression": expression}))).status is Status.OK


async def test_a_key_that_a_context_does_not_have_is_told_and_hides_nothing() -> None:
    report = await checked(task({"authentication.host": "x", "authentication.port": "0"}))
    assert [found.message.removeprefix("Tell them: ") for found in report.findings] == [
        "authentication: 'host' is not one of its keys; did you mean hostname?",
        "authentication.port: is outside 1 to 65535; mail servers use 587, 465 or 25",
    ]


async def test_a_password_in_the_form_of_a_reference_is_told_once() -> None:
    status, message, _ = await told(task({"authentication.password": "${PW}"}))
    assert (status, "looks like a reference" in message) == (Status.FAILED, True)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("smtpEmailToRecipients", "ada@example.org, bob", "smtpEmailToRecipients"),
        ("smtpEmailImportance", "urgent", "use one of high, normal, low"),
        ("smtpEmailImportance", '="urgent"', "use one of high, normal, low"),
        ("smtpEmailContentType", "markdown", "smtpEmailContentType"),
        ("authentication.port", "smtp", "authentication.port"),
        ("authentication.password", "secret.MAIL", "looks like a reference to a secret"),
        ("smtpEmailMailBoxName", "secrets.MAILBOX", "secrets do not resolve here"),
        ("smtpEmailFollowUp", "someday", "smtpEmailFollowUp"),
        ("smtpEmailSubject", "=first(", "smtpEmailSubject"),
    ],
)
async def test_values_that_a_job_would_be_refused_for(name: str, value: str, words: str) -> None:
    report = await checked(task({name: value}))
    failed = [found for found in report.findings if found.status is Status.FAILED]
    assert len(failed) == 1, report
    assert words in failed[0].message


async def test_every_wrong_value_is_told() -> None:
    wrong = {"smtpEmailImportance": "urgent", "smtpEmailSensitivity": "secret", "smtpEmailReadReceipt": "ye"}
    report = await checked(task({**wrong, "smtpEmailSubject": "=order.subject", "smtpEmailContent": "Hello"}))
    assert [found.message.split(": ")[1] for found in report.findings] == list(wrong)


@pytest.mark.parametrize(
    "inputs",
    [
        {"smtpEmailToRecipients": "=customer.mail", "smtpEmailImportance": "=importance"},
        {"authentication.hostname": "secrets.HOST", "authentication.port": "secrets.PORT"},
        {"authentication.password": "secrets.MAIL", "authentication.username": "{{secrets.USER}}"},
        {"smtpEmailTemplate": "order", "smtpEmailToRecipients": "ada@example.org"},
        {"smtpEmailTextContent": "Hello", "smtpEmailContentType": "=type", "smtpEmailContent": "=html"},
        {"account": "sales", "invoice": "=order.id"},
    ],
)
async def test_what_only_the_process_knows_is_left_alone(inputs: Mapping[str, str]) -> None:
    status, message, _ = await told(task(inputs))
    assert (status, message) == (Status.OK, "1 task of this connector")


async def test_a_mailbox_task_is_read_as_well() -> None:
    inputs = {"mailboxOperation": "read", "mailboxMessage": "=id", "mailboxAttachments": "everything"}
    _, message, _ = await told(task(inputs, task_type=MAILBOX))
    assert "mailboxAttachments" in message


@pytest.mark.parametrize("task_type", ["smtp-connector:send:2", "smtp-conector:send:1"])
async def test_a_task_type_that_no_worker_takes(task_type: str) -> None:
    status, message, fix = await told(task({}, task_type=task_type))
    assert (status, fix) == (Status.FAILED, f"Write {SEND}.")
    assert task_type in message


async def test_a_task_of_another_worker_is_none_of_ours() -> None:
    status, message, _ = await told(task({"smtpEmailSubjct": "x"}, task_type="book-trip"))
    assert (status, message) == (Status.OK, "no task of this connector")


ACCOUNTS = {"accounts": {"sales": {"host": "mail.example"}}}


async def test_an_account_that_the_settings_do_not_have() -> None:
    status, message, fix = await told(task({"account": "sale"}), ACCOUNTS)
    assert (status, fix) == (Status.FAILED, "Write sales.")
    assert "no account 'sale'" in message
    assert (await told(task({"account": "sale"})))[0] is Status.OK  # no settings are given
    assert (await told(task({"account": "sales"}), ACCOUNTS))[0] is Status.OK


async def test_a_password_in_the_diagram_is_never_shown() -> None:
    report = await checked(task({"authentication.password": "correct horse"}))
    (found,) = report.findings
    assert (found.status, found.facts) == (Status.WARNING, {"element": "mail"})
    assert "written in the diagram" in found.message
    assert "correct horse" not in str(report.as_json())


async def test_a_password_in_the_diagram_while_it_may_go_to_any_server() -> None:
    reference = task({"authentication.password": "secrets.MAIL"})
    status, message, fix = await told(reference, ACCOUNTS)
    assert status is Status.WARNING
    assert "smtp.hosts is not set" in message
    assert "smtp.hosts" in fix
    listed = {**ACCOUNTS, "smtp": {"hosts": ["mail.example"]}}
    assert (await told(reference, listed))[0] is Status.OK


@pytest.mark.parametrize("content", [b"no XML", b"<a/>", b"<!DOCTYPE a []><a/>"])
async def test_a_file_that_is_no_diagram(content: bytes) -> None:
    status, message, _ = await told(content)
    assert status is Status.FAILED
    assert "not BPMN" in message
