"""What a modeler's expressions decide about a job, as Camunda's users know them.

The value of a result or error expression enters, a decision leaves. Expressions are parsed with the task's
headers, before anything is sent; they are evaluated here, when it is known what became of the mail. An
expression that fails raises :class:`ExpressionError`; the caller knows whether a mail is already out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from connector.errors import ExpressionError
from connector.feel import CONNECTOR_FUNCTIONS, Evaluation, Expression, FeelError, FeelLimitError, Limits
from connector.tasks.inputs import kind, shown
from connector.tasks.moments import parse_duration

# Enough for every expression that a person writes, at most a few milliseconds of the event loop. What needs
# more is evaluated again in a thread, within FEEL's own bounds, and does not hold up other jobs.
_USUAL = Limits(steps=5_000, seconds=0.01)
# What the engine keeps the number in, a signed integer of 32 bits.
_MOST_RETRIES = 2**31 - 1


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
) -> tuple[dict[str, Any] | BpmnError, tuple[str, ...]]:
    """Evaluate a result expression: process variables by name, none for null; and FEEL's warnings.

    A call of ``bpmnError(…)`` as the whole value throws; a context that only looks like one makes variables.

    Raises:
        ExpressionError: It fails, or gives something that is no context.
    """
    evaluation = await _evaluated("resultExpression", expression, context)
    if evaluation.value is None:
        return {}, evaluation.warnings
    if not isinstance(evaluation.value, dict):
        raise ExpressionError(
            "resultExpression",
            f"must give a context such as {{id: response.messageId}}, not {kind(evaluation.value)}",
        )
    if evaluation.given_by == "bpmnError":
        return _thrown(evaluation.value), evaluation.warnings
    return evaluation.value, evaluation.warnings


async def decision_of(
    expression: Expression, context: Mapping[str, Any]
) -> tuple[Decision | None, tuple[str, ...]]:
    """Evaluate an error expression: None when it finds nothing wrong (null or {}); and FEEL's warnings.

    Raises:
        ExpressionError: It fails, or gives something that is no decision.
    """
    evaluation = await _evaluated("errorExpression", expression, context)
    if evaluation.value is None or evaluation.value == {}:
        return None, evaluation.warnings
    if not isinstance(evaluation.value, dict):
        raise _undecided(f"gave {kind(evaluation.value)}")
    return _decision(evaluation.value), evaluation.warnings


async def _evaluated(name: str, expression: Expression, context: Mapping[str, Any]) -> Evaluation:
    try:
        try:
            return expression.evaluate(context, functions=CONNECTOR_FUNCTIONS, limits=_USUAL)
        except FeelLimitError:
            return await _uninterrupted(
                asyncio.to_thread(expression.evaluate, context, functions=CONNECTOR_FUNCTIONS)
            )
    except FeelError as error:
        raise ExpressionError(name, f"{error}\n{error.caret()}") from None


async def _uninterrupted(work: Coroutine[Any, Any, Evaluation]) -> Evaluation:
    """Wait for work that ends soon, even when cancelled: a mail that was sent needs its outcome."""
    task = asyncio.create_task(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.wait({task})
    return task.result()


# --- reading a decision -----------------------------------------------------------------------------


def _decision(value: Mapping[str, Any]) -> Decision:
    variables = value.get("variables")
    if variables is not None and not isinstance(variables, dict):
        raise _undecided(f"gave variables that are not a context: {shown(variables)}")
    match value.get("errorType", "bpmnError"):
        case "bpmnError":
            return _thrown(value)
        case "jobError":
            message = _text(value, "message", "errorMessage")
            return JobError(message, variables or {}, _retries(value), _backoff(value))
        case "ignoreError":
            return IgnoreError(variables or {})
        case other:
            raise _undecided(f"gave the errorType {shown(other)}")


def _thrown(value: Mapping[str, Any]) -> BpmnError:
    code = _text(value, "code", "errorCode")
    if not code:
        raise _undecided("gave a BPMN error without a code")
    return BpmnError(code, _text(value, "message", "errorMessage"), value.get("variables") or {})


def _text(value: Mapping[str, Any], *names: str) -> str:
    given = next((value[name] for name in names if value.get(name) is not None), "")
    # A reply code is a number, and a code is a text: bpmnError(error.variables.smtpCode) means "550".
    if isinstance(given, bool) or not isinstance(given, str | int | float):
        raise _undecided(f"gave a {names[0]} that is not text: {shown(given)}")
    return str(given)


def _retries(value: Mapping[str, Any]) -> int:
    retries = value.get("retries")
    if retries is None:
        return 0
    if isinstance(retries, bool) or not isinstance(retries, int) or retries > _MOST_RETRIES:
        raise _undecided(f"gave retries that are not a whole number: {shown(retries)}")
    # `job.retries - 1` is below 0 for a task that is defined without retries: none are left either way.
    return max(retries, 0)


def _backoff(value: Mapping[str, Any]) -> timedelta | None:
    text = value.get("retryBackoff")
    if text is None:
        return None
    duration = parse_duration(text) if isinstance(text, str) else None
    if duration is None or duration.months:
        raise _undecided(f"gave a retryBackoff that is not a duration such as PT30S: {shown(text)}")
    return timedelta(days=duration.days) + duration.clock


def _undecided(what: str) -> ExpressionError:
    return ExpressionError(
        "errorExpression", f"{what}; write bpmnError(…), jobError(…), ignoreError(…) or null"
    )
