"""From a receipt or an error to the outcome of the job.

A stage's value and the task's headers enter, an :class:`~connector.model.job.Outcome` leaves. Stands apart
because the shapes are promised to modelers: nothing else decides what a process sees. A mail that was
accepted is never sent again because of anything that happens here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from connector.errors import EVERY_OTHER_CODE, ConnectorError, ErrorCode, ExpressionError
from connector.model.job import Complete, Fail, Job, Outcome, Throw
from connector.model.receipt import Receipt
from connector.secrets.masker import masked
from connector.send.expressions import BpmnError, Decision, IgnoreError, JobError, decision_of, variables_of
from connector.settings.model import WorkerSettings
from connector.tasks.header_advice import decides_blindly
from connector.tasks.headers import TaskHeaders

_log = structlog.get_logger(__name__)

# What a modeler's message may be long, in characters, where we have something to add to it.
_LONGEST_MESSAGE = 5_000
# Characters for the texts of all refused recipients together; the engine takes about 2 MB of variables.
_REJECTED_TEXTS, _SHORTEST_TEXT = 500_000, 40
_SENT = "Mail sent successfully"
_BLIND = (
    "errorExpression reads neither error nor response, so that it answers every mail; write if error != null "
    "then … else null"
)
_SERVER_ASKED_TO_WAIT = frozenset({ErrorCode.TEMPORARILY_REJECTED, ErrorCode.RATE_LIMITED})


def response(message_id: str, receipt: Receipt, now: datetime, mask: Callable[[str], str]) -> dict[str, Any]:
    """Describe a mail that was sent, as the contract's section 3 lays it down for the native task type.

    Args:
        message_id: Of what was sent.
        receipt: What the server said.
        now: When it said so.
        mask: Masks secrets. Only what came from elsewhere can hold one: our own words are never masked,
            or a password ``SUCCESS`` would break every gateway that reads the status.
    """
    return {
        "status": "SUCCESS",
        "message": _SENT,
        "messageId": message_id,
        "account": receipt.account,
        "transport": receipt.transport,
        "accepted": list(receipt.accepted),
        "rejected": _rejected(receipt, mask) if receipt.rejected else [],
        "partial": bool(receipt.rejected),
        "reply": mask(str(receipt.reply)) if receipt.reply else None,
        "sentAt": now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "duplicate": False,
        "warnings": masked(list(receipt.warnings), mask),
    }


def _rejected(receipt: Receipt, mask: Callable[[str], str]) -> list[dict[str, Any]]:
    """List the refused recipients; many of them share what the engine takes, so their texts are cut."""
    longest = max(_SHORTEST_TEXT, _REJECTED_TEXTS // max(len(receipt.rejected), 1))
    refused = [masked(rejection.as_variable(), mask) for rejection in receipt.rejected]
    return [{**one, "text": one["text"][:longest]} for one in refused]


# --- a mail that was sent ---------------------------------------------------------------------------


async def succeeded(described: Mapping[str, Any], job: Job, headers: TaskHeaders) -> Outcome:
    """Turn the response into what the task's expressions make of it.

    An expression that fails now is an incident that says that the mail is out.
    """
    try:
        found, warnings = await _result_variables(described, headers, job)
        decision, _ = await _decision(headers, _success_context(described), job)
    except ExpressionError as error:
        return _incident_after(described, f"{error.code}: {error.message}", describe(error))
    if isinstance(found, BpmnError):
        decision, found = decision or found, {}
    elif _is_blind(decision, headers):
        _log_warnings("errorExpression", (_BLIND,), job)
        warnings = (*warnings, _BLIND)
    variables = _with_response(found, described, warnings, headers)
    match decision:
        case BpmnError(code, message, more):
            return Throw(code, message, more, mail_sent=True)
        case JobError(message, more, retries, pause):
            if described["duplicate"]:  # it was tried again already, and there is nothing left to try
                return Complete({**variables, **more})
            told = replace(_incident_after(described, _told(message, warnings), None), variables=more)
            return replace(told, retries=retries, backoff=pause.total_seconds() if pause else 0.0)
        case IgnoreError(more):
            return Complete({**variables, **more})
        case None:
            return Complete(variables)


def _is_blind(decision: Decision | None, headers: TaskHeaders) -> bool:
    """Whether an expression that answers every outcome has just answered a success."""
    text = headers.error_expression.text if headers.error_expression else ""
    return isinstance(decision, BpmnError | JobError) and decides_blindly(text)


async def _result_variables(
    described: Mapping[str, Any], headers: TaskHeaders, job: Job
) -> tuple[dict[str, Any] | BpmnError, tuple[str, ...]]:
    if headers.result_expression is None:
        return {}, ()
    variables, warnings = await variables_of(headers.result_expression, _success_context(described))
    _log_warnings("resultExpression", warnings, job)
    return variables, warnings


def _with_response(
    found: dict[str, Any], described: Mapping[str, Any], warnings: Iterable[str], headers: TaskHeaders
) -> dict[str, Any]:
    """Add the response under the result variable's name, which a variable of the expression may take."""
    if not headers.result_variable:
        return found
    shown = {**described, "warnings": [*described["warnings"], *warnings]}
    return {headers.result_variable: shown} | found


