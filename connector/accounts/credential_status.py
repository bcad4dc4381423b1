"""How the OAuth credentials of the accounts stand: who consented, and what ends when.

The settings and the token store enter, a :class:`CredentialStatus` for each credential leaves: for
``authorize --status``, the page of accounts, ``check``, the warnings and the metrics.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from connector.accounts.credentials import ConfiguredCredential
from connector.auth.consent import another_person
from connector.auth.entry import Entry
from connector.auth.sources import TokenSources
from connector.auth.store import Kept, StoreUnavailableError
from connector.errors import ConnectorError
from connector.model.credential import Credential


class State(StrEnum):
    """Whether mails can go out."""

    GOOD = "good"
    NOT_AUTHORIZED = "not authorized"
    ENDED = "ended"
    OTHER_SETTINGS = "other settings"
    LOCKED = "locked"
    UNKNOWN = "unknown"


class Ending(StrEnum):
    """What ends by itself."""

    GRANT = "grant"
    CLIENT_SECRET = "client secret"  # noqa: S105 - a word, not a secret
    CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class CredentialStatus:
    """How one credential stands.

    Attributes:
        reason: What is wrong, in a sentence; None where nothing is.
        person: Who has consented, where the provider says so.
        refreshed: When the refresh token was last used.
        endings: What ends, and when.
        by_another: Whether the person is none of the mailboxes.
    """

    configured: ConfiguredCredential
    state: State
    reason: str | None = None
    person: str | None = None
    consented: datetime | None = None
    scopes: tuple[str, ...] = ()
    access_expires: datetime | None = None
    refreshed: datetime | None = None
    endings: tuple[tuple[Ending, datetime], ...] = ()
    by_another: bool = False

    @property
    def credential(self) -> Credential:
        """The credential."""
        return self.configured.credential

    def as_json(self, now: datetime) -> dict[str, Any]:
        """Give it with the same keys for every credential."""
        return {
            "credential": self.credential.place,
            "accounts": list(self.configured.accounts),
            "grant": self.credential.grant.value,
            "state": self.state.value,
            "reason": self.reason,
            "person": self.person,
            "byAnother": self.by_another,
            "consentedAt": _iso(self.consented),
            "scopes": list(self.scopes),
            "accessTokenExpiresAt": _iso(self.access_expires),
            "refreshTokenUsedAt": _iso(self.refreshed),
            "endings": [
                {"what": what.value, "at": _iso(at), "daysLeft": days_left(at, now)}
                for what, at in self.endings
            ],
        }


def days_left(at: datetime, now: datetime) -> int:
    """Whole days until then; negative once it has passed."""
    return (at - now).days


async def status_of(configured: ConfiguredCredential, sources: TokenSources) -> CredentialStatus:
    """Look at one credential; asks no provider."""
    endings = await _own_endings(configured, sources)
    try:
        kept = await sources.store.read(configured.credential.place)
    except (StoreUnavailableError, ConnectorError) as error:  # such as a key that is no secret's name
        return CredentialStatus(configured, State.UNKNOWN, str(error), endings=endings)
    state, reason = _judged(configured.credential, kept)
    entry = kept.entry or Entry("")
    consent, access = entry.consent, entry.access
    current = (
        access if access is not None and entry.fingerprint == configured.credential.fingerprint else None
    )
    return CredentialStatus(
        configured,
        state,
        reason,
        consent.person if consent else None,
        _moment(consent.at if consent else None),
        consent.scopes if consent else current.scopes if current else (),
        _moment(current.obtained + current.lifetime if current else None),
        _moment(entry.refreshed),
        (*_grant_ending(configured.credential, entry), *endings),
        another_person(consent.person if consent else None, configured.mailboxes),
    )


def _judged(credential: Credential, kept: Kept) -> tuple[State, str | None]:
    if not credential.grant.needs_consent:
        return State.GOOD, None
    entry = kept.entry
    if kept.locked:
        return State.LOCKED, "No key of tokens.key opens the grant: put the former key behind the new one."
    if entry is None or entry.refresh is None:
        return State.NOT_AUTHORIZED, "No person has consented yet."
    if entry.fingerprint != credential.fingerprint:
        return State.OTHER_SETTINGS, "The consent is one to other settings: client, scopes or address."
    if entry.refusal is not None:
        return State.ENDED, entry.refusal
    return State.GOOD, None


def _grant_ending(credential: Credential, entry: Entry) -> tuple[tuple[Ending, datetime], ...]:
    """When the provider ends the grant unless it is used."""
    used = _moment(entry.refreshed)
    if used is None or credential.unused_days is None or not credential.grant.needs_consent:
        return ()
    return ((Ending.GRANT, used + timedelta(days=credential.unused_days)),)


async def _own_endings(
    configured: ConfiguredCredential, sources: TokenSources
) -> tuple[tuple[Ending, datetime], ...]:
    found: list[tuple[Ending, datetime]] = []
    if configured.secret_expires is not None:
        found.append((Ending.CLIENT_SECRET, datetime.combine(configured.secret_expires, time(), UTC)))
    with suppress(ConnectorError):  # told where it is needed
        if (ends := await sources.client(configured.credential).certificate_ends()) is not None:
            found.append((Ending.CERTIFICATE, ends))
    return tuple(found)


def _moment(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment:%Y-%m-%dT%H:%M:%SZ}"
