"""Conditions, loops, filters, paths and scopes."""

from __future__ import annotations

import pytest

from connector.feel import evaluate

_ITEMS = {"items": [{"id": 1, "price": 10.5}, {"id": 2, "price": 20}, {"id": 3}], "cost": 0, "i": -1}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("if 1 = 1 then 1 else 2", 1),
        ('if "x" then 1 else 2', 2),
        ("if null then 1 else if true then 3 else 4", 3),
        ("for x in [1, 2] return x * 10", [10, 20]),
        ("for x in [1, 2], y in [3, 4] return x * y", [3, 4, 6, 8]),
        ("for x in 3..1 return x", [3, 2, 1]),
        ("for x in 1..2, y in 1..2 return x + y", [2, 3, 3, 4]),
        ("for i in 1..4 return if i = 1 then 1 else i * partial[-1]", [1, 2, 6, 24]),
        ("for i in 1..3 return partial", [[], [[]], [[], [[]]]]),
        ("for x in null return x", None),
        ('for x in 1.."a" return x', None),
        ("for x in [] return x", []),
        ("for x in 1.5..3 return x", [1.5, 2.5]),
        ("for x in 3.5..2 return x", [3.5, 2.5]),
        ("some x in [1, 2] satisfies x > 1", True),
        ("some x in [1, 2] satisfies x > 2", False),
        ("some x in [1, null] satisfies x > 2", None),
        ("every x in [1, 2] satisfies x > 0", True),
        ("every x in [1, null] satisfies x > 1", False),
        ("every x in 5 satisfies x", None),
        ("(for x in [1, 2] return function() x)[1] instance of function", True),
        ("{f: for x in [1, 2] return {g: function() x}, a: f[1], b: a.g()}.b", 1),
        ("{f: (for x in [1, 2] return {g: function() x})[2], a: f.g()}.a", 2),
    ],
)
def test_conditions_and_loops(text: str, value: object) -> None:
    assert evaluate(text) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("items[1].id", 1),
        ("items[-1].id", 3),
        ("items[i].id", 3),
        ("items[0]", None),
        ("items[4].id", None),
        ("items[price > 5].id", [1, 2]),
        ("items[item.price > 5].id", [1, 2]),
        ("items[price = null].id", [3]),
        ("items.price", [10.5, 20, None]),
        ("items[id = 2].price[1]", 20),
        ('items["no test"]', []),
        ("[1, 2, 3, 4][item > 2]", [3, 4]),
        ("[{item: 1}, {item: 2}][item >= 2]", [{"item": 2}]),
        ("[1, 2, 3, 4][even(item)][1]", 2),
        ("[null, 1][item]", []),
        ("[1, true][item]", 1),
        ("[][1]", None),
        ("[][item > 1]", []),
        ("[][i]", None),
        ("5[1]", None),
        ("null[item > 1]", None),
        ("items.missing.deeper", [None, None, None]),
        ("missing.deeper.still", None),
        ("cost.a", None),
        ("{a: {b: 1}}.a.b", 1),
        ("(items)[1].id", 1),
    ],
)
def test_filters_and_paths(text: str, value: object) -> None:
    assert evaluate(text, _ITEMS) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: 1, b: a + 1, c: {d: b * 2, a: 5, e: a}}", {"a": 1, "b": 2, "c": {"d": 4, "a": 5, "e": 5}}),
        ("{f: function(x) x + 1, r: f(2)}.r", 3),
        ("{f: function(x, y) x - y, r: f(y: 1, x: 5)}.r", 4),
        ("{c: {f: function(x) x}, r: c.f(7)}.r", 7),
        ("{n: 1, f: function() n, g: {n: 2, r: f()}}.g.r", 1),
        ("{f: function(x) x, r: f(1, 2)}.r", None),
        ("{count: function(x) 99, r: count([1])}.r", 99),
        ("{count: 4, r: count([1])}.r", 1),
        ("{f: function(x) x + missing, r: f(1)}.r", None),
        ("{c: {a: 1}, r: c.a()}.r", None),
        ("{f: function(n) f, r: f(1)}.r", None),
        ("{f: function() a, a: 1, r: f()}.r", None),
        ("(for cost in [7] return cost)[1]", 7),
    ],
)
def test_scopes_and_functions(text: str, value: object) -> None:
    assert evaluate(text, _ITEMS) == value
