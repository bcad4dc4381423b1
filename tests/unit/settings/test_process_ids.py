"""Process ids and patterns of them: what they match, and which goes first."""

from __future__ import annotations

import pytest

from connector.settings.process_ids import chosen, matches, overlap, process_id_faults


@pytest.mark.parametrize(
    ("text", "process_id", "expected"),
    [
        ("order", "order", True),
        ("order", "orders", False),
        ("mortgage-*", "mortgage-check", True),
        ("mortgage-*", "mortgage-", True),
        ("mortgage-*", "Mortgage-check", False),
        ("mortgage-*", "new-mortgage-check", False),
        ("*-loan", "car-loan", True),
        ("a*c*e", "abcde", True),
        ("a*c*e", "abde", False),
        ("a[b]*", "ab", False),
        ("a?*", "abc", False),
        ("*", "anything", True),
    ],
)
def test_a_star_stands_for_any_characters(text: str, process_id: str, expected: bool) -> None:
    assert matches(text, process_id) is expected


def test_what_is_closest_goes_first() -> None:
    tags = {"exact": ["loan-car"], "wide": ["*"], "short": ["loan*"], "long": ["loan-*"]}
    assert chosen(tags, "loan-car") == "exact"
    assert chosen(tags, "loan-house") == "long"
    assert chosen(tags, "loans") == "short"
    assert chosen(tags, "order") == "wide"
    assert chosen({"a": ["loan-*"]}, "order") is None


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a-*", "b-*", False),
        ("ab*", "*bc", True),
        ("a*b", "a*c", False),
        ("*x*", "*y*", True),
        ("ab*d", "abc*", True),
        ("*", "*", True),
    ],
)
def test_patterns_overlap_where_one_id_fits_both(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected
    assert overlap(other, one) is expected


def test_equal_patterns_are_a_fault() -> None:
    assert list(process_id_faults({"a": ["loan-*"], "b": ["lo*"], "c": ["xoan-*", "loan-1"]})) == []
    (same,) = process_id_faults({"a": ["loan-*"], "b": ["loan-*", "car-*"]})
    assert same == "the process id loan-* is in process_ids of several accounts (a, b): keep one"
    (rivals,) = process_id_faults({"a": ["loan-*"], "b": ["*-loan"]})
    assert "*-loan (accounts.b.process_ids) and loan-* (accounts.a.process_ids)" in rivals
    assert "make one longer" in rivals
    assert list(process_id_faults({"a": ["loan-*", "*-loan"]})) == [], "one account may have both"
