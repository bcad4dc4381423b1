"""Keys of a token store, and what they open."""

from __future__ import annotations

import base64

import pytest

from connector.auth.sealing import Seal, UnusableKeyError, WrongKeyError
from tests.oauth import new_key


def test_both_alphabets_of_base64_are_keys() -> None:
    octets = bytes(range(224, 256))
    standard, url_safe = base64.b64encode(octets).decode(), base64.urlsafe_b64encode(octets).decode()
    assert standard != url_safe
    assert Seal(url_safe).open("name", Seal(standard).seal("name", {"a": 1})) == {"a": 1}


@pytest.mark.parametrize("keys", ["", " , ", "short", "not base64 at all!", "A" * 43, "Ä" * 44])
def test_what_is_no_key_is_not_quoted(keys: str) -> None:
    with pytest.raises(UnusableKeyError) as caught:
        Seal(keys)
    assert keys.strip() not in str(caught.value) or not keys.strip()


def test_an_entry_under_another_name_is_refused() -> None:
    seal = Seal(new_key())
    with pytest.raises(WrongKeyError):
        seal.open("accounts.mine.oauth", seal.seal("accounts.theirs.oauth", {"a": 1}))


@pytest.mark.parametrize("sealed", ["", "x", "gAAAAAB", "ä"])
def test_what_was_never_sealed_opens_nothing(sealed: str) -> None:
    with pytest.raises(WrongKeyError):
        Seal(new_key()).open("name", sealed)


def test_the_same_values_look_different_each_time() -> None:
    seal = Seal(new_key())
    assert seal.seal("name", {"a": 1}) != seal.seal("name", {"a": 1})
