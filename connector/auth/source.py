"""The source of a credential's access tokens: current ones from memory, new ones one request at a time.

A token is asked for ahead of its end, while the current one still serves. All who need one at the same time
wait for one request, over threads by sharing a task, over processes and machines by the store's turns: read,
wait for the turn, read again, ask, keep. What must not be lost is on the disk before it is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from time import monotonic

import structlog
from pydantic import SecretStr

from connector.auth import refusals
from connector.auth.client import Granted, OAuthClient
from connector.auth.endpoint import EndpointError
from connector.auth.entry import AccessToken, Entry
from connector.auth.store import Kept, StoreUnavailableError, TokenStore, Turn
from connector.errors import ConnectorError, ErrorCode, TokenError

_log = structlog.get_logger(__name__)

# A failure answers all who come so soon after it: an endpoint that refuses many times locks us out.
_REMEMBER_REFUSAL, _REMEMBER_ABSENCE = 5.0, 1.0
# A new token that is refused as well is not the reason: no other is asked for so soon.
_REFUSED_AGAIN = 60.0

Observe = Callable[[str, str, float], None]
"""Told of every request: the credential, ``ok`` or the error's code, and the seconds that it took."""


def observe_nothing(_credential: str, _outcome: str, _seconds: float) -> None:
    """Count nothing."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A token in memory, on the monotonic clock.

    Attributes:
        since: When the store's clock showed ``now``.
    """

    access: AccessToken
    now: float
    since: float

    def present(self) -> float:
        return self.now + monotonic() - self.since


