"""What becomes of a job: the shapes that the contract promises, and never a second mail."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from connector.errors import (
    CancelledBeforeSendError,
    ConnectorError,
    ErrorCode,
    InputError,
    Phase,
    Rejection,
    Reply,
    TransportError,
)
from connector.model.job import Complete, Fail, Outcome, Throw
from connector.model.receipt import Receipt
from connector.send import outcome as outcomes
from connector.settings.model import INFOSYS_TASK_TYPE, WorkerSettings
from connector.tasks import send_task
from connector.tasks.headers import read_task_headers
from tests.jobs import job

NOW = datetime(2026, 11, 20, 20, 50, 33, tzinfo=UTC)
SENT = "The mail was sent as <1@mail>; retrying this job does not send it again."
SETTINGS = WorkerSettings(retry_backoff="7", rejection_backoff="11")
REFUSED = Rejection("b@x", Reply(550, "5.1.1 no such user"))


def response() -> dict[str, Any]:
    receipt = Receipt(Reply(250, "2.0.0 Ok"), ("a@x",), (REFUSED,), transport="smtp", warnings=("careful",))
    return outcomes.response("<1@mail>", receipt, NOW, str)


async def sent(**headers: str) -> Outcome:
    return await outcomes.succeeded(response(), job({}), read_task_headers(headers))


def refused(code: ErrorCode = ErrorCode.RECIPIENT_REJECTED) -> TransportError:
    return TransportError(
        code, "refused", phase=Phase.RCPT, server="mail:25", reply=REFUSED.reply, rejected=(REFUSED,)
    )


async def failed(
    error: ConnectorError | None = None,
    headers: Mapping[str, str] | None = None,
    *,
    settings: WorkerSettings = SETTINGS,
    retries: int = 3,
) -> Outcome:
    read = read_task_headers(headers or {})
    return await outcomes.failed(error or refused(), job({}, retries=retries), read, settings)


async def decided(error_expression: str, **headers: str) -> Outcome:
    """What a recipient's refusal becomes by an error expression."""
    return await failed(headers={"errorExpression": error_expression, **headers})


# The response


def test_the_response_of_a_native_task() -> None:
    assert response() == {
        "status": "SUCCESS",
        "message": "Mail sent successfully",
        "messageId": "<1@mail>",
        "account": None,
        "transport": "smtp",
        "accepted": ["a@x"],
        "rejected": [{"address": "b@x", "code": 550, "enhancedCode": "5.1.1", "text": "5.1.1 no such user"}],
        "partial": True,
        "reply": "250 2.0.0 Ok",
        "sentAt": "2026-11-20T20:50:33Z",
        "duplicate": False,
        "warnings": ["careful"],
    }


# A mail that was sent


async def test_without_headers_there_are_no_variables() -> None:
    assert await sent() == Complete({})


async def test_the_result_variable_has_the_whole_response() -> None:
    assert await sent(resultVariable="mail") == Complete({"mail": response()})


async def test_the_result_expression_makes_variables_beside_it_and_wins() -> None:
    assert await sent(resultVariable="mail", resultExpression="{id: messageId}") == Complete(
        {"mail": response(), "id": "<1@mail>"}
    )
    assert await sent(resultVariable="mail", resultExpression="{mail: response.reply}") == Complete(
        {"mail": "250 2.0.0 Ok"}
    )
    assert await sent(resultExpression="null") == Complete({})


async def test_on_the_infosys_type_the_response_has_the_response() -> None:
    headers = read_task_headers({"resultExpression": "{a: response.response, b: response.messageId}"})
    described = send_task(INFOSYS_TASK_TYPE).response(response())
    outcome = await outcomes.succeeded(described, job({}), headers)
    assert outcome == Complete({"a": "Mail sent successfully", "b": "<1@mail>"})


async def test_why_a_result_is_null_is_told_in_the_result_and_in_the_log() -> None:
    with capture_logs() as logs:
        outcome = await sent(resultVariable="mail", resultExpression="{id: response.mesageId}")
    assert isinstance(outcome, Complete)
    assert outcome.variables["id"] is None
    first, second = outcome.variables["mail"]["warnings"]
    assert first == "careful"
    assert "mesageId" in second
    (log,) = logs
    assert (log["header"], log["job_key"], log["warnings"]) == ("resultExpression", 11, [second])


async def test_an_error_expression_may_judge_a_mail_that_was_sent() -> None:
    thrown = 'bpmnError("PARTIAL", "some refused", {n: job.retries})'
    judged = f"if count(response.rejected) > 0 then {thrown} else null"
    assert await sent(errorExpression=judged) == Throw("PARTIAL", "some refused", {"n": 3}, mail_sent=True)
    assert await sent(errorExpression="if error != null then 1 else null") == Complete({})
    assert await sent(
        resultVariable="mail", resultExpression="{a: 1, b: 2}", errorExpression="ignoreError({b: 3})"
    ) == Complete({"mail": response(), "a": 1, "b": 3})


