"""What an engine, a mail server or an HTTP API needs of OAuth: an access token, and a way to get another."""

from __future__ import annotations

from typing import Protocol


class TokenSource(Protocol):
    """Gives the access tokens of one credential; used from one event loop."""

    async def token(self) -> str:
        """The current token, or a new one; calls that come at once share one request.

        Raises:
            TokenError: There is none; the text says why and what to change.
        """
        ...

    def forget(self) -> None:
        """Fetch a new token for the next call: the service did not take the current one."""
        ...


class TokenError(Exception):
    """There is no token; the text says why and what to change."""