class Tokens:
    """The tokens of one credential; a :class:`~connector.auth.port.TokenSource`.

    Args:
        client: Asks for them.
        store: Keeps them.
        observe: Counts the requests.
    """

    def __init__(self, client: OAuthClient, store: TokenStore, observe: Observe = observe_nothing) -> None:
        self._client = client
        self._store = store
        self._observe = observe
        self._credential = client.credential
        self._held: _Held | None = None
        self._request: asyncio.Task[SecretStr] | None = None
        self._failure: tuple[float, TokenError] | None = None
        self._renewed: float | None = None  # when the token came that answers a refusal

    async def token(self, refused: SecretStr | None = None) -> SecretStr:
        """The current token, or a new one.

        Raises:
            TokenError: There is none.
            SecretError: The secret that it is asked with cannot be looked up.
        """
        held = self._held
        if held is not None and held.access.usable(held.present()) and not self._worth_another(held, refused):
            if not held.access.fresh(held.present()) and self._request is None and not self._failed():
                self._begin(None).add_done_callback(_noted)
            return held.access.value
        if self._request is None and (failure := self._failed()) is not None:
            raise failure.again()
        under_way = self._request is not None
        token = await self._shared(refused)
        if under_way and token == refused:  # asked for before it was refused
            token = await self._shared(refused)
        return token

    def _worth_another(self, held: _Held, refused: SecretStr | None) -> bool:
        """Whether the token was refused, and is not itself the answer to a refusal of just now."""
        if held.access.value != refused:
            return False
        return self._renewed is None or monotonic() - self._renewed > _REFUSED_AGAIN

    async def aclose(self) -> None:
        """Wait for a request that is under way: its answer must not be lost."""
        if self._request is not None:
            await asyncio.wait({self._request})

    async def _shared(self, refused: SecretStr | None) -> SecretStr:
        """Wait for the request of all; a caller that is cancelled leaves it to the others."""
        request = self._request or self._begin(refused)
        try:
            return await asyncio.shield(request)
        except TokenError as error:
            # Many wait for one request: each gets an error of its own, for its own traceback.
            raise error.again() from None

    def _begin(self, refused: SecretStr | None) -> asyncio.Task[SecretStr]:
        self._request = asyncio.create_task(self._obtained(refused))
        self._request.add_done_callback(self._ended)
        return self._request

    def _ended(self, request: asyncio.Task[SecretStr]) -> None:
        self._request = None
        if not request.cancelled():
            request.exception()  # looked at, so that asyncio does not report it when no caller waits any more

    def _failed(self) -> TokenError | None:
        return self._failure[1] if self._failure is not None and monotonic() < self._failure[0] else None

    async def _obtained(self, refused: SecretStr | None) -> SecretStr:
        try:
            access = await self._current(refused)
        except TokenError as error:
            remember = _REMEMBER_ABSENCE if error.retryable else _REMEMBER_REFUSAL
            if error.retry_after is not None:
                remember = max(remember, error.retry_after.total_seconds())
            if error.code is not ErrorCode.AUTHORIZATION_REQUIRED:  # a consent serves the next mail
                self._failure = monotonic() + remember, error
            raise
        self._failure = None
        return access.value

    async def _current(self, refused: SecretStr | None) -> AccessToken:
        name = self._credential.place
        try:
            if (found := self._adopted(await self._store.read(name), refused)) is not None:
                return found
            async with self._store.turn(name) as turn:
                if (found := self._adopted(turn.kept, refused)) is not None:
                    return found
                access = await self._asked(turn, refused)
                self._renewed = monotonic() if refused is not None else None
                return self._hold(access, turn.kept.now)
        except StoreUnavailableError as error:
            raise TokenError(ErrorCode.TOKEN_FAILED, str(error), credential=name) from error

    def _adopted(self, kept: Kept, refused: SecretStr | None) -> AccessToken | None:
        """Take what another worker has got, if it is good."""
        access = self._own(kept, refused)
        return self._hold(access, kept.now) if access is not None and access.fresh(kept.now) else None

    def _own(self, kept: Kept, refused: SecretStr | None) -> AccessToken | None:
        """The token that is kept, unless it is one to other settings, or the one that was refused."""
        entry = kept.entry
        if entry is None or entry.access is None or entry.fingerprint != self._credential.fingerprint:
            return None
        return entry.access if entry.access.value != refused else None

    def _hold(self, access: AccessToken, now: float) -> AccessToken:
        self._held = _Held(access, now, monotonic())
        return access

    async def _asked(self, turn: Turn, refused: SecretStr | None) -> AccessToken:
        """Ask; where that fails for now, a token of before that has not ended yet still serves."""
        begun = monotonic()
        outcome = "ok"
        try:
            if self._credential.grant.needs_consent:
                return await self._refreshed(turn)
            return await self._given(turn)
        except ConnectorError as error:
            outcome = error.code.value
            kept = self._own(turn.kept, refused)
            if not error.retryable or kept is None or not kept.usable(turn.kept.now):
                raise
            _log.warning("access token not renewed ahead of its end", reason=error.message)
            return kept
        finally:
            self._observe(self._credential.place, outcome, monotonic() - begun)

    async def _given(self, turn: Turn) -> AccessToken:
        """Ask without a person; a store that fails costs another request, and no mail."""
        granted = await self._client.for_itself()
        access = access_of(granted, turn.kept.now)
        try:
            await turn.keep(Entry(self._credential.fingerprint, access))
        except StoreUnavailableError as error:
            _log.warning("access token not kept", credential=self._credential.place, reason=str(error))
        return access

    async def _refreshed(self, turn: Turn) -> AccessToken:
        entry = self._granted_before(turn.kept)
        assert entry.refresh is not None  # noqa: S101 - _granted_before has looked
        await turn.note(entry)
        try:
            granted = await self._client.refresh(entry.refresh)
        except TokenError as error:
            raise await self._not_refreshed(turn, entry, error) from error
        access = access_of(granted, turn.kept.now)
        fresh = replace(entry, access=access, asked=None)
        if granted.refresh is not None:
            fresh = replace(fresh, refresh=granted.refresh)
        try:
            await turn.keep(replace(fresh, refreshed=turn.kept.now))
        except StoreUnavailableError as error:  # the store still knows it, and will try again
            _log.error(
                "refresh token not kept: if this worker stops now, a person has to consent again",
                credential=self._credential.place,
                reason=str(error),
            )
        return access

    def _granted_before(self, kept: Kept) -> Entry:
        """The entry with the grant, if there is a good one."""
        entry, credential = kept.entry, self._credential
        if kept.locked:
            raise refusals.required(
                credential,
                f"The grant of {credential.place} cannot be decrypted: tokens.key is another one than it was "
                "written with. Put the former key behind the new one, or consent again.",
            )
        if entry is None or entry.refresh is None:
            raise refusals.required(credential, f"No person has consented for {credential.place} yet.")
        if entry.fingerprint != credential.fingerprint:
            raise refusals.required(
                credential,
                f"The consent for {credential.place} is one to other settings: client, scopes or address.",
            )
        if entry.refusal is not None:
            raise refusals.required(credential, entry.refusal)
        return entry

    async def _not_refreshed(self, turn: Turn, entry: Entry, error: TokenError) -> TokenError:
        """Keep what a failed request means for the grant."""
        cause = error.__cause__
        if error.code is ErrorCode.AUTHORIZATION_REQUIRED:
            why = error.why + _interrupted(entry)
            await turn.keep(replace(entry, access=None, asked=None, refusal=why))
            return refusals.required(self._credential, why, server=error.server, error=error.error)
        if not (isinstance(cause, EndpointError) and cause.asked):
            await turn.keep(entry)  # nothing is in doubt
        return error


def access_of(granted: Granted, now: float) -> AccessToken:
    """What is kept of an access token; the clock is the store's, before it was asked for."""
    return AccessToken(granted.access, now, granted.lifetime, granted.scopes)


def _interrupted(entry: Entry) -> str:
    if entry.asked is None:
        return ""
    moment = datetime.fromtimestamp(entry.asked, UTC)
    return (
        f" A request of {moment:%Y-%m-%d %H:%M:%S} UTC never got its answer, because the worker died or the "
        "connection broke: the provider may have given a new refresh token then, and has ended the old one."
    )


def _noted(request: asyncio.Task[SecretStr]) -> None:
    """Say that a token was not renewed ahead of its end; the current one still serves."""
    if not request.cancelled() and (error := request.exception()) is not None:
        _log.warning("access token not renewed ahead of its end", reason=str(error))
