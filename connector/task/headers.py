"""A task's static headers: where the result goes and how failures are handed on.

Text enters as the diagram holds it; checked settings leave, before anything is sent. The engine never
evaluates headers, so a leading ``=`` that a properties panel left is part of the text and is stripped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from connector.errors import ExpressionError
from connector.task.durations import parse_duration
from connector.task.values import shown, unquoted

# Camunda's rules for variable names: letters, digits and `_`, no leading digit, no operator, no keyword.
_VARIABLE = re.compile(r"[^\W\d]\w*")
_RESERVED = frozenset(
    {"null", "true", "false", "function", "if", "then", "else", "for", "between", "instance", "of", "not"}
)
_MAX_BACKOFF = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class TaskHeaders:
    """The headers of one task, each None when it is absent or blank.

    Attributes:
        result_variable: The process variable that receives the whole response.
        result_expression: FEEL that makes variables of the response.
        error_expression: FEEL that makes a BPMN error or another outcome of a failure.
        error_mapping: Error codes mapped to BPMN error codes.
        retry_backoff: The pause before a retry, in place of the worker's setting.
    """

    result_variable: str | None = None
    result_expression: str | None = None
    error_expression: str | None = None
    error_mapping: str | None = None
    retry_backoff: timedelta | None = None


def read_task_headers(headers: Mapping[str, str]) -> TaskHeaders:
    """Read the headers that this connector knows; the others belong to somebody else.

    Args:
        headers: The task's headers as the engine hands them over.

    Returns:
        What they say.

    Raises:
        ExpressionError: A header that cannot be understood or honoured.
    """
    _refuse_expressions(headers)
    return TaskHeaders(result_variable=_result_variable(headers), retry_backoff=_retry_backoff(headers))


def _stripped(headers: Mapping[str, str], name: str) -> str:
    return headers.get(name, "").strip().removeprefix("=").strip()


def _refuse_expressions(headers: Mapping[str, str]) -> None:
    """The one place where expressions enter; this version has no FEEL, and must not ignore it."""
    for name in ("resultExpression", "errorExpression", "errorMapping"):
        if _stripped(headers, name):
            raise ExpressionError(
                name, "expressions are not supported by this version; remove it and use resultVariable"
            )


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


def _retry_backoff(headers: Mapping[str, str]) -> timedelta | None:
    text = unquoted(_stripped(headers, "retryBackoff"))
    if not text:
        return None
    duration = parse_duration(text)
    if duration is None:
        raise ExpressionError(
            "retryBackoff", f"{shown(text)} is no ISO 8601 duration; write PT30S, PT5M or P1D"
        )
    if duration.months:
        raise ExpressionError(
            "retryBackoff", f"{shown(text)} has years or months, which differ in length; use days, as P30D"
        )
    backoff = timedelta(days=duration.days) + duration.clock
    if backoff > _MAX_BACKOFF:
        raise ExpressionError("retryBackoff", f"{shown(text)} is longer than a year; write less")
    return backoff
