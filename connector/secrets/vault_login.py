"""The ways to log in to Vault: a token at hand, a token in a file, or a role to log in as.

Settings enter; the token for a request leaves. Apart from reading secrets, since tokens end and are fetched
anew, while secrets do not care whose token reads them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Protocol

import httpx2

from connector.secrets.http import ask
from connector.secrets.port import ProviderUnavailableError
from connector.settings.secrets import VaultSettings

# A token that is refused so soon after the login was not withdrawn: its policy does not allow the path.
_YOUNG = 10.0
# Of a lease, the part after which a new token is fetched.
_PART = 2 / 3

Remember = Callable[[str], None]


class VaultLogin(Protocol):
    """Gives tokens."""

    async def token(self) -> str | None:
        """The token for a request; None where an agent adds it.

        Raises:
            ProviderUnavailableError: There is none to be had.
        """
        ...

    def refused(self) -> bool:
        """Hear that Vault refused the token; whether another one is worth a try."""
        ...


class GivenToken:
    """A token from the settings, or none."""

    def __init__(self, token: str | None) -> None:
        self._token = token

    async def token(self) -> str | None:
        """The token."""
        return self._token

    def refused(self) -> bool:
        """There is no other."""
        return False


class TokenFile:
    """A token in a file that an agent renews; read for each request."""

    def __init__(self, file: Path, remember: Remember) -> None:
        self._file = file
        self._remember = remember

    async def token(self) -> str:
        """What the file holds now."""
        token = await read_token(self._file, "secrets.vault.agent_token_file")
        self._remember(token)
        return token

    def refused(self) -> bool:
        """It was read just now."""
        return False


class RoleLogin:
    """Tokens by logging in, one for all requests, fetched anew before it ends.

    Args:
        client: For Vault.
        mount: The auth method, as ``approle``.
        credentials: Gives what is sent to log in, read anew each time.
        headers: Sent with every request.
        remember: Told what must be masked.
    """

    def __init__(
        self,
        client: httpx2.AsyncClient,
        mount: str,
        credentials: Callable[[], Awaitable[Mapping[str, str]]],
        headers: Mapping[str, str],
        remember: Remember,
    ) -> None:
        self._client = client
        self._path = f"/v1/auth/{mount}/login"
        self._credentials = credentials
        self._headers = headers
        self._remember = remember
        self._token: str | None = None
        self._since = self._until = 0.0
        self._lock = asyncio.Lock()

    async def token(self) -> str:
        """The token of the last login, or of a new one."""
        async with self._lock:  # one login for all that wait
            if self._token is None or time.monotonic() >= self._until:
                self._token = await self._log_in()
            return self._token

    def refused(self) -> bool:
        """Drop the token, unless it was fetched just now."""
        if time.monotonic() - self._since < _YOUNG:
            return False
        self._token = None
        return True

    async def _log_in(self) -> str:
        credentials = await self._credentials()
        reply = await ask(self._client, self._path, headers=self._headers, send=credentials)
        auth = reply.context("auth")
        token, lease = auth.get("client_token"), auth.get("lease_duration")
        if not isinstance(token, str) or not token:
            reason = f"the login at {self._path} was refused ({reply.status}); check role and credentials"
            raise ProviderUnavailableError(reason)
        self._remember(token)
        self._since = time.monotonic()
        # A lease of 0 never ends.
        self._until = self._since + lease * _PART if isinstance(lease, int) and lease else float("inf")
        return token


def open_login(
    settings: VaultSettings, client: httpx2.AsyncClient, headers: Mapping[str, str], remember: Remember
) -> VaultLogin:
    """Choose the way that the settings say."""
    if settings.role_id is not None:
        role_id, secret_id = settings.role_id, settings.secret_id

        async def approle() -> Mapping[str, str]:
            return {"role_id": role_id} | ({"secret_id": secret_id.get_secret_value()} if secret_id else {})

        return RoleLogin(client, settings.approle_mount, approle, headers, remember)
    if settings.kubernetes_role is not None:
        role, file = settings.kubernetes_role, settings.kubernetes_token_file

        async def service_account() -> Mapping[str, str]:
            jwt = await read_token(file, "secrets.vault.kubernetes_token_file")
            remember(jwt)
            return {"role": role, "jwt": jwt}

        return RoleLogin(client, settings.kubernetes_mount, service_account, headers, remember)
    if settings.agent_token_file is not None:
        return TokenFile(settings.agent_token_file, remember)
    return GivenToken(settings.token.get_secret_value() if settings.token else None)


async def read_token(file: Path, setting: str) -> str:
    """Read a token from a file.

    Raises:
        ProviderUnavailableError: It cannot be read, or is empty; the setting is named.
    """
    try:
        token = (await asyncio.to_thread(file.read_text, "ascii")).strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = f"{setting} cannot be read: {getattr(error, 'strerror', None) or 'it holds no token'}"
        raise ProviderUnavailableError(reason) from None
    if not token:
        reason = f"{setting} is empty"
        raise ProviderUnavailableError(reason)
    return token