def _success_context(described: Mapping[str, Any]) -> dict[str, Any]:
    """Name the response and put its keys at top level; its name wins over Infosys's key ``response``."""
    return {**described, "response": described}


def broken_after(described: Mapping[str, Any]) -> Fail:
    """Say that the worker itself failed once the mail was out."""
    return _incident_after(
        described, "The worker failed unexpectedly; its log has the details under this job's key.", None
    )


def _incident_after(described: Mapping[str, Any], message: str, error: Mapping[str, Any] | None) -> Fail:
    if "mails" in described:
        sent = f"{described['message']}; retrying this job does not send them again."
    else:
        sent = f"The mail was sent as {described['messageId']}; retrying this job does not send it again."
    return Fail(_noted(message, sent), retries=0, error=error)


def _told(message: str, warnings: Iterable[str]) -> str:
    """Put warnings below a message."""
    lines = [f"Warning: {warning}" for warning in warnings]
    return "\n".join([message[:_LONGEST_MESSAGE], *lines]) if lines else message


def _noted(message: str, note: str) -> str:
    """Put a note below a message; a long one is cut, so that the engine's limit does not cut the note."""
    return f"{message[:_LONGEST_MESSAGE]}\n{note}"


# --- a mailbox task that was done -------------------------------------------------------------------


async def performed(described: Mapping[str, Any], job: Job, headers: TaskHeaders) -> Outcome:
    """Turn the response of a mailbox task into what the task's expressions make of it.

    An expression that fails is an incident; the operation counts as done when the job comes again.
    """
    try:
        found, warnings = await _result_variables(described, headers, job)
        decision, _ = await _decision(headers, _success_context(described), job)
    except ExpressionError as error:
        return Fail(f"{error.code}: {error.message}", retries=0, error=describe(error))
    if isinstance(found, BpmnError):
        decision, found = decision or found, {}
    variables = _with_response(found, described, warnings, headers)
    match decision:
        case BpmnError(code, message, more):
            return Throw(code, message, more)
        case JobError(message, more, retries, pause):
            seconds = pause.total_seconds() if pause else 0.0
            return Fail(_told(message, warnings), retries, seconds, more)
        case IgnoreError(more):
            return Complete({**variables, **more}, mail_sent=False)
        case None:
            return Complete(variables, mail_sent=False)


# --- a mail that was not sent -----------------------------------------------------------------------


