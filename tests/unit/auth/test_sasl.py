from __future__ import annotations

from base64 import b64decode

import pytest

from connector.auth import sasl


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((), None),
        (("cram-md5", "xoauth2"), None),
        (("login",), "LOGIN"),
        (("login", "plain"), "PLAIN"),
        (("PLAIN",), "PLAIN"),
    ],
)
def test_plain_is_taken_before_login(offered: tuple[str, ...], chosen: str | None) -> None:
    assert sasl.mechanism(offered) == chosen


def test_plain_says_all_at_once() -> None:
    exchange = sasl.exchange("PLAIN", "ada", "pä ss")
    assert (exchange.mechanism, exchange.initial) == ("PLAIN", True)
    assert [b64decode(response).decode() for response in exchange.responses] == ["\0ada\0pä ss"]


def test_login_waits_for_each_challenge() -> None:
    exchange = sasl.exchange("LOGIN", "ada", "pä ss")
    assert (exchange.mechanism, exchange.initial) == ("LOGIN", False)
    assert [b64decode(response).decode() for response in exchange.responses] == ["ada", "pä ss"]


def test_a_repr_holds_no_credential() -> None:
    assert repr(sasl.exchange("PLAIN", "ada", "secret")) == "Exchange(mechanism='PLAIN', initial=True)"


@pytest.mark.parametrize(
    ("username", "password", "sendable"),
    [("ada", "pä ss", True), ("a\0da", "x", False), ("ada", "\0", False), ("ada", "\udcff", False)],
)
def test_what_no_mechanism_can_carry(username: str, password: str, sendable: bool) -> None:
    assert sasl.is_sendable(username, password) == sendable
