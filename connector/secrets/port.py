"""The interface of a secret store, and its errors."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, runtime_checkable

_MAX_SIZE = 64 * 1024


class UnusableSecretError(Exception):
    """A provider has the secret, but the value is unusable: unreadable, denied, empty, or not text.

    The message says why and never quotes the value. The error ends the look-up: a secret of the same name in
    a later provider must not silently replace the one that the operator intended.
    """


class ProviderUnavailableError(Exception):
    """A provider cannot say whether it has the secret: it is unreachable, overloaded, or refuses the login.

    The message tells the operator why and what to check. The error ends the look-up, and the job is retried.
    """


class SecretProvider(Protocol):
    """A store of secrets."""

    @property
    def place(self) -> str:
        """Describe the store to the operator, such as ``environment variables SECRET_*``."""
        ...

    async def get(self, name: str) -> str | None:
        """Return the value, which is never empty, or None if the store has no such secret.

        Args:
            name: ``[A-Za-z0-9][A-Za-z0-9/._-]*``

        Raises:
            UnusableSecretError: The store has the secret, but its value is unusable.
            ProviderUnavailableError: The store cannot answer.
        """
        ...


@runtime_checkable
class LocalProvider(SecretProvider, Protocol):
    """A store of secrets on this machine, which can list what it has."""

    def where(self, name: str) -> str:
        """Name the exact place of a secret, such as ``file /run/secrets/TOKEN``."""
        ...

    def names(self) -> Iterable[str]:
        """Give the names of the secrets that are there."""
        ...


def text_in(content: Mapping[str, object], key: str, what: str) -> str | None:
    """Return one text of a secret with several keys, or None if it has no such key.

    Args:
        content: JSON values by key.
        key: The key.
        what: How errors name it, such as ``its key password``.

    Raises:
        UnusableSecretError: The value is not text, or :func:`usable` raises it.
    """
    if key not in content:
        return None
    value = content[key]
    if not isinstance(value, str):
        raise UnusableSecretError(f"{what} is no text")
    return usable(value, what)


def usable(value: str | bytes, what: str) -> str:
    """Check a value and remove one line break at its end.

    Editors, ``echo`` and ``kubectl create secret --from-file`` add a line break; passwords do not end in one.

    Args:
        value: Text, or octets in UTF-8.
        what: How errors name the source, such as ``its file``.

    Raises:
        UnusableSecretError: The value is empty, longer than 65536 bytes, or not text.
    """
    octets = value if isinstance(value, bytes) else value.encode("utf-8", "surrogatepass")
    if len(octets) > _MAX_SIZE:
        reason = f"{what} has more than {_MAX_SIZE} bytes; store the password or token alone"
        raise UnusableSecretError(reason)
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        reason = f"{what} is not UTF-8 text; store it as text in UTF-8"
        raise UnusableSecretError(reason) from None  # the original error contains the value
    text = text[:-2] if text.endswith("\r\n") else text.removesuffix("\n")
    if not text:
        reason = f"{what} is empty; write the value into it"
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
