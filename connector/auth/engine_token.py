"""The engine's own credentials as a source of tokens: client credentials, kept in memory.

Not pyzeebe's plugin, which sets no timeout (a token endpoint that hangs would hang every call), fetches a
token for each channel and for each call that waits meanwhile, and whose HTTP library logs the client secret
at debug level.
"""

from __future__ import annotations

import ssl

from pydantic import SecretStr

from connector.auth.client import OAuthClient
from connector.auth.endpoint import EndpointClient
from connector.auth.memory_store import MemoryStore
from connector.auth.source import Tokens
from connector.model.credential import Credential, Endpoints, Grant
from connector.net.outbound import DIRECT, Outbound
from connector.settings.model import EngineSettings

SAAS_TOKEN_URL = "https://login.cloud.camunda.io/oauth/token"  # noqa: S105 - an address, not a secret
SAAS_AUDIENCE = "zeebe.camunda.io"


def engine_credential(settings: EngineSettings) -> Credential:
    """The credential of the engine's settings; on SaaS the endpoint and audience are known."""
    audience = settings.audience or (SAAS_AUDIENCE if settings.cluster_id else None)
    return Credential(
        "engine",
        "camunda",
        Grant.CLIENT_CREDENTIALS,
        Endpoints(settings.oauth_url or SAAS_TOKEN_URL),
        settings.client_id or "",
        client_secret=settings.client_secret,
        scopes=tuple((settings.scope or "").split()),
        extra=(("audience", audience),) if audience else (),
        names=(("scopes", "scope"), ("token_url", "oauth_url")),
    )


class EngineTokens:
    """Tokens of the engine's client; a :class:`~connector.auth.port.TokenSource`.

    Args:
        settings: With client id and secret.
        way: Which proxy is for the token endpoint.

    Raises:
        OSError: ``ca_file`` cannot be read.
    """

    def __init__(self, settings: EngineSettings, way: Outbound = DIRECT) -> None:
        # The gateway may have a private authority while the identity provider is a public one.
        trust = ssl.create_default_context()
        if settings.ca_file:
            trust.load_verify_locations(cafile=settings.ca_file)
        self._endpoints = EndpointClient(trust, way)
        client = OAuthClient(engine_credential(settings), self._endpoints, None, lambda _: None)
        self._tokens = Tokens(client, MemoryStore())

    async def token(self, refused: SecretStr | None = None) -> SecretStr:
        """The current token, or a new one.

        Raises:
            TokenError: The endpoint refuses the credentials, or cannot be reached.
        """
        return await self._tokens.token(refused)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._tokens.aclose()
        await self._endpoints.aclose()
