"""Warn of passwords that an operator should change although they work.

An account's settings enter, with the place where its secrets are looked up; a warning leaves that names the
settings, never a value. That a mail server accepts a password says nothing about these.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from pydantic import SecretStr

from connector.check.findings import CheckStep, Finding, Status
from connector.errors import ConnectorError
from connector.model.credential import Credential
from connector.secrets.resolve import SecretResolver
from connector.settings.accounts import AccountSettings

# Shorter ones are guessed, and stand in ordinary words, which masking then hides.
_SHORTEST = 8


async def check_passwords(
    name: str,
    account: AccountSettings,
    credential: Credential | None,
    secrets: SecretResolver,
    seconds: float,
) -> Finding | None:
    """Look at the passwords of an account: where they are written, how long they are and how they end.

    Args:
        name: The account's.
        account: Its settings.
        credential: What it logs in with, where that is OAuth2.
        secrets: Where references are looked up.
        seconds: How long that may take; what cannot be looked up is told by the step that needs it.
    """
    notes: list[tuple[str, str]] = []
    for setting, password in _passwords(name, account, credential):
        text = password.get_secret_value()
        try:
            async with asyncio.timeout(seconds):
                value = await secrets.resolve_here(text, setting)
        except (ConnectorError, TimeoutError):
            continue
        notes += _notes(setting, text, value)
    if not notes:
        return None
    told, fixes = zip(*notes, strict=True)
    return Finding(CheckStep.SETTINGS, Status.WARNING, "; ".join(told), " ".join(dict.fromkeys(fixes)))


def _passwords(
    name: str, account: AccountSettings, credential: Credential | None
) -> Iterator[tuple[str, SecretStr]]:
    for key, password in (
        ("password", account.password),
        ("incoming.password", account.incoming.password),
        ("acs.access_key", account.acs.access_key),
        ("client_key_password", account.client_key_password),
    ):
        if password is not None:
            yield f"accounts.{name}.{key}", password
    if credential is not None and credential.client_secret is not None:
        yield credential.setting("client_secret"), credential.client_secret


def _notes(setting: str, text: str, value: str) -> Iterator[tuple[str, str]]:
    if text == value:
        yield (
            f"{setting} is written in the settings as it is",
            f"Store it as a secret and write {setting.rpartition('.')[2]}: secrets.NAME.",
        )
    if len(value) < _SHORTEST:
        told = (
            f"{setting} has fewer than {_SHORTEST} characters: it is easily guessed, and its mask hides text"
        )
        yield told, "Choose a longer one at the provider."
    if value != value.rstrip():
        yield (
            f"{setting} ends in white space",
            "Take it off where the value is stored, unless it belongs to the password.",
        )
