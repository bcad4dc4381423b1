"""What an engine, a mail server or an HTTP API needs of OAuth: an access token, and a way to get another."""

from __future__ import annotations

from typing import Protocol

from pydantic import SecretStr


class TokenSource(Protocol):
    """Gives the access tokens of one credential; used from one event loop."""

    async def token(self, refused: SecretStr | None = None) -> SecretStr:
        """The current token, or a new one; calls that come at once share one request.

        Args:
            refused: A token that the service did not take: it is not given again.

        Raises:
            TokenError: There is none; the text says why and what to change.
            SecretError: The secret that it is asked with cannot be looked up.
        """
        ...
