"""Built-in functions on strings, numbers, lists, contexts and ranges."""

from __future__ import annotations

import pytest

from connector.feel import evaluate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('substring("foobar", 3)', "obar"),
        ('substring("foobar", -3, 2)', "ba"),
        ('substring("foobar", 3, 99)', "obar"),
        ('substring("foobar", 7)', ""),
        ('substring("a😀b", 2, 2)', "😀"),
        ('string length("😀")', 2),
        ('string length("ä")', 1),
        ('upper case("aBc")', "ABC"),
        ('lower case("aBc")', "abc"),
        ('substring before("foobar", "bar")', "foo"),
        ('substring before("foobar", "x")', ""),
        ('substring after("foobar", "ob")', "ar"),
        ('substring after("foobar", "x")', ""),
        ('substring after("foobar", "")', "foobar"),
        ('contains("foobar", "of")', False),
        ('starts with("foobar", "fo")', True),
        ('ends with("foobar", "r")', True),
        ('contains(null, "a")', None),
        ('split("a;b;c;;", ";")', ["a", "b", "c", "", ""]),
        ('split("John Doe", "\\s")', ["John", "Doe"]),
        ('extract("1234, 1256, 1378", "12[0-9]*")', ["1234", "1256"]),
        ('extract("abc", "x")', []),
        ('trim("  a  b ")', "a  b"),
        ('is blank(" \\t")', True),
        ('is blank("x")', False),
        ('to base64("FEEL")', "RkVFTA=="),
        ('string join(["a", null, "b"], ", ")', "a, b"),
        ('string join(["a", "b"], ", ", "[", "]")', "[a, b]"),
        ('string join(["a", 1])', None),
        ("string join([])", ""),
        ("list replace([1], 1, 2)", None),
    ],
)
def test_strings(text: str, value: object) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("decimal(1/3, 2)", 0.33),
        ("decimal(2.5, 0)", 2),
        ('decimal(2.5, 0, "half_up")', 3),
        ('decimal(2.5, 0, "sideways")', None),
        ('decimal(2.5, 1, "UNNECESSARY")', 2.5),
        ("decimal(1.5, 9999)", 1.5),
        ("string(decimal(1.5, 3))", "1.500"),
        ("decimal(1234, -2)", 1200),
        ("decimal(1234, -9999)", 0),
        ("floor(-1.5)", -2),
        ("floor(-1.56, 1)", -1.6),
        ("ceiling(-1.5)", -1),
        ("round up(-5.5, 0)", -6),
        ("round down(-5.5, 0)", -5),
        ("round half up(2.345, 2)", 2.35),
        ("round half down(5.5, 0)", 5),
        ("abs(-1)", 1),
        ('abs(@"-PT5M")', "PT5M"),
        ("modulo(-12, 5)", 3),
        ("modulo(-10.1, -4.5)", -1.1),
        ("sqrt(16)", 4),
        ("sqrt(-1)", None),
        ("odd(-3)", True),
        ("even(0)", True),
        ("odd(1.5)", False),
        ("string(0 * -1)", "0"),
    ],
)
def test_numbers(text: str, value: object) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("list contains([1, null], null)", True),
        ("count([1, null])", 2),
        ("count(5)", None),
        ("min(3, 1, 2)", 1),
        ('max(["a", "c", "b"])', "c"),
        ('max([1, "a"])', None),
        ("max([])", None),
        ("sum(1, 2, 3)", 6),
        ("sum([])", None),
        ('sum([1, "a"])', None),
        ("product([2, 3, 4])", 24),
        ("mean([1, 2, 4])", 2.3333333333333335),
        ("median([6, 1, 2, 3])", 2.5),
        ("stddev([2, 4, 7, 5])", 2.0816659994661326),
        ("mode([6, 1, 9, 6, 1])", [1, 6]),
        ("mode([])", []),
        ("all([true, null, false])", False),
        ("all(true, null)", None),
        ("any([false, null, true])", True),
        ("any([])", False),
        ("or([false, true])", True),
        ("sublist([1, 2, 3], 2)", [2, 3]),
        ("sublist([1, 2, 3], -2, 1)", [2]),
        ("sublist([1, 2, 3], 0)", None),
        ("append([1], [2], 3)", [1, [2], 3]),
        ("concatenate([1], [2, 3])", [1, 2, 3]),
        ("concatenate([1], 2)", [1, 2]),
        ("insert before([1, 3], 2, 2)", [1, 2, 3]),
        ("insert before([1, 3], -1, 2)", [1, 2, 3]),
        ("insert before([1, 3], 9, 2)", [1, 3, 2]),
        ("insert before([1, 3], 0, 2)", None),
        ("sublist([1, 2, 3], -9)", [1, 2, 3]),
        ("sublist([1, 2, 3], -4, 2)", [1]),
        ("sublist([1, 2, 3], 9)", []),
        ("remove([1, 2, 3], 9)", [1, 2, 3]),
        ("sort([3, null], function(a, b) a < b)", None),
        ("remove([1, 2, 3], -1)", [1, 2]),
        ("reverse([1, 2])", [2, 1]),
        ("index of([1, 2, 1], 1)", [1, 3]),
        ("union([1, 2], [2, 3])", [1, 2, 3]),
        ('distinct values([1, 1.0, true, "1", null, null, {a: 1}, {a: 1}])', [1, True, "1", None, {"a": 1}]),
        ("duplicate values([1, 2, 3, 2, 1])", [1, 2]),
        ("flatten([[1, [2]], 3])", [1, 2, 3]),
        ("sort([3, 1, 2], function(a, b) a < b)", [1, 2, 3]),
        ("sort([3, 1, 2], function(a, b) a > b)", [3, 2, 1]),
        ("sort([{n: 2, k: 1}, {n: 1}, {n: 2, k: 2}], function(a, b) a.n < b.n).k", [None, 1, 2]),
        ("sort([1, 2], function(a) a)", None),
        ("is empty([])", True),
        ("partition([1, 2, 3], 2)", [[1, 2], [3]]),
        ("partition([1], 0)", None),
    ],
)
def test_lists(text: str, value: object) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('get value({a: 1}, "a")', 1),
        ('get value({a: {b: 2}}, ["a", "b"])', 2),
        ("get value({a: 1}, [])", None),
        ("get entries({a: 1})", [{"key": "a", "value": 1}]),
        ('context put({a: 1}, "b", 2)', {"a": 1, "b": 2}),
        ('context put({a: {b: 1}}, ["a", "c"], 2)', {"a": {"b": 1, "c": 2}}),
        ('context put({a: 1}, ["a", "b"], 2)', {"a": {"b": 2}}),
        ("context put({a: 1}, [1], 2)", None),
        ("context merge([{a: 1, b: 1}, {b: 2}])", {"a": 1, "b": 2}),
        ("context merge({a: 1}, {b: 2})", {"a": 1, "b": 2}),
        ("context merge({a: 1}, 2)", None),
        ('context([{key: "a", value: 1}])', {"a": 1}),
        ('context([{key: "a"}])', None),
        ("not(true)", False),
        ("not(null)", None),
        ("is defined(x.y)", False),
        ("is defined(0)", True),
        ('get or else(null, "d")', "d"),
        ("get or else(0, 1)", 0),
        ('fromAi(value: 5, type: "number")', 5),
    ],
)
def test_contexts_and_booleans(text: str, value: object) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("before([1..5), [5..9])", True),
        ("before([1..5], [5..9])", False),
        ("after(12, [2..5])", True),
        ("after([5..9], [1..5))", True),
        ("meets([1..5], [5..9])", True),
        ("meets([1..5), [5..9])", False),
        ("met by([5..9], [1..5])", True),
        ("overlaps([1..5], [5..8])", True),
        ("overlaps([1..5), [5..8])", False),
        ("overlaps before([1..5), (3..8])", True),
        ("overlaps before([3..8], [1..5])", False),
        ("overlaps after([3..8], [1..5])", True),
        ("finishes(10, [1..10])", True),
        ("finishes([5..10), [1..10])", False),
        ("finished by([1..10], 10)", True),
        ("includes([1..10], [1..5))", True),
        ("includes((1..10], 1)", False),
        ("during((1..5], (1..10])", True),
        ("starts(1, [1..5])", True),
        ("starts([1..5], (1..8])", False),
        ("started by([1..10], [1..5])", True),
        ("coincides([1..5], [1..5))", False),
        ("coincides(5, 5)", True),
        ('before(1, @"2024-01-01")', None),
        ('before("a", [1..5])', None),
        ('during(@"2024-02-01", [@"2024-01-01"..@"2024-03-01"])', True),
    ],
)
def test_ranges(text: str, value: object) -> None:
    assert evaluate(text) is value
