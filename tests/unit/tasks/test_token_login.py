"""``authentication.oauth``: the credentials of an application that a task brings along."""

from __future__ import annotations

from typing import Any

import pytest

from connector.model.credential import Credential, Grant
from connector.model.hosts import HostList
from connector.settings.model import INFOSYS_TASK_TYPE
from connector.tasks.token_login import token_server
from tests.unit.tasks.task_inputs import ABSENT, read, refused

CUSTOM: dict[str, Any] = {
    "tokenUrl": "https://login.example.com/token",
    "clientId": "app",
    "clientSecret": "CANARY",
}
MICROSOFT: dict[str, Any] = {
    "provider": "microsoft",
    "tenant": "contoso.onmicrosoft.com",
    "clientId": "app",
    "clientSecret": "CANARY",
}
HOSTS = HostList(("login.example.com", "localhost:8080"))


def authentication(oauth: object, **changes: Any) -> dict[str, Any]:
    keys = {"hostname": "mail.example.com", "port": 587, "username": "orders@example.com", "oauth": oauth}
    return {name: value for name, value in {**keys, **changes}.items() if value is not ABSENT}


def credential_of(oauth: dict[str, Any], hosts: HostList | None = None) -> Credential:
    route = read(authentication=authentication(oauth), token_hosts=hosts).route
    assert route.username == "orders@example.com"
    assert route.password is None
    assert route.credential is not None
    return route.credential


def test_an_application_of_a_custom_provider() -> None:
    credential = credential_of({**CUSTOM, "scopes": "mail send,read", "parameters": {"audience": "mail"}})
    assert credential.grant is Grant.CLIENT_CREDENTIALS
    assert (credential.endpoints.token, credential.client_id) == (CUSTOM["tokenUrl"], "app")
    assert credential.client_secret is not None
    assert credential.client_secret.get_secret_value() == "CANARY"
    assert credential.scopes == ("mail", "send", "read")
    assert credential.extra == (("audience", "mail"),)
    assert "CANARY" not in repr(credential)


def test_an_application_of_microsoft() -> None:
    credential = credential_of(MICROSOFT)
    base = "https://login.microsoftonline.com/contoso.onmicrosoft.com"
    assert credential.endpoints.token == f"{base}/oauth2/v2.0/token"
    assert credential.scopes == ("https://outlook.office365.com/.default",)


@pytest.mark.parametrize("scopes", [["a", "b"], "a b", "a,b", " a , b ", ["a b"]])
def test_scopes_are_a_list_or_a_text(scopes: object) -> None:
    assert credential_of({**CUSTOM, "scopes": scopes}).scopes == ("a", "b")


def test_two_tasks_with_the_same_application_share_its_tokens() -> None:
    assert credential_of(CUSTOM).fingerprint == credential_of(dict(CUSTOM)).fingerprint
    assert credential_of(CUSTOM).fingerprint != credential_of({**CUSTOM, "scopes": "mail"}).fingerprint


