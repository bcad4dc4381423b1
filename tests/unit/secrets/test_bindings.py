"""Which hosts a secret may go to, and the ways around it that are closed."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.errors import ErrorCode, SecretError
from connector.secrets.port import SecretProvider
from connector.secrets.providers import EnvironmentSecrets, FileSecrets
from connector.secrets.resolve import Bindings, SecretResolver
from connector.settings.secrets import SecretSettings

RELAY = ("smtp.example.com", 587)


@pytest.mark.parametrize(
    ("name", "host", "permitted"),
    [
        ("MAIL_PASSWORD", "smtp.example.com", True),
        ("MAIL_PASSWORD", "evil.test", False),
        ("OTHER", "evil.test", True),
        ("prod/relay/password", "smtp.example.com", True),
        ("prod/relay/password", "evil.test", False),
        ("prodigy", "evil.test", True),
    ],
)
def test_a_bound_secret_goes_to_its_hosts_only(name: str, host: str, permitted: bool) -> None:
    bindings = Bindings({"MAIL_PASSWORD": ["smtp.example.com"], "prod/*": ["smtp.example.com"]})
    assert bindings.permits(name, host, 587) is permitted


def test_where_several_patterns_fit_a_host_must_be_in_each_list() -> None:
    bindings = Bindings({"*": ["a.example", "b.example"], "PROD_*": ["a.example"]})
    assert bindings.permits("PROD_X", "a.example", 587)
    assert not bindings.permits("PROD_X", "b.example", 587)
    assert bindings.permits("TEST_X", "b.example", 587)


def test_a_secret_bound_to_no_host_goes_nowhere() -> None:
    bindings = Bindings({"INTERNAL": []})
    assert bindings.binds("INTERNAL")
    assert not bindings.permits("INTERNAL", *RELAY)


SPELLINGS = ["mail/relay.password", "MAIL_RELAY_PASSWORD", "mail-relay-password", "Mail.Relay_Password"]


@pytest.mark.parametrize("bound", SPELLINGS)
@pytest.mark.parametrize("asked", SPELLINGS)
async def test_another_spelling_of_a_name_is_bound_as_well(bound: str, asked: str) -> None:
    provider = EnvironmentSecrets({"SECRET_MAIL_RELAY_PASSWORD": "value"}, "SECRET_")
    assert await provider.get(asked) == "value"
    assert not Bindings({bound: ["smtp.example.com"]}).permits(asked, "evil.test", 587)


@pytest.mark.parametrize(
    "asked", ["mail/TOKEN", "mail//TOKEN", "mail/./TOKEN", "mail/TOKEN/", "mail/TOKEN/."]
)
async def test_another_path_to_a_file_is_bound_as_well(tmp_path: Path, asked: str) -> None:
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "TOKEN").write_text("value")
    assert await FileSecrets(tmp_path).get(asked) == "value"
    assert not Bindings({"mail/TOKEN": ["smtp.example.com"]}).permits(asked, "evil.test", 587)


class Counting:
    """A provider that says what it was asked for."""

    place = "the test vault"

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def get(self, name: str) -> str | None:
        self.asked.append(name)
        return f"value of {name}"


def resolver(provider: SecretProvider, *fields: str) -> SecretResolver:
    settings = SecretSettings.model_validate({"fields": fields, "bind": {"BOUND": ["smtp.example.com"]}})
    return SecretResolver([provider], settings, lambda _: None)


async def test_secrets_of_a_task_are_held_against_its_server() -> None:
    secrets = resolver(Counting())
    resolved = await secrets.resolve(
        {"authentication": {"username": "secrets.FREE", "password": "secrets.BOUND"}}
    )
    secrets.permit(resolved.uses, *RELAY)
    with pytest.raises(SecretError, match="the secret BOUND is bound to other servers") as caught:
        secrets.permit(resolved.uses, "evil.test", 587)
    assert (caught.value.code, caught.value.field) == (
        ErrorCode.SECRET_NOT_ALLOWED,
        "authentication.password",
    )
    assert "evil.test" not in str(caught.value)
    assert "value of" not in str(caught.value)


@pytest.mark.parametrize(
    "variables",
    [
        {"smtpEmailContent": "{{secrets.BOUND}}"},
        {"smtpEmailAttachments": [{"url": "https://files.example/?{{secrets.BOUND}}"}]},
        {"authentication": ["secrets.BOUND"]},
        {"authentication": {"password": ["secrets.BOUND"]}},
    ],
)
async def test_a_bound_secret_resolves_only_where_it_goes_to_the_mail_server(
    variables: dict[str, object],
) -> None:
    provider = Counting()
    with pytest.raises(
        SecretError, match=r"only in authentication\.username, .*password and .*oauth"
    ) as caught:
        await resolver(provider, "smtpEmailContent", "smtpEmailAttachments.url").resolve(variables)
    assert caught.value.code is ErrorCode.SECRET_NOT_ALLOWED
    assert provider.asked == []


async def test_secrets_of_a_task_for_its_token_endpoint_are_held_against_that_one() -> None:
    secrets = resolver(Counting())
    oauth = {
        "clientId": "secrets.FREE",
        "clientSecret": "secrets.BOUND",
        "parameters": {"a": "secrets.BOUND"},
    }
    resolved = await secrets.resolve({"authentication": {"oauth": oauth}})
    secrets.permit(resolved.uses, "evil.test", 587)  # none of them goes to the mail server
    secrets.permit_tokens(resolved.uses, *RELAY)
    with pytest.raises(SecretError, match="the secret BOUND is bound to other servers") as caught:
        secrets.permit_tokens(resolved.uses, "login.evil.test", 443)
    assert (caught.value.code, caught.value.field) == (
        ErrorCode.SECRET_NOT_ALLOWED,
        "authentication.oauth.clientSecret",
    )
    assert "evil.test" not in str(caught.value)


async def test_a_key_that_stays_here_may_be_a_bound_secret() -> None:
    secrets = resolver(Counting())
    assert await secrets.resolve_here("secrets.BOUND", "tokens.key") == "value of BOUND"
    assert await secrets.resolve_here("plain", "tokens.key") == "plain"
    with pytest.raises(SecretError, match=r"tokens\.key"):
        await secrets.resolve_here("{{secrets.}}", "tokens.key")


async def test_a_text_of_an_account_is_held_against_its_server_before_anybody_is_asked() -> None:
    provider = Counting()
    secrets = resolver(provider)
    field = "accounts.sales.password"
    with pytest.raises(SecretError) as caught:
        await secrets.resolve_text("{{secrets.BOUND}}", field, "evil.test", 587)
    assert (caught.value.code, caught.value.field, provider.asked) == (
        ErrorCode.SECRET_NOT_ALLOWED,
        field,
        [],
    )
    resolved = await secrets.resolve_text("x{{secrets.BOUND}}", field, *RELAY)
    assert (resolved.value, [use.name for use in resolved.uses]) == ("xvalue of BOUND", ["BOUND"])
    assert (await secrets.resolve_text("plain", field, *RELAY)).uses == ()
