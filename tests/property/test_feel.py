"""Whatever is written, evaluation ends with a value or a `FeelError`, and what is JSON stays JSON."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from connector import feel
from connector.feel import FeelError, Limits

_LIMITS = Limits(steps=20_000, seconds=5)
# What expressions are made of, and where nonsense looks most like sense.
_PIECES = [
    *("1", "0", "-", "2.5", '"a"', "null", "true", "false", "x", "y.z", "item", "partial", "?", "`a b`"),
    *(" + ", " - ", " * ", " / ", " ** ", " = ", " != ", " < ", " >= ", " and ", " or ", " in ", " between "),
    *(" instance of ", "number", "(", ")", "[", "]", "{", "}", ",", ":", ".", "..", "a: ", "// ", "\n"),
    *("if ", " then ", " else ", "for i in ", "some i in ", "every i in ", " return ", " satisfies "),
    *("function(a) ", "not(", "count(", "string(", "date(", "sort(", "substring(", "replace(", "matches("),
    *("context put(", "get value(", "decimal(", "overlaps(", "[1..3]", "1..3"),
    *('@"2024-01-31"', '@"P1M"', '@"PT1H"', '@"10:00:00@Europe/Berlin"'),
]
_OF_TWO_VALUES = [
    *("x + y", "x = y", "x < y", "x ** y", "x in y", "x[y]", "x.y", "[x, y][item = x]"),
    *("string(x) + to json(y)", "from json(x)", "substring(x, y)", "matches(x, y)", "replace(x, y, x)"),
    *("split(x, y)", "append(x, y)", "max(x, y)", "distinct values([x, y, x])", "context put(x, y, x)"),
    *("date and time(x, y)", "number(x, y)", "decimal(x, y)", "modulo(x, y)", "overlaps([x..y], [y..x])"),
]
_PATTERN_PIECES = [
    *("a", "b", ".", "*", "+", "?", "{2}", "{1,3}", "(", ")", "(?:", "[", "]", "^", "$", "|"),
    *("\\d", "\\1", "&&", "-", "\\p{L}"),
]
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def _ends(text: str, context: dict[str, object]) -> None:
    try:
        found = feel.compile(text).evaluate(context, limits=_LIMITS)
    except FeelError as error:
        problem = error
    else:
        json.dumps(found.value, allow_nan=False)
        return
    assert 0 <= problem.offset <= len(text)
    assert problem.caret().count("\n") == 1
    assert str(problem)


@given(st.text(max_size=200))
def test_any_text_ends(text: str) -> None:
    _ends(text, {})


@given(
    st.lists(st.sampled_from(_PIECES), max_size=25).map("".join),
    st.dictionaries(st.sampled_from("xyi"), _JSON),
)
def test_anything_like_feel_ends(text: str, context: dict[str, object]) -> None:
    _ends(text, context)


@given(st.sampled_from(_OF_TWO_VALUES), _JSON, _JSON)
def test_any_values_end(text: str, left: object, right: object) -> None:
    _ends(text, {"x": left, "y": right})


def _doubles(value: object) -> object:
    """Read all numbers as doubles: 4.183669678226283e+16 comes back as the integer that it is written as."""
    if isinstance(value, dict):
        return {key: _doubles(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_doubles(item) for item in value]
    return float(value) if type(value) in (int, float) else value  # type: ignore[arg-type]


@given(_JSON)
def test_values_come_back_as_they_went_in(value: object) -> None:
    back = feel.compile("{a: [x]}.a[1]").evaluate({"x": value}, limits=_LIMITS).value
    assert _doubles(back) == _doubles(value)
    assert feel.compile("x = x").evaluate({"x": value}, limits=_LIMITS).value is True
    assert feel.compile("from json(to json(x)) = x").evaluate({"x": value}, limits=_LIMITS).value is True


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_pattern_ends(pattern: str, text: str) -> None:
    for call in ("matches(t, p)", "replace(t, p, p)", "split(t, p)", "extract(t, p)"):
        _ends(call, {"t": text, "p": pattern})


@given(st.lists(st.sampled_from(_PATTERN_PIECES), max_size=12).map("".join), st.text("ab-1&", max_size=30))
def test_any_pattern_like_a_regular_expression_ends(pattern: str, text: str) -> None:
    _ends('[matches(t, p), replace(t, p, "$1"), split(t, p), extract(t, p)]', {"t": text, "p": pattern})
