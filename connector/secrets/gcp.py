"""Read secrets from Google Secret Manager over its REST interface.

``google-auth`` finds the worker's credentials and renews the token. The request is made here, because
Google's client library would tie gRPC and protobuf, which the engine's adapter also uses, to its own
versions.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
import ssl
from collections.abc import Callable

import google.auth
import google.auth.exceptions
import google.auth.transport.requests
import requests
from google.auth.credentials import Credentials

from connector.net.http_clients import open_client
from connector.net.outbound import DIRECT, Outbound
from connector.secrets.http import JsonReply, ask
from connector.secrets.port import ProviderUnavailableError, UnusableSecretError, usable
from connector.settings.secrets import GcpSettings

_TOKENS = "https://oauth2.googleapis.com/token"
_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_NOT_IN_NAMES = re.compile(r"[/.]")
_LONGEST = 255  # characters of a name


class GcpSecrets:
    """Looks up ``prefix + name`` with ``-`` for ``/`` and ``.``, not allowed in Secret Manager.

    Args:
        settings: With a project.
        timeout: Seconds for each step of a request.
        remember: Called with the tokens, so that logs mask them.
        credentials: The worker's identity; if None, found by ``google-auth`` at the first look-up.
        way: Which proxy is for which address.
    """

    def __init__(
        self,
        settings: GcpSettings,
        timeout: float,
        remember: Callable[[str], None],
        credentials: Credentials | None = None,
        way: Outbound = DIRECT,
    ) -> None:
        self._settings = settings
        self._remember = remember
        self._credentials = credentials
        self._client = open_client(ssl.create_default_context(), way, timeout, settings.endpoint)
        self._way = way
        self._lock = asyncio.Lock()

    @property
    def place(self) -> str:
        """Name the project."""
        return f"Google Secret Manager, project {self._settings.project}"

    async def get(self, name: str) -> str | None:
        """Return the secret's latest version."""
        secret = _NOT_IN_NAMES.sub("-", self._settings.prefix + name)
        if len(secret) > _LONGEST:
            reason = f"its name has more than {_LONGEST} characters"
            raise UnusableSecretError(reason)
        headers = {"Authorization": f"Bearer {await self._token()}"}
        reply = await ask(self._client, self._path(secret), headers=headers)
        if reply.status == 200:
            return _value(reply)
        if reply.status == 404:
            return None
        if reply.status == 401:
            reason = "the worker's identity is refused (401); check its credentials"
            raise ProviderUnavailableError(reason)
        raise UnusableSecretError(_explanation(reply, secret))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    def _path(self, secret: str) -> str:
        location = f"/locations/{self._settings.location}" if self._settings.location else ""
        return f"/v1/projects/{self._settings.project}{location}/secrets/{secret}/versions/latest:access"

    async def _token(self) -> str:
        async with self._lock:  # one refresh for all waiting requests
            token = await asyncio.to_thread(self._fresh_token)
        self._remember(token)
        return token

    def _fresh_token(self) -> str:
        try:
            request = google.auth.transport.requests.Request(self._session())
            if self._credentials is None:
                self._credentials, _ = google.auth.default(scopes=[_SCOPE], request=request)
            if not self._credentials.valid:
                self._credentials.refresh(request)  # type: ignore[no-untyped-call]
        except google.auth.exceptions.GoogleAuthError:  # its words may quote what was sent
            reason = "it gives no access token; check the worker's credentials and the network"
            raise ProviderUnavailableError(reason) from None
        return str(self._credentials.token)

    def _session(self) -> requests.Session:
        """A session for the library's own requests, which goes the same way as ours."""
        session = requests.Session()
        session.trust_env = False  # its proxies; authorities it may name
        session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or True
        if proxy := self._way.proxy_for(_TOKENS):
            session.proxies = {"https": proxy.with_login}
        return session


def _value(reply: JsonReply) -> str:
    data = reply.context("payload").get("data", "")
    try:
        octets = base64.b64decode(str(data), validate=True)
    except ValueError:
        reason = "its answer is not base64"
        raise ProviderUnavailableError(reason) from None
    return usable(octets, "its value")


def _explanation(reply: JsonReply, secret: str) -> str:
    if reply.status == 403:
        return (
            f"permission denied (403); the worker needs the role Secret Manager Secret Accessor on {secret}"
        )
    return f"it answered {reply.status} for {secret}; its latest version may be disabled or destroyed"
