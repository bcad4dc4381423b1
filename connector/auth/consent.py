"""A person's consent by a browser: the address to open, the answer that comes back, the grant that is kept.

The authorization code grant with PKCE (RFC 7636): a credential enters, a :class:`ConsentRequest` leaves; the
query with which the browser comes back enters, and a code leaves that is redeemed once. Device codes
(RFC 8628) end in the same way.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlencode, urlsplit, urlunsplit

from pydantic import SecretStr

from connector.auth import refusals
from connector.auth.client import Granted, OAuthClient
from connector.auth.entry import Consent, Entry
from connector.auth.source import access_of
from connector.auth.store import TokenStore, Turn
from connector.errors import ErrorCode, TokenError
from connector.model.credential import Credential

UNNAMED = "A person whom the provider does not name"
# Providers do not name these among what they have granted.
_UNNAMED = frozenset({"openid", "profile", "email", "offline_access"})
_OF_OPENID = {
    "https://www.googleapis.com/auth/userinfo.email": "email",
    "https://www.googleapis.com/auth/userinfo.profile": "profile",
}


class ConsentError(Exception):
    """There is no consent; the text says why and what to change, for the person who tries."""


@dataclass(frozen=True, slots=True)
class ConsentRequest:
    """A request for consent that waits for its answer.

    Attributes:
        url: Where to send the browser.
        state: Ties the answer to this request.
        verifier: Proves, when the code is redeemed, that this side asked for it.
    """

    url: str = field(repr=False)
    redirect_url: str
    state: str = field(repr=False)
    verifier: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ConsentResult:
    """A consent that was given and kept.

    Attributes:
        person: Who has given it, where the provider says so.
        expected: The mailboxes of the accounts.
        access_seconds: How long its first access token lasts.
    """

    person: str | None
    expected: tuple[str, ...]
    scopes: tuple[str, ...]
    access_seconds: float

    @property
    def by_another(self) -> bool:
        """Whether another person has consented than the one whose mailbox it is, as for a shared mailbox."""
        return another_person(self.person, self.expected)

    @property
    def told(self) -> str:
        """The consent in a sentence, and a warning where another person has given it."""
        what = " ".join(self.scopes) or "what was asked for"
        sentence = f"{self.person or UNNAMED} consented to {what}."
        if self.by_another:
            sentence = f"{sentence} Attention: {another_login(self.person, self.expected)}"
        return sentence


def another_login(person: str | None, expected: tuple[str, ...]) -> str:
    """What it means that another person has consented."""
    return (
        f"the account logs in as {', '.join(expected)}. That is right only where {person} may use that "
        f"mailbox, as a shared one; otherwise consent again as {expected[0]}."
    )


def another_person(person: str | None, expected: tuple[str, ...]) -> bool:
    """Whether a person is none of the mailboxes; not where either is unknown."""
    known = {mailbox.lower() for mailbox in expected}
    return bool(person and known) and (person or "").lower() not in known


def request_consent(credential: Credential, redirect_url: str, hint: str | None = None) -> ConsentRequest:
    """Make a request for consent.

    Args:
        credential: With an address for authorization.
        redirect_url: Where the browser shall come back.
        hint: The mailbox, so that the provider proposes the right login.
    """
    state, verifier = secrets.token_urlsafe(32), secrets.token_urlsafe(64)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    query = {
        **dict(credential.extra),
        **dict(credential.parameters),
        "response_type": "code",
        "client_id": credential.client_id,
        "redirect_uri": redirect_url,
        "scope": " ".join(credential.scopes),
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
        **({"login_hint": hint} if hint else {}),
    }
    parts = urlsplit(credential.endpoints.authorization or "")
    joined = "&".join(
        filter(None, (parts.query, urlencode({name: text for name, text in query.items() if text})))
    )
    url = urlunsplit((parts.scheme, parts.netloc, parts.path, joined, ""))
    return ConsentRequest(url, redirect_url, state, verifier)


def code_of(credential: Credential, request: ConsentRequest, query: Mapping[str, str]) -> str:
    """Read the code out of what the browser came back with.

    Raises:
        ConsentError: It is no answer to this request, or the person or the provider has refused.
    """
    if not hmac.compare_digest(query.get("state", "").encode(), request.state.encode()):
        raise ConsentError(
            "This answer belongs to another request (its state differs). Close other tabs and start again."
        )
    if error := query.get("error"):
        raise ConsentError(refusals.declined(credential, error, query.get("error_description", "")))
    if not (code := query.get("code")):
        raise ConsentError("The provider sent neither a code nor an error. Start again.")
    return code


async def keep_consent(
    client: OAuthClient, store: TokenStore, granted: Granted, expected: tuple[str, ...]
) -> ConsentResult:
    """Keep a grant in the place of the former one; the next mail uses it.

    Args:
        client: Of the credential.
        store: Where tokens are kept.
        granted: What the provider gave.
        expected: The mailboxes of the accounts that use the credential.

    Raises:
        ConsentError: It is of no use: it ends within the hour, or leaves out what was asked for.
        StoreUnavailableError: It cannot be kept.
    """
    async with store.turn(client.credential.place) as turn:
        return await _keep(client.credential, turn, granted, expected)


async def import_grant(
    client: OAuthClient, store: TokenStore, refresh: SecretStr, expected: tuple[str, ...]
) -> ConsentResult:
    """Take over the refresh token of another system: try it once, and keep what it gives.

    Raises:
        TokenError: The provider does not take it; nothing is kept.
        ConsentError: It is of no use.
        StoreUnavailableError: It cannot be kept.
    """
    credential = client.credential
    async with store.turn(credential.place) as turn:
        await turn.note(Entry(credential.fingerprint, refresh=refresh, refreshed=turn.kept.now))
        try:
            granted = await client.refresh(refresh)
            granted = replace(granted, refresh=granted.refresh or refresh)
            return await _keep(credential, turn, granted, expected)
        except (TokenError, ConsentError):
            await turn.keep(turn.kept.entry)
            raise


async def _keep(
    credential: Credential, turn: Turn, granted: Granted, expected: tuple[str, ...]
) -> ConsentResult:
    if missing := missing_scopes(credential.scopes, granted.scopes):
        raise ConsentError(
            f"The consent leaves out {', '.join(missing)}. Start again, and tick everything that is asked "
            "for; an administrator may have to allow it first."
        )
    if granted.refresh is None:
        raise ConsentError(
            "The provider gave no refresh token, so that the grant would end with its access token: add the "
            f"scope offline_access, or what the provider wants for it, to {credential.setting('scopes')}."
        )
    now = turn.kept.now
    consent = Consent(granted.person, now, granted.scopes)
    entry = Entry(credential.fingerprint, access_of(granted, now), granted.refresh, now, consent)
    await turn.keep(entry)
    return ConsentResult(granted.person, expected, granted.scopes, granted.lifetime)


def missing_scopes(wanted: tuple[str, ...], granted: tuple[str, ...]) -> tuple[str, ...]:
    """What was asked for and not granted, as far as providers tell."""
    given = {_OF_OPENID.get(scope, scope).lower() for scope in granted}
    return tuple(scope for scope in wanted if scope not in _UNNAMED and scope.lower() not in given)


async def revoke_grant(client: OAuthClient, store: TokenStore) -> bool:
    """Give the grant back to the provider and forget it; whether the provider has been told.

    Raises:
        TokenError: The provider could not be told, and the grant is kept.
        StoreUnavailableError: It cannot be forgotten.
    """
    credential = client.credential
    async with store.turn(credential.place) as turn:
        entry = turn.kept.entry
        told = False
        if entry is not None and entry.refresh is not None and credential.endpoints.revocation:
            try:
                await client.revoke(entry.refresh)
            except TokenError as error:
                if error.code is ErrorCode.TOKEN_FAILED:
                    raise
            told = True  # what a provider refuses to revoke is not good there any more
        await turn.keep(None)
    return told