async def failed(
    error: ConnectorError,
    job: Job,
    headers: TaskHeaders | None,
    settings: WorkerSettings,
    warnings: Iterable[str] = (),
) -> Outcome:
    """Decide what a failed attempt means: what the task's expressions say, else its mapping, else its cost.

    Args:
        error: What went wrong.
        job: The attempt that it happened to.
        headers: The task's headers; None when they are what is wrong.
        settings: The pauses and the mapping for tasks that set none.
        warnings: What may be the reason, for the incident.
    """
    spent = _spent(error, job, headers.retry_backoff if headers else None, settings)
    if error.code is ErrorCode.CANCELLED:
        return spent
    spent = replace(spent, message=_told(spent.message, warnings))
    if headers is None:
        return spent
    try:
        decision, undecided = await _decision(headers, {"error": describe(error)}, job)
    except ExpressionError as fault:
        # The original error stays what it was, retries included; both are told.
        return replace(spent, message=_noted(spent.message, f"Beside it, {fault.message}"))
    decision = decision or _mapped(error, headers.error_mapping, settings.error_mapping)
    if decision is None:
        return replace(spent, message=_told(spent.message, undecided))
    return _answered(decision, error, spent, headers)


def _answered(decision: Decision, error: ConnectorError, spent: Fail, headers: TaskHeaders) -> Outcome:
    """Do what the task's expression or a mapping says, in place of what the failure costs by itself."""
    match decision:
        case BpmnError(code, message, variables):
            return Throw(code, message or error.message, variables)
        case JobError(message, variables, retries, pause):
            seconds = pause.total_seconds() if pause else 0.0
            retried = Fail(message or spent.message, retries, seconds, variables, describe(error))
            in_doubt = error.code is ErrorCode.DELIVERY_UNCERTAIN and not error.retryable
            return _not_again(retried) if in_doubt else retried
        case IgnoreError(variables):
            ignored = {"status": "FAIL", "error": describe(error)}
            result = {headers.result_variable: ignored} if headers.result_variable else {}
            return Complete({**result, **variables}, mail_sent=False)


def _not_again(retried: Fail) -> Fail:
    """Raise an incident in place of a retry: the mail may be out, and a person decides (RFC 1047)."""
    perhaps = "The mail may have been delivered; retrying this job would send it again."
    return replace(retried, message=_noted(retried.message, perhaps), retries=0, backoff=0.0)


def _spent(error: ConnectorError, job: Job, backoff: timedelta | None, settings: WorkerSettings) -> Fail:
    """Say what a failed attempt costs.

    A transient error spends one retry and waits; a permanent one raises an incident at once, as trying
    again would only delay it; one that is no fault of the job or its server costs nothing.
    """
    retries, pause = 0, timedelta(0)
    if error.retryable:
        retries = max(job.retries - 1, 0) if error.spends_retry else job.retries
        pause = backoff if backoff is not None else _default_backoff(error.code, settings)
        if error.retry_after is not None:
            pause = max(pause, error.retry_after) if error.spends_retry else error.retry_after
    return Fail(f"{error.code}: {error.message}", retries, pause.total_seconds(), error=describe(error))


def _default_backoff(code: ErrorCode, settings: WorkerSettings) -> timedelta:
    return settings.rejection_backoff if code in _SERVER_ASKED_TO_WAIT else settings.retry_backoff


async def _decision(
    headers: TaskHeaders, context: Mapping[str, Any], job: Job
) -> tuple[Decision | None, tuple[str, ...]]:
    """Ask the error expression; gives its warnings too, where there was an error for it to read."""
    if headers.error_expression is None:
        return None, ()
    context = {**context, "job": {"retries": job.retries}}
    decision, warnings = await decision_of(headers.error_expression, context)
    if "error" not in context:  # after a success nearly every error expression warns that there is none
        return decision, ()
    _log_warnings("errorExpression", warnings, job)
    return decision, tuple(f"errorExpression: {warning}" for warning in warnings)


def _log_warnings(header: str, warnings: tuple[str, ...], job: Job) -> None:
    """Tell why a value is null: a misspelt function is no error in FEEL, and finds nothing wrong."""
    if warnings:
        _log.info(
            "expression warned",
            header=header,
            job_key=job.key,
            element_id=job.element_id,
            process_id=job.bpmn_process_id,
            warnings=list(warnings),
        )


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
