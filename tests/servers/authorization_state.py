"""What the tests' authorization server knows: its applications, users and tokens, and how it behaves."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from authlib.oauth2.rfc6749 import ClientMixin, TokenMixin
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc8628 import DeviceCredentialDict
from joserfc import jwt
from joserfc.jwk import ECKey, Key, RSAKey

BY_ASSERTION: str = JWTBearerClientAssertion.CLIENT_AUTH_METHOD

_LOOPBACK = ("localhost", "127.0.0.1", "::1")


@dataclass(slots=True)
class Client(ClientMixin):
    """An application.

    Attributes:
        secret: None for a public one.
        key: Its public key, where it authenticates with assertions, or whose assertions are grants.
        redirects: Where answers may go; on loopback with any port (RFC 8252 section 7.3).
        subjects: The users for whom its assertions are grants.
    """

    id: str
    secret: str | None = None
    key: Key | None = None
    redirects: tuple[str, ...] = ("http://localhost",)
    subjects: tuple[str, ...] = ()
    grants: tuple[str, ...] = (
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "urn:ietf:params:oauth:grant-type:device_code",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
    )

    def get_client_id(self) -> str:
        return self.id

    def get_default_redirect_uri(self) -> str:
        return self.redirects[0]

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return _without_port(redirect_uri) in {_without_port(known) for known in self.redirects}

    def check_client_secret(self, client_secret: str) -> bool:
        return self.secret is not None and secrets.compare_digest(self.secret, client_secret)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        if method == "none":
            return self.secret is None and self.key is None
        by_assertion: bool = method == BY_ASSERTION
        return (self.key is not None) == by_assertion

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type in self.grants


def _without_port(uri: str) -> tuple[str, str | None, int | None, str]:
    parts = urlsplit(uri)
    port = None if parts.hostname in _LOOPBACK else parts.port
    return parts.scheme, parts.hostname, port, parts.path.rstrip("/")


@dataclass(slots=True)
class Code:
    """A consent that waits to be redeemed."""

    client: str
    user: str
    redirect_uri: str
    scope: str
    code_challenge: str
    code_challenge_method: str

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope


@dataclass(slots=True)
class Refresh(TokenMixin):
    """A refresh token; those that descend from one consent are a family."""

    client: str
    user: str
    scope: str
    family: str
    used: bool = False

    def check_client(self, client: Client) -> bool:
        return client.id == self.client

    def get_scope(self) -> str:
        return self.scope


@dataclass(slots=True)
class State:
    """What the server knows and how it behaves; tests change it as they like.

    Attributes:
        lifetime: Seconds that access tokens last.
        rotate: Whether a refresh token is good once.
        skew: Seconds by which the server's clock is ahead of this machine's.
        claims: Put into every access token, over what belongs there.
        size: Octets that access tokens have at least.
        expires_in: Whether answers say how long a token lasts.
        ended: Families that were revoked.
    """

    issuer: str
    audience: str
    key: RSAKey | ECKey
    clients: dict[str, Client] = field(default_factory=dict)
    users: dict[str, str] = field(default_factory=dict)
    scopes: frozenset[str] = frozenset()
    lifetime: float = 3600
    rotate: bool = True
    skew: float = 0
    claims: dict[str, Any] = field(default_factory=dict)
    size: int = 0
    expires_in: bool = True
    codes: dict[str, Code] = field(default_factory=dict)
    refreshes: dict[str, Refresh] = field(default_factory=dict)
    devices: dict[str, DeviceCredentialDict] = field(default_factory=dict)
    decisions: dict[str, tuple[str, bool]] = field(default_factory=dict)
    assertions: set[str] = field(default_factory=set)
    ended: set[str] = field(default_factory=set)

    @property
    def algorithm(self) -> str:
        """How tokens are signed."""
        return "RS256" if isinstance(self.key, RSAKey) else "ES256"

    def now(self) -> float:
        """The present by the server's clock."""
        return time.time() + self.skew

    def sign(self, claims: Mapping[str, Any]) -> str:
        """Sign a token; Dovecot wants its type to be JWT."""
        header = {"alg": self.algorithm, "typ": "JWT", "kid": self.key.kid}
        return jwt.encode(header, dict(claims), self.key)

    def access_token(self, user: str, scope: str = "", **claims: Any) -> str:
        """An access token, padded to the size that is wanted."""
        now = int(self.now())
        content = {
            "iss": self.issuer,
            "aud": self.audience,
            "sub": user,
            "email": user,
            "scope": scope,
            "iat": now,
            "nbf": now,
            "exp": int(now + self.lifetime),
            "jti": secrets.token_hex(8),
            **self.claims,
            **claims,
        }
        token = self.sign(content)
        if len(token) < self.size:
            # Base64 makes four octets of three.
            token = self.sign({**content, "padding": "x" * ((self.size - len(token)) * 3 // 4)})
        return token
