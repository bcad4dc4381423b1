"""Which account a job uses, what it may know of the others, and what its secrets become."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from connector.accounts.accounts import Accounts, Origin
from connector.accounts.secret_values import with_secrets
from connector.errors import AccountError, ErrorCode, SecretError
from connector.model.incoming import Incoming
from connector.model.server import Security, Server, TlsPolicy, smtp_server
from connector.secrets.providers import open_secrets
from connector.settings.model import Settings
from connector.settings.secrets import SecretSettings

ORDER = Origin("order", "<default>")


def accounts(**given: dict[str, Any]) -> Accounts:
    named = {name: {"host": f"{name}.example"} | account for name, account in given.items()}
    return Accounts(Settings.model_validate({"accounts": named}))


def usual(configured: Accounts, origin: Origin = ORDER) -> str | None:
    account = configured.usual(origin)
    return account.name if account else None


def test_without_accounts_there_is_none() -> None:
    assert usual(accounts()) is None
    assert usual(accounts(sales={})) is None


def test_the_tag_goes_before_the_default() -> None:
    configured = accounts(default={}, sales={"process_ids": ["order"]}, other={"process_ids": ["invoice"]})
    assert usual(configured) == "sales"
    assert usual(configured, Origin("invoice", "<default>")) == "other"
    assert usual(configured, Origin("holiday", "<default>")) == "default"
    assert configured.named("other", ORDER).name == "other"


def test_a_process_id_is_compared_as_it_is_written() -> None:
    assert usual(accounts(sales={"process_ids": ["Order"]})) is None


def test_another_tenants_account_is_never_the_usual_one() -> None:
    configured = accounts(sales={"process_ids": ["order"], "allowed_tenants": ["a"]}, default={})
    assert usual(configured, Origin("order", "a")) == "sales"
    assert usual(configured, Origin("order", "b")) == "default"
    restricted = accounts(default={"allowed_process_ids": ["invoice"]})
    assert usual(restricted) is None


def test_the_closest_of_id_pattern_tenant_and_default() -> None:
    configured = accounts(
        default={},
        exact={"process_ids": ["loan-car"]},
        family={"process_ids": ["loan-*"]},
        tenant={"tenants": ["a"]},
    )
    assert usual(configured, Origin("loan-car", "a")) == "exact"
    assert usual(configured, Origin("loan-house", "a")) == "family"
    assert usual(configured, Origin("order", "a")) == "tenant"
    assert usual(configured, Origin("order", "b")) == "default"


def test_a_pattern_may_say_who_is_allowed() -> None:
    configured = accounts(loans={"allowed_process_ids": ["loan-*"], "process_ids": ["loan-car-*"]})
    assert usual(configured, Origin("loan-car-new", "a")) == "loans"
    assert configured.named("loans", Origin("loan-house", "a")).name == "loans"
    assert "has no account named 'loans'" in refusal(configured, "loans")


def test_a_disabled_account_is_named_and_replaced_by_none() -> None:
    configured = accounts(default={}, sales={"process_ids": ["order"], "enabled": False})
    told = "sales is disabled; an operator enables it with accounts.sales.enabled"
    assert told in refusal(configured, "sales")
    with pytest.raises(AccountError, match="sales is disabled"):
        configured.usual(ORDER)
    assert usual(configured, Origin("holiday", "a")) == "default"
    hidden = accounts(sales={"enabled": False, "allowed_process_ids": ["invoice"]})
    assert "has no account named 'sales'" in refusal(hidden, "sales")


def test_a_password_without_a_user_name_logs_in_with_the_address() -> None:
    configured = accounts(
        sales={
            "address": "s@example.com",
            "password": "out",
            "incoming": {"protocol": "imap", "password": "in"},
        }
    )
    account = configured.named("sales", ORDER)
    assert (account.route.username, account.route.password) == ("s@example.com", SecretStr("out"))
    assert isinstance(account.incoming, Incoming)
    server = account.incoming.server
    assert (server.username, server.password) == ("s@example.com", SecretStr("in"))


def refusal(configured: Accounts, name: str, origin: Origin = ORDER) -> str:
    with pytest.raises(AccountError) as caught:
        configured.named(name, origin)
    assert caught.value.code is ErrorCode.ACCOUNT_NOT_FOUND
    return caught.value.message


def test_an_account_that_is_not_there_names_the_nearest_or_all() -> None:
    configured = accounts(sales={}, support={})
    assert "has no account named 'slaes'; did you mean sales?" in refusal(configured, "slaes")
    assert "it may use sales, support." in refusal(configured, "zzz")


@pytest.mark.parametrize("rule", [{"allowed_process_ids": ["invoice"]}, {"allowed_tenants": ["a"]}])
def test_a_forbidden_account_looks_like_none(rule: dict[str, Any]) -> None:
    configured = accounts(hidden=rule, sales={})
    message = refusal(configured, "hidden")
    assert message == refusal(accounts(sales={}), "hidden")
    assert "hidden" not in refusal(configured, "hiden").replace("'hiden'", "")


def test_the_server_has_all_that_the_transport_needs() -> None:
    limits = {"timeouts": {"dot": 30}, "rate": 2, "max_wait": 3, "max_connections": 4}
    login = {"username": "u", "password": "p", "helo_name": "client.example", "min_tls": "1.3"}
    server = smtp_server(accounts(sales=limits | login).named("sales", ORDER).route)
    assert (server.hostname, server.port, server.security) == ("sales.example", 587, Security.STARTTLS)
    assert (server.username, server.password, server.account) == ("u", SecretStr("p"), "sales")
    assert (server.helo_name, server.tls) == ("client.example", TlsPolicy("1.3"))
    assert (server.quota.rate, server.quota.max_wait, server.quota.max_connections) == (2, 3, 4)
    assert server.timeouts is not None
    assert (server.timeouts.dot, server.timeouts.connect) == (30, 15)
    again = accounts(sales=limits | login).named("sales", ORDER).route
    assert (hash(server), server) == (hash(again), again), "a pool finds its connections by it"


async def test_secrets_are_looked_up_for_every_mail() -> None:
    environ = {"SECRET_PW": "first"}
    given = {"username": "secrets.NAME", "password": "secrets.PW"}
    server = accounts(sales=given).named("sales", ORDER).route
    environ["SECRET_NAME"] = "ada"
    async with open_secrets(SecretSettings(), environ, lambda _: None) as secrets:
        for password in ("first", "second"):
            environ["SECRET_PW"] = password
            resolved, uses = await with_secrets(server, secrets)
            assert (resolved.username, resolved.password) == ("ada", SecretStr(password))
            assert [use.name for use in uses] == ["NAME", "PW"]
        del environ["SECRET_PW"]
        with pytest.raises(SecretError, match=r"accounts\.sales\.password: there is no secret PW"):
            await with_secrets(server, secrets)


async def test_a_secret_that_is_bound_elsewhere_is_not_given_to_an_account() -> None:
    settings = SecretSettings.model_validate({"bind": {"PW": ["other.example"]}})
    server = accounts(sales={"username": "u", "password": "secrets.PW"}).named("sales", ORDER).route
    async with open_secrets(settings, {"SECRET_PW": "x"}, lambda _: None) as secrets:
        with pytest.raises(SecretError, match=r"accounts\.sales\.password: the secret PW is bound") as caught:
            await with_secrets(server, secrets)
        assert caught.value.code is ErrorCode.SECRET_NOT_ALLOWED


async def test_what_a_tasks_secret_holds_is_no_reference() -> None:
    server = Server("localhost", 25, username="u", password=SecretStr("secrets.PW"))
    async with open_secrets(SecretSettings(), {"SECRET_PW": "other"}, lambda _: None) as secrets:
        assert await with_secrets(server, secrets) == (server, ())
