"""The functions that Camunda's connectors add to FEEL: how an error expression says what should happen.

Arguments enter, a context leaves that says which it was; whoever evaluates the expression acts on it. Names,
parameters and shapes are those of Camunda's connector runtime, and so is that a wrong argument fails the
whole evaluation: an error expression with a mistake must not end as "no error".
"""

from __future__ import annotations

from decimal import Decimal

from connector.feel.errors import FeelError
from connector.feel.functions import Function
from connector.feel.temporal import DayTimeDuration
from connector.feel.values import Value, type_name

_NO_TIME = DayTimeDuration(0)


def _bpmn_error(code: Value, *rest: Value) -> Value:
    """Throw a BPMN error; what is not given is not in the context either."""
    decided: dict[str, Value] = {
        "errorType": "bpmnError",
        "errorCode": _string("bpmnError", "errorCode", code),
    }
    if rest:
        decided["errorMessage"] = _string("bpmnError", "errorMessage", rest[0])
    if len(rest) > 1 and rest[1] is not None:
        decided["variables"] = _context("bpmnError", rest[1])
    return decided


def _job_error(
    message: Value, variables: Value = None, retries: Value = None, retry_backoff: Value = None
) -> Value:
    """Fail the job; without retries there is an incident at once."""
    if not isinstance(retries, Decimal | None):
        raise _wrong("jobError", "retries", "a number", retries)
    if not isinstance(retry_backoff, DayTimeDuration | None):
        raise _wrong("jobError", "retryBackoff", 'a duration such as @"PT30S"', retry_backoff)
    return {
        "errorType": "jobError",
        "errorMessage": _string("jobError", "errorMessage", message),
        "variables": {} if variables is None else _context("jobError", variables),
        "retries": Decimal(0) if retries is None else retries,
        "retryBackoff": retry_backoff or _NO_TIME,
    }


def _ignore_error(variables: Value = None) -> Value:
    """Complete the job in spite of the error."""
    if variables is None:
        return {"errorType": "ignoreError"}
    return {"errorType": "ignoreError", "variables": _context("ignoreError", variables)}


def _string(function: str, parameter: str, value: Value) -> str:
    if not isinstance(value, str):
        raise _wrong(function, parameter, "a string", value)
    return value


def _context(function: str, value: Value) -> dict[str, Value]:
    if not isinstance(value, dict):
        raise _wrong(function, "variables", "a context such as {reason: error.code}", value)
    return value


def _wrong(function: str, parameter: str, wanted: str, value: Value) -> FeelError:
    advice = "; string(…) makes one of it" if wanted == "a string" and value is not None else ""
    return FeelError(f"{function} takes {wanted} as its {parameter}, not {_named(value)}{advice}")


def _named(value: Value) -> str:
    return "null" if value is None else f"a {type_name(value)}"


CONNECTOR_FUNCTIONS = {
    "bpmnError": Function(("errorCode", "errorMessage", "variables"), _bpmn_error, required=1),
    "jobError": Function(("errorMessage", "variables", "retries", "retryBackoff"), _job_error, required=1),
    "ignoreError": Function(("variables",), _ignore_error, required=0),
}
