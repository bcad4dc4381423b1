"""What is kept of a credential: its access token, its refresh token, who consented and when.

Values, and their form as JSON; :mod:`~connector.auth.sealing` encrypts it, and a store keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self

from pydantic import SecretStr

# What is left of a token, at most, when another is asked for ahead of its end; in seconds.
_AHEAD = 300.0
# Closer to its end than this, a token may have ended when it arrives at the server.
_LATE = 20.0


@dataclass(frozen=True, slots=True)
class AccessToken:
    """An access token; the clock is the store's.

    Attributes:
        obtained: When it was asked for, in seconds since the epoch.
        lifetime: How long it lasts, in seconds.
        scopes: What it is good for, where the provider says so.
    """

    value: SecretStr = field(repr=False)
    obtained: float
    lifetime: float
    scopes: tuple[str, ...] = ()

    def left(self, now: float) -> float:
        """Seconds until it ends; never more than its lifetime, also where a clock was set."""
        return min(self.obtained + self.lifetime - now, self.lifetime)

    def fresh(self, now: float) -> bool:
        """Whether it still serves."""
        return self.left(now) > min(_AHEAD, self.lifetime / 2)

    def usable(self, now: float) -> bool:
        """Whether it is worth a try."""
        return self.left(now) > min(_LATE, self.lifetime / 10)


@dataclass(frozen=True, slots=True)
class Consent:
    """Who consented.

    Attributes:
        person: The address that the provider names; None where it names none.
        at: When, in seconds since the epoch.
        scopes: To what.
    """

    person: str | None
    at: float
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept of one credential.

    Attributes:
        fingerprint: Of the settings that it belongs to.
        refreshed: When the refresh token came, in seconds since the epoch.
        asked: When a request with the refresh token went out whose answer is not known; None otherwise.
        refusal: Why a person has to consent again; None while the grant is good.
    """

    fingerprint: str
    access: AccessToken | None = None
    refresh: SecretStr | None = field(default=None, repr=False)
    refreshed: float | None = None
    consent: Consent | None = None
    asked: float | None = None
    refusal: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Give it as JSON values, tokens and all."""
        access, consent = self.access, self.consent
        return {
            "fingerprint": self.fingerprint,
            "access": access
            and {
                "value": access.value.get_secret_value(),
                "obtained": access.obtained,
                "lifetime": access.lifetime,
                "scopes": list(access.scopes),
            },
            "refresh": self.refresh and self.refresh.get_secret_value(),
            "refreshed": self.refreshed,
            "consent": consent
            and {"person": consent.person, "at": consent.at, "scopes": list(consent.scopes)},
            "asked": self.asked,
            "refusal": self.refusal,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Read what :meth:`as_json` gave."""
        access, consent = values["access"], values["consent"]
        return cls(
            values["fingerprint"],
            access
            and AccessToken(
                SecretStr(access["value"]), access["obtained"], access["lifetime"], tuple(access["scopes"])
            ),
            SecretStr(values["refresh"]) if values["refresh"] else None,
            values["refreshed"],
            consent and Consent(consent["person"], consent["at"], tuple(consent["scopes"])),
            values["asked"],
            values["refusal"],
        )

    def asking(self, now: float) -> Self:
        """Note that a request with the refresh token goes out; the first one that was not answered counts."""
        return replace(self, asked=self.asked if self.asked is not None else now)
