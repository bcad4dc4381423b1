"""JSON in, JSON out, and nothing else."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from enum import StrEnum
from http import HTTPStatus

import pytest

from connector import feel
from connector.feel import DayTimeDuration, FeelError, FeelLimitError, evaluate


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -7,
        9007199254740993,
        0.1,
        1e-7,
        2.5e20,
        "text",
        "",
        [],
        {},
        [1, [None, {"a": [True]}]],
        {"": 1},
    ],
)
def test_values_come_back_as_they_went_in(value: object) -> None:
    back = evaluate("x", {"x": value})
    assert back == value
    assert evaluate("{y: [x]}.y[1]", {"x": value}) == value


def test_whole_numbers_are_integers_and_others_doubles() -> None:
    whole, half = evaluate("[1.0 * 2, 0.5]")  # type: ignore[misc]
    assert (type(whole), type(half)) == (int, float)  # type: ignore[has-type]


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ('@"PT36H"', "PT36H"),
        ('@"P1DT12H"', "PT36H"),
        ('-1 * @"P1Y2M"', "P-1Y-2M"),
        ('@"-PT1H2M"', "PT-1H-2M"),
        ('@"P0M"', "P0D"),
        ('@"2024-02-29"', "2024-02-29"),
        ('@"10:30:00"', "10:30:00"),
        ('@"10:30:00+02:00"', "10:30+02:00"),
        ('@"10:30:00.5+02:00"', "10:30:00.500+02:00"),
        ('@"10:30:00.5"', "10:30:00.5"),
        ('@"2024-03-15T10:30:00Z"', "2024-03-15T10:30:00Z"),
        ('@"2024-03-15T10:30:00@Europe/Berlin"', "2024-03-15T10:30:00+01:00"),
        ("[1..3]", None),
    ],
)
def test_temporal_results(text: str, written: str | None) -> None:
    assert evaluate(text) == written


def test_the_context_is_left_alone() -> None:
    variables = {"a": {"b": [1, 2]}, "n": 1}
    result = evaluate('{c: context put(a, "x", 1), d: append(a.b, 3), n: 2, a: a}', variables)
    assert variables == {"a": {"b": [1, 2]}, "n": 1}
    assert isinstance(result, dict)
    assert result["a"] is not variables["a"]


def test_numbers_that_json_cannot_hold_become_null() -> None:
    assert evaluate("x", {"x": float("nan")}) is None
    assert evaluate("x = null", {"x": float("inf")}) is True


def test_other_python_objects_are_refused() -> None:
    with pytest.raises(FeelError, match="the Python type set, which is not JSON"):
        evaluate("a.b", {"a": {"b": {1}}})
    with pytest.raises(FeelError, match="type type"):
        evaluate("x.__class__", {"x": int})
    assert evaluate("x.__class__.__init__", {"x": {"y": 1}}) is None
    assert evaluate("x.upper + x.`__len__`", {"x": "text"}) is None


class _Code(StrEnum):
    AUTH_FAILED = "AUTH_FAILED"


def test_kinds_of_strings_numbers_and_dicts_are_what_they_are_a_kind_of() -> None:
    variables = {
        "error": defaultdict(str, {"code": _Code.AUTH_FAILED, "status": HTTPStatus.OK, "list": (1, 2)})
    }
    assert evaluate('error.code = "AUTH_FAILED"', variables) is True
    assert evaluate("error.list[2] + error.status", variables) == 202
    assert evaluate("error.missing", variables) is None
    assert type(evaluate("error.code", variables)) is str


def test_numbers_and_durations_of_feel_are_let_in() -> None:
    assert evaluate("n + 1", {"n": Decimal("1.5")}) == 2.5
    assert evaluate("d * 2", {"d": DayTimeDuration(10**9)}) == "PT2S"


def test_too_large_numbers_are_refused() -> None:
    with pytest.raises(FeelLimitError, match="too large for a result"):
        evaluate("10 ** 309")
    with pytest.raises(FeelError, match="too large"):
        evaluate("x", {"x": 10**400})


def test_warnings_tell_why_a_value_is_null() -> None:
    found = feel.compile(
        '{a: nosuch(1), b: missing, c: x.y, d: 1 + "a", e: 5[1], f: missing, g: upper case(1)}'
    ).evaluate({"x": {}})
    assert found.value == dict.fromkeys("abcdefg")
    assert found.warnings == (
        "There is no function nosuch(number)",
        "There is no variable 'missing'",
        "There is no entry 'y' in the context",
        "A number cannot be added to a string",
        "A number has no items: only a list can be filtered",
        "There is no function upper case(number)",
    )


def test_warnings_do_not_grow_without_end() -> None:
    found = feel.compile("for i in 1..1000 return get value({}, string(i)).x + `missing`").evaluate()
    many = feel.compile(" + ".join(f"a{i}" for i in range(100))).evaluate()
    assert len(found.warnings) <= 20
    assert len(many.warnings) == 20
