"""Who may see the pages: browsers that have shown the operator's token, for some hours.

A token enters once, a session leaves, which a cookie names. Forms carry a word of the session's own, so that
another site cannot post in its name; and the answer to a request for consent counts only in the session that
has begun it.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from time import monotonic

from connector.auth.consent import ConsentRequest

_COOKIE = "smtp_connector"
_SECONDS = 8 * 3600.0
_CONSENT_SECONDS = 900.0
_MOST = 100
_AFTER_A_WRONG_TOKEN = 1.0


@dataclass(frozen=True, slots=True)
class Begun:
    """A consent that a browser was sent away for.

    Attributes:
        place: The credential.
        until: When it is too late, on the monotonic clock.
    """

    place: str
    request: ConsentRequest
    until: float


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that has shown the token.

    Attributes:
        word: What its forms carry.
        consents: Those that it has begun, by state.
    """

    name: str = field(repr=False)
    word: str = field(repr=False)
    until: float
    consents: dict[str, Begun] = field(default_factory=dict, repr=False)

    def begin(self, place: str, request: ConsentRequest) -> None:
        """Note a consent whose answer will come."""
        self.consents[request.state] = Begun(place, request, monotonic() + _CONSENT_SECONDS)

    def take(self, state: str) -> Begun | None:
        """Give the consent that an answer belongs to; once."""
        begun = self.consents.pop(state, None)
        return begun if begun is not None and monotonic() < begun.until else None

    def posted(self, form: Mapping[str, str]) -> bool:
        """Whether a form came from a page of this session."""
        return hmac.compare_digest(form.get("word", "").encode(), self.word.encode())


class Sessions:
    """All sessions; they end with the worker.

    Args:
        secure: Whether the pages are reached by https.
        path: Below which they are.
    """

    def __init__(self, *, secure: bool, path: str) -> None:
        self._secure = secure
        self._path = path or "/"
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._asking = asyncio.Lock()

    def of(self, headers: Mapping[str, str]) -> Session | None:
        """The session of a browser, by its cookie."""
        try:
            morsel = SimpleCookie(headers.get("cookie", "")).get(_COOKIE)
        except CookieError:
            return None
        session = self._sessions.get(morsel.value) if morsel is not None else None
        return session if session is not None and monotonic() < session.until else None

    async def opened(self, given: str, token: str) -> tuple[str, str] | None:
        """Open a session for the right token; the header that sets its cookie, or None.

        One attempt at a time, and a wrong one takes a second, so that a guesser cannot try many.
        """
        async with self._asking:
            if not hmac.compare_digest(given.strip().encode(), token.encode()):
                await asyncio.sleep(_AFTER_A_WRONG_TOKEN)
                return None
        name = secrets.token_urlsafe(32)
        self._sessions[name] = Session(name, secrets.token_urlsafe(16), monotonic() + _SECONDS)
        if len(self._sessions) > _MOST:
            self._sessions.popitem(last=False)
        # Lax, not Strict: the browser comes back from the provider's site.
        secure = "; Secure" if self._secure else ""
        return "Set-Cookie", f"{_COOKIE}={name}; HttpOnly; SameSite=Lax; Path={self._path}{secure}"

    def close(self, session: Session) -> None:
        """End a session."""
        self._sessions.pop(session.name, None)
