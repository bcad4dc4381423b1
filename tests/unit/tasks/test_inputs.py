"""How a diagram may write lists, booleans, words and contexts."""

from typing import Any

import pytest

from connector.errors import InputError
from connector.tasks.inputs import (
    Value,
    as_boolean,
    boolean,
    choice,
    from_json,
    is_blank,
    items,
    mapping,
    shown,
    text,
    unquoted,
)


@pytest.mark.parametrize("data", [None, "", "  \t", [], {}])
def test_blank_means_not_given(data: Any) -> None:
    assert is_blank(data)


@pytest.mark.parametrize("data", [False, 0, "a", [""], {"a": None}, 0.0])
def test_everything_else_is_given(data: Any) -> None:
    assert not is_blank(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        ("a", ["a"]),
        ("a, b;c", ["a", "b", "c"]),
        ('["a", "b,c"]', ["a", "b,c"]),
        (' [ "a" ] ', ["a"]),
        ('"a,b", c', ["a,b", "c"]),
        ("a,,b;", ["a", "b"]),
        (["a", "", None, "  ", "b"], ["a", "b"]),
        ("[draft] offer.pdf", ["[draft] offer.pdf"]),
        # As Infosys's documentation writes a list.
        ("[user1@host, user2@host]", ["user1@host", "user2@host"]),
        (" [user1@host;user2@host] ", ["user1@host", "user2@host"]),
        ("[ ]", []),
        ("[a]", ["a"]),
        ([1, {"a": 1}], [1, {"a": 1}]),
        ("[]", []),
        (",;", []),
    ],
)
def test_a_list_may_be_written_in_many_ways(data: Any, expected: list[Any]) -> None:
    assert [item.data for item in items(Value("v", data))] == expected


def test_items_are_named_by_their_place_counted_from_one_with_the_blanks() -> None:
    assert [item.field for item in items(Value("v", ["a", "", "b"]))] == ["v[1]", "v[3]"]
    assert [item.field for item in items(Value("v", "a, b"))] == ["v[1]", "v[2]"]
    assert [item.field for item in items(Value("v", "a"))] == ["v"]


@pytest.mark.parametrize(
    "data", [1, True, {"a": 1}, '["a",]', '[{"a": 1]', pytest.param("[" * 100_000 + "]" * 100_000, id="deep")]
)
def test_no_list(data: Any) -> None:
    with pytest.raises(InputError, match=r"^v: ") as caught:
        items(Value("v", data))
    assert len(caught.value.message) < 200


@pytest.mark.parametrize("data", [True, "true", "TRUE", " True ", "${true}", "${TRUE}", '"true"'])
def test_true_in_all_its_forms(data: Any) -> None:
    assert boolean(Value("v", data)) is True


@pytest.mark.parametrize("data", [False, "false", "False", "${false}", "'false'"])
def test_false_in_all_its_forms(data: Any) -> None:
    assert boolean(Value("v", data)) is False


@pytest.mark.parametrize("data", [1, 0, "yes", "=true", "$true", [True], {"a": 1}])
def test_no_boolean(data: Any) -> None:
    assert as_boolean(data) is None
    with pytest.raises(InputError, match="is not a boolean; use true or false") as caught:
        boolean(Value("v", data))
    assert caught.value.allowed == ("true", "false")


@pytest.mark.parametrize("data", ["high", "HIGH", '"High"', "'high'", "  high "])
def test_a_word_in_any_case_with_or_without_quotes(data: str) -> None:
    assert choice(Value("v", data), {"high": 1, "low": 2}) == 1


@pytest.mark.parametrize("data", ["hi", 1, True, None, ["high"], '""high""'])
def test_a_word_outside_its_set(data: Any) -> None:
    with pytest.raises(InputError) as caught:
        choice(Value("v", data), {"high": 1, "low": 2})
    assert caught.value.allowed == ("high", "low")
    assert "use one of high, low" in caught.value.message


@pytest.mark.parametrize(
    ("data", "part"),
    [
        (3, "not a number; write string(…)"),
        (True, "not a boolean"),
        ([1], "not a list"),
        ({}, "not a context"),
    ],
)
def test_no_text(data: Any, part: str) -> None:
    with pytest.raises(InputError, match="must be text") as caught:
        text(Value("v", data))
    assert part in caught.value.message


def test_half_of_a_surrogate_pair_is_no_text() -> None:
    assert text(Value("v", "Grüße 🎉")) == "Grüße 🎉"
    with pytest.raises(InputError, match="surrogate"):
        text(Value("v", "x\ud83c"))


def test_a_context_may_be_json_in_a_text() -> None:
    assert mapping(Value("v", {"a": 1})) == {"a": 1}
    assert mapping(Value("v", ' {"a": 1} ')) == {"a": 1}
    for data in ("a", [1], "{a: 1}", '{"a": 1'):
        with pytest.raises(InputError):
            mapping(Value("v", data))


def test_broken_json_is_not_quoted_not_even_as_a_cause() -> None:
    with pytest.raises(InputError) as caught:
        from_json(Value("v", '{"password": hunter2}'), "{}")
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("a\r\nBcc: x\u2028\ud800", r"'a\r\nBcc: x\u2028\ud800'"),
        ("x" * 99, "'" + "x" * 60 + "'…"),
        (12, "12"),
        (True, "true"),
        pytest.param(10**5000, "a number", id="5001 digits"),
        ([1], "a list"),
        (None, "null"),
    ],
)
def test_what_an_error_quotes_is_short_and_on_one_line(data: Any, expected: str) -> None:
    assert shown(data) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [('"a"', "a"), ("'a'", "a"), ('"a', '"a'), ('"', '"'), ("\"a'", "\"a'"), ("", "")],
)
def test_only_a_pair_of_quotes_is_taken_off(written: str, expected: str) -> None:
    assert unquoted(written) == expected
