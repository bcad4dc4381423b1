"""The seam between a secret's name and wherever its value is kept."""

from __future__ import annotations

from typing import Protocol


class UnusableSecretError(Exception):
    """A provider has the secret and cannot give it: unreadable, empty, no text.

    Its text says why, never quoting the value. It ends the look-up: a value that the operator meant to be
    used must not be replaced in silence by one that a later provider happens to have.
    """


class SecretProvider(Protocol):
    """A place where operators keep secrets."""

    @property
    def place(self) -> str:
        """Where it looks, in an operator's words, as ``environment variables SECRET_*``."""
        ...

    async def get(self, name: str) -> str | None:
        """Return the value, never empty; None when there is no such secret here.

        Args:
            name: ``[A-Za-z0-9][A-Za-z0-9/._-]*``

        Raises:
            UnusableSecretError: It is here, and cannot be used.
        """
        ...
