"""Access tokens for an engine by the client-credentials grant (RFC 6749 section 4.4).

Settings enter; tokens leave. Not pyzeebe's plugin, which sets no timeout (a token endpoint that hangs would
hang every call), fetches a token for each channel and for each call that waits meanwhile, and whose HTTP
library logs the client secret at debug level.
"""

from __future__ import annotations

import asyncio
import ssl
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx2

from connector.auth.port import TokenError
from connector.settings.model import EngineSettings

SAAS_TOKEN_URL = "https://login.cloud.camunda.io/oauth/token"  # noqa: S105 - an address, not a secret
SAAS_AUDIENCE = "zeebe.camunda.io"

# gRPC passes on only the text of a failed token, in the details of an UNAVAILABLE; its adapter reads it.
DENIED_MARK = "the token endpoint refused"

_TIMEOUT = 10.0
_LEEWAY = 60.0
_LIFETIME_UNSAID = 300.0  # RFC 6749 section 5.1 only recommends expires_in
# A failure is remembered so long: many calls wait for one token, and the endpoint may lock us out.
_REMEMBER_REFUSAL, _REMEMBER_ABSENCE = 5.0, 1.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class EngineTokens:
    """Tokens of the engine's client, fetched when needed; a :class:`~connector.auth.port.TokenSource`.

    Args:
        settings: With client id, secret and token endpoint; on SaaS the endpoint and audience are known.

    Raises:
        OSError: ``ca_file`` cannot be read.
    """

    def __init__(self, settings: EngineSettings) -> None:
        assert settings.client_secret is not None  # noqa: S101 - the settings validate that both are there
        self._url = settings.oauth_url or SAAS_TOKEN_URL
        self._form = {
            "grant_type": "client_credentials",
            "client_id": settings.client_id or "",
            "client_secret": settings.client_secret.get_secret_value(),
        }
        if audience := settings.audience or (SAAS_AUDIENCE if settings.cluster_id else None):
            self._form["audience"] = audience
        if settings.scope:
            self._form["scope"] = settings.scope
        # The gateway may have a private authority while the identity provider is a public one.
        self._trust = ssl.create_default_context()
        if settings.ca_file:
            self._trust.load_verify_locations(cafile=settings.ca_file)
        self._fetching = asyncio.Lock()
        self._token: str | None = None
        self._refused: str | None = None
        self._failure: TokenError | None = None
        self._until = 0.0

    async def token(self) -> str:
        """The current token, or a new one.

        Raises:
            TokenError: The endpoint refuses the credentials, or cannot be reached.
        """
        async with self._fetching:
            # Compared by identity: an endpoint may give out the same token again, for as long as it lasts.
            if monotonic() >= self._until or (self._token is not None and self._token is self._refused):
                await self._fetch()
            if self._token is None:
                raise self._failure or TokenError("no token")
            return self._token

    def forget(self) -> None:
        """Fetch a new token for the next call; one that is being fetched just now is new, and stays."""
        self._refused = self._token

    async def _fetch(self) -> None:
        try:
            answer = await self._ask()
            self._token = str(answer["access_token"])
            lifetime = float(answer.get("expires_in") or _LIFETIME_UNSAID)
            self._until = monotonic() + max(lifetime - _LEEWAY, lifetime / 2)
        except _RefusedError as error:
            self._fail(f"{DENIED_MARK} the client credentials: {error}", _REMEMBER_REFUSAL)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            self._fail(f"the token endpoint {self._url} cannot be reached: {reason}", _REMEMBER_ABSENCE)
        except (KeyError, TypeError, ValueError):
            self._fail(f"{self._url} did not answer with a token: check engine.oauth_url", _REMEMBER_ABSENCE)

    def _fail(self, message: str, remember: float) -> None:
        self._token, self._failure = None, TokenError(message)
        self._until = monotonic() + remember

    async def _ask(self) -> dict[str, Any]:
        parts = urlsplit(self._url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise _RefusedError("it would travel in clear; engine.oauth_url must start with https://")
        async with httpx2.AsyncClient(timeout=_TIMEOUT, verify=self._trust) as client:
            reply = await client.post(self._url, data=self._form)
        if 400 <= reply.status_code < 500 and reply.status_code != 429:
            raise _RefusedError(_words_of(reply))
        reply.raise_for_status()
        answer = reply.json()
        if not isinstance(answer, dict):
            raise TypeError
        return answer


class _RefusedError(Exception):
    """The endpoint will not give a token for these credentials."""


def _words_of(reply: httpx2.Response) -> str:
    """The error of RFC 6749 section 5.2, and what to check."""
    try:
        error = str(reply.json()["error"])[:100]
    except (KeyError, TypeError, ValueError):
        error = ""
    said = f"{reply.status_code} {error}".rstrip()
    return f"{said}; check engine.client_id, client_secret, oauth_url, audience and scope"
