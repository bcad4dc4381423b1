"""From a receipt or an error to the outcome of the job.

A stage's value and the task's headers enter, an :class:`~connector.engine.port.Outcome` leaves. Stands apart
because the shapes are promised to modelers: nothing else decides what a process sees. A mail that was
accepted is never sent again because of anything that happens here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from connector.engine.port import Complete, Fail, Job, Outcome, Throw
from connector.errors import EVERY_OTHER_CODE, ConnectorError, ErrorCode, ExpressionError
from connector.mapping import BpmnError, Decision, IgnoreError, JobError, decision_of, variables_of
from connector.message.envelope import Message
from connector.settings.model import INFOSYS_TASK_TYPE, WorkerSettings
from connector.task.headers import TaskHeaders
from connector.transport.port import Receipt

_SENT = "Mail sent successfully"
_SERVER_ASKED_TO_WAIT = frozenset({ErrorCode.TEMPORARILY_REJECTED, ErrorCode.RATE_LIMITED})


def response(task_type: str, message: Message, receipt: Receipt, now: datetime) -> dict[str, Any]:
    """Describe a mail that was sent, as the contract's section 3 lays it down for the task type."""
    described = {
        "status": "SUCCESS",
        "message": _SENT,
        "messageId": message.message_id,
        "account": None,
        "transport": receipt.transport,
        "accepted": list(receipt.accepted),
        "rejected": [rejection.as_variable() for rejection in receipt.rejected],
        "reply": str(receipt.reply),
        "sentAt": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "duplicate": False,
        "warnings": list(receipt.warnings),
    }
    return {"response": _SENT, **described} if task_type == INFOSYS_TASK_TYPE else described


# --- a mail that was sent ---------------------------------------------------------------------------


async def succeeded(described: Mapping[str, Any], job: Job, headers: TaskHeaders) -> Outcome:
    """Turn the response into what the task's expressions make of it.

    An expression that fails now is an incident that says that the mail is out.
    """
    try:
        variables, warnings = await _result_variables(described, headers)
        decision = await _decision(headers, _success_context(described) | {"job": {"retries": job.retries}})
    except ExpressionError as error:
        return _incident_after(described, f"{error.code}: {error.message}", describe(error))
    if headers.result_variable:
        shown = {**described, "warnings": [*described["warnings"], *warnings]}
        variables = {headers.result_variable: shown} | variables
    match decision:
        case BpmnError(code, message, more):
            return Throw(code, message, more, mail_sent=True)
        case JobError(message, more):
            return replace(_incident_after(described, message, None), variables=more)
        case IgnoreError(more):
            return Complete({**variables, **more})
        case None:
            return Complete(variables)


async def _result_variables(
    described: Mapping[str, Any], headers: TaskHeaders
) -> tuple[dict[str, Any], tuple[str, ...]]:
    if headers.result_expression is None:
        return {}, ()
    return await variables_of(headers.result_expression, _success_context(described))


def _success_context(described: Mapping[str, Any]) -> dict[str, Any]:
    """Name the response and put its keys at top level; its name wins over Infosys's key ``response``."""
    return {**described, "response": described}


def _incident_after(described: Mapping[str, Any], message: str, error: Mapping[str, Any] | None) -> Fail:
    sent = f"The mail was sent as {described['messageId']}; retrying this job would send it again."
    return Fail(f"{message}\n{sent}", retries=0, error=error)


# --- a mail that was not sent -----------------------------------------------------------------------


async def failed(
    error: ConnectorError, job: Job, headers: TaskHeaders | None, settings: WorkerSettings
) -> Outcome:
    """Decide what a failed attempt means: what the task's expressions say, else its mapping, else its cost.

    Args:
        error: What went wrong.
        job: The attempt that it happened to.
        headers: The task's headers; None when they are what is wrong.
        settings: The pauses and the mapping for tasks that set none.
    """
    spent = _spent(error, job, headers.retry_backoff if headers else None, settings)
    if headers is None or error.code is ErrorCode.CANCELLED:
        return spent
    described = describe(error)
    try:
        decision = await _decision(headers, {"error": described, "job": {"retries": job.retries}})
    except ExpressionError as fault:
        # The original error stays what it was, retries included; both are told.
        return replace(spent, message=f"{spent.message}\nBeside it, {fault.message}")
    match decision or _mapped(error, headers.error_mapping, settings.error_mapping):
        case BpmnError(code, message, variables):
            return Throw(code, message, variables)
        case JobError(message, variables, retries, pause):
            return Fail(message, retries, pause.total_seconds() if pause else 0.0, variables, described)
        case IgnoreError(variables):
            ignored = {"status": "FAIL", "error": described}
            result = {headers.result_variable: ignored} if headers.result_variable else {}
            return Complete({**result, **variables}, mail_sent=False)
        case None:
            return spent


def _spent(error: ConnectorError, job: Job, backoff: timedelta | None, settings: WorkerSettings) -> Fail:
    """Say what a failed attempt costs.

    A transient error spends one retry and waits; a permanent one raises an incident at once, as trying
    again would only delay it; a cancelled one costs nothing.
    """
    retries, pause = 0, timedelta(0)
    if error.code is ErrorCode.CANCELLED:
        retries = job.retries
    elif error.code.retryable:
        retries = max(job.retries - 1, 0)
        pause = backoff if backoff is not None else _default_backoff(error.code, settings)
    return Fail(f"{error.code}: {error.message}", retries, pause.total_seconds(), error=describe(error))


def _default_backoff(code: ErrorCode, settings: WorkerSettings) -> timedelta:
    return settings.rejection_backoff if code in _SERVER_ASKED_TO_WAIT else settings.retry_backoff


async def _decision(headers: TaskHeaders, context: Mapping[str, Any]) -> Decision | None:
    return await decision_of(headers.error_expression, context) if headers.error_expression else None


def _mapped(error: ConnectorError, *tables: Mapping[str, str]) -> BpmnError | None:
    """Look the code up in each table, the task's before the settings'."""
    for table in tables:
        code = table.get(error.code, table.get(EVERY_OTHER_CODE))
        if code is not None:
            return BpmnError(code, error.message, {"error": describe(error)})
    return None


def describe(error: ConnectorError) -> dict[str, Any]:
    """Give the error as a process and the command line see it."""
    return {
        "code": error.code.value,
        "type": error.type,
        "message": error.message,
        "variables": error.variables,
    }
