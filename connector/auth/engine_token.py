"""Access tokens for the gateway by the client-credentials grant (RFC 6749 section 4.4).

Settings enter; the ``authorization`` metadata of each gRPC call leaves. Not pyzeebe's plugin, which sets
no timeout (a token endpoint that hangs would hang every call), fetches a token for each channel and for
each call that waits meanwhile, and whose HTTP library logs the client secret at debug level.
"""

from __future__ import annotations

import ssl
import threading
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import grpc
import httpx2

from connector.settings.model import EngineSettings

SAAS_TOKEN_URL = "https://login.cloud.camunda.io/oauth/token"  # noqa: S105 - an address, not a secret
SAAS_AUDIENCE = "zeebe.camunda.io"

# gRPC passes on only the text of a failed token, in the details of an UNAVAILABLE; ``grpc_status`` reads it.
DENIED_MARK = "the token endpoint refused"

_TIMEOUT = 10.0
_LEEWAY = 60.0
_LIFETIME_UNSAID = 300.0  # RFC 6749 section 5.1 only recommends expires_in
# A failure is remembered so long: many calls wait for one token, and the endpoint may lock us out.
_REMEMBER_REFUSAL, _REMEMBER_ABSENCE = 5.0, 1.0
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


class TokenError(Exception):
    """There is no token; the text says why and what to change, and shows in the gRPC error."""


class TokenSource(grpc.AuthMetadataPlugin):
    """Puts an access token on each call, fetched when needed and shared by all channels.

    gRPC calls it in threads of its own.

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
        self._lock = threading.Lock()
        self._token: str | None = None
        self._refused: str | None = None
        self._failure: TokenError | None = None
        self._until = 0.0

    def __call__(self, context: grpc.AuthMetadataContext, callback: grpc.AuthMetadataPluginCallback) -> None:
        """Answer gRPC, which waits for the metadata of one call."""
        del context  # every call goes to the same gateway
        try:
            metadata = (("authorization", f"Bearer {self.token()}"),)
        except TokenError as error:
            callback((), error)
        else:
            callback(metadata, None)

    def token(self) -> str:
        """The current token, or a new one.

        Raises:
            TokenError: The endpoint refuses the credentials, or cannot be reached.
        """
        with self._lock:
            # Compared by identity: an endpoint may give out the same token again, for as long as it lasts.
            if monotonic() >= self._until or (self._token is not None and self._token is self._refused):
                self._fetch()
            if self._token is None:
                raise self._failure or TokenError("no token")
            return self._token

    def forget(self) -> None:
        """Fetch a new token for the next call: the gateway did not take this one.

        Called on the event loop, so it must not wait for the lock: another thread holds it while it talks to
        the token endpoint. What that thread brings is a new token, and stays.
        """
        self._refused = self._token

    def _fetch(self) -> None:
        try:
            answer = self._ask()
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

    def _ask(self) -> dict[str, Any]:
        parts = urlsplit(self._url)
        if parts.scheme != "https" and parts.hostname not in _LOOPBACK:
            raise _RefusedError("it would travel in clear; engine.oauth_url must start with https://")
        reply = httpx2.post(self._url, data=self._form, timeout=_TIMEOUT, verify=self._trust)
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
