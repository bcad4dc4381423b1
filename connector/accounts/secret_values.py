"""The values of secrets in the place of their references in an account, looked up for every mail.

A server, a mailbox or a policy with references enters, the same with values leaves, so that a rotated
password is used at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar, cast

from pydantic import SecretStr

from connector.model.incoming import Incoming, ReadFrom
from connector.model.server import AcsRoute, Route, Server
from connector.model.signing import KeyFile, SigningPolicy
from connector.secrets.resolve import SecretResolver, Use
from connector.settings.accounts import AccountSettings

AnyRoute = TypeVar("AnyRoute", bound=Route)
AnyMailbox = TypeVar("AnyMailbox", bound=ReadFrom)


async def with_secrets(
    server: AnyRoute, secrets: SecretResolver, section: str = ""
) -> tuple[AnyRoute, tuple[Use, ...]]:
    """Put the values of secrets in the place of their references.

    A server that a task gives is left as it is: its secrets are resolved before it is read, and what they
    hold is never taken for a reference again.

    Args:
        server: With references.
        secrets: Where they are looked up.
        section: Where in the account user name and password are, as ``incoming.``; in the account itself.

    Returns:
        The route, and the secrets that are in it now.

    Raises:
        SecretError: No provider has one of them, or it is bound to another server; the error names the
            account's setting.
    """
    if server.account is None:
        return server, ()
    lookup = _Lookup(server, secrets)
    complete: Route = server
    if isinstance(complete, Server):
        username = await lookup.value(
            f"{section}username", SecretStr(complete.username) if complete.username else None
        )
        complete = replace(
            complete,
            username=username.get_secret_value() if username else None,
            password=await lookup.value(f"{section}password", complete.password),
        )
    elif isinstance(complete, AcsRoute):
        complete = replace(complete, password=await lookup.value("acs.access_key", complete.password))
    tls = replace(
        server.tls,
        trust_store_password=await lookup.value("trust_store_password", server.tls.trust_store_password),
        client_key_password=await lookup.value("client_key_password", server.tls.client_key_password),
    )
    return cast("AnyRoute", replace(complete, tls=tls)), tuple(lookup.uses)


async def incoming_with_secrets(
    incoming: AnyMailbox, accounts: Mapping[str, AccountSettings], secrets: SecretResolver
) -> tuple[AnyMailbox, tuple[Use, ...]]:
    """Put the values of secrets in the place of their references in an account's mailbox.

    Args:
        incoming: With references.
        accounts: The settings of all accounts, which say in which half the password is.
        secrets: Where they are looked up.

    Raises:
        SecretError: As :func:`with_secrets`.
    """
    mailbox: ReadFrom = incoming
    if not isinstance(mailbox, Incoming):
        found, uses = await with_secrets(mailbox, secrets)
        return cast("AnyMailbox", found), uses
    account = accounts.get(mailbox.server.account or "")
    own = account is not None and account.incoming.password is not None
    server, uses = await with_secrets(mailbox.server, secrets, "incoming." if own else "")
    return cast("AnyMailbox", replace(mailbox, server=server)), uses


async def with_key_passwords(policy: SigningPolicy, server: Route, secrets: SecretResolver) -> SigningPolicy:
    """Put the passwords of an account's keys in the place of their references.

    Args:
        policy: Of the account.
        server: The account's server, to which its secrets may be bound.
        secrets: Where they are looked up.

    Raises:
        SecretError: As :func:`with_secrets`.
    """
    lookup = _Lookup(server, secrets)

    async def opened(key: KeyFile, path: str) -> KeyFile:
        password = await lookup.value(f"{path}.password", key.password)
        key_password = await lookup.value(f"{path}.key_password", key.key_password)
        return replace(key, password=password, key_password=key_password)

    keys = [await opened(key, "signing.keys") for key in policy.keys]
    dkim = [replace(key, file=await opened(key.file, "signing.dkim.keys")) for key in policy.dkim]
    return replace(policy, keys=tuple(keys), dkim=tuple(dkim))


class _Lookup:
    """Looks up the secrets of one account, and keeps in mind which they were."""

    def __init__(self, server: Route, secrets: SecretResolver) -> None:
        self._server = server
        self._secrets = secrets
        self.uses: list[Use] = []

    async def value(self, key: str, text: SecretStr | None) -> SecretStr | None:
        if text is None:
            return None
        field = f"accounts.{self._server.account}.{key}"
        host, port = self._server.hostname, self._server.port
        found = await self._secrets.resolve_text(text.get_secret_value(), field, host, port)
        self.uses.extend(found.uses)
        return SecretStr(found.value)
