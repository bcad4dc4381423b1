"""What is shown of a reply: neither half a secret, nor a hole where it says something."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import Reply
from connector.transport.smtp.replies import Concealment

NAME, PASSWORD = "shop@example.com", "pa55 wörd=ß"
PLAIN = b64encode(f"\0{NAME}\0{PASSWORD}".encode()).decode()


def shown(text: str, username: str = NAME, password: str = PASSWORD) -> str:
    reply = Concealment(username, password).shown(Reply(535, text))
    assert reply.code == 535
    return reply.text


@pytest.mark.parametrize(
    "secret",
    [PASSWORD, PASSWORD.replace("w", "W"), b64encode(PASSWORD.encode()).decode(), PLAIN],
)
def test_whatever_goes_out_is_concealed_if_it_comes_back(secret: str) -> None:
    told = shown(f"5.7.8 Not you:\n{secret}\n<{secret}> {secret}")
    assert told.replace("=", "") == "5.7.8 Not you:\n[concealed]\n<[concealed]> [concealed]"


def test_the_user_name_says_whose_address_it_is_not() -> None:
    text = f"5.7.1 <desk@x.example>: Sender address rejected: not owned by user {NAME}"
    assert shown(text) == text


def test_a_password_leaves_nothing_of_it_where_it_holds_the_user_name() -> None:
    assert shown("5.7.8 no secretary, no secret", "secret", "secretary") == "5.7.8 no [concealed], no secret"


def test_the_mark_itself_is_not_searched() -> None:
    assert shown("5.7.8 no concealed", "hunter2", "concealed") == "5.7.8 no [concealed]"


@pytest.mark.parametrize(
    ("password", "text", "expected"),
    [
        ("1", "5.1.1 User 1 unknown", "5.1.1 User 1 unknown"),
        ("5.1.1", "5.1.1 User 5.1.1 unknown", "5.1.1 User [concealed] unknown"),
        ("5.1.1", "5.1.1", "5.1.1"),
        ("abc", "5.7.8 abc abc", "5.7.8 abc abc"),
        ("abc", "abc", "[concealed]"),
        ("abc", "5.7.8 abc", "5.7.8 [concealed]"),
        ("abc", "5.7.8 You said:\nabc", "5.7.8 You said:\n[concealed]"),
        ("abcd", "5.7.8 abcde", "5.7.8 [concealed]e"),
        ("", "5.7.8 No", "5.7.8 No"),
        (" abcd\t", "5.7.8 abcd", "5.7.8 [concealed]"),
        ("ab\tcd", "5.7.8 it is ab cd", "5.7.8 it is [concealed]"),
        ("first\nsecond", "first\nsecond", "[concealed]\n[concealed]"),
        ("\udcffabc", "5.7.8 No", "5.7.8 No"),
    ],
)
def test_short_ones_and_status_codes(password: str, text: str, expected: str) -> None:
    assert shown(text, "ada", password) == expected


def test_without_credentials_nothing_is_concealed() -> None:
    assert Concealment().shown(Reply(550, "5.1.1 No")) == Reply(550, "5.1.1 No")


@given(st.integers(0, 600))
def test_no_half_of_a_secret_is_left_where_the_text_is_cut(before: int) -> None:
    for secret in (PASSWORD, PLAIN):
        text = shown("x" * before + secret + "y" * 600)
        assert len(text) == 500
        assert secret[:4] not in text


@pytest.mark.parametrize(("length", "cut"), [(500, False), (501, True)])
def test_a_long_text_is_cut(length: int, cut: bool) -> None:
    text = shown("x" * length)
    assert len(text) == 500
    assert text.endswith("…") == cut
