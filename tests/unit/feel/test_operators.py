"""Arithmetic, comparison and logic, and what is null."""

from __future__ import annotations

import pytest

from connector.feel import evaluate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.1 + 0.2", 0.3),
        ("0.1 + 0.2 = 0.3", True),
        ("9007199254740993 + 1", 9007199254740994),
        ("10 / 4", 2.5),
        ("1 / 3 * 3", 1),
        ("2 ** -1", 0.5),
        ("2 ** 0.5", 1.4142135623730951),
        ("0 ** 0", 1),
        ("1 / 0", None),
        ("10 ** 6144 * 10", None),
        ('"a" + "b"', "ab"),
        ('"a" + 1', None),
        ("1 + null", None),
        ("[1] + [2]", None),
        ("-null", None),
        ("true * 2", None),
    ],
)
def test_arithmetic(text: str, value: object) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 = 1.0", True),
        ('"7" = 7', None),
        ("null = null", True),
        ("1 = null", False),
        ("missing = null", True),
        ("1 != null", True),
        ('1 != "1"', None),
        ("true = 1", None),
        ("[1, {a: 2}] = [1, {a: 2}]", True),
        ('[1] = ["1"]', False),
        ("{a: 1} = {a: 1, b: 2}", False),
        ("{} = 1", None),
        ('"a" < "b"', True),
        ("null < 1", None),
        ('1 < "2"', None),
        ("true < false", None),
        ("5 between 1 and 5", True),
        ("5 between 1 and null", None),
        ("6 between 1 and 5", False),
        ("{r: [1..5], s: [1..5], t: [1..5), e: r = s, n: r = t}.e", True),
        ("{r: [1..5], t: [1..5), n: r = t}.n", False),
    ],
)
def test_comparison(text: str, value: object) -> None:
    assert evaluate(text) is value


@pytest.mark.parametrize(
    ("left", "right", "both", "either"),
    [
        ("true", "true", True, True),
        ("true", "false", False, True),
        ("true", "null", None, True),
        ("false", "null", False, None),
        ("false", "false", False, False),
        ("null", "null", None, None),
        ('"x"', "true", None, True),
        ("1", "false", False, None),
    ],
)
def test_ternary_logic(left: str, right: str, both: bool | None, either: bool | None) -> None:
    for first, second in ((left, right), (right, left)):
        assert evaluate(f"{first} and {second}") is both
        assert evaluate(f"{first} or {second}") is either


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5 in [1..5]", True),
        ("5 in [1..5)", False),
        ("1 in (1..5]", False),
        ("1 in ]0..5[", True),
        ("1 in [0..(1 + 1)[", True),
        ("5 in (1, 3, 5)", True),
        ("5 in [1, 3]", False),
        ("5 in (< 3, >= 5)", True),
        ("5 in < 3", False),
        ("5 in not(false)", True),
        ("5 in (not(5))", False),
        ("5 in (< 9 and > 3)", True),
        ('5 in (? > "a")', None),
        ("5 in (1 = 2)", None),
        ("5 in ? > 3", True),
        ("5 in (? > 3 and ? < 5)", False),
        ('"me@x.org" in (ends with(?, "x.org"))', True),
        ("null in [1..5]", None),
        ('"a" in [1..5]', None),
        ("[1] in [[1], [2]]", True),
        ("5 in [[1..9]]", False),
        ("{r: [1..9], in it: 5 in r}.`in it`", False),
        ("5 in ([1..3], [4..6])", True),
        ("if 1 in < 5 and 2 in > 1 then 1 else 2", 1),
        ("false in (true)", True),
        ("1 in null", False),
    ],
)
def test_in(text: str, value: object) -> None:
    assert evaluate(text) is value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1 instance of number", True),
        ("1 instance of string", False),
        ("null instance of Any", False),
        ("[] instance of Any", True),
        ('@"PT1H" instance of days and time duration', True),
        ('@"P1Y" instance of years and months duration', True),
        ('@"2024-01-01T10:00:00" instance of date and time', True),
        ('@"2024-01-01T10:00:00" instance of date', False),
        ("(function() 1) instance of function", True),
        ("{} instance of context", True),
        ("1 instance of nothing", False),
    ],
)
def test_instance_of(text: str, value: object) -> None:
    assert evaluate(text) is value