async def test_a_job_error_after_a_mail_is_tried_again_once_without_another_mail() -> None:
    header = 'if response != null then jobError("again", {a: 1}, 5, @"PT1S") else null'
    assert await sent(errorExpression=header) == Fail(f"again\n{SENT}", 5, 1.0, {"a": 1})
    again = {**response(), "duplicate": True}
    headers = read_task_headers({"errorExpression": header, "resultVariable": "mail"})
    assert await outcomes.succeeded(again, job({}), headers) == Complete({"mail": again, "a": 1})


@pytest.mark.parametrize(
    "headers",
    [
        {"resultExpression": 'assert("x", false)'},
        {"resultExpression": "messageId"},
        {"errorExpression": "bpmnError(5)"},
        {"errorExpression": '{reason: "x"}'},
        {"resultExpression": "{n: count(for i in 1..1000000000 return i)}"},
    ],
)
async def test_an_expression_that_fails_after_a_mail_is_an_incident_that_says_so(
    headers: dict[str, str],
) -> None:
    outcome = await sent(resultVariable="mail", **headers)
    assert isinstance(outcome, Fail)
    assert outcome.message.startswith(f"EXPRESSION_ERROR: {next(iter(headers))}: ")
    assert outcome.message.endswith(f"\n{SENT}")
    assert (outcome.retries, outcome.variables) == (0, {})
    assert outcome.error is not None
    assert outcome.error["code"] == "EXPRESSION_ERROR"


async def test_a_long_message_does_not_push_out_that_the_mail_was_sent() -> None:
    long = 'jobError(string join(for i in 1..3000 return "too long"))'
    outcome = await sent(errorExpression=long)
    assert isinstance(outcome, Fail)
    assert outcome.message.endswith(f"\n{SENT}")
    assert len(outcome.message) < 10_000


def test_a_fault_of_our_own_says_that_the_mail_was_sent() -> None:
    broken = outcomes.broken_after({"messageId": "<1@mail>"})
    assert broken.message.endswith(SENT)
    assert broken.retries == 0
    bulk = outcomes.broken_after({"mails": [], "message": "7 mails were sent"})
    assert bulk.message.endswith("7 mails were sent; retrying this job does not send them again.")


# A mail that was not sent

DESCRIBED = {
    "code": "RECIPIENT_REJECTED",
    "type": "TransportError",
    "message": "refused (mail:25 replied: 550 5.1.1 no such user)",
    "variables": {
        "retryable": False,
        "smtpCode": 550,
        "enhancedCode": "5.1.1",
        "server": "mail:25",
        "phase": "rcpt",
        "rejected": [{"address": "b@x", "code": 550, "enhancedCode": "5.1.1", "text": "5.1.1 no such user"}],
    },
}
SPENT = f"RECIPIENT_REJECTED: {DESCRIBED['message']}"


async def test_the_context_of_a_failure() -> None:
    outcome = await decided('bpmnError("C", "", {error: error, left: job.retries})')
    assert isinstance(outcome, Throw)
    assert outcome.variables == {"error": DESCRIBED, "left": 3}


@pytest.mark.parametrize(
    ("code", "retries", "expected"),
    [
        (ErrorCode.RECIPIENT_REJECTED, 3, (0, 0)),
        (ErrorCode.DELIVERY_UNCERTAIN, 3, (0, 0)),
        (ErrorCode.CONNECTION_FAILED, 3, (2, 7)),
        (ErrorCode.TEMPORARILY_REJECTED, 2, (1, 11)),
        (ErrorCode.RATE_LIMITED, 1, (0, 11)),
        (ErrorCode.CONNECTION_FAILED, 0, (0, 7)),
    ],
)
async def test_what_an_attempt_costs_when_nobody_decides(
    code: ErrorCode, retries: int, expected: tuple[int, float]
) -> None:
    cases: tuple[dict[str, str], ...] = (
        {},
        {"errorExpression": "null"},
        {"errorMapping": '{AUTH_FAILED: "X"}'},
    )
    for headers in cases:
        outcome = await failed(refused(code), headers, retries=retries)
        assert isinstance(outcome, Fail)
        assert (outcome.retries, outcome.backoff) == expected
        assert outcome.message.startswith(f"{code}: refused")


async def test_the_task_sets_the_pause() -> None:
    outcome = await failed(refused(ErrorCode.CONNECTION_FAILED), {"retryBackoff": "PT0.5S"})
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.backoff) == (2, 0.5)


