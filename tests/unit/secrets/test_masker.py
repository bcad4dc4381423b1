"""A secret in any of its shapes must not leave; everything else must leave as it came."""

from __future__ import annotations

import base64
import json
import sys
import threading
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.secrets.masker import MASK, Masker

SECRET = "s3cr\u00e9t/+ \"pass\\word'"
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)


def knowing(*secrets: str) -> Masker:
    masker = Masker()
    for secret in secrets:
        masker.remember(secret)
    return masker


@pytest.mark.parametrize(
    "shape",
    [
        SECRET,
        repr(SECRET)[1:-1],
        repr(SECRET.encode())[2:-1],
        json.dumps(SECRET)[1:-1],
        json.dumps(SECRET, ensure_ascii=False)[1:-1],
        quote(SECRET),
        quote(SECRET, safe=""),
        quote_plus(SECRET),
        base64.b64encode(SECRET.encode()).decode().rstrip("="),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
    ],
)
def test_every_shape_of_a_secret_is_masked(shape: str) -> None:
    masked = knowing(SECRET).mask(f"login with {shape} failed")
    assert masked.startswith("login with ***")
    assert shape not in masked
    assert masked.endswith("failed")


@pytest.mark.parametrize("username", ["", "a", "ab", "abc", "demo@example.com"])
def test_the_password_in_sasl_plain_is_masked_though_nobody_told_the_user_name(username: str) -> None:
    password = "hunter2-hunter2"
    token = base64.b64encode(f"\0{username}\0{password}".encode()).decode()
    masked = knowing(password).mask(f"AUTH PLAIN {token}")
    shown = masked.removeprefix("AUTH PLAIN ").split(MASK)[0]
    readable = base64.b64decode(shown[: len(shown) // 4 * 4])
    assert MASK in masked
    assert password[:2].encode() not in readable


def test_a_login_is_masked_as_a_whole_even_with_a_short_password() -> None:
    masker = Masker()
    masker.remember_login("demo", "abc")
    plain = base64.b64encode(b"\0demo\0abc").decode()
    basic = base64.b64encode(b"demo:abc").decode()
    assert masker.mask(f"AUTH PLAIN {plain}; Basic {basic}") == "AUTH PLAIN ***; Basic ***"


def test_a_short_secret_is_masked_only_as_the_whole_text() -> None:
    masker = knowing("abc")
    assert masker.mask("abc") == MASK
    assert masker.mask("abcissa") == "abcissa"


def test_overlapping_secrets_are_masked_together() -> None:
    assert knowing("alpha-beta", "beta-gamma").mask("<alpha-beta-gamma>") == "<***>"
    assert knowing("password", "password-long").mask("password-long") == MASK


def test_the_mask_itself_is_not_masked_again() -> None:
    assert knowing("****", "secret").mask("secret ****") == "*** ***"


def test_text_without_a_secret_comes_back_as_the_same_object() -> None:
    text = "250 2.0.0 Ok: queued as 4F1"
    assert knowing(SECRET).mask(text) is text
    assert Masker().mask(text) is text


def test_a_value_keeps_its_types_and_loses_its_secrets() -> None:
    value = {
        "a": ["token-1", 1, 2.5, True, None],
        "token-1": {"b": ("x token-1",)},
        "pin": 123456,
        "n": 1234567,
    }
    assert knowing("token-1", "123456").mask_value(value) == {
        "a": [MASK, 1, 2.5, True, None],
        MASK: {"b": ["x ***"]},
        "pin": MASK,
        "n": 1234567,
    }


def test_objects_and_bytes_are_shown_by_their_masked_text() -> None:
    class Holder:
        def __repr__(self) -> str:
            return "Holder(token-1)"

    class Broken:
        def __repr__(self) -> str:
            raise RuntimeError("token-1")

    assert knowing("token-1").mask_value([Holder(), Broken(), b"x token-1 \xff"]) == [
        "Holder(***)",
        "<Broken>",
        "x *** \\xff",
    ]


def test_a_value_within_itself_ends() -> None:
    loop: list[object] = ["token-1"]
    loop.append(loop)
    assert "token-1" not in str(knowing("token-1").mask_value(loop))


def test_the_least_recently_used_secret_is_forgotten_first() -> None:
    masker = Masker(capacity=2)
    for secret in ("first-secret", "second-secret", "first-secret", "third-secret"):
        masker.remember(secret)
    assert masker.mask("first-secret second-secret third-secret") == "*** second-secret ***"


def test_nothing_is_remembered_of_an_empty_value() -> None:
    assert knowing("").mask("") == ""
    assert knowing("").mask("text") == "text"


@given(before=TEXT, secret=TEXT.filter(lambda text: len(text) >= 4), after=TEXT)
def test_no_secret_survives_in_any_surroundings(before: str, secret: str, after: str) -> None:
    masked = knowing(secret).mask(before + secret + after)
    assert secret not in masked.replace(MASK, "\ud800")


@given(before=st.binary(max_size=9), secret=st.text(min_size=6, max_size=30), after=st.binary(max_size=9))
def test_base64_gives_no_secret_away_wherever_it_starts(before: bytes, secret: str, after: bytes) -> None:
    octets = secret.encode("utf-8", "surrogatepass")
    encoded = base64.b64encode(before + octets + after).decode()
    masked = knowing(secret).mask(encoded)
    # What is left on either side decodes to the neighbours alone.
    left, _, right = masked.partition(MASK)
    assert MASK in masked
    assert len(left) * 6 <= (len(before)) * 8
    assert len(right.rstrip("=")) * 6 <= len(after) * 8 + 5


def test_logins_do_not_push_out_secrets() -> None:
    masker = Masker(capacity=2)
    masker.remember("operator-secret")
    for number in range(5):
        masker.remember_login(f"user-{number}", f"password-{number}")
    assert masker.mask("operator-secret password-4") == f"{MASK} {MASK}"


@pytest.mark.parametrize(
    ("secret", "shown"),
    [
        ("Mail.Corp.Example", "mail.corp.example:25 refuses"),
        ("Ann.Secret@Corp.Example", "<Ann.Secret@corp.example> unknown"),
        ("mail.müller.example", "mail.xn--mller-kva.example:25 refuses"),
    ],
)
def test_a_secret_is_known_as_a_host_name_or_an_address_goes_out(secret: str, shown: str) -> None:
    assert MASK in knowing(secret).mask(shown)


@pytest.mark.parametrize("text", ["the later-secret", "later-secret", "abc", "aW4gdGhlIGxhdGVyLXNlY3JldCE="])
def test_a_text_that_was_harmless_is_masked_once_it_holds_a_secret(text: str) -> None:
    masker = knowing(SECRET)
    assert masker.mask(text) == text
    for secret in ("later-secret", "abc"):
        masker.remember(secret)
    assert MASK in masker.mask(text)


def test_a_text_that_claims_to_equal_a_harmless_one_is_masked_all_the_same() -> None:
    class Alike(str):
        __slots__ = ()

        def __eq__(self, other: object) -> bool:
            return True

        def __hash__(self) -> int:
            return hash("harmless")

    masker = knowing("the-secret")
    assert masker.mask("harmless") == "harmless"
    assert str(masker.mask_value([Alike("the-secret")])[0]) == MASK


@pytest.mark.parametrize(("length", "others"), [(60, 2000), (100_000, 0)])
def test_harmless_texts_are_not_kept_for_ever(length: int, others: int) -> None:
    masker = knowing(SECRET)
    text = "".join(["x" * length])
    holders = sys.getrefcount(text)
    masker.mask(text)
    for number in range(others):
        masker.mask(f"text {number}")
    assert sys.getrefcount(text) == holders


def test_a_secret_is_masked_while_other_threads_bring_and_push_out_others() -> None:
    masker = Masker(capacity=4)
    masker.remember("always-secret")
    stop, shown = threading.Event(), []

    def watch() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            shown.append(masker.mask(f"{number} always-secret"))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for number in range(300):  # they share their first octets, and so the way to be found
            masker.remember("always-secret")
            masker.remember(f"always-{number}")
    finally:
        stop.set()
        watcher.join()
        sys.setswitchinterval(interval)
    assert shown
    assert [text for text in shown if "always-secret" in text] == []
