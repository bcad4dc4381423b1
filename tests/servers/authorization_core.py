"""The grants of the tests' authorization server, on Authlib's core; :mod:`authorization` serves them.

Authlib decides what a request is worth. Here is what a deployment adds: who the clients and users are, signed
tokens, rotation, and that a refresh token which comes twice ends all that descend from one consent.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from typing import Any

from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request, errors, grants
from authlib.oauth2.rfc6749.requests import BasicOAuth2Payload
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion, JWTBearerGrant
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc8628 import DeviceAuthorizationEndpoint, DeviceCodeGrant, DeviceCredentialDict
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, RSAKey

from tests.servers.authorization_state import BY_ASSERTION, Client, Code, Refresh, State

_METHODS = ["client_secret_basic", "client_secret_post", BY_ASSERTION, "none"]
# What ``google-auth`` and Google's documentation put into an assertion, whatever the token endpoint is.
GOOGLE_AUDIENCE = "https://oauth2.googleapis.com/token"


class Request(OAuth2Request):
    """One HTTP request as Authlib wants it."""

    def __init__(self, method: str, url: str, values: Mapping[str, str], headers: Mapping[str, str]) -> None:
        # Authlib insists on TLS, which a server on loopback does not have.
        super().__init__(method, url.replace("http://", "https://", 1), headers=dict(headers))
        self._values = dict(values)
        self.payload = BasicOAuth2Payload(self._values)

    @property
    def args(self) -> dict[str, str]:
        return self._values

    @property
    def form(self) -> dict[str, str]:
        return self._values


Answer = tuple[int, Any, list[tuple[str, str]]]


class Core(AuthorizationServer):
    """Authlib's server with our state."""

    def __init__(self, state: State, base: str) -> None:
        super().__init__()
        self.state = state
        self.base = base
        self.register_token_generator("default", self._generate)
        self.register_client_auth_method(BY_ASSERTION, _Assertion(self))
        self.register_grant(_CodeGrant, [CodeChallenge(required=True)])
        for grant in (_ClientCredentials, _Refresh, _Device, _JwtBearer):
            self.register_grant(grant)
        self.register_endpoint(_DeviceEndpoint)
        self.register_endpoint(_Revocation)

    def query_client(self, client_id: str) -> Client | None:
        return self.state.clients.get(client_id)

    def save_token(self, token: Any, request: Any) -> None:
        """Refresh tokens are kept where they are made; access tokens are not kept."""

    def send_signal(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Nothing listens."""

    def create_oauth2_request(self, request: Request) -> Request:
        return request

    def handle_response(self, status: int, body: Any, headers: list[tuple[str, str]]) -> Answer:
        return status, body, headers

    def validate_requested_scope(self, scope: str | None) -> None:
        unknown = set((scope or "").split()) - self.state.scopes
        if self.state.scopes and unknown:
            raise errors.InvalidScopeError(f"Unknown: {' '.join(sorted(unknown))}")

    def _generate(  # noqa: PLR0917 - Authlib's signature
        self,
        grant_type: str,
        client: Client,
        user: str | None = None,
        scope: str | None = None,
        expires_in: int | None = None,
        include_refresh_token: bool = True,
    ) -> dict[str, Any]:
        state, who = self.state, user or client.id
        token: dict[str, Any] = {
            "token_type": "Bearer",
            "access_token": state.access_token(who, scope or ""),
        }
        if state.expires_in:
            token["expires_in"] = int(state.lifetime)
        if scope:
            token["scope"] = scope
        if include_refresh_token:
            token["refresh_token"] = self.new_refresh(client.id, who, scope or "")
        if "openid" in (scope or "").split():
            claims = {"iss": state.issuer, "aud": client.id, "sub": who, "email": who}
            token["id_token"] = state.sign({**claims, "preferred_username": who})
        return token

    def new_refresh(self, client: str, user: str, scope: str, family: str | None = None) -> str:
        """Make a refresh token, of a new family unless one is named."""
        token = f"refresh-{secrets.token_urlsafe(32)}"
        self.state.refreshes[token] = Refresh(client, user, scope, family or secrets.token_hex(8))
        return token


class _Assertion(JWTBearerClientAssertion):
    """Clients that authenticate with a signed assertion (RFC 7523 section 2.2)."""

    def __init__(self, core: Core) -> None:
        super().__init__()
        self._core = core

    def get_audiences(self) -> list[str]:
        return [f"{self._core.base}/token"]

    def resolve_client_public_key(self, client: Client) -> Key:
        return client.key or RSAKey.generate_key(2048)

    def process_assertion_claims(self, assertion: str, resolve_key: Key) -> Any:
        try:
            claims = jwt.decode(assertion, resolve_key, algorithms=["RS256", "PS256", "ES256"]).claims
        except JoseError as fault:
            raise errors.InvalidClientError(description=str(fault)) from fault
        self.verify_claims(claims)
        return claims

    def validate_jti(self, claims: Any, jti: str) -> bool:
        fresh = jti not in self._core.state.assertions
        self._core.state.assertions.add(jti)
        return fresh

    def verify_claims(self, claims: Any) -> None:
        _check_times(self._core.state, claims, errors.InvalidClientError)
        wanted = {"aud": {"essential": True, "values": self.get_audiences()}, "sub": {"essential": True}}
        _check(claims, wanted, errors.InvalidClientError)
        if claims["sub"] != claims.get("iss"):
            raise errors.InvalidClientError(description="Issuer and Subject MUST match.")
        if not self.validate_jti(claims, claims.get("jti", "")):
            raise errors.InvalidClientError(description="JWT ID is used before.")


class _CodeGrant(grants.AuthorizationCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = _METHODS

    def save_authorization_code(self, code: str, request: Request) -> None:
        data = request.payload.data
        self.server.state.codes[code] = Code(
            request.client.id,
            request.user,
            data.get("redirect_uri", ""),
            data.get("scope", ""),
            data.get("code_challenge", ""),
            data.get("code_challenge_method", "plain"),
        )

    def query_authorization_code(self, code: str, client: Client) -> Code | None:
        found = self.server.state.codes.get(code)
        return found if isinstance(found, Code) and found.client == client.id else None

    def delete_authorization_code(self, authorization_code: Code) -> None:
        codes = self.server.state.codes
        for code in [code for code, kept in codes.items() if kept is authorization_code]:
            del codes[code]

    def authenticate_user(self, authorization_code: Code) -> str:
        return authorization_code.user


class _ClientCredentials(grants.ClientCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = _METHODS


class _Refresh(grants.RefreshTokenGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = _METHODS

    def authenticate_refresh_token(self, refresh_token: str) -> Refresh | None:
        state: State = self.server.state
        found = state.refreshes.get(refresh_token)
        if found is None or found.family in state.ended:
            return None
        if found.used:  # stolen, or used by two at a time: neither may go on
            state.ended.add(found.family)
            return None
        return found

    def authenticate_user(self, refresh_token: Refresh) -> str:
        return refresh_token.user

    def issue_token(self, user: str, refresh_token: Refresh) -> dict[str, Any]:
        scope = self.request.payload.scope or refresh_token.scope
        token: dict[str, Any] = self.generate_token(user=user, scope=scope, include_refresh_token=False)
        if self.server.state.rotate:
            client, family = refresh_token.client, refresh_token.family
            token["refresh_token"] = self.server.new_refresh(client, user, refresh_token.scope, family)
        return token

    def revoke_old_credential(self, refresh_token: Refresh) -> None:
        refresh_token.used = self.server.state.rotate


class _Device(DeviceCodeGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = _METHODS

    def query_device_credential(self, device_code: str) -> DeviceCredentialDict | None:
        return self.server.state.devices.get(device_code)

    def query_user_grant(self, user_code: str) -> tuple[str, bool] | None:
        state: State = self.server.state
        return state.decisions.get(user_code)

    def should_slow_down(self, credential: DeviceCredentialDict) -> bool:
        return bool(credential.pop("impatient", False))


class _DeviceEndpoint(DeviceAuthorizationEndpoint):
    CLIENT_AUTH_METHODS = _METHODS
    INTERVAL = 1

    def get_verification_uri(self) -> str:
        return f"{self.server.base}/device"

    def save_device_credential(self, client_id: str, scope: str, data: dict[str, Any]) -> None:
        credential = DeviceCredentialDict(data, client_id=client_id, scope=scope)
        credential["expires_at"] = time.time() + data["expires_in"]
        self.server.state.devices[data["device_code"]] = credential


class _JwtBearer(JWTBearerGrant):
    def verify_claims(self, claims: Any) -> None:
        _check_times(self.server.state, claims, errors.InvalidGrantError)
        wanted = {"aud": {"essential": True, "values": [f"{self.server.base}/token", GOOGLE_AUDIENCE]}}
        _check(claims, wanted, errors.InvalidGrantError)
        self.request.payload.data.setdefault("scope", claims.get("scope", ""))

    def resolve_issuer_client(self, issuer: str) -> Client | None:
        core: Core = self.server
        return core.query_client(issuer)

    def resolve_client_public_key(self, client: Client) -> Key:
        return client.key or RSAKey.generate_key(2048)

    def authenticate_user(self, subject: str) -> str | None:
        return subject if subject in self.server.state.users else None

    def has_granted_permission(self, client: Client, user: str) -> bool:
        return user in client.subjects


class _Revocation(RevocationEndpoint):
    CLIENT_AUTH_METHODS = _METHODS

    def query_token(self, token_string: str, token_type_hint: str | None) -> Refresh | None:
        state: State = self.server.state
        return state.refreshes.get(token_string)

    def revoke_token(self, token: Refresh, request: Request) -> None:
        self.server.state.ended.add(token.family)


def _check_times(state: State, claims: Any, error: type[Exception]) -> None:
    """Hold an assertion against the server's clock, without any leeway but five seconds."""
    _check(claims, {"exp": {"essential": True}}, error, now=int(state.now()))


def _check(claims: Any, wanted: Any, error: Any, now: int | None = None) -> None:
    # Without a clock of its own a registry takes this machine's; then the times are none of its business.
    timeless = (
        claims if now is not None else {k: v for k, v in claims.items() if k not in {"exp", "iat", "nbf"}}
    )
    try:
        jwt.JWTClaimsRegistry(now=now, leeway=5, **wanted).validate(timeless)
    except JoseError as fault:
        raise error(description=str(fault)) from fault
