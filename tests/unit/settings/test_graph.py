"""Accounts with ``transport: graph``: defaults, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connector.accounts.accounts import Accounts
from connector.model.server import GraphRoute
from connector.settings.model import Settings

APPLICATION = {
    "provider": "microsoft",
    "tenant": "contoso.example",
    "grant": "client_credentials",
    "client_id": "app",
    "client_secret": "secrets.GRAPH",
}
PERSON = {
    "provider": "microsoft",
    "tenant": "contoso.example",
    "grant": "device_code",
    "client_id": "app",
}
ADDRESS = "flow@contoso.example"


def settings(**account: Any) -> Settings:
    values = {"transport": "graph", "address": ADDRESS, "oauth": APPLICATION, **account}
    key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    return Settings.model_validate({"accounts": {"sales": values}, "tokens": {"key": key}})


def route(**account: Any) -> GraphRoute:
    found = Accounts(settings(**account)).configured("sales").route
    assert isinstance(found, GraphRoute)
    return found


def fault(**account: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        settings(**account)
    return str(caught.value)


def test_an_application_uses_the_mailbox_of_the_address() -> None:
    mailbox = route()
    assert mailbox.mailbox == f"/users/{ADDRESS}"
    assert mailbox.base_url == "https://graph.microsoft.com/v1.0"
    assert (mailbox.exact, mailbox.save_to_sent_items) == (True, True)
    assert mailbox.credential.scopes == ("https://graph.microsoft.com/.default",)
    assert (mailbox.hostname, mailbox.port) == ("graph.microsoft.com", 443)


def test_a_person_uses_the_own_mailbox_unless_another_is_named() -> None:
    assert route(oauth=PERSON).mailbox == "/me"
    assert (
        route(oauth=PERSON, graph={"user": "team@contoso.example"}).mailbox == "/users/team@contoso.example"
    )
    scopes = route(oauth=PERSON).credential.scopes
    assert scopes[:2] == (
        "https://graph.microsoft.com/Mail.ReadWrite",
        "https://graph.microsoft.com/Mail.Send",
    )


def test_a_cloud_of_its_own() -> None:
    mailbox = route(oauth={**APPLICATION, "cloud": "china"})
    assert mailbox.base_url == "https://microsoftgraph.chinacloudapi.cn/v1.0"
    assert mailbox.credential.scopes == ("https://microsoftgraph.chinacloudapi.cn/.default",)


def test_headers_of_the_account_are_taken() -> None:
    assert route(http_headers={"X-Gateway-Tenant": 7}).headers == (("X-Gateway-Tenant", "7"),)


@pytest.mark.parametrize(
    ("account", "told"),
    [
        ({"host": "mail.example.com"}, "host is for transport smtp"),
        ({"username": "u", "password": "p"}, "username is for transport smtp"),
        ({"preset": "gmail"}, "preset gmail is for transport smtp"),
        ({"oauth": {}}, "transport graph needs oauth"),
        ({"address": None}, "needs graph.user"),
        ({"oauth": {**PERSON, "scopes": "SMTP.Send"}}, "ask for Mail.Send"),
        ({"graph": {"save_to_sent_items": False}}, "needs graph.mode fast"),
        ({"graph": {"base_url": "https://graph.example.com/v1.0"}}, "tokens of the mailbox go there"),
        ({"graph": {"base_url": "http://graph.microsoft.com/v1.0"}}, "tokens of the mailbox go there"),
        ({"graph": {"base_url": "https://graph.microsoft.com@evil.example/v1.0"}}, "tokens of the mailbox"),
        ({"graph": {"user": "a/../b"}}, "graph.user"),
        ({"http_headers": {"Authorization": "Bearer x"}}, "belongs to the connector"),
        ({"http_headers": {"host": "x"}}, "belongs to the connector"),
        ({"http_headers": {"Content-Type": "x"}}, "belongs to the connector"),
        ({"http_headers": {"X-A": "a\r\nB: c"}}, "control characters"),
        ({"defaults": {"delivery_receipt": ("failure",)}}, "defaults.delivery_receipt is for transport smtp"),
        (
            {"transport": "smtp", "host": "mail.example.com", "graph": {"mode": "fast"}},
            "graph needs transport",
        ),
        (
            {"transport": "smtp", "host": "m.example.com", "http_headers": {"X-A": "b"}},
            "needs transport graph",
        ),
    ],
)
def test_what_contradicts_the_transport_is_refused(account: dict[str, Any], told: str) -> None:
    assert told in fault(**account)


def test_credentials_are_for_one_service() -> None:
    accounts = {
        "mail": {"address": ADDRESS, "host": "smtp.office365.com", "oauth": "shared"},
        "graph": {"address": ADDRESS, "transport": "graph", "oauth": "shared"},
    }
    with pytest.raises(ValidationError, match="make two"):
        Settings.model_validate({"accounts": accounts, "credentials": {"shared": APPLICATION}})
