"""What a modeler's expressions decide about a job, as Camunda's users know them.

The value of a result or error expression enters, a decision leaves. Expressions are parsed with the task's
headers, before anything is sent; they are evaluated here, when it is known what became of the mail. An
expression that fails raises :class:`ExpressionError`: whoever asked knows whether a mail is already out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from connector.errors import ExpressionError
from connector.feel import Evaluation, Expression, FeelError, FeelLimitError, Function, Limits, Value
from connector.task.durations import parse_duration

# Enough for every expression that a person writes, at most a few milliseconds of the event loop. What needs
# more is evaluated again in a thread, within FEEL's own bounds, and holds up nobody else.
_USUAL = Limits(steps=5_000, seconds=0.01)


@dataclass(frozen=True, slots=True)
class BpmnError:
    """Throw this BPMN error."""

    code: str
    message: str = ""
    variables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobError:
    """Fail the job, with so many retries left; 0 is an incident."""

    message: str
    variables: Mapping[str, Any] = field(default_factory=dict)
    retries: int = 0
    backoff: timedelta | None = None


@dataclass(frozen=True, slots=True)
class IgnoreError:
    """Complete the job in spite of the failure."""

    variables: Mapping[str, Any] = field(default_factory=dict)


Decision = BpmnError | JobError | IgnoreError


async def variables_of(
    expression: Expression, context: Mapping[str, Any]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Evaluate a result expression: process variables by name, none for null; and FEEL's warnings.

    Raises:
        ExpressionError: It fails, or gives something that is no context.
    """
    evaluation = await _evaluated("resultExpression", expression, context)
    if evaluation.value is None:
        return {}, evaluation.warnings
    if not isinstance(evaluation.value, dict):
        raise ExpressionError(
            "resultExpression",
            f"must give a context such as {{id: response.messageId}}, not {_kind(evaluation)}",
        )
    return evaluation.value, evaluation.warnings


async def decision_of(expression: Expression, context: Mapping[str, Any]) -> Decision | None:
    """Evaluate an error expression; None when it finds nothing wrong (null or an empty context).

    Raises:
        ExpressionError: It fails, or gives something that is no decision.
    """
    evaluation = await _evaluated("errorExpression", expression, context)
    if evaluation.value is None or evaluation.value == {}:
        return None
    if not isinstance(evaluation.value, dict):
        raise _undecided(f"gave {_kind(evaluation)}")
    return _decision(evaluation.value)


async def _evaluated(name: str, expression: Expression, context: Mapping[str, Any]) -> Evaluation:
    try:
        try:
            return expression.evaluate(context, functions=_FUNCTIONS, limits=_USUAL)
        except FeelLimitError:
            return await _uninterrupted(asyncio.to_thread(expression.evaluate, context, functions=_FUNCTIONS))
    except FeelError as error:
        raise ExpressionError(name, f"{error}\n{error.caret()}") from None


async def _uninterrupted(work: Coroutine[Any, Any, Evaluation]) -> Evaluation:
    """Wait for work that ends soon, whoever cancels meanwhile: a mail that was sent needs its outcome."""
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    return task.result()


# --- bpmnError, jobError, ignoreError ---------------------------------------------------------------


def _bpmn_error(code: Value, message: Value = None, variables: Value = None) -> Value:
    return {"errorType": "bpmnError", "code": code, "message": message, "variables": variables}


def _job_error(
    message: Value, variables: Value = None, retries: Value = None, retry_backoff: Value = None
) -> Value:
    called = {"message": message, "variables": variables, "retries": retries, "retryBackoff": retry_backoff}
    return {"errorType": "jobError", **called}


def _ignore_error(variables: Value = None) -> Value:
    return {"errorType": "ignoreError", "variables": variables}


_FUNCTIONS = {
    "bpmnError": Function(("code", "message", "variables"), _bpmn_error, required=1),
    "jobError": Function(("message", "variables", "retries", "retryBackoff"), _job_error, required=1),
    "ignoreError": Function(("variables",), _ignore_error, required=0),
}


# --- reading a decision -----------------------------------------------------------------------------


def _decision(value: Mapping[str, Any]) -> Decision:
    variables = value.get("variables")
    if variables is not None and not isinstance(variables, dict):
        raise _undecided(f"gave variables that are no context: {variables!r}")
    match value.get("errorType", "bpmnError"):
        case "bpmnError":
            code = _text(value, "code", "errorCode")
            if not code:
                raise _undecided("gave a context without errorType and code")
            return BpmnError(code, _text(value, "message", "errorMessage"), variables or {})
        case "jobError":
            message = _text(value, "message", "errorMessage")
            return JobError(message, variables or {}, _retries(value), _backoff(value))
        case "ignoreError":
            return IgnoreError(variables or {})
        case other:
            raise _undecided(f"gave the errorType {other!r}")


def _text(value: Mapping[str, Any], *names: str) -> str:
    given = next((value[name] for name in names if value.get(name) is not None), "")
    # A reply code is a number, and a code is a text: bpmnError(error.variables.smtpCode) means "550".
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise _undecided(f"gave a {names[0]} that is no text: {given!r}")
    return str(given)


def _retries(value: Mapping[str, Any]) -> int:
    retries = value.get("retries")
    if retries is None:
        return 0
    if isinstance(retries, bool) or not isinstance(retries, int) or retries < 0:
        raise _undecided(f"gave retries that are no whole number: {retries!r}")
    return retries


def _backoff(value: Mapping[str, Any]) -> timedelta | None:
    text = value.get("retryBackoff")
    if text is None:
        return None
    duration = parse_duration(text) if isinstance(text, str) else None
    if duration is None or duration.months:
        raise _undecided(f"gave a retryBackoff that is no duration such as PT30S: {text!r}")
    return timedelta(days=duration.days) + duration.clock


def _undecided(what: str) -> ExpressionError:
    return ExpressionError(
        "errorExpression", f"{what}; write bpmnError(…), jobError(…), ignoreError(…) or null"
    )


def _kind(evaluation: Evaluation) -> str:
    names = {bool: "a boolean", int: "a number", float: "a number", str: "a text", list: "a list"}
    return names.get(type(evaluation.value), "something else")
