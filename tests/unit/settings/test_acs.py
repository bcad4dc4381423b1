"""Accounts with ``transport: acs``: defaults, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connector.accounts.accounts import Accounts
from connector.model.server import AcsRoute
from connector.settings.model import Settings

ENDPOINT = "https://contoso.communication.azure.com"
APPLICATION = {
    "provider": "microsoft",
    "tenant": "contoso.example",
    "grant": "client_credentials",
    "client_id": "app",
    "client_secret": "secrets.ACS",
}


def settings(own: dict[str, Any] | None = None, **account: Any) -> Settings:
    resource = {"endpoint": ENDPOINT, "access_key": "secrets.ACS_KEY", **(own or {})}
    values = {"transport": "acs", "address": "flow@contoso.example", "acs": resource, **account}
    key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    return Settings.model_validate({"accounts": {"sales": values}, "tokens": {"key": key}})


def route(own: dict[str, Any] | None = None, **account: Any) -> AcsRoute:
    found = Accounts(settings(own, **account)).configured("sales").route
    assert isinstance(found, AcsRoute)
    return found


def fault(own: dict[str, Any] | None = None, **account: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        settings(own, **account)
    return str(caught.value)


def test_the_defaults() -> None:
    resource = route()
    assert (resource.endpoint, resource.api_version) == (ENDPOINT, "2025-09-01")
    assert (resource.hostname, resource.port) == ("contoso.communication.azure.com", 443)
    assert (resource.poll_interval, resource.poll_limit, resource.repeat_within) == (5, 120, 3600)
    assert resource.quota.max_recipients == 50
    assert "ACS_KEY" not in repr(resource)


def test_a_mail_may_count_as_sent_when_it_is_accepted() -> None:
    assert route({"sent_when": "accepted"}).poll_limit == 0


@pytest.mark.parametrize(
    ("cloud", "scope"),
    [
        ("global", "https://communication.azure.com/.default"),
        ("us-gov", "https://communication.azure.us/.default"),
    ],
)
def test_an_application_asks_for_the_service(cloud: str, scope: str) -> None:
    credential = route({"access_key": None}, oauth={**APPLICATION, "cloud": cloud}).credential
    assert credential is not None
    assert credential.scopes == (scope,)


def test_headers_of_the_account_are_taken() -> None:
    assert route(http_headers={"X-Gateway-Tenant": 7}).headers == (("X-Gateway-Tenant", "7"),)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://contoso.communication.azure.com",
        "https://communication.azure.com.example.com",
        "https://user:word@contoso.communication.azure.com",
        "https://contoso.communication.azure.com:8443",
        "https://contoso.communication.azure.com/emails",
        "https://contoso.communication.azure.com?x=1",
        "contoso",
    ],
)
def test_a_login_goes_to_the_service_only(endpoint: str) -> None:
    assert "expected the resource's endpoint" in fault({"endpoint": endpoint})


def test_a_connection_string_is_taken_apart_by_its_owner() -> None:
    told = fault({"endpoint": f"endpoint={ENDPOINT}/;accesskey=YWJj"})
    assert "this is a connection string" in told


@pytest.mark.parametrize(
    ("own", "account", "told"),
    [
        ({"endpoint": None}, {}, "transport acs needs acs.endpoint"),
        ({"access_key": None}, {}, "needs one of acs.access_key and oauth"),
        ({}, {"oauth": APPLICATION}, "needs one of acs.access_key and oauth"),
        ({}, {"address": None}, "transport acs needs address"),
        ({}, {"display_name": "Sales"}, "set the name of the sender in Azure"),
        ({}, {"host": "mail.example.com"}, "host is for transport smtp"),
        ({}, {"preset": "office365"}, "preset office365 is for transport smtp"),
        ({}, {"incoming": {"protocol": "imap", "host": "i.example.com"}}, "has no mailboxes"),
        ({}, {"max_recipients": 51}, "must not be above 50"),
        ({}, {"defaults": {"delivery_receipt": ["failure"]}}, "takes no such requests"),
        ({}, {"http_headers": {"Authorization": "x"}}, "belongs to the connector"),
        ({}, {"http_headers": {"X-A": "a\r\nX-B: b"}}, "control characters"),
        ({"api_version": "latest"}, {}, "api_version"),
        (
            {"access_key": None},
            {"oauth": {**APPLICATION, "grant": "device_code", "client_secret": None}},
            "must be client_credentials",
        ),
        ({"access_key": None}, {"oauth": {**APPLICATION, "cloud": "china"}}, "has no Azure Communication"),
        (
            {"access_key": None},
            {"oauth": {**APPLICATION, "scopes": ["https://graph.microsoft.com/.default"]}},
            "scopes are for Microsoft Graph",
        ),
    ],
)
def test_what_contradicts_it_is_named(own: dict[str, Any], account: dict[str, Any], told: str) -> None:
    assert told in fault(own, **account)


def test_its_settings_need_its_transport() -> None:
    assert "acs needs transport acs" in fault(transport="graph", oauth=APPLICATION)


def test_credentials_of_a_person_do_not_fit() -> None:
    person = {**APPLICATION, "grant": "device_code", "client_secret": None}
    own = {"endpoint": ENDPOINT}
    account = {
        "transport": "acs",
        "address": "flow@contoso.example",
        "acs": own,
        "oauth": {"credential": "ann"},
    }
    key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="
    values = {"accounts": {"sales": account}, "credentials": {"ann": person}, "tokens": {"key": key}}
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(values)
    assert "the service knows applications, no persons" in str(caught.value)
