"""Misspelt references, and references where secrets do not resolve."""

from __future__ import annotations

from typing import Any

import pytest

from connector.errors import InputError, SecretError
from connector.secrets.resolve import SecretResolver
from connector.settings.secrets import SecretSettings


def resolver(*fields: str) -> SecretResolver:
    return SecretResolver((), SecretSettings(fields=fields), lambda _: None)


@pytest.mark.parametrize(
    "text",
    [
        "secret.MAIL_PASSWORD",
        "${MAIL_PASSWORD}",
        "#{MAIL_PASSWORD}",
        "secrets../MAIL_PASSWORD",
        "secrets/MAIL_PASSWORD",
        "SECRETS.MAIL_PASSWORD",
        " Secrets: MAIL_PASSWORD ",
        "{{secret.MAIL_PASSWORD}}",
        "{{ secrets MAIL_PASSWORD }}",
        "\uff53\uff45\uff43\uff52\uff45\uff54\uff53.MAIL_PASSWORD",
        "\uff04{MAIL_PASSWORD}",
    ],
)
@pytest.mark.parametrize("key", ["username", "password"])
async def test_what_resembles_a_reference_is_never_sent_as_a_credential(key: str, text: str) -> None:
    with pytest.raises((InputError, SecretError), match=rf"authentication\.{key}: ") as caught:
        await resolver().resolve({"authentication": {"hostname": "x", key: text}})
    assert "MAIL_PASSWORD" not in str(caught.value)
    with pytest.raises((InputError, SecretError)):
        await resolver().resolve_text(text, "accounts.desk.password", "mail.example", 587)


@pytest.mark.parametrize(
    "text", ["hunter2", "secret garden", "my secret.", "$ecret", "a{b}c", "pass:word", "\u00fcber.geheim"]
)
async def test_an_honest_password_is_taken(text: str) -> None:
    variables = {"authentication": {"password": text, "hostname": "secret.example.com"}}
    assert (await resolver().resolve(variables)).value == variables


@pytest.mark.parametrize(
    ("name", "value", "field"),
    [
        ("account", "secrets.ACCOUNT", "account"),
        ("smtpEmailMailBoxName", "secrets.MB", "smtpEmailMailBoxName"),
        ("smtpEmailToRecipients", ["a@x.example", "{{secrets.TO}}"], "smtpEmailToRecipients[2]"),
        ("smtpEmailToRecipients", "a@x.example, secrets.TO", "smtpEmailToRecipients"),
        ("smtpEmailCcRecipients", "[secrets.TO]", "smtpEmailCcRecipients"),
        ("smtpEmailBccRecipients", "${TO}", "smtpEmailBccRecipients"),
        ("smtpEmailAttachments", ["secrets.FILE"], "smtpEmailAttachments[1]"),
        ("smtpEmailAttachments", [{"url": "secrets.URL"}], "smtpEmailAttachments[1].url"),
    ],
)
async def test_a_reference_that_would_go_out_as_it_is_is_refused(name: str, value: Any, field: str) -> None:
    with pytest.raises(InputError, match="secrets do not resolve here") as caught:
        await resolver().resolve({name: value})
    assert caught.value.field == field


async def test_where_the_operator_allows_it_a_reference_is_looked_up() -> None:
    with pytest.raises(SecretError, match="there is no secret MB"):
        await resolver("smtpEmailMailBoxName").resolve({"smtpEmailMailBoxName": "secrets.MB"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smtpEmailSubject", "secrets.NAME"),
        ("smtpEmailReadReceipt", "${true}"),
        ("smtpEmailReadReceipt", "${False}"),
        ("smtpEmailToRecipients", ["secrets@x.example", "Secret.Agent@x.example"]),
        ("smtpEmailAttachments", [{"name": "secrets.txt", "content": "secrets.NAME"}]),
    ],
)
async def test_any_other_text_is_left_alone(name: str, value: Any) -> None:
    assert (await resolver().resolve({name: value})).value == {name: value}