@pytest.mark.parametrize(("backoff", "seconds"), [("", 3600), ("PT1S", 3600), ("PT2H", 7200)])
async def test_a_quota_waits_at_least_as_long_as_its_error_says(backoff: str, seconds: float) -> None:
    error = refused(ErrorCode.RATE_LIMITED)
    error.retry_after = timedelta(hours=1)
    outcome = await failed(error, {"retryBackoff": backoff})
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.backoff) == (2, seconds)


async def test_a_job_error_sets_retries_and_pause_even_of_a_permanent_fault() -> None:
    text = 'jobError("later: " + error.code, {a: 1}, job.retries - 1, @"PT90S")'
    assert await decided(text) == Fail("later: RECIPIENT_REJECTED", 2, 90.0, {"a": 1}, DESCRIBED)
    assert await decided('jobError("stop")', retryBackoff="PT5S") == Fail("stop", 0, 0.0, {}, DESCRIBED)


async def test_a_mail_that_was_perhaps_delivered_is_not_sent_again_by_an_expression() -> None:
    uncertain = refused(ErrorCode.DELIVERY_UNCERTAIN)
    outcome = await failed(uncertain, {"errorExpression": 'jobError("again", {a: 1}, 2, @"PT1S")'})
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.backoff, outcome.variables) == (0, 0, {"a": 1})
    assert outcome.message.startswith("again\nThe mail may have been delivered")


async def test_a_decision_without_a_message_has_that_of_the_error() -> None:
    assert await decided('bpmnError("C")') == Throw("C", str(DESCRIBED["message"]))
    outcome = await decided('{errorType: "jobError"}')
    assert isinstance(outcome, Fail)
    assert outcome.message == SPENT


async def test_ignore_error_completes_and_the_result_says_fail() -> None:
    ignored = {"status": "FAIL", "error": DESCRIBED}
    assert await decided("ignoreError({a: 1})", resultVariable="mail") == Complete(
        {"mail": ignored, "a": 1}, mail_sent=False
    )
    assert await decided("ignoreError()") == Complete({}, mail_sent=False)


@pytest.mark.parametrize(
    ("code", "expected"), [(ErrorCode.CONNECTION_FAILED, (2, 7)), (ErrorCode.RECIPIENT_REJECTED, (0, 0))]
)
async def test_an_expression_that_fails_hides_nothing_and_changes_no_retries(
    code: ErrorCode, expected: tuple[int, float]
) -> None:
    broken = 'assert("x", false, "my assertion")'
    outcome = await failed(refused(code), {"errorExpression": broken, "errorMapping": '{"*": "MAIL"}'})
    assert isinstance(outcome, Fail)
    original, _, beside = outcome.message.partition("\nBeside it, errorExpression: ")
    assert original == f"{code}: {DESCRIBED['message']}"
    assert "my assertion" in beside
    assert outcome.error == {**DESCRIBED, "code": code, "variables": refused(code).variables}
    assert (outcome.retries, outcome.backoff) == expected


# Mapping

TABLES: dict[str, tuple[str, dict[str, str], str | None]] = {
    "none": ("", {}, None),
    "the task's": ('{RECIPIENT_REJECTED: "ADDRESS"}', {}, "ADDRESS"),
    "the task's star": ('{AUTH_FAILED: "LOGIN", "*": "MAIL"}', {}, "MAIL"),
    "the code before the star": ('{"*": "MAIL", RECIPIENT_REJECTED: "ADDRESS"}', {}, "ADDRESS"),
    "the settings'": ("", {"RECIPIENT_REJECTED": "OURS"}, "OURS"),
    "the settings' star": ('{AUTH_FAILED: "LOGIN"}', {"*": "OURS"}, "OURS"),
    "the task's star before the settings' code": (
        '{"*": "MAIL"}',
        {"RECIPIENT_REJECTED": "OURS"},
        "MAIL",
    ),
    "another code": ('{AUTH_FAILED: "LOGIN"}', {"DNS_FAILED": "OURS"}, None),
}


@pytest.mark.parametrize(("header", "table", "code"), TABLES.values(), ids=TABLES)
async def test_a_table_makes_a_bpmn_error(header: str, table: dict[str, str], code: str | None) -> None:
    settings = WorkerSettings(error_mapping=table)
    outcome = await failed(headers={"errorMapping": header}, settings=settings)
    if code is None:
        assert outcome == Fail(SPENT, 0, error=DESCRIBED)
    else:
        assert outcome == Throw(code, str(DESCRIBED["message"]), {"error": DESCRIBED})


async def test_what_the_expression_decides_goes_before_every_table() -> None:
    settings = WorkerSettings(error_mapping={"*": "OURS"})
    for text, expected in (
        ('bpmnError("C", "m")', Throw("C", "m")),
        ('jobError("m")', Fail("m", 0, error=DESCRIBED)),
        ("null", Throw("MAIL", str(DESCRIBED["message"]), {"error": DESCRIBED})),
    ):
        headers = {"errorExpression": text, "errorMapping": '{"*": "MAIL"}'}
        assert await failed(headers=headers, settings=settings) == expected


