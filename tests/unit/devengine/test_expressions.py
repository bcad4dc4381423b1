"""Expressions: static text, values of a type, and what an evaluation that fails says."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from connector.devengine.clock import Clock
from connector.devengine.expressions import Evaluator
from connector.devengine.incidents import IncidentKind, StepFailedError
from connector.devengine.model import Expression
from tests.unit.devengine.bench import NOW


@pytest.fixture
def evaluator() -> Evaluator:
    clock = Clock()
    clock.pin(NOW)
    return Evaluator(clock, seed=1)


@pytest.mark.parametrize(
    ("text", "value"), [("plain", "plain"), ("", ""), ("=n + 1", 2), (" = n", 1), ("=missing", None)]
)
def test_text_is_static_unless_it_begins_with_an_equals_sign(
    evaluator: Evaluator, text: str, value: Any
) -> None:
    assert evaluator.value(Expression.of(text), {"n": 1}) == value


def test_the_time_is_the_engines(evaluator: Evaluator) -> None:
    now = evaluator.value(Expression.of("=now()"), {})
    assert datetime.fromisoformat(now) == datetime.fromtimestamp(NOW, UTC)


@pytest.mark.parametrize(("text", "number"), [("3", 3), ("-1", -1), ("=1 + 1", 2), ("=n", 7)])
def test_whole_numbers(evaluator: Evaluator, text: str, number: int) -> None:
    assert evaluator.whole_number(Expression.of(text), {"n": 7}) == number


@pytest.mark.parametrize(
    ("method", "text", "wanted", "found"),
    [
        ("boolean", "=1", "BOOLEAN", "NUMBER"),
        ("boolean", "true", "BOOLEAN", "STRING"),
        ("text", "=true", "STRING", "BOOLEAN"),
        ("text", "=[]", "STRING", "ARRAY"),
        ("whole_number", "=true", "NUMBER", "BOOLEAN"),
        ("whole_number", '="3"', "NUMBER", "STRING"),
        ("collection", "={}", "ARRAY", "OBJECT"),
        ("collection", "=null", "ARRAY", "NULL"),
    ],
)
def test_a_value_of_another_type_is_told(
    evaluator: Evaluator, method: str, text: str, wanted: str, found: str
) -> None:
    with pytest.raises(StepFailedError) as caught:
        getattr(evaluator, method)(Expression.of(text), {})
    assert caught.value.kind is IncidentKind.EXTRACT_VALUE_ERROR
    quoted = text.removeprefix("=")
    assert (
        caught.value.text
        == f"Expected result of the expression '{quoted}' to be '{wanted}', but was '{found}'."
    )


def test_an_evaluation_that_fails_is_of_the_kind_that_is_asked_for(evaluator: Evaluator) -> None:
    expression = Expression.of('=assert(n, n > 1, "too small")')
    with pytest.raises(StepFailedError, match=r"Failed to evaluate expression 'assert.*too small") as caught:
        evaluator.value(expression, {"n": 1}, IncidentKind.IO_MAPPING_ERROR)
    assert caught.value.kind is IncidentKind.IO_MAPPING_ERROR


def test_a_long_expression_is_quoted_in_part() -> None:
    assert Expression.of("=" + "1+" * 500 + "1").quoted == "1+" * 100 + "…"
