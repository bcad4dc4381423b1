"""Regular expressions, written as for Java."""

from __future__ import annotations

import pytest

from connector import feel
from connector.feel import FeelLimitError, evaluate


def _found(pattern: str, text: str, flags: str = "") -> object:
    return evaluate("matches(text, pattern, flags)", {"text": text, "pattern": pattern, "flags": flags})


@pytest.mark.parametrize(
    ("pattern", "text", "flags"),
    [
        ("Invoice", "Re: Invoice", ""),
        ("^abc$", "ABC", "i"),
        ("^b$", "a\nb\nc", "m"),
        ("a.b", "a\nb", "s"),
        ("(?i)abc", "ABC", ""),
        ("(?s)a.b", "a\nb", ""),
        (" a b # comment\n c", "abc", "x"),
        ("[a-c[x-z]]{2}", "ay", ""),
        ("[a-z&&[^b]]", "a", ""),
        ("[a-z-[OI]]", "O", ""),
        ("[]a]", "]", ""),
        (r"\d+\s\w\h", "42 a ", ""),
        (r"[\d-]+$", "1-2", ""),
        (r"(a)\1", "aa", ""),
        (r"(?<word>a+)b", "aab", ""),
        (r"\p{L}\p{Lu}", "äÄ", ""),
        (r"a*+b", "aab", ""),
        (r"x\Z", "x\n", ""),
        (r"\.\-\/", ".-/", ""),
        ("[|~&-]", "~", ""),
        ("a{2}", "aa", "q"),
    ],
)
def test_matches(pattern: str, text: str, flags: str) -> None:
    assert _found(pattern, text, flags) is True


@pytest.mark.parametrize(
    ("pattern", "text", "flags"),
    [
        ("a.b", "a\nb", ""),
        ("a.b", "a\rb", ""),
        (r"\d", "٣", ""),
        (r"(a)\3", "aa", ""),
        ("k", "\u212a", "i"),
        ("[a-z&&[^b]]", "b", ""),
        ("[a||b]{3}", "a~b", ""),
        (r"\Ax\z", "x\n", ""),
    ],
)
def test_does_not_match(pattern: str, text: str, flags: str) -> None:
    assert _found(pattern, text, flags) is False


@pytest.mark.parametrize(
    "pattern",
    [
        "(",
        "a)",
        "[a",
        "[]",
        "*",
        "a{",
        r"[\1]",
        r"\0",
        r"\y",
        "\\",
        "(?R)",
        "(?P<a>b)",
        "(?:a){e<=1}",
        "(?|a)",
    ],
)
def test_patterns_that_java_refuses_are_null(pattern: str) -> None:
    expression = feel.compile("matches(text, pattern)")
    found = expression.evaluate({"text": "abc", "pattern": pattern})
    assert found.value is None
    assert "is no regular expression" in found.warnings[0]


@pytest.mark.parametrize(
    ("pattern", "replacement", "value"),
    [
        ("([a-z]+)-([0-9]+)", "$2-$1", "123-abc"),
        ("[0-9]", "[$0]", "abc-[1][2][3]"),
        ("(x)?c", "<$1>", "ab<>-123"),
        ("-", "\\$1", "abc$1123"),
        ("a", "$3", None),
        ("a", "$", None),
        ("", "_", "_a_b_c_-_1_2_3_"),
    ],
)
def test_replace(pattern: str, replacement: str, value: object) -> None:
    variables = {"p": pattern, "r": replacement}
    assert evaluate('replace("abc-123", p, r)', variables) == value


def test_split_at_nothing() -> None:
    assert evaluate('split("abc", "")') == ["a", "b", "c", ""]


@pytest.mark.parametrize(
    ("pattern", "text"),
    [("(x+x+)+y", "x" * 5_000), ("^(([a-z])+.)+[A-Z]([a-z])+$", "a" * 5_000)],
)
@pytest.mark.parametrize("call", ["matches(t, p)", 'replace(t, p, "")', "split(t, p)", "extract(t, p)"])
def test_patterns_that_take_too_long_are_stopped(pattern: str, text: str, call: str) -> None:
    with pytest.raises(FeelLimitError, match="takes too long"):
        evaluate(call, {"t": text, "p": pattern})


@pytest.mark.parametrize("pattern", ["(a?){9999}" * 100, "((((a{99}){99}){99}){99}){99}", "a" * 2_001])
def test_patterns_that_are_too_large_are_refused(pattern: str) -> None:
    with pytest.raises(FeelLimitError, match="regular expression"):
        evaluate("matches(t, p)", {"t": "a", "p": pattern})
