"""FEEL, the expression language of DMN and BPMN, as Camunda's engine speaks it.

JSON values go in, a JSON value comes out::

    >>> from connector.feel import evaluate
    >>> evaluate('if response.status = "sent" then {id: response.messageId} else null',
    ...          {"response": {"status": "sent", "messageId": "<1@mail>"}})
    {'id': '<1@mail>'}

`compile` parses an expression without evaluating it and keeps it in a cache; the `Expression` it returns
tells its warnings too and takes functions of the caller. What is wrong with an expression is a `FeelError`
that knows the place. Evaluation is bounded in time and memory and reaches nothing but what it is given.

The package imports nothing else of this project, and outside the standard library only
``regex``, which can stop a regular expression that runs too long.
"""

from __future__ import annotations

from collections.abc import Mapping

from connector.feel.errors import FeelError, FeelLimitError, FeelSyntaxError
from connector.feel.expression import Evaluation, Expression, ExpressionCache
from connector.feel.functions import CONNECTOR_FUNCTIONS
from connector.feel.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration
from connector.feel.values import Function, Limits, Value

__all__ = [
    "CONNECTOR_FUNCTIONS",
    "Date",
    "DateTime",
    "DayTimeDuration",
    "Evaluation",
    "Expression",
    "ExpressionCache",
    "FeelError",
    "FeelLimitError",
    "FeelSyntaxError",
    "Function",
    "Limits",
    "Time",
    "Value",
    "YearMonthDuration",
    "compile",
    "evaluate",
]

_cache = ExpressionCache()


def compile(text: str) -> Expression:  # noqa: A001 - read as feel.compile, like re.compile
    """Parse an expression, or take it from the cache.

    Args:
        text: The expression; a leading ``=`` is stepped over.

    Raises:
        FeelSyntaxError: It is no FEEL expression.
        FeelLimitError: It is too long, or nested too deeply.
    """
    return _cache.get(text)


def evaluate(text: str, context: Mapping[str, object] | None = None) -> object:
    """Evaluate an expression, with the functions of Camunda's connectors (``bpmnError`` and the others).

    Args:
        text: The expression; a leading ``=`` is stepped over.
        context: The variables it sees, as JSON values.

    Returns:
        A JSON value: None, bool, int, float, str, list or dict.

    Raises:
        FeelSyntaxError: It is no FEEL expression.
        FeelLimitError: It is larger, or takes longer, than it may.
        FeelError: The evaluation fails.
    """
    return _cache.get(text).evaluate(context, functions=CONNECTOR_FUNCTIONS).value
