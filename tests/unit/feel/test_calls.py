"""Functions of the caller, arguments by name, and errors that functions raise."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from connector import feel
from connector.feel import FeelError, Function, Value, evaluate


def _describe(*arguments: Value) -> Value:
    return [*arguments]


def _fail(message: Value) -> Value:
    raise FeelError(f"refused: {message}")


FUNCTIONS = {
    "describe": Function(("first", "second", "third"), _describe, required=1),
    "fail": Function(("message",), _fail),
    "count": Function(("list",), lambda _: Decimal(42)),
}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("describe(1)", [1]),
        ('describe(1, "b", true)', [1, "b", True]),
        ("describe(first: 1)", [1]),
        ("describe(third: 3, first: 1)", [1, None, 3]),
        ("describe()", None),
        ("describe(1, 2, 3, 4)", None),
        ("describe(fourth: 1)", None),
        ("count([])", 42),
        ("[1, 2][describe(item)[1] > 1]", [2]),
    ],
)
def test_functions_of_the_caller(text: str, value: object) -> None:
    assert feel.compile(text).evaluate(functions=FUNCTIONS).value == value


def test_functions_of_the_caller_are_only_there_for_this_evaluation() -> None:
    expression = feel.compile("describe(1)")
    assert expression.evaluate(functions=FUNCTIONS).value == [1]
    assert expression.evaluate().warnings == ("There is no function describe(number)",)


def test_error_of_a_function_is_placed_at_its_call() -> None:
    with pytest.raises(FeelError) as raised:
        feel.compile('{a: 1,\n b: fail("no")}').evaluate(functions=FUNCTIONS)
    assert raised.value.message == "refused: no"
    assert (raised.value.line, raised.value.column) == (2, 5)
    assert raised.value.caret() == ' b: fail("no")}\n    ^'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("assert(x, x != null)", "The assertion failed: The condition is not true"),
        ('assert(x, x != null, "no x")', "The assertion failed: no x"),
        ("log(0)", "no finite result"),
        ("modulo(1, 0)", "divided by zero"),
        ("0 ** -1", "no negative power"),
        ('substring("abc", 5)', "no character at 5"),
        ('substring("abc", -4)', "no character at -4"),
        ("exp(1000)", "no finite result"),
        ("stddev(47)", "no standard deviation"),
    ],
)
def test_evaluation_that_fails(text: str, message: str) -> None:
    with pytest.raises(FeelError, match=message):
        evaluate("[1, " + text + "]")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('contains(string: "foobar", match: "ob")', True),
        ('contains(match: "ob", string: "foobar")', True),
        ('substring(string: "foobar", start position: 3)', "obar"),
        ('number(from: "1.500", grouping separator: ".", decimal separator: null)', 1500),
        ('contains(string: "foobar", part: "ob")', None),
        ("before(point: 1, range: [2..3])", True),
        ("abs(n: -1)", 1),
        ("sqrt(n: 4)", None),
        ("all(list: [true, false])", False),
        ("union(lists: [[1, 2], [2, 3]])", [1, 2, 3]),
    ],
)
def test_arguments_by_name(text: str, value: object) -> None:
    assert evaluate(text) == value


def test_clock_of_the_caller() -> None:
    moment = datetime(2026, 11, 21, 1, 30, tzinfo=UTC)
    found = feel.compile("[string(now()), today()]").evaluate(clock=lambda: moment)
    assert found.value == ["2026-11-21T01:30:00Z", "2026-11-21"]
    berlin = moment.astimezone(ZoneInfo("Europe/Berlin"))
    assert (
        feel.compile("string(now())").evaluate(clock=lambda: berlin).value
        == "2026-11-21T02:30:00@Europe/Berlin"
    )


def test_values_that_differ_each_time() -> None:
    assert evaluate("uuid()") != evaluate("uuid()")
    assert evaluate("string length(uuid())") == 36
    assert evaluate("random number() in [0..1)") is True
    assert evaluate('now() > @"2024-01-01T00:00:00Z"') is True