async def test_a_shutdown_is_nothing_that_a_process_decides_about() -> None:
    settings = WorkerSettings(error_mapping={"*": "OURS"})
    headers = {"errorExpression": 'bpmnError("C")', "errorMapping": '{"*": "M"}'}
    outcome = await failed(CancelledBeforeSendError(), headers, settings=settings)
    assert isinstance(outcome, Fail)
    assert (outcome.retries, outcome.backoff) == (3, 0)


async def test_headers_that_cannot_be_read_decide_nothing() -> None:
    settings = WorkerSettings(error_mapping={"*": "OURS"})
    error = InputError("x", "is wrong")
    outcome = await outcomes.failed(error, job({}), None, settings)
    assert outcome == Fail("INVALID_INPUT: x: is wrong", 0, error=outcomes.describe(error))


async def test_an_error_expression_that_warns_is_logged() -> None:
    with capture_logs() as logs:
        outcome = await decided('bpmnEror("C")')
    told = "There is no function bpmnEror(string); did you mean bpmnError?"
    assert outcome == Fail(f"{SPENT}\nWarning: errorExpression: {told}", 0, error=DESCRIBED)
    assert [(log["header"], log["warnings"]) for log in logs] == [("errorExpression", [told])]


async def test_warnings_of_an_expression_that_decides_are_only_logged() -> None:
    with capture_logs() as logs:
        outcome = await decided('if error.variables.smtpCode = "550" then null else bpmnError("C")')
    assert isinstance(outcome, Throw)
    assert [log["warnings"] for log in logs] == [["A number cannot be compared with a string"]]


async def test_what_may_be_the_reason_stands_in_the_incident() -> None:
    read = read_task_headers({"errorExpression": "null"})
    for headers in (read, None):
        outcome = await outcomes.failed(refused(), job({}), headers, SETTINGS, ("a slip", "another"))
        assert isinstance(outcome, Fail)
        assert outcome.message == f"{SPENT}\nWarning: a slip\nWarning: another"


async def test_a_call_of_bpmn_error_in_a_result_expression_throws() -> None:
    outcome = await sent(resultVariable="mail", resultExpression='bpmnError("PARTIAL", "not all", {a: 1})')
    assert outcome == Throw("PARTIAL", "not all", {"a": 1}, mail_sent=True)
    condition = 'if count(rejected) > 0 then bpmnError("PARTIAL") else {ok: true}'
    assert await sent(resultExpression=condition) == Throw("PARTIAL", mail_sent=True)


@pytest.mark.parametrize(
    ("expression", "variables"),
    [
        (
            '{errorType: "bpmnError", errorCode: "C"}',
            {"errorType": "bpmnError", "errorCode": "C"},
        ),
        ('{later: bpmnError("C")}', {"later": {"errorType": "bpmnError", "errorCode": "C"}}),
        ("ignoreError({a: 1})", {"errorType": "ignoreError", "variables": {"a": 1}}),
    ],
)
async def test_a_context_that_only_looks_like_an_error_makes_variables(
    expression: str, variables: dict[str, Any]
) -> None:
    assert await sent(resultExpression=expression) == Complete(variables)


async def test_an_error_expression_wins_over_a_result_expression_that_throws() -> None:
    headers = {"resultExpression": 'bpmnError("A")', "errorExpression": "ignoreError({b: response.status})"}
    assert await sent(**headers) == Complete({"b": "SUCCESS"})


@pytest.mark.parametrize("expression", ['bpmnError("C")', 'if job.retries > 0 then jobError("m") else null'])
async def test_an_expression_that_answers_every_mail_is_told(expression: str) -> None:
    with capture_logs() as logs:
        outcome = await sent(errorExpression=expression)
    told = "errorExpression reads neither error nor response"
    assert [log["warnings"][0].startswith(told) for log in logs] == [True]
    if isinstance(outcome, Fail):
        assert told in outcome.message


@pytest.mark.parametrize(
    "expression",
    ['if error = null then bpmnError("C") else null', 'if count(rejected) = 1 then bpmnError("C") else null'],
)
async def test_an_expression_that_asks_for_the_outcome_is_not_told(expression: str) -> None:
    with capture_logs() as logs:
        assert isinstance(await sent(errorExpression=expression), Throw)
    assert logs == []


def test_an_error_of_any_kind_has_the_four_keys() -> None:
    described: Mapping[str, Any] = outcomes.describe(InputError("f", "m", allowed=("a", "b")))
    assert described == {
        "code": "INVALID_INPUT",
        "type": "InputError",
        "message": "f: m",
        "variables": {"retryable": False, "field": "f", "allowed": ["a", "b"]},
    }
