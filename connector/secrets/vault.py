"""Read secrets from the KV engine of HashiCorp Vault or OpenBao over its HTTP interface.

The name ``mail/relay/password`` is the field ``password`` of the secret ``mail/relay``. Two requests suffice
(log in, read), so no client library is used; it would bring a second, blocking HTTP library.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx2

from connector.net.http_clients import open_client
from connector.net.outbound import DIRECT, Outbound
from connector.secrets.http import JsonReply, ask
from connector.secrets.port import ProviderUnavailableError, UnusableSecretError, refuse_detours, text_in
from connector.settings.secrets import VaultSettings

# A token that is refused this soon after the login was not revoked; its policy does not permit the path.
_YOUNG = 10.0  # seconds
# The fraction of a lease after which a new token is fetched.
_PART = 2 / 3


class VaultSecrets:
    """Looks up ``path/field`` below ``secrets.vault.path`` in one KV engine, of version 1 or 2.

    Args:
        settings: With an address.
        timeout: Seconds for each step of a request.
        remember: Called with the tokens, so that logs mask them.
    """

    def __init__(
        self,
        settings: VaultSettings,
        timeout: float,
        remember: Callable[[str], None],
        way: Outbound = DIRECT,
    ) -> None:
        if settings.address is None:
            message = "secrets.vault.address is not set"
            raise ValueError(message)
        self._settings = settings
        # Agents can require it as a protection against requests forged in a browser.
        self._headers = {"X-Vault-Request": "true"}
        if settings.namespace:
            self._headers["X-Vault-Namespace"] = settings.namespace
        for credential in (settings.token, settings.secret_id):
            if credential is not None:
                remember(credential.get_secret_value())
        trust = ssl.create_default_context(cafile=settings.ca_file)
        self._client = open_client(trust, way, timeout, settings.address)
        self._tokens = _Tokens(settings, self._client, self._headers, remember)

    @property
    def place(self) -> str:
        """Name the address, the mount and the path."""
        below = f"/{self._settings.path}" if self._settings.path else ""
        return f"Vault at {self._settings.address}, {self._settings.mount}{below}"

    async def get(self, name: str) -> str | None:
        """Return the field of the secret's latest version."""
        refuse_detours(name)
        path, _, field = f"{self._settings.path}/{name}".strip("/").rpartition("/")
        if not path:  # a field without a secret
            return None
        reply = await self._read(path)
        if reply.status == 200:
            return self._field(reply, path, field)
        if reply.status == 404 and not reply.body.get("errors") and not reply.body.get("warnings"):
            return None  # never written, deleted or destroyed
        raise UnusableSecretError(self._explanation(reply, path))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _read(self, path: str) -> JsonReply:
        reply = await self._read_once(path)
        if reply.status == 403 and self._tokens.drop():
            reply = await self._read_once(path)
        return reply

    async def _read_once(self, path: str) -> JsonReply:
        token = await self._tokens.get()
        headers = {**self._headers, "X-Vault-Token": token} if token else self._headers
        return await ask(self._client, f"/v1/{self._api_path(path)}", headers=headers)

    def _api_path(self, path: str) -> str:
        data = "data/" if self._settings.kv_version == 2 else ""
        return f"{self._settings.mount}/{data}{path}"

    def _field(self, reply: JsonReply, path: str, field: str) -> str | None:
        data = reply.context("data", "data") if self._settings.kv_version == 2 else reply.context("data")
        return text_in(data, field, f"the field {field} of {path}")

    def _explanation(self, reply: JsonReply, path: str) -> str:
        where = self._api_path(path)
        if reply.status == 403:
            return f"permission denied (403); its token may have expired, or no policy grants read on {where}"
        if reply.status == 404:  # "no handler for route", "Invalid path for a versioned K/V secrets engine"
            return f"no KV engine answers at {where} (404); check secrets.vault.mount and kv_version"
        return f"it answered {reply.status} to {where}; check secrets.vault.mount and namespace"


class _Tokens:
    """Gives the token for each request: from the settings, an agent's file or a login.

    All requests share the token of a login; it is renewed before it expires.
    """

    def __init__(
        self,
        settings: VaultSettings,
        client: httpx2.AsyncClient,
        headers: Mapping[str, str],
        remember: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._client = client
        self._headers = headers
        self._remember = remember
        self._token: str | None = None
        self._since = self._until = 0.0
        self._lock = asyncio.Lock()

    async def get(self) -> str | None:
        """Return the token for a request; None if an agent adds it.

        Raises:
            ProviderUnavailableError: There is no token.
        """
        settings = self._settings
        if settings.agent_token_file is not None:
            return await self._from_file(settings.agent_token_file, "secrets.vault.agent_token_file")
        if not self._logs_in:
            return settings.token.get_secret_value() if settings.token else None
        async with self._lock:  # one login for all waiting requests
            if self._token is None or time.monotonic() >= self._until:
                self._token = await self._log_in()
            return self._token

    def drop(self) -> bool:
        """Drop a token that Vault refused; return whether to try a new one."""
        if not self._logs_in or time.monotonic() - self._since < _YOUNG:
            return False
        self._token = None
        return True

    @property
    def _logs_in(self) -> bool:
        return self._settings.role_id is not None or self._settings.kubernetes_role is not None

    async def _log_in(self) -> str:
        path, credentials = await self._login()
        reply = await ask(self._client, path, headers=self._headers, send=credentials)
        auth = reply.context("auth")
        token, lease = auth.get("client_token"), auth.get("lease_duration")
        if not isinstance(token, str) or not token:
            reason = f"the login at {path} was refused ({reply.status}); check role and credentials"
            raise ProviderUnavailableError(reason)
        self._remember(token)
        self._since = time.monotonic()
        # A lease of 0 never expires.
        self._until = self._since + lease * _PART if isinstance(lease, int) and lease else float("inf")
        return token

    async def _login(self) -> tuple[str, dict[str, str]]:
        """Return the path and the body of a login by AppRole or Kubernetes."""
        settings = self._settings
        if settings.role_id is not None:
            body = {"role_id": settings.role_id}
            if settings.secret_id is not None:
                body["secret_id"] = settings.secret_id.get_secret_value()
            return f"/v1/auth/{settings.approle_mount}/login", body
        jwt = await self._from_file(settings.kubernetes_token_file, "secrets.vault.kubernetes_token_file")
        return f"/v1/auth/{settings.kubernetes_mount}/login", {
            "role": settings.kubernetes_role or "",
            "jwt": jwt,
        }

    async def _from_file(self, file: Path, setting: str) -> str:
        """Read a token, which an agent or Kubernetes may have replaced."""
        try:
            token = (await asyncio.to_thread(file.read_text, "ascii")).strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = f"{setting} cannot be read: {getattr(error, 'strerror', None) or 'it contains no token'}"
            raise ProviderUnavailableError(reason) from None
        if not token:
            reason = f"{setting} is empty"
            raise ProviderUnavailableError(reason)
        self._remember(token)
        return token
