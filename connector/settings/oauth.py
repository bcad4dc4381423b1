"""What an operator may say about an OAuth credential: the provider, the grant, and who asks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, WithJsonSchema, model_validator

from connector.model.credential import ClientAuthentication, Credential, Endpoints, Grant
from connector.model.hosts import is_protected
from connector.settings.providers import (
    ANY_TENANT,
    CLOUDS,
    GOOGLE,
    GOOGLE_PARAMETERS,
    UNUSED_DAYS,
    Cloud,
    CloudName,
    ProviderName,
    Service,
    google_scopes,
    microsoft_scope_faults,
    microsoft_scopes,
    microsoft_service_fault,
)
from connector.settings.values import ReadableFile, Section, form, from_json, text_schema

_DAY = r"\d{4}-\d{2}-\d{2}"
_TENANT = r"[A-Za-z0-9][A-Za-z0-9.-]*"
# What the protocol itself says; extra must not say it again.
_PROTOCOL = frozenset(
    {
        *("grant_type", "client_id", "client_secret", "client_assertion", "client_assertion_type", "scope"),
        *("code", "code_verifier", "code_challenge", "code_challenge_method", "redirect_uri", "state"),
        *("response_type", "refresh_token", "device_code", "assertion", "token"),
    }
)


def _provider_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"https", "http"} or not parts.hostname or parts.fragment:
        raise ValueError("expected a URL, as https://login.example.com/oauth2/token")
    if "@" in parts.netloc:
        raise ValueError("must not contain a user name or password")
    if not is_protected(url):
        raise ValueError("credentials would travel in clear: it must start with https://")
    return url


def _day(given: object) -> object:
    # YAML reads a date as one.
    if isinstance(given, date) or (isinstance(given, str) and re.fullmatch(_DAY, given)):
        return given
    raise ValueError("expected a date, as 2027-01-31")


def _scopes(given: object) -> object:
    """Take a list, or a text with blanks or commas."""
    items = [given] if isinstance(given, str) else given
    if not isinstance(items, list | tuple):
        return given
    return [
        scope
        for item in items
        for scope in (re.split(r"[\s,]+", item) if isinstance(item, str) else [item])
        if scope
    ]


def _extra(given: object) -> dict[str, str]:
    given = from_json(given)
    if not isinstance(given, dict):
        # ValueError, as pydantic reports only that one.
        raise ValueError("expected parameters with values, as {audience: https://api.example.com}")  # noqa: TRY004
    for name in given:
        if name in _PROTOCOL:
            raise ValueError(
                f"{name} is a parameter of the protocol, which has a setting of its own or needs none"
            )
    return {str(name): str(value) for name, value in given.items()}


ProviderUrl = Annotated[str, AfterValidator(_provider_url), text_schema(r"https?://\S+")]
Tenant = Annotated[
    str, form(_TENANT, "a tenant's id or domain, as contoso.onmicrosoft.com"), text_schema(_TENANT)
]
Day = Annotated[date, BeforeValidator(_day), text_schema(_DAY)]
Scopes = Annotated[
    tuple[str, ...],
    BeforeValidator(_scopes),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]
Extra = Annotated[
    dict[str, str],
    BeforeValidator(_extra),
    WithJsonSchema({"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}),
]


class CredentialSettings(Section):
    """OAuth credentials: one grant, for one account or several."""

    provider: ProviderName = Field(
        "custom", description="`microsoft` or `google`, whose addresses and scopes are known; or `custom`."
    )
    cloud: CloudName = Field(
        "global", description="Microsoft's cloud: `global`, `us-gov` (GCC High), `us-dod` or `china`."
    )
    tenant: Tenant | None = Field(
        None, description="Microsoft's tenant: its id or a domain of it, as contoso.onmicrosoft.com."
    )
    grant: Grant | None = Field(
        None,
        description=(
            "`authorization_code` or `device_code`: a person consents once; `client_credentials`: the "
            "application itself; `jwt_bearer`: a service account, for the user in subject."
        ),
    )
    client_id: str | None = Field(None, description="The application's id.")
    client_secret: SecretStr | None = Field(
        None, description="Its secret, or secrets.NAME, which is looked up for every request."
    )
    client_authentication: ClientAuthentication = Field(
        ClientAuthentication.POST, description="Send the secret in the form (`post`) or by HTTP `basic`."
    )
    client_secret_expires: Day | None = Field(
        None, description="When the secret ends, as 2027-01-31: a warning is logged ahead of it."
    )
    certificate: ReadableFile | None = Field(
        None,
        description=(
            "In place of a secret: the key with its certificate (PEM or PKCS#12), or the JSON key of a "
            "service account of Google's; read for every request."
        ),
    )
    certificate_password: SecretStr | None = Field(
        None, description="Passphrase of that file, or secrets.NAME."
    )
    federated_token_file: Path | None = Field(
        None,
        description="In place of a secret: the token that a platform writes, such as Kubernetes for a pod.",
    )
    scopes: Scopes = Field(
        (),
        description=(
            "What is asked for, as a list or with blanks; Microsoft's without their prefix, as SMTP.Send. "
            "Default: what the account's transport needs."
        ),
    )
    subject: str | None = Field(None, description="With `jwt_bearer`: the user whose mailbox it is.")
    authorization_url: ProviderUrl | None = Field(
        None, description="Where a person consents. Default: the provider's."
    )
    token_url: ProviderUrl | None = Field(
        None, description="Where tokens are asked for. Default: the provider's."
    )
    device_url: ProviderUrl | None = Field(
        None, description="Where a device code is asked for. Default: the provider's."
    )
    revocation_url: ProviderUrl | None = Field(
        None, description="Where a grant is given back. Default: the provider's."
    )
    redirect_url: ProviderUrl | None = Field(
        None,
        description=(
            "Where a consent comes back, as registered at the provider. Default: http://localhost, with a "
            "free port."
        ),
    )
    extra: Extra = Field(
        default_factory=dict,
        description="Further parameters of every request, as {audience: …}. In the environment as JSON.",
    )
    ca_file: ReadableFile | None = Field(
        None, description="PEM bundle of the authorities to trust at the provider instead of the system's."
    )

    @model_validator(mode="after")
    def _complete(self) -> CredentialSettings:
        if faults := list(self._faults()):
            raise ValueError("\n".join(faults))
        return self

    def _faults(self) -> Iterator[str]:
        if self.grant is None:
            yield "needs grant: authorization_code, device_code, client_credentials or jwt_bearer"
            return
        yield from self._provider_faults(self.grant)
        yield from self._proof_faults(self.grant)
        if self.subject and self.grant is not Grant.JWT_BEARER:
            yield "subject is for grant jwt_bearer"
        if self.redirect_url and self.grant is not Grant.AUTHORIZATION_CODE:
            yield "redirect_url is for grant authorization_code"

    def _provider_faults(self, grant: Grant) -> Iterator[str]:
        if self.provider == "microsoft":
            yield from self._microsoft_faults(grant)
            return
        for key, value in (("tenant", self.tenant), ("cloud", self.cloud != "global")):
            if value:
                yield f"{key} is for provider microsoft"
        if self.provider == "google" and grant is Grant.DEVICE_CODE:
            yield "Google's device flow does not give access to mail: use authorization_code"
        if self.provider == "google" and grant is Grant.CLIENT_CREDENTIALS:
            yield "Google knows no client_credentials: use jwt_bearer with a service account"
        addresses = self.endpoints
        if not addresses.token:
            yield "needs token_url"
        if grant is Grant.AUTHORIZATION_CODE and not addresses.authorization:
            yield "needs authorization_url"
        if grant is Grant.DEVICE_CODE and not addresses.device:
            yield "needs device_url"

    def _microsoft_faults(self, grant: Grant) -> Iterator[str]:
        if self.tenant is None:
            yield "needs tenant: its id, or a domain of it"
        elif self.tenant in ANY_TENANT and not grant.needs_consent:
            yield f"tenant {self.tenant} is for persons: an application needs its own tenant"
        if grant is Grant.JWT_BEARER:
            yield "Microsoft knows no jwt_bearer for mail: use client_credentials"
        for fault in microsoft_scope_faults(self.scopes, self._cloud, grant):
            yield f"scopes: {fault}"

    def _proof_faults(self, grant: Grant) -> Iterator[str]:
        proofs = [
            name
            for name in ("client_secret", "certificate", "federated_token_file")
            if getattr(self, name) is not None
        ]
        if len(proofs) > 1:
            yield f"{' and '.join(proofs)} are different ways to prove who asks: keep one of them"
        if grant is Grant.CLIENT_CREDENTIALS and not proofs:
            yield "client_credentials needs client_secret, certificate or federated_token_file"
        if grant is Grant.JWT_BEARER and proofs != ["certificate"]:
            yield "jwt_bearer needs certificate, the service account's key, and nothing else of that kind"
        if grant is Grant.JWT_BEARER and self.provider == "google" and not self.subject:
            yield "jwt_bearer needs subject, the user for whom the service account asks"
        if self.client_id is None and not (grant is Grant.JWT_BEARER and self.provider == "google"):
            yield "needs client_id"
        if self.client_secret_expires and not self.client_secret:
            yield "client_secret_expires is there without client_secret"
        if self.certificate_password and not self.certificate:
            yield "certificate_password is there without certificate"

    @property
    def _cloud(self) -> Cloud:
        return CLOUDS[self.cloud]

    @property
    def endpoints(self) -> Endpoints:
        """The addresses: as set, else the provider's."""
        usual = Endpoints("")
        if self.provider == "microsoft":
            usual = self._cloud.tenant(self.tenant or "")
        elif self.provider == "google":
            usual = GOOGLE
        admin = usual.admin_consent
        return Endpoints(
            self.token_url or usual.token,
            self.authorization_url or usual.authorization,
            self.device_url or usual.device,
            self.revocation_url or usual.revocation,
            f"{admin}?client_id={self.client_id}" if admin else None,
        )

    def service_fault(self, wanted: Service) -> str | None:
        """Say why its tokens are not good for a service, or None."""
        if wanted is Service.ACS and self.grant is not None and self.grant.needs_consent:
            return "grant must be client_credentials: the service knows applications, no persons"
        if self.provider != "microsoft" or self.grant is None:
            return None
        fault = microsoft_service_fault(self.scopes, self._cloud, self.grant, wanted)
        return None if fault is None else str(fault)

    def as_credential(self, place: str, command: str, service: Service = Service.MAIL) -> Credential:
        """Give it as a value.

        Args:
            place: Where it is configured, as ``accounts.sales.oauth``.
            command: The account that ``smtp-connector authorize`` is told.
            service: What its tokens have to be good for; decides about scopes that are not given.
        """
        assert self.grant is not None  # noqa: S101 - validated
        scopes = self.scopes
        if self.provider == "microsoft":
            scopes = microsoft_scopes(scopes, self._cloud, self.grant, service)
        elif self.provider == "google":
            scopes = google_scopes(scopes, self.grant)
        return Credential(
            place,
            self.provider,
            self.grant,
            self.endpoints,
            self.client_id or "",
            command=command,
            client_secret=self.client_secret,
            client_authentication=self.client_authentication,
            certificate=self.certificate,
            certificate_password=self.certificate_password,
            federated_token_file=self.federated_token_file,
            scopes=scopes,
            subject=self.subject,
            redirect_url=self.redirect_url,
            extra=tuple(self.extra.items()),
            parameters=GOOGLE_PARAMETERS if self.provider == "google" else (),
            ca_file=self.ca_file,
            unused_days=UNUSED_DAYS.get(self.provider),
        )
