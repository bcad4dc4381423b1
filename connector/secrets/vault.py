"""Secrets from the KV engine of HashiCorp Vault or OpenBao, over its HTTP interface.

A name enters, the field of a KV secret leaves: ``mail/relay/password`` is the field ``password`` of the
secret ``mail/relay``. By plain HTTP, since two requests (log in, read) are all that is needed, and the client
library for Python would bring a second HTTP stack that blocks.
"""

from __future__ import annotations

from collections.abc import Callable

from connector.secrets.http import JsonReply, ask, open_client
from connector.secrets.port import UnusableSecretError, refuse_detours, text_in
from connector.secrets.vault_login import open_login
from connector.settings.secrets import VaultSettings


class VaultSecrets:
    """Looks up ``path/field`` below ``secrets.vault.path`` in one KV engine, of version 1 or 2.

    Args:
        settings: With an address.
        timeout: Seconds for each step of a request.
        remember: Told the tokens, so that logs mask them.
    """

    def __init__(self, settings: VaultSettings, timeout: float, remember: Callable[[str], None]) -> None:
        if settings.address is None:
            message = "secrets.vault.address is not set"
            raise ValueError(message)
        self._settings = settings
        # Asked for by agents that are set up to refuse requests which a browser was tricked into.
        self._headers = {"X-Vault-Request": "true"}
        if settings.namespace:
            self._headers["X-Vault-Namespace"] = settings.namespace
        for credential in (settings.token, settings.secret_id):
            if credential is not None:
                remember(credential.get_secret_value())
        self._client = open_client(settings.address, timeout, settings.ca_file)
        self._login = open_login(settings, self._client, self._headers, remember)

    @property
    def place(self) -> str:
        """Which Vault, and where in it."""
        below = f"/{self._settings.path}" if self._settings.path else ""
        return f"Vault at {self._settings.address}, {self._settings.mount}{below}"

    async def get(self, name: str) -> str | None:
        """Return the field of the secret's latest version."""
        refuse_detours(name)
        path, _, field = f"{self._settings.path}/{name}".strip("/").rpartition("/")
        if not path:  # a field of no secret
            return None
        reply = await self._read(path)
        if reply.status == 200:
            return self._field(reply, path, field)
        if reply.status == 404 and not reply.body.get("errors") and not reply.body.get("warnings"):
            return None  # also what was deleted or destroyed
        raise UnusableSecretError(self._explanation(reply, path))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def _read(self, path: str) -> JsonReply:
        reply = await self._read_once(path)
        if reply.status == 403 and self._login.refused():
            reply = await self._read_once(path)
        return reply

    async def _read_once(self, path: str) -> JsonReply:
        token = await self._login.token()
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
            return f"permission denied (403); its token may have ended, or no policy grants read on {where}"
        if reply.status == 404:  # "no handler for route", "Invalid path for a versioned K/V secrets engine"
            return f"no KV engine answers at {where} (404); check secrets.vault.mount and kv_version"
        return f"it answered {reply.status} to {where}; check secrets.vault.mount and namespace"
