"""What is an expression and what is none, and where the mistake is."""

from __future__ import annotations

import pytest

from connector.feel import FeelLimitError, FeelSyntaxError, evaluate


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("  = 1 + 1", 2),
        ("007", 7),
        (".5", 0.5),
        ('"a\\tb"', "a\tb"),
        ('"quote \\" and \\\\ and \\d"', 'quote " and \\ and \\d'),
        ('"\\u00e4"', "\\u00e4"),
        ("null", None),
        ("[1, [2], {a: 3}]", [1, [2], {"a": 3}]),
        ("[]", []),
        ("{}", {}),
        ('{"a b": 1, c d: 2, e+f: 3, `g-h`: 4, i: 5}', {"a b": 1, "c d": 2, "e+f": 3, "g-h": 4, "i": 5}),
        ("{\n  // the id\n  a: 1, /* and\n the rest */ b: 2\n}", {"a": 1, "b": 2}),
        ("(((1)))", 1),
        ("if + 1", 2),
        ("some + for", 3),
        ("between", None),
        ("date.x", 4),
        ("größe", 5),
        ("`my var`", 6),
        ("1 = 1 and 2 = 2 or 1 = 2", True),
        ("2 + 3 * 4 ** 2 / 8 - 1", 7),
        ("2 ** 3 ** 2", 64),
        ("-2 ** 2", 4),
        ("--5", 5),
        ("5 - -3", 8),
        ('string length ("ab")', 2),
    ],
)
def test_expression(text: str, value: object) -> None:
    variables = {"if": 1, "some": 1, "for": 2, "date": {"x": 4}, "größe": 5, "my var": 6}
    assert evaluate(text, variables) == value


@pytest.mark.parametrize(
    ("text", "column", "message"),
    [
        ("", 1, "The expression ends where a value should follow"),
        ("=", 2, "ends where a value"),
        ("1 +", 4, "ends where a value"),
        ("1 2", 3, "'2' stands where an operator or the end should"),
        ("1e3", 2, "'e3' stands where"),
        ("first name", 7, "in backticks: `first name`"),
        ("string lenght(1)", 8, "did you mean string length?"),
        ("if a then 1", 12, "'else'"),
        ('response.status = "sent', 19, "The string that starts here is never closed"),
        ("1 /* never", 3, "The comment that starts here is never closed"),
        ("{a: }", 5, "'}' stands where a value should"),
        ("{a 1}", 2, "a key, a colon and a value"),
        ("{foo,bar: 1}", 2, "a key, a colon and a value"),
        ("[1, 2", 6, "']' is missing: the '[' in line 1, column 1 is never closed"),
        ("{\n a: {b: 1\n", 1, "'}' is missing: the '{' in line 2, column 5 is never closed"),
        ("={a: response", 14, "'}' is missing: the '{' in line 1, column 2 is never closed"),
        ("{a: (1 + 2}", 11, "the '(' in line 1, column 5 is never closed"),
        ("a)", 2, "no bracket is open here"),
        ("{a: 1,}", 7, "remove the comma before it"),
        # The spelling of other languages.
        ("a == 1", 4, "FEEL writes = for equality"),
        ("a <> 1", 4, "FEEL writes !="),
        ("a && b", 3, "FEEL writes and"),
        ("a || b", 3, "FEEL writes or"),
        ("!a", 1, "FEEL writes not(…)"),
        ("not a", 5, "FEEL writes not(…)"),
        ("a = 'x'", 5, 'in double quotes: "text"'),
        ("If a then b else c", 4, "FEEL writes if in lower case"),
        ("if a THEN b else c", 6, "FEEL writes then in lower case"),
        ("if a then b ELSE c", 13, "FEEL writes else in lower case"),
        ("a AND b", 3, "FEEL writes and in lower case"),
        ("a ? b : c", 3, "FEEL writes if … then … else …"),
        ("${a}", 1, "FEEL writes a variable's name alone"),
        ("if a then b", 12, "every if needs an else"),
        ("f(a: 1, 2)", 9, "':'"),
        ("a.in", 3, "a name"),
        ("order in", 9, "ends where"),
        ("no such function(1)", 4, "backticks"),
        ("1 < 2 < 3", 7, "'<' stands"),
        ("[1..5] = [1..5]", 8, "'=' stands where an operator or the end"),
        ("10 * [1..5]", 6, "not an interval"),
        ("for x in [1..3] return x", 10, "not an interval"),
        ("? < 5", 1, "'?' stands where a value should"),
        ("x in (= 5)", 7, "'=' stands"),
        ("function", 9, "ends where '('"),
        ("{f: function(x) x}.f(1)", 21, "'(' stands"),
        ("(function(x) x)(1)", 16, "'('"),
        ("[1,2] instance of list<number>", 23, "'<'"),
        ("a ; b", 3, "';' stands"),
        ("{\n a: 1,\n b: +\n}", 5, "'+' stands where a value"),
    ],
)
def test_mistake(text: str, column: int, message: str) -> None:
    with pytest.raises(FeelSyntaxError) as raised:
        evaluate(text)
    assert raised.value.column == column
    assert message in raised.value.message
    assert raised.value.expression == text


