"""What an operator may say about an account's OAuth login, and where tokens are kept."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, SecretStr, model_validator

from connector.model.hosts import HostList
from connector.settings.oauth import CredentialSettings
from connector.settings.providers import Service
from connector.settings.values import Duration, Section


class OAuthSettings(CredentialSettings):
    """OAuth in place of a password: a block of its own, or the name of one below `credentials`."""

    credential: str | None = Field(
        None,
        description="Name of the credentials to use, below `credentials`; `oauth: NAME` says the same.",
    )

    @model_validator(mode="before")
    @classmethod
    def _named(cls, given: Any) -> Any:
        return {"credential": given} if isinstance(given, str) else given

    @property
    def given(self) -> bool:
        """Whether the account logs in with OAuth at all."""
        return any(
            getattr(self, name) != field.get_default(call_default_factory=True)
            for name, field in type(self).model_fields.items()
        )

    def _faults(self) -> Iterator[str]:
        if self.credential is None:
            if self.given:
                yield from super()._faults()
        elif self.model_copy(update={"credential": None}).given:
            yield f"credential {self.credential} says everything else: remove the other keys"


def credential_faults(
    accounts: Mapping[str, tuple[OAuthSettings, Service]], credentials: Mapping[str, CredentialSettings]
) -> Iterator[str]:
    """Yield a line for each account that names credentials which it cannot use."""
    services: dict[str, Service] = {}
    for name, (oauth, service) in accounts.items():
        wanted = oauth.credential
        if wanted is not None and wanted not in credentials:
            nearest = get_close_matches(wanted, credentials, n=1)
            listed = ", ".join(credentials) or "none"
            hint = f"did you mean {nearest[0]}?" if nearest else f"there are: {listed}"
            yield f"accounts.{name}.oauth: there are no credentials {wanted}; {hint}"
        elif wanted is not None and (fault := credentials[wanted].service_fault(service)):
            yield f"accounts.{name}.oauth: the credentials {wanted} do not fit: {fault}"
        elif wanted is not None and services.setdefault(wanted, service) is not service:
            yield (
                f"accounts.{name}.oauth: the credentials {wanted} are used for {services[wanted]} and for "
                f"{service}, and a token is good for one of them: make two"
            )


# 32 octets in base64, in either alphabet.
_KEY = r"[A-Za-z0-9+/_-]{43}="


def _keys(text: SecretStr) -> SecretStr:
    """Check keys that stand here themselves; a reference is looked up when they are needed."""
    keys = text.get_secret_value()
    if "secrets." not in keys and not re.fullmatch(rf"\s*{_KEY}([\s,]+{_KEY})*\s*", keys):
        raise ValueError("a key is 32 random bytes in base64; make one with: openssl rand -base64 32")
    return text


def _token_hosts(entries: tuple[str, ...]) -> tuple[str, ...]:
    HostList(entries)
    return entries


Keys = Annotated[SecretStr, AfterValidator(_keys)]
TokenHosts = Annotated[tuple[str, ...], AfterValidator(_token_hosts)]


class TokenSettings(Section):
    """Where OAuth tokens are kept."""

    kind: Literal["file", "postgres"] = Field(
        "file",
        description=(
            "`file`: for the workers of one machine; `postgres`: in the ledger's database, for workers of "
            "several machines."
        ),
    )
    path: Path = Field(
        Path("~/.local/state/smtp-connector/tokens.json"),
        description="The file, on a local disk that outlives the worker. Made if it is not there.",
    )
    key: Keys | None = Field(
        None,
        description=(
            "Encrypts the tokens: 32 random bytes in base64 (`openssl rand -base64 32`), or secrets.NAME. "
            "Several with commas: the first encrypts, each decrypts. Without a key, tokens that need no "
            "consent are kept in memory."
        ),
    )
    hosts: TokenHosts = Field(
        (),
        description=(
            "Hosts that a task's authentication.oauth may ask for tokens, as login.example.com or "
            "login.example.com:8443. Default: any, by https."
        ),
    )
    warn: Duration = Field(
        timedelta(days=14),
        description="How long before a grant, a client secret or a certificate ends a warning is logged.",
    )

    def faults(
        self,
        ledger: str,
        accounts: Mapping[str, OAuthSettings],
        credentials: Mapping[str, CredentialSettings],
    ) -> Iterator[str]:
        """Yield a line for what contradicts the ledger, or the credentials of the accounts."""
        if self.kind == "postgres" and ledger != "postgres":
            yield "tokens.kind postgres needs ledger.kind postgres, whose database it uses"
        blocks = {f"accounts.{name}.oauth": oauth for name, oauth in accounts.items()}
        named = {f"credentials.{name}": settings for name, settings in credentials.items()}
        for place, settings in {**blocks, **named}.items():
            if settings.grant is not None and settings.grant.needs_consent and self.key is None:
                yield f"{place}: a consent is kept encrypted: set tokens.key (openssl rand -base64 32)"