@pytest.mark.parametrize(
    ("oauth", "field", "part"),
    [
        (CUSTOM | {"clientId": ABSENT}, "authentication.oauth.clientId", "is missing"),
        (CUSTOM | {"clientSecret": ABSENT}, "authentication.oauth.clientSecret", "best as secrets.NAME"),
        (CUSTOM | {"tokenUrl": ABSENT}, "authentication.oauth.tokenUrl", "token endpoint"),
        (CUSTOM | {"tokenUrl": "CANARY"}, "authentication.oauth.tokenUrl", "is no URL"),
        (CUSTOM | {"tokenUrl": "https://u:CANARY@x.example/"}, "authentication.oauth.tokenUrl", "is no URL"),
        (CUSTOM | {"tokenUrl": "https://x:CANARY/"}, "authentication.oauth.tokenUrl", "is no URL"),
        (CUSTOM | {"tokenUrl": "ftp://x.example/"}, "authentication.oauth.tokenUrl", "is no URL"),
        (CUSTOM | {"tokenUrl": "http://x.example/"}, "authentication.oauth.tokenUrl", "https://"),
        (CUSTOM | {"tenant": "CANARY"}, "authentication.oauth.tenant", "is for provider microsoft"),
        (CUSTOM | {"provider": "CANARY"}, "authentication.oauth.provider", "microsoft"),
        (CUSTOM | {"client_secret": "CANARY"}, "authentication.oauth", "did you mean clientSecret?"),
        (CUSTOM | {"clientSecret": 5}, "authentication.oauth.clientSecret", "must be text"),
        (CUSTOM | {"clientSecret": "x" * 2_049}, "authentication.oauth.clientSecret", "is longer than"),
        (CUSTOM | {"parameters": "CANARY"}, "authentication.oauth.parameters", ""),
        (CUSTOM | {"parameters": {"a": ["CANARY"]}}, "authentication.oauth.parameters.a", "must be text"),
        (MICROSOFT | {"tenant": ABSENT}, "authentication.oauth.tenant", "tenant"),
        (MICROSOFT | {"tenant": "a/CANARY"}, "authentication.oauth.tenant", "is no tenant"),
        (MICROSOFT | {"tenant": "common"}, "authentication.oauth.tenant", "own tenant"),
        (MICROSOFT | {"tokenUrl": "https://CANARY.example/"}, "authentication.oauth.tokenUrl", "remove it"),
        (MICROSOFT | {"scopes": "CANARY"}, "authentication.oauth.scopes", "leave scopes out"),
        (MICROSOFT | {"scopes": "SMTP.Send"}, "authentication.oauth.scopes", "/.default"),
        (MICROSOFT | {"scopes": "SMTP.SendAsApp"}, "authentication.oauth.scopes", "a permission of the"),
        (
            MICROSOFT | {"scopes": "https://graph.microsoft.com/.default"},
            "authentication.oauth.scopes",
            "are for Microsoft Graph",
        ),
        (
            MICROSOFT | {"scopes": [".default", "https://graph.microsoft.com/.default"]},
            "authentication.oauth.scopes",
            "good for one service",
        ),
        ("CANARY", "authentication.oauth", "clientSecret"),
    ],
)
def test_what_is_wrong_is_named_and_never_quoted(oauth: Any, field: str, part: str) -> None:
    if isinstance(oauth, dict):
        oauth = {name: value for name, value in oauth.items() if value is not ABSENT}
    error = refused(authentication=authentication(oauth))
    assert (error.field, part in error.message) == (field, True), error.message
    assert "CANARY" not in error.message


def test_a_mailbox_is_needed_and_a_password_is_not() -> None:
    error = refused(authentication=authentication(CUSTOM, username=ABSENT))
    assert (error.field, "the mailbox" in error.message) == ("authentication.username", True)
    error = refused(authentication=authentication(CUSTOM, password="CANARY"))
    assert error.field == "authentication.password"
    assert "CANARY" not in error.message


def test_a_task_asks_only_the_listed_hosts_for_tokens() -> None:
    assert token_server(credential_of(CUSTOM, HOSTS)) == ("login.example.com", 443)
    plain = {**CUSTOM, "tokenUrl": "http://LOCALHOST:8080/token"}
    assert token_server(credential_of(plain, HOSTS)) == ("localhost", 8080)
    for url in ("https://CANARY.example.com/token", "https://login.example.com:8443/token"):
        error = refused(authentication=authentication({**CUSTOM, "tokenUrl": url}), token_hosts=HOSTS)
        assert error.field == "authentication.oauth.tokenUrl"
        assert "login.example.com, localhost:8080" in error.message
        assert "CANARY" not in error.message
    error = refused(authentication=authentication(MICROSOFT), token_hosts=HOSTS)
    assert (error.field, "tokens.hosts" in error.message) == ("authentication.oauth.tenant", True)


def test_the_other_vendors_task_type_takes_it_as_well() -> None:
    route = read(INFOSYS_TASK_TYPE, authentication=authentication(CUSTOM)).route
    assert route.credential is not None
