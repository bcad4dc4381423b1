"""The OAuth credentials of accounts: each once, however many accounts use it.

Settings enter; a :class:`~connector.model.credential.Credential` for each grant leaves, with who uses it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from connector.model.credential import Credential
from connector.settings.model import Settings


@dataclass(frozen=True, slots=True)
class ConfiguredCredential:
    """A credential of the settings.

    Attributes:
        accounts: The accounts that use it.
        mailboxes: The user names with which they log in; references to secrets are left out.
        secret_expires: When its client secret ends, where the operator has said so.
    """

    credential: Credential
    accounts: tuple[str, ...]
    mailboxes: tuple[str, ...]
    secret_expires: date | None


def credential_of(name: str, settings: Settings) -> Credential | None:
    """The credential of an account; None where it logs in otherwise."""
    oauth, service = settings.accounts[name].oauth, settings.accounts[name].service
    if oauth.credential is not None:
        shared = oauth.credential
        return settings.credentials[shared].as_credential(
            f"credentials.{shared}", _users(shared, settings)[0], service
        )
    return oauth.as_credential(f"accounts.{name}.oauth", name, service) if oauth.given else None


def configured_credentials(settings: Settings) -> tuple[ConfiguredCredential, ...]:
    """Every credential that an account uses, in the order of the accounts."""
    found: dict[str, ConfiguredCredential] = {}
    for name in settings.accounts:
        credential = credential_of(name, settings)
        if credential is not None and credential.place not in found:
            found[credential.place] = _configured(name, credential, settings)
    return tuple(found.values())


def _configured(name: str, credential: Credential, settings: Settings) -> ConfiguredCredential:
    shared = settings.accounts[name].oauth.credential
    accounts = _users(shared, settings) if shared is not None else (name,)
    names = (settings.accounts[account].effective_username for account in accounts)
    mailboxes = dict.fromkeys(mailbox for mailbox in names if mailbox and "secrets." not in mailbox)
    block = settings.credentials[shared] if shared is not None else settings.accounts[name].oauth
    return ConfiguredCredential(credential, accounts, tuple(mailboxes), block.client_secret_expires)


def _users(shared: str, settings: Settings) -> tuple[str, ...]:
    return tuple(name for name, account in settings.accounts.items() if account.oauth.credential == shared)
