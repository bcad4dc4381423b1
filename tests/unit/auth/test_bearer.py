"""What XOAUTH2 and OAUTHBEARER say, and how the error challenge is read."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from connector.auth.bearer import BearerLogin, TokenRefusal

TOKEN = "ya29.token-value"


def login(mechanism: str, username: str = "ada@example.com", token: str = TOKEN) -> BearerLogin:
    return BearerLogin(mechanism, username, SecretStr(token), "smtp.example.com", 587)


def test_xoauth2_as_google_documents_it() -> None:
    expected = b"user=ada@example.com\x01auth=Bearer ya29.token-value\x01\x01"
    assert login("XOAUTH2").message() == expected


def test_oauthbearer_as_rfc_7628_shows_it() -> None:
    assert login("OAUTHBEARER").message() == (
        b"n,a=ada@example.com,\x01host=smtp.example.com\x01port=587\x01auth=Bearer ya29.token-value\x01\x01"
    )


def test_a_comma_in_a_user_name_does_not_end_it() -> None:
    assert login("OAUTHBEARER", "a,b=c@example.com").message().startswith(b"n,a=a=2Cb=3Dc@example.com,\x01")


@pytest.mark.parametrize("token", ["", "two words", "a\x01b", "a\r\nb", "tökén", "=x"])
def test_what_is_no_bearer_token_is_not_sent(token: str) -> None:
    with pytest.raises(ValueError, match="no bearer token"):
        login("XOAUTH2", token=token).message()


@pytest.mark.parametrize("username", ["a\x01b", "a\0b"])
def test_a_user_name_cannot_add_fields(username: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        login("XOAUTH2", username).message()


def test_the_token_is_not_in_its_repr() -> None:
    assert TOKEN not in repr(login("XOAUTH2"))


@pytest.mark.parametrize(
    ("challenge", "expected"),
    [
        # Dovecot, both mechanisms; Gmail.
        (b'{"status":"401","schemes":"bearer","scope":"mail"}', TokenRefusal("401", "mail")),
        (b'{"status":"invalid_token"}', TokenRefusal("invalid_token")),
        (
            b'{"status":"400","schemes":"Bearer","scope":"https://mail.google.com/"}',
            TokenRefusal("400", "https://mail.google.com/"),
        ),
        (b'{"status":401}', TokenRefusal("401")),
        (b'{"status":true,"scope":["a"]}', TokenRefusal()),
        (b'{"status":"a\\nb"}', TokenRefusal()),
        (b'["status"]', TokenRefusal()),
        (b"\xff\xfe", TokenRefusal()),
        (b"[" * 100_000, TokenRefusal()),
        (b"", TokenRefusal()),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_error_challenges(challenge: bytes, expected: TokenRefusal) -> None:
    assert TokenRefusal.read(challenge) == expected


def test_a_refusal_in_words() -> None:
    assert str(TokenRefusal("401", "mail")) == "status 401, scope mail"
    assert str(TokenRefusal()) == ""
