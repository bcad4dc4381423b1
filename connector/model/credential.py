"""An OAuth credential: on whose behalf tokens are asked for, by which grant, and where."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from pydantic import SecretStr


class Grant(StrEnum):
    """How tokens are obtained (RFC 6749, RFC 8628, RFC 7523)."""

    AUTHORIZATION_CODE = "authorization_code"
    DEVICE_CODE = "device_code"
    CLIENT_CREDENTIALS = "client_credentials"
    JWT_BEARER = "jwt_bearer"

    @property
    def needs_consent(self) -> bool:
        """Whether a person has to consent once; a refresh token serves from then on."""
        return self in {Grant.AUTHORIZATION_CODE, Grant.DEVICE_CODE}


class ClientAuthentication(StrEnum):
    """Where a client secret travels (RFC 6749 section 2.3.1)."""

    POST = "post"
    BASIC = "basic"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """The addresses of a provider.

    Attributes:
        token: Where tokens are asked for.
        authorization: Where a person consents.
        device: Where a device code is asked for.
        revocation: Where a token is given back (RFC 7009).
        admin_consent: Where an administrator consents for everyone.
    """

    token: str
    authorization: str | None = None
    device: str | None = None
    revocation: str | None = None
    admin_consent: str | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """What it takes to get tokens; secrets may still be references.

    Attributes:
        place: Where it is configured, as ``accounts.sales.oauth``; its name in the token store.
        command: What ``smtp-connector authorize`` is told to get a consent; None where none can be got.
        scopes: As the provider knows them, prefix included.
        subject: The user for whom an application asks (JWT bearer).
        extra: Parameters that go into every request.
        parameters: Parameters that go into the request for consent only.
        names: Names of settings that are spelt otherwise at this place, as ``scopes`` is ``scope``.
        unused_days: After how many days without use the provider ends a grant; None where it does not say.
    """

    place: str
    provider: str
    grant: Grant
    endpoints: Endpoints
    client_id: str
    command: str | None = None
    client_secret: SecretStr | None = None
    client_authentication: ClientAuthentication = ClientAuthentication.POST
    certificate: Path | None = None
    certificate_password: SecretStr | None = None
    federated_token_file: Path | None = None
    scopes: tuple[str, ...] = ()
    subject: str | None = None
    redirect_url: str | None = None
    extra: tuple[tuple[str, str], ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    ca_file: Path | None = None
    unused_days: int | None = None
    names: tuple[tuple[str, str], ...] = ()

    def setting(self, key: str) -> str:
        """Name one of its settings in an error."""
        return f"{self.place}.{dict(self.names).get(key, key)}"

    @property
    def fingerprint(self) -> str:
        """Tell tokens of these settings from those of earlier ones; the same after a new client secret."""
        told = (
            self.client_id,
            self.endpoints.token,
            self.grant,
            sorted(self.scopes),
            self.subject,
            self.extra,
        )
        return hashlib.sha256(json.dumps(told).encode()).hexdigest()