def test_caret_stands_under_the_mistake() -> None:
    with pytest.raises(FeelSyntaxError) as raised:
        evaluate("{\n  id: response.id\n  ok: true }")
    assert (raised.value.line, raised.value.column) == (3, 3)
    assert raised.value.caret() == "  ok: true }\n  ^"
    assert str(raised.value).endswith("(line 3, column 3)")


def test_caret_of_a_long_line_shows_its_surroundings() -> None:
    text = " + ".join(["1"] * 500) + " 2"
    with pytest.raises(FeelSyntaxError) as raised:
        evaluate(text)
    line, caret = raised.value.caret().split("\n")
    assert len(line) <= 100
    assert line[caret.index("^")] == "2"


@pytest.mark.parametrize("opening", ["[", "(", "{a:", "if ", "f(", "1 in (", "x[", "function() "])
def test_deep_nesting_is_refused(opening: str) -> None:
    with pytest.raises(FeelLimitError, match="nested more than"):
        evaluate(opening * 4_000)


def test_nesting_that_people_write_is_accepted() -> None:
    assert evaluate("(" * 50 + "1" + ")" * 50) == 1


def test_long_chains_are_not_deep() -> None:
    assert evaluate(" + ".join(["1"] * 5_000)) == 5_000
    assert evaluate(" and ".join(["true"] * 5_000)) is True
    assert evaluate("if a then 1 else " * 2_000 + "2") == 2
    assert evaluate("a" + ".b" * 5_000) is None
    assert evaluate("-" * 1_001 + "1") == -1


def test_long_text_is_refused() -> None:
    with pytest.raises(FeelLimitError, match="longer than 50000 characters"):
        evaluate('"' + "a" * 50_000 + '"')


def test_number_of_many_digits_is_refused() -> None:
    with pytest.raises(FeelLimitError, match="more than 400 digits"):
        evaluate("9" * 401)


@pytest.mark.parametrize("character", ["\x1b", "\r", "\x00", "\u2028", "\ud83d", "\u202e"])
@pytest.mark.parametrize("text", ["1 + {} )", 'a "{}"', "{}", '"x" "{}" 1'])
def test_what_is_shown_of_an_expression_can_be_shown(text: str, character: str) -> None:
    with pytest.raises(FeelSyntaxError) as caught:
        evaluate(text.replace("{}", character))
    lines = f"{caught.value}\n{caught.value.caret()}".split("\n")
    assert len(lines) == 3
    assert [line for line in lines if not line.isprintable()] == []


def test_a_long_word_is_shown_short() -> None:
    with pytest.raises(FeelSyntaxError) as caught:
        evaluate(f"1 {'a' * 40_000}")
    assert len(str(caught.value)) < 200
