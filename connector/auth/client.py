"""The client of an authorization server: one request for each grant (RFC 6749, 8628, 7523), and revocation.

A credential enters once; for each request what the grant needs enters, and a :class:`Granted` leaves, or a
:class:`~connector.errors.TokenError`. Secrets are looked up for every request, so that a rotated one is used
at once, and go nowhere but into the form.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from pydantic import SecretStr

from connector.auth import refusals
from connector.auth.assertion import JWT_BEARER_GRANT
from connector.auth.endpoint import Answer, EndpointClient, EndpointError
from connector.auth.proof import Proof
from connector.errors import TokenError
from connector.model.credential import Credential, Grant
from connector.secrets.resolve import SecretResolver

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"

_LIFETIME_UNSAID = 300.0  # RFC 6749 section 5.1 only recommends expires_in
_LONGEST_LIFETIME = 7 * 86_400.0
_PERSON = ("preferred_username", "email", "upn")


@dataclass(frozen=True, slots=True)
class Granted:
    """What a token endpoint gave.

    Attributes:
        lifetime: Seconds.
        scopes: As the answer names them, else as they were asked for.
        person: The address of who logged in, where an ID token names it.
    """

    access: SecretStr = field(repr=False)
    lifetime: float
    scopes: tuple[str, ...]
    refresh: SecretStr | None = field(default=None, repr=False)
    person: str | None = None


class OAuthClient:
    """Asks on behalf of one credential.

    Args:
        credential: Its secrets may be references.
        endpoints: Sends the forms.
        secrets: Resolves references; without it, secrets are taken as they are.
        remember: Told every token and secret, so that logs mask it.
    """

    def __init__(
        self,
        credential: Credential,
        endpoints: EndpointClient,
        secrets: SecretResolver | None,
        remember: Callable[[str], None],
    ) -> None:
        self.credential = credential
        self._endpoints = endpoints
        self._proof = Proof(credential, secrets)
        self.remember = remember

    async def certificate_ends(self) -> datetime | None:
        """When the certificate that proves who asks ends; None where there is none.

        Raises:
            ConnectorError: It cannot be read.
        """
        return await self._proof.certificate_ends()

    async def for_itself(self) -> Granted:
        """Ask without a person: by client credentials, or by a signed assertion.

        Raises:
            TokenError: There is none.
        """
        scope = {"scope": " ".join(self.credential.scopes)} if self.credential.scopes else {}
        if self.credential.grant is Grant.JWT_BEARER:
            return await self._ask({"grant_type": JWT_BEARER_GRANT, **scope})
        return await self._ask({"grant_type": "client_credentials", **scope})

    async def refresh(self, token: SecretStr) -> Granted:
        """Ask with a refresh token; the answer may hold another one, which takes its place.

        Raises:
            TokenError: With an :class:`EndpointError` as its cause where no answer came.
        """
        return await self._ask({"grant_type": "refresh_token"}, {"refresh_token": token.get_secret_value()})

    async def redeem(self, code: str, verifier: str, redirect_url: str) -> Granted:
        """Exchange the code of a consent (RFC 7636 section 4.5)."""
        fields = {"grant_type": "authorization_code", "redirect_uri": redirect_url}
        return await self._ask(fields, {"code": code, "code_verifier": verifier})

    async def start_device(self) -> Answer:
        """Ask for a device code (RFC 8628 section 3.1)."""
        url = self.credential.endpoints.device or ""
        return await self._answered(url, {"scope": " ".join(self.credential.scopes)}, {})

    async def poll_device(self, device_code: str) -> Granted:
        """Ask whether the person has consented; until then a TokenError says ``authorization_pending``."""
        return await self._ask({"grant_type": DEVICE_GRANT}, {"device_code": device_code})

    async def revoke(self, token: SecretStr) -> None:
        """Give a refresh token back (RFC 7009)."""
        url = self.credential.endpoints.revocation or ""
        hidden = {"token": token.get_secret_value()}
        try:
            await self._answered(url, {"token_type_hint": "refresh_token"}, hidden)
        except TokenError as error:
            # Section 2.2: the status says all. Keycloak's and oidc-provider's answers are empty.
            if not (isinstance(error.__cause__, EndpointError) and error.__cause__.status == 200):
                raise

    async def _ask(self, fields: Mapping[str, str], hidden: Mapping[str, str] | None = None) -> Granted:
        url = self.credential.endpoints.token
        answer = await self._answered(url, fields, hidden or {})
        return self._granted(url, answer)

    async def _answered(self, url: str, fields: Mapping[str, str], hidden: Mapping[str, str]) -> Answer:
        """Send a form, once more where the reason for a refusal is one that we can mend."""
        answer, sent = await self._sent(url, fields, hidden)
        if answer.text("error") and await self._proof.mended(answer):
            answer, sent = await self._sent(url, fields, hidden)
        if answer.text("error") or answer.status >= 400:
            raise refusals.refused(self.credential, url, answer, sent)
        return answer

    async def _sent(
        self, url: str, fields: Mapping[str, str], hidden: Mapping[str, str]
    ) -> tuple[Answer, list[str]]:
        form, secret = await self._proof.form(url, fields, hidden)
        sent = [*hidden.values(), *secret]
        for value in sent:
            self.remember(value)
        try:
            return await self._endpoints.post(url, form), sent
        except EndpointError as error:
            raise refusals.unanswered(self.credential, url, error) from error

    # --- what came ----------------------------------------------------------------------------------

    def _granted(self, url: str, answer: Answer) -> Granted:
        access, refresh = answer.text("access_token"), answer.text("refresh_token")
        if not access:
            raise refusals.unusable(self.credential, url, f"{answer.status} without an access token")
        kind = answer.body.get("token_type", "bearer")
        if not isinstance(kind, str) or kind.lower() != "bearer":
            raise refusals.unusable(self.credential, url, "with a token that is no bearer token")
        for token in filter(None, (access, refresh, answer.text("id_token"))):
            self.remember(token)
        return Granted(
            SecretStr(access),
            _lifetime(answer.body.get("expires_in")),
            tuple(answer.text("scope").split()) or self.credential.scopes,
            SecretStr(refresh) if refresh else None,
            _person(answer.text("id_token")),
        )


def _lifetime(value: object) -> float:
    """Read ``expires_in``; some servers write it as text."""
    try:
        seconds = float(value) if isinstance(value, int | float | str) else 0.0
    except ValueError:
        seconds = 0.0
    return min(seconds, _LONGEST_LIFETIME) if seconds > 0 else _LIFETIME_UNSAID


def claims_of(token: str) -> Mapping[str, Any]:
    """Read what a token says of itself, unverified; empty where it is none of RFC 7519."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _person(id_token: str) -> str | None:
    """Read who logged in; the token came over TLS from its issuer (OpenID Connect Core section 3.1.3.7)."""
    claims = claims_of(id_token)
    named = (claims.get(name) for name in _PERSON)
    return next(
        (name for name in named if isinstance(name, str) and "@" in name and name.isprintable()), None
    )
