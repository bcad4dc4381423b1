"""Refusals of providers as errors with a code and a sentence."""

from __future__ import annotations

from typing import Any

import pytest

from connector.auth import refusals
from connector.auth.endpoint import Answer
from connector.errors import ErrorCode
from connector.model.credential import Credential, Endpoints, Grant

URL = "https://login.example.com/tenant/token?secret=1"
BY_NUMBER = sorted(refusals._BY_NUMBER)
BY_WORDS = sorted(refusals._BY_WORDS)


def credential(grant: Grant = Grant.CLIENT_CREDENTIALS, **more: Any) -> Credential:
    endpoints = Endpoints(URL, admin_consent="https://login.example.com/adminconsent?client_id=app")
    return Credential("accounts.sales.oauth", "microsoft", grant, endpoints, "app", command="sales", **more)


def told(grant: Grant, error: str, description: str = "") -> str:
    answer = Answer(400, {"error": error, "error_description": description})
    return refusals.refused(credential(grant), URL, answer).message


@pytest.mark.parametrize("number", BY_NUMBER)
@pytest.mark.parametrize("grant", list(Grant))
def test_every_number_of_microsoft_has_a_whole_sentence(grant: Grant, number: str) -> None:
    sentence = told(grant, "invalid_client", f"AADSTS{number}: words of today")
    assert "{" not in sentence
    assert "words of today" in sentence


@pytest.mark.parametrize("words", BY_WORDS)
def test_every_word_of_google_has_a_whole_sentence(words: str) -> None:
    assert "{" not in told(Grant.JWT_BEARER, "unauthorized_client", f"{words}.")


@pytest.mark.parametrize(
    ("grant", "error", "code"),
    [
        (Grant.AUTHORIZATION_CODE, "invalid_grant", ErrorCode.AUTHORIZATION_REQUIRED),
        (Grant.DEVICE_CODE, "interaction_required", ErrorCode.AUTHORIZATION_REQUIRED),
        (Grant.JWT_BEARER, "invalid_grant", ErrorCode.AUTH_FAILED),
        (Grant.CLIENT_CREDENTIALS, "interaction_required", ErrorCode.AUTH_FAILED),
        (Grant.AUTHORIZATION_CODE, "invalid_client", ErrorCode.AUTH_FAILED),
        (Grant.AUTHORIZATION_CODE, "invalid_scope", ErrorCode.AUTH_FAILED),
        (Grant.CLIENT_CREDENTIALS, "temporarily_unavailable", ErrorCode.TOKEN_FAILED),
    ],
)
def test_the_code_follows_from_the_error_alone(grant: Grant, error: str, code: ErrorCode) -> None:
    for description in ("", "AADSTS700082: whatever", "AADSTS7000215: whatever"):
        answer = Answer(400, {"error": error, "error_description": description})
        assert refusals.refused(credential(grant), URL, answer).code is code


def test_an_administrators_consent_is_told_apart_and_has_its_address() -> None:
    sentence = told(
        Grant.AUTHORIZATION_CODE, "invalid_grant", "AADSTS65001: The user or administrator has not"
    )
    assert "An administrator has to consent" in sentence
    assert "https://login.example.com/adminconsent?client_id=app" in sentence


def test_the_query_of_an_address_is_not_shown() -> None:
    sentence = told(Grant.CLIENT_CREDENTIALS, "invalid_client")
    assert "https://login.example.com/tenant/token said" in sentence
    assert "secret=1" not in sentence


def test_settings_are_named_as_they_are_spelt_there() -> None:
    engine = credential(names=(("scopes", "scope"),))
    error = refusals.refused(engine, URL, Answer(400, {"error": "invalid_scope"}))
    assert "accounts.sales.oauth.scope (" in error.message


@pytest.mark.parametrize("sent", ["s3cr3t/+ &", "plain"])
def test_what_was_sent_is_not_shown_in_any_form(sent: str) -> None:
    shown = refusals.shown(f"a {sent} b s3cr3t%2F%2B%20%26 c s3cr3t%2F%2B+%26 d", [sent, "s3cr3t/+ &"])
    assert "s3cr3t" not in shown
    assert sent not in shown
