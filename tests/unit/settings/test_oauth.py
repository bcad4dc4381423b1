"""What an operator may say about OAuth: an account's credentials, shared ones, and the token store."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from connector.accounts.credentials import configured_credentials, credential_of
from connector.model.credential import Credential, Grant
from connector.settings.show import as_json, as_table
from connector.settings.sources import Loaded, SettingsError, load

SECRET = "gehe1m-Cl1ent"  # of no client at all
KEY = base64.b64encode(bytes(range(32))).decode()
MICROSOFT: dict[str, Any] = {
    "provider": "microsoft",
    "tenant": "contoso.onmicrosoft.com",
    "grant": "authorization_code",
    "client_id": "app",
}
CUSTOM: dict[str, Any] = {
    "grant": "client_credentials",
    "token_url": "https://login.example.com/token",
    "client_id": "app",
    "client_secret": SECRET,
}
GOOGLE: dict[str, Any] = {"provider": "google", "grant": "authorization_code", "client_id": "app"}
SERVICE: dict[str, Any] = {"provider": "google", "grant": "jwt_bearer", "certificate": "key.pem"}
ACCOUNT = {"host": "smtp.example.com", "username": "orders@example.com"}


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("key.pem").touch()


def loaded(tree: dict[str, Any], environ: dict[str, str] | None = None) -> Loaded:
    file = Path("settings.yaml")
    file.write_text(json.dumps({"tokens": {"key": KEY}, **tree}), encoding="utf-8")
    return load(environ or {}, config=file)


def with_account(oauth: object, **credentials: object) -> dict[str, Any]:
    tree: dict[str, Any] = {"accounts": {"sales": {**ACCOUNT, "oauth": oauth}}}
    return {**tree, "credentials": credentials} if credentials else tree


def refusal(tree: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(tree)
    assert SECRET not in str(caught.value)
    return str(caught.value)


def credential(oauth: object, **credentials: object) -> Credential:
    found = credential_of("sales", loaded(with_account(oauth, **credentials)).settings)
    assert found is not None
    return found


# --- providers --------------------------------------------------------------------------------------

OFFLINE = ("offline_access", "openid", "profile")


@pytest.mark.parametrize(
    ("scopes", "complete"),
    [
        ([], ("https://outlook.office.com/SMTP.Send",)),
        ("SMTP.Send", ("https://outlook.office.com/SMTP.Send",)),
        (
            "SMTP.Send, IMAP.AccessAsUser.All",
            ("https://outlook.office.com/SMTP.Send", "https://outlook.office.com/IMAP.AccessAsUser.All"),
        ),
        (["https://outlook.office.com/SMTP.Send"], ("https://outlook.office.com/SMTP.Send",)),
        ("SMTP.Send offline_access", ("https://outlook.office.com/SMTP.Send",)),
    ],
)
def test_microsofts_scopes_are_completed(scopes: object, complete: tuple[str, ...]) -> None:
    assert set(credential({**MICROSOFT, "scopes": scopes}).scopes) == {*complete, *OFFLINE}


@pytest.mark.parametrize(
    ("cloud", "login", "mail", "application"),
    [
        ("global", "login.microsoftonline.com", "outlook.office.com", "outlook.office365.com"),
        ("us-gov", "login.microsoftonline.us", "outlook.office365.us", "outlook.office365.us"),
        ("us-dod", "login.microsoftonline.us", "outlook-dod.office365.us", "outlook-dod.office365.us"),
        ("china", "login.partner.microsoftonline.cn", "partner.outlook.cn", "partner.outlook.cn"),
    ],
)
def test_each_cloud_of_microsoft_has_its_addresses(
    cloud: str, login: str, mail: str, application: str
) -> None:
    person = credential({**MICROSOFT, "cloud": cloud})
    base = f"https://{login}/contoso.onmicrosoft.com"
    assert person.endpoints.token == f"{base}/oauth2/v2.0/token"
    assert person.endpoints.authorization == f"{base}/oauth2/v2.0/authorize"
    assert person.endpoints.device == f"{base}/oauth2/v2.0/devicecode"
    assert person.endpoints.admin_consent == f"{base}/adminconsent?client_id=app"
    assert person.scopes[0] == f"https://{mail}/SMTP.Send"
    itself = {**MICROSOFT, "cloud": cloud, "grant": "client_credentials", "client_secret": SECRET}
    assert credential(itself).scopes == (f"https://{application}/.default",)


def test_google_is_asked_for_a_refresh_token_and_for_who_consents() -> None:
    person = credential(GOOGLE)
    assert person.scopes == ("https://mail.google.com/", "openid", "email")
    assert person.parameters == (("access_type", "offline"), ("prompt", "consent"))
    assert person.endpoints.revocation == "https://oauth2.googleapis.com/revoke"
    service = {
        "provider": "google",
        "grant": "jwt_bearer",
        "certificate": "key.pem",
        "subject": "a@b.example",
    }
    assert credential(service).scopes == ("https://mail.google.com/",)


def test_addresses_of_the_operators_own_go_before_the_providers() -> None:
    own = credential({**MICROSOFT, "token_url": "http://localhost:1/token"})
    assert own.endpoints.token == "http://localhost:1/token"
    assert own.endpoints.authorization is not None
    assert "login.microsoftonline.com" in own.endpoints.authorization


# --- what is refused --------------------------------------------------------------------------------


def without(given: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in given.items() if name not in names}


BY_SECRET = {"grant": "client_credentials", "client_secret": SECRET}
REFUSED: list[tuple[dict[str, Any], str]] = [
    (without(CUSTOM, "grant"), "needs grant: authorization_code, device_code"),
    (without(CUSTOM, "token_url"), "needs token_url"),
    (without(CUSTOM, "client_id"), "needs client_id"),
    (without(CUSTOM, "client_secret"), "needs client_secret, certificate or federated_token_file"),
    ({**CUSTOM, "certificate": "key.pem"}, "client_secret and certificate are different ways"),
    ({**CUSTOM, "grant": "authorization_code"}, "needs authorization_url"),
    ({**CUSTOM, "grant": "device_code"}, "needs device_url"),
    ({**CUSTOM, "grant": "jwt_bearer"}, "jwt_bearer needs certificate"),
    ({**CUSTOM, "tenant": "contoso"}, "tenant is for provider microsoft"),
    ({**CUSTOM, "cloud": "china"}, "cloud is for provider microsoft"),
    ({**CUSTOM, "subject": "a@b.example"}, "subject is for grant jwt_bearer"),
    ({**CUSTOM, "redirect_url": "http://localhost:1"}, "redirect_url is for grant authorization_code"),
    ({**CUSTOM, "token_url": "http://login.example.com/"}, "credentials would travel in clear"),
    ({**CUSTOM, "token_url": "https://u:p@login.example.com/"}, "must not contain a user name or password"),
    ({**CUSTOM, "token_url": "login.example.com"}, "expected a URL"),
    ({**CUSTOM, "extra": {"client_secret": "x"}}, "client_secret is a parameter of the protocol"),
    ({**CUSTOM, "client_secret_expires": "31.1.2027"}, "expected a date, as 2027-01-31"),
    ({**CUSTOM, "certificate_password": "x"}, "certificate_password is there without certificate"),
    ({**MICROSOFT, "client_secret_expires": "2027-01-31"}, "client_secret_expires is there without"),
    (without(MICROSOFT, "tenant"), "needs tenant"),
    ({**MICROSOFT, "grant": "jwt_bearer", "certificate": "key.pem"}, "Microsoft knows no jwt_bearer"),
    ({**MICROSOFT, "scopes": "SMTP.SendAsApp"}, "SMTP.SendAsApp is a permission of the application"),
    ({**MICROSOFT, "scopes": "Smtp.Send"}, "Smtp.Send is none that is known without its prefix"),
    ({**MICROSOFT, "scopes": "SMTP.Send Mail.Send"}, "a token is good for one service"),
    (
        {**MICROSOFT, "scopes": "Mail.Send"},
        "scopes are for Microsoft Graph, and the transport here speaks SMTP: ask for",
    ),
    (
        {**MICROSOFT, **BY_SECRET, "scopes": "https://graph.microsoft.com/.default"},
        "scopes are for Microsoft Graph, and the transport here speaks SMTP: leave scopes out",
    ),
    (
        {**MICROSOFT, **BY_SECRET, "scopes": "SMTP.Send"},
        "an application's own access is asked for as …/.default",
    ),
    (
        {**MICROSOFT, **BY_SECRET, "tenant": "common"},
        "tenant common is for persons",
    ),
    ({**GOOGLE, "grant": "device_code"}, "Google's device flow does not give access to mail"),
    (
        {**GOOGLE, **BY_SECRET},
        "Google knows no client_credentials",
    ),
    (SERVICE, "jwt_bearer needs subject"),
]


@pytest.mark.parametrize(("oauth", "said"), REFUSED, ids=[said[:40] for _, said in REFUSED])
def test_what_cannot_work_is_said_before_anybody_is_asked(oauth: dict[str, Any], said: str) -> None:
    message = refusal(with_account(oauth))
    assert said in message
    assert message.replace(": oauth", ".oauth").startswith("accounts.sales.oauth")


def test_an_account_has_one_way_to_log_in() -> None:
    both = {"accounts": {"sales": {**ACCOUNT, "password": "secrets.P", "oauth": CUSTOM}}}
    assert "oauth and password are different ways to log in: keep one of them" in refusal(both)
    nameless = {"accounts": {"sales": {"host": "smtp.example.com", "oauth": CUSTOM}}}
    assert "oauth needs username, the mailbox to log in to, or address" in refusal(nameless)


def test_the_mailbox_is_the_address_where_there_is_no_user_name() -> None:
    account = {"host": "smtp.example.com", "address": "Orders@example.com", "oauth": CUSTOM}
    settings = loaded({"accounts": {"sales": account}}).settings
    assert settings.accounts["sales"].effective_username == "Orders@example.com"


# --- shared credentials -----------------------------------------------------------------------------


@pytest.mark.parametrize("oauth", ["m365", {"credential": "m365"}])
def test_an_account_may_name_shared_credentials(oauth: object) -> None:
    found = credential(oauth, m365=MICROSOFT)
    assert (found.place, found.command, found.grant) == (
        "credentials.m365",
        "sales",
        Grant.AUTHORIZATION_CODE,
    )


def test_shared_credentials_are_one_grant() -> None:
    accounts = {f"a{number}": {**ACCOUNT, "oauth": "m365"} for number in range(50)}
    settings = loaded({"accounts": accounts, "credentials": {"m365": MICROSOFT, "idle": CUSTOM}}).settings
    (one,) = configured_credentials(settings)
    assert (one.accounts, one.mailboxes) == (tuple(accounts), ("orders@example.com",))
    assert len({credential_of(name, settings) for name in accounts}) == 1


def test_shared_credentials_that_do_not_fit() -> None:
    said = refusal(with_account("m356", m365=MICROSOFT))
    assert "accounts.sales.oauth: there are no credentials m356; did you mean m365?" in said
    said = refusal(with_account("m365", m365={**MICROSOFT, "scopes": "Mail.Send"}))
    assert "the credentials m365 do not fit: scopes are for Microsoft Graph" in said
    said = refusal(with_account({"credential": "m365", "client_id": "x"}, m365=MICROSOFT))
    assert "credential m365 says everything else: remove the other keys" in said
    said = refusal(with_account("a", a=CUSTOM, A=CUSTOM))
    assert "credentials.a and credentials.A have the same environment variables" in said
    assert "credentials.m365: needs tenant" in refusal(
        with_account("m365", m365=without(MICROSOFT, "tenant"))
    )


# --- where settings come from, and what is shown of them --------------------------------------------


def test_the_environment_says_the_same() -> None:
    environ = {
        "SMTP_CONNECTOR_ACCOUNTS_SALES_OAUTH": "app",
        "SMTP_CONNECTOR_CREDENTIALS_APP_CLIENT_SECRET": SECRET,
        "SMTP_CONNECTOR_CREDENTIALS_APP_SCOPES": "a b",
        "SMTP_CONNECTOR_CREDENTIALS_APP_EXTRA": '{"audience": "x"}',
    }
    tree = {"accounts": {"sales": ACCOUNT}, "credentials": {"app": without(CUSTOM, "client_secret")}}
    found = credential_of("sales", loaded(tree, environ).settings)
    assert found is not None
    assert (found.place, found.scopes, found.extra) == (
        "credentials.app",
        ("a", "b"),
        (("audience", "x"),),
    )


def test_no_secret_is_shown() -> None:
    tree = {
        "accounts": {"sales": {**ACCOUNT, "oauth": {**CUSTOM, "client_secret": SECRET}}},
        "credentials": {"other": CUSTOM},
    }
    settings = loaded(tree)
    shown = as_json(settings) + as_table(settings) + repr(settings.settings)
    assert SECRET not in shown
    assert KEY not in shown
    assert "accounts.sales.oauth.client_id" in shown


def test_an_account_without_oauth_has_no_rows_about_it() -> None:
    assert "oauth" not in as_table(loaded({"accounts": {"sales": {"host": "smtp.example.com"}}})).replace(
        "engine.oauth_url", ""
    )


@pytest.mark.parametrize(
    "key", [KEY, f"{KEY},{KEY}", f" {KEY} {KEY} ", "secrets.TOKENS", "{{secrets.TOKENS}}"]
)
def test_a_key_for_the_token_store(key: str) -> None:
    assert loaded({"tokens": {"key": key}}).settings.tokens.key is not None


@pytest.mark.parametrize("key", [SECRET, KEY[:-2], f"{KEY};{KEY}", KEY + "x"])
def test_a_key_that_is_none_is_refused_and_not_quoted(key: str) -> None:
    said = refusal({"tokens": {"key": key}})
    assert "tokens.key" in said
    assert "openssl rand -base64 32" in said
    assert key not in said


def test_a_consent_needs_a_key_and_an_applications_own_tokens_do_not() -> None:
    assert "set tokens.key (openssl rand -base64 32)" in refusal({**with_account(MICROSOFT), "tokens": None})
    assert loaded({**with_account(CUSTOM), "tokens": None}).settings.tokens.key is None


def test_tokens_in_a_database_need_a_ledger_there() -> None:
    assert "tokens.kind" in refusal({"tokens": {"kind": "postgres"}})
    assert "tokens.hosts" in refusal({"tokens": {"hosts": ["not a host"]}})


# --- the pages --------------------------------------------------------------------------------------

PAGES: dict[str, Any] = {"listen": "localhost:8091", "token": "0123456789abcdef"}


def test_the_pages_have_an_address() -> None:
    pages = loaded({"pages": PAGES}).settings.pages
    assert (pages.host, pages.port, pages.address(8091)) == ("localhost", 8091, "http://localhost:8091")
    outside = loaded({"pages": {**PAGES, "listen": "0.0.0.0:8091", "url": "https://w.example.com/mail/"}})
    assert outside.settings.pages.address(8091) == "https://w.example.com/mail"


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        (without(PAGES, "token"), "needs token: everyone who opens the pages can use the accounts"),
        (without(PAGES, "listen"), "needs listen, as 127.0.0.1:8091"),
        ({**PAGES, "token": "short"}, "token is shorter than 16 characters: openssl rand -hex 16"),
        ({**PAGES, "listen": "0.0.0.0:8091"}, "needs url, by which browsers reach the pages"),
        ({**PAGES, "url": "http://worker.example.com"}, "credentials would travel in clear"),
    ],
)
def test_pages_that_nobody_or_everybody_could_open(pages: dict[str, Any], said: str) -> None:
    message = refusal({"pages": pages})
    assert said in message
    assert "short" not in message.replace("shorter", "")


def test_the_token_of_the_pages_is_not_shown() -> None:
    shown = loaded({"pages": PAGES})
    assert PAGES["token"] not in as_json(shown) + as_table(shown) + repr(shown.settings)
    assert PAGES["token"] in shown.settings.confidential
