"""Where secrets resolve, where they do not, and what an error about one may say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import ErrorCode, InputError, SecretError
from connector.secrets.port import UnusableSecretError
from connector.secrets.resolve import SecretResolver
from connector.settings.secrets import SecretSettings


class Vault:
    """A provider that counts what it is asked for."""

    def __init__(self, secrets: Mapping[str, str], place: str = "the test vault") -> None:
        self._secrets = secrets
        self.place = place
        self.asked: list[str] = []

    async def get(self, name: str) -> str | None:
        self.asked.append(name)
        return self._secrets.get(name)


class BrokenVault:
    place = "the broken vault"

    async def get(self, name: str) -> str | None:
        reason = "it is sealed"
        raise UnusableSecretError(reason)


SECRETS = {
    "TOKEN": "t0p-secret",
    "USER": "demo",
    "mail/relay.password-1": "named",
    "CHAIN": "secrets.TOKEN {{secrets.TOKEN}}",
}


def resolver(*fields: str, remembered: list[str] | None = None) -> SecretResolver:
    remember = (remembered if remembered is not None else []).append
    return SecretResolver([Vault(SECRETS)], SecretSettings(fields=fields), remember)


async def resolved(text: str) -> str:
    variables = await resolver().resolve({"authentication": {"password": text}})
    password = variables.value["authentication"]["password"]
    assert isinstance(password, str)
    return password


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("secrets.TOKEN", "t0p-secret"),
        (" secrets.TOKEN\n", "t0p-secret"),
        ("{{secrets.TOKEN}}", "t0p-secret"),
        ("{{ secrets.TOKEN }}", "t0p-secret"),
        ("{{secrets.USER}}@example.com", "demo@example.com"),
        ("{{secrets.USER}}:{{secrets.TOKEN}}", "demo:t0p-secret"),
        ("secrets.mail/relay.password-1", "named"),
        ("secrets.CHAIN", "secrets.TOKEN {{secrets.TOKEN}}"),
        ("<{{secrets.CHAIN}}>", "<secrets.TOKEN {{secrets.TOKEN}}>"),
    ],
)
async def test_a_reference_becomes_its_value_once(text: str, value: str) -> None:
    assert await resolved(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "see secrets.TOKEN for more",
        "my-secrets.TOKEN",
        "secrets.",
        "{{TOKEN}}",
        "{secrets.TOKEN}",
        "p{{ss",
    ],
)
async def test_a_text_that_is_no_reference_stays(text: str) -> None:
    assert await resolved(text) == text


async def test_authentication_resolves_at_any_depth_and_nothing_else_does() -> None:
    reference = "secrets.TOKEN"
    variables = {
        "authentication": {"password": reference, "oauth": {"scopes": ["a", reference], "port": 25}},
        "smtpEmailContent": "our secrets.Contact us, {{secrets.TOKEN}}",
        "smtpEmailSubject": reference,
        "other": {"authentication": {"password": reference}},
        "authentication.password": reference,
    }
    assert (await resolver().resolve(variables)).value == {
        **variables,
        "authentication": {"password": "t0p-secret", "oauth": {"scopes": ["a", "t0p-secret"], "port": 25}},
    }


async def test_authentication_as_one_text_is_left_to_be_refused() -> None:
    variables = {"authentication": '{"password": "{{secrets.TOKEN}}"}'}
    assert (await resolver().resolve(variables)).value == variables


async def test_keys_are_never_resolved() -> None:
    variables = {"authentication": {"secrets.TOKEN": "x"}}
    assert (await resolver().resolve(variables)).value == variables


async def test_listed_fields_resolve_with_what_is_inside_them() -> None:
    reference = "{{secrets.TOKEN}}"
    variables = {
        "smtpEmailMailBoxName": reference,
        "smtpEmailHeaders": {"X-Token": reference, "X-Tokens": reference},
        "smtpEmailAttachments": [{"url": reference, "name": reference}, reference],
    }
    fields = ("smtpEmailMailBoxName", "smtpEmailHeaders.X-Token", "smtpEmailAttachments.url")
    assert (await resolver(*fields).resolve(variables)).value == {
        "smtpEmailMailBoxName": "t0p-secret",
        "smtpEmailHeaders": {"X-Token": "t0p-secret", "X-Tokens": reference},
        "smtpEmailAttachments": [{"url": "t0p-secret", "name": reference}, reference],
    }
    attachments = {"smtpEmailAttachments": variables["smtpEmailAttachments"]}
    whole = await resolver("smtpEmailAttachments").resolve(attachments)
    assert whole.value["smtpEmailAttachments"] == [{"url": "t0p-secret", "name": "t0p-secret"}, "t0p-secret"]


async def test_what_was_given_is_not_changed() -> None:
    authentication = {"password": "secrets.TOKEN"}
    await resolver().resolve({"authentication": authentication})
    assert authentication == {"password": "secrets.TOKEN"}


async def test_every_value_is_remembered_before_it_is_used() -> None:
    remembered: list[str] = []
    text = "{{secrets.USER}}:{{secrets.TOKEN}}"
    await resolver(remembered=remembered).resolve({"authentication": {"password": text}})
    assert remembered == ["demo", "t0p-secret"]


async def test_the_first_provider_that_has_it_wins_and_the_next_is_not_asked() -> None:
    first, second = Vault({"A": "first"}), Vault({"A": "second", "B": "second"})
    resolve = SecretResolver([first, second], SecretSettings(), lambda _: None).resolve
    found = await resolve({"authentication": {"a": "secrets.A", "b": "secrets.B"}})
    assert found.value == {"authentication": {"a": "first", "b": "second"}}
    assert second.asked == ["B"]


async def test_an_unknown_secret_fails_and_says_where_it_was_looked_for() -> None:
    resolve = SecretResolver(
        [Vault({}, "here"), Vault({}, "there")], SecretSettings(), lambda _: None
    ).resolve
    with pytest.raises(SecretError) as caught:
        await resolve({"authentication": {"password": "prefix-{{secrets.NOPE}}"}})
    assert caught.value.code is ErrorCode.SECRET_NOT_FOUND
    assert caught.value.field == "authentication.password"
    assert str(caught.value) == "authentication.password: there is no secret NOPE; looked for in here, there"


async def test_an_item_of_a_list_is_counted_from_one_as_everywhere() -> None:
    with pytest.raises(SecretError) as caught:
        await resolver("smtpEmailCcRecipients").resolve({"smtpEmailCcRecipients": ["a@x", "secrets.NOPE"]})
    assert caught.value.field == "smtpEmailCcRecipients[2]"


async def test_a_name_that_cannot_be_one_is_refused_and_not_repeated() -> None:
    with pytest.raises(SecretError, match="not the name of a secret") as caught:
        await resolved("{{secrets.p4ss word}}")
    assert "p4ss" not in str(caught.value)


@pytest.mark.parametrize("text", ["secrets.{}", "{{{{secrets.{}}}}}"])
async def test_a_name_of_megabytes_does_not_fill_incidents_and_logs(text: str) -> None:
    with pytest.raises(SecretError, match="there is no secret"):
        await resolved(text.format("N" * 512))
    with pytest.raises(SecretError, match="not the name of a secret") as caught:
        await resolved(text.format("N" * 513))
    assert len(str(caught.value)) < 200


async def test_a_secret_that_cannot_be_used_is_not_looked_up_elsewhere() -> None:
    last = Vault(SECRETS)
    resolve = SecretResolver([BrokenVault(), last], SecretSettings(), lambda _: None).resolve
    with pytest.raises(
        SecretError, match=r"the secret TOKEN cannot be used \(the broken vault\): it is sealed"
    ):
        await resolve({"authentication": {"password": "secrets.TOKEN"}})
    assert last.asked == []


async def test_a_task_cannot_have_any_number_of_secrets_looked_up() -> None:
    vault = Vault(SECRETS)
    resolve = SecretResolver([vault], SecretSettings(), lambda _: None).resolve
    await resolve({"authentication": {"password": "{{secrets.TOKEN}}" * 100}})
    with pytest.raises(InputError, match="more than 100 secrets") as caught:
        await resolve({"authentication": {"username": "{{secrets.TOKEN}}" * 100_000}})
    assert caught.value.field == "authentication.username"
    assert len(vault.asked) == 200


async def test_endless_nesting_is_an_input_error() -> None:
    value: Any = "x"
    for _ in range(5000):
        value = [value]
    with pytest.raises(InputError, match="nested too deeply"):
        await resolver().resolve({"authentication": {"deep": value}})


@given(
    st.dictionaries(
        st.text(max_size=20).filter(lambda name: name != "authentication"),
        st.recursive(
            st.none() | st.booleans() | st.text() | st.sampled_from(["secrets.TOKEN", "{{secrets.TOKEN}}"]),
            lambda inner: (
                st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
            ),
            max_leaves=8,
        ),
        max_size=4,
    )
)
async def test_outside_of_authentication_nothing_ever_changes(variables: dict[str, Any]) -> None:
    vault = Vault(SECRETS)
    resolve = SecretResolver([vault], SecretSettings(), lambda _: None).resolve
    assert (await resolve(variables)).value == variables
    assert vault.asked == []
