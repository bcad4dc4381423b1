"""A task's static headers: where the result goes and how failures are handed on.

Text enters as the diagram holds it; checked settings leave, before anything is sent. The engine never
evaluates headers, so a leading ``=`` that a properties panel left is part of the text and is stripped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from functools import lru_cache

from connector import feel
from connector.errors import ExpressionError, checked_mapping
from connector.feel import Expression, FeelError
from connector.tasks.inputs import shown, unquoted
from connector.tasks.moments import parse_duration

# Camunda's rules for variable names: letters, digits and `_`, no leading digit, no operator, no keyword.
_VARIABLE = re.compile(r"[^\W\d]\w*")
_RESERVED = frozenset(
    {"null", "true", "false", "function", "if", "then", "else", "for", "between", "instance", "of", "not"}
)
_LONGEST_DURATION = timedelta(days=365)
_LONGEST_TIMEOUT = timedelta(days=1)
HEADERS = (
    "resultVariable",
    "resultExpression",
    "errorExpression",
    "errorMapping",
    "retryBackoff",
    "jobTimeout",
)


@dataclass(frozen=True, slots=True)
class TaskHeaders:
    """The headers of one task, each None when it is absent or blank.

    Attributes:
        result_variable: The process variable that receives the whole response.
        result_expression: FEEL that makes variables of the response.
        error_expression: FEEL that makes a BPMN error or another outcome of a failure.
        error_mapping: BPMN error codes by error code; ``*`` stands for every code that is not named.
        retry_backoff: The pause before a retry, in place of the worker's setting.
        job_timeout: How long the engine is to keep the job for its worker, in place of the worker's setting.
    """

    result_variable: str | None = None
    result_expression: Expression | None = None
    error_expression: Expression | None = None
    error_mapping: Mapping[str, str] = field(default_factory=dict)
    retry_backoff: timedelta | None = None
    job_timeout: timedelta | None = None


def read_task_headers(headers: Mapping[str, str]) -> TaskHeaders:
    """Read the headers that this connector knows; the others are not its own.

    Args:
        headers: The task's headers as the engine hands them over.

    Returns:
        What they say.

    Raises:
        ExpressionError: A header that cannot be understood or honoured.
    """
    return _read(tuple(headers.items()))


# The same headers come with every job of a task.
@lru_cache(maxsize=256)
def _read(items: tuple[tuple[str, str], ...]) -> TaskHeaders:
    headers = dict(items)
    return TaskHeaders(
        result_variable=_result_variable(headers),
        result_expression=_expression(headers, "resultExpression"),
        error_expression=_expression(headers, "errorExpression"),
        error_mapping=_error_mapping(headers),
        retry_backoff=_duration(headers, "retryBackoff"),
        job_timeout=job_timeout(headers),
    )


def _stripped(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name, "").strip().removeprefix("=").strip()


def _expression(headers: Mapping[str, str], name: str) -> Expression | None:
    if not _stripped(headers, name):
        return None
    try:
        return feel.compile(headers[name])
    except FeelError as error:
        raise ExpressionError(name, f"{error}\n{error.caret()}") from None


def _error_mapping(headers: Mapping[str, str]) -> Mapping[str, str]:
    name = "errorMapping"
    expression = _expression(headers, name)
    if expression is None:
        return {}
    try:
        mapping = expression.evaluate().value
    except FeelError as error:
        raise ExpressionError(name, f"{error}\n{error.caret()}") from None
    try:
        return checked_mapping(mapping)
    except ValueError as error:
        raise ExpressionError(name, str(error)) from None


def _result_variable(headers: Mapping[str, str]) -> str | None:
    name = unquoted(_stripped(headers, "resultVariable"))
    if not name:
        return None
    if not _VARIABLE.fullmatch(name) or name in _RESERVED:
        raise ExpressionError(
            "resultVariable",
            f"{shown(name)} cannot be a variable's name; use letters, digits and _, "
            "no digit in front, and no word that FEEL reserves",
        )
    return name


def job_timeout(headers: Mapping[str, str]) -> timedelta | None:
    """Read how long the engine is to keep a job for the worker that has taken it.

    Raises:
        ExpressionError: It is no duration, or none between a second and a day.
    """
    timeout = _duration(headers, "jobTimeout")
    if timeout is not None and not timedelta(seconds=1) <= timeout <= _LONGEST_TIMEOUT:
        raise ExpressionError("jobTimeout", "must be between PT1S and P1D")
    return timeout


def _duration(headers: Mapping[str, str], name: str) -> timedelta | None:
    text = unquoted(_stripped(headers, name))
    if not text:
        return None
    duration = parse_duration(text)
    if duration is None:
        raise ExpressionError(name, f"{shown(text)} is not an ISO 8601 duration; write PT30S, PT5M or P1D")
    if duration.months:
        raise ExpressionError(
            name, f"{shown(text)} has years or months, which differ in length; use days, as P30D"
        )
    length = timedelta(days=duration.days) + duration.clock
    if length > _LONGEST_DURATION:
        raise ExpressionError(name, f"{shown(text)} is longer than a year; write a shorter one")
    return length
