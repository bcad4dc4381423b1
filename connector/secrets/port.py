"""The seam between a secret's name and wherever its value is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

_MAX_SIZE = 64 * 1024


class UnusableSecretError(Exception):
    """A provider has the secret and cannot give it: unreadable, denied, empty, no text.

    Its text says why, never quoting the value. It ends the look-up: a value that the operator meant to be
    used must not be replaced in silence by one that a later provider happens to have.
    """


class ProviderUnavailableError(Exception):
    """A provider cannot say whether it has the secret: unreachable, overloaded, or it lets nobody in.

    Its text says why and what to check, for an operator. It ends the look-up as well, and the job is tried
    again later.
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
            ProviderUnavailableError: Nobody can tell at the moment.
        """
        ...


def text_in(content: Mapping[str, object], key: str, what: str) -> str | None:
    """Give one text of several that a provider keeps together; None where it has no such key.

    Args:
        content: JSON values by key.
        key: Which.
        what: How errors name it, as ``its key password``.

    Raises:
        UnusableSecretError: It is no text, or as :func:`usable` says.
    """
    if key not in content:
        return None
    value = content[key]
    if not isinstance(value, str):
        raise UnusableSecretError(f"{what} is no text")
    return usable(value, what)


def usable(value: str | bytes, what: str) -> str:
    """Check what a provider found, and take one line break off its end.

    Editors, ``echo`` and ``kubectl create secret --from-file`` leave a line break there, wherever the value
    is kept in the end; passwords do not end in one.

    Args:
        value: UTF-8 where it is octets.
        what: What holds the value, as ``its file``, for errors.

    Raises:
        UnusableSecretError: It is empty, longer than 65536 bytes, or no text.
    """
    octets = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    if len(octets) > _MAX_SIZE:
        reason = f"{what} has more than {_MAX_SIZE} bytes"
        raise UnusableSecretError(reason)
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        reason = f"{what} is not UTF-8 text"
        raise UnusableSecretError(reason) from None  # the original error holds the value
    text = text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")
    if not text:
        reason = f"{what} is empty"
        raise UnusableSecretError(reason)
    return text


def refuse_detours(name: str) -> None:
    """Refuse a name that is a path with empty parts, ``.`` or ``..``: it would lead elsewhere than it says.

    Raises:
        UnusableSecretError: It has such a part.
    """
    if {"", ".", ".."} & set(name.split("/")):
        reason = "a name that is a path must not have '//', '.' or '..' in it"
        raise UnusableSecretError(reason)
