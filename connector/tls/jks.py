"""The trusted certificates of a JKS file, the trust store of Java before version 9.

Octets and a password enter, certificates leave. The format never changed: big-endian numbers, texts with
their length before them, and a digest at the end that a password goes into. Our own reader, because the
library for it needs a compiler wherever the connector is installed, for a list of certificates.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from hashlib import sha1

MAGIC = b"\xfe\xed\xfe\xed"

_SALT = b"Mighty Aphrodite"  # of sun.security.provider.JavaKeyStore
_DIGEST = 20
_PRIVATE_KEY, _TRUSTED_CERTIFICATE = 1, 2
_TIMESTAMP = 8


class WrongPasswordError(Exception):
    """The password is not the one that the file was sealed with, or the file was changed since."""


class MalformedStoreError(Exception):
    """It is no JKS file, or not all of one."""


def trusted_certificates(data: bytes, password: str) -> list[bytes]:
    """Read the entries that are certificates of others; those that hold a key of one's own are passed over.

    Args:
        data: The whole file.
        password: The store's. It protects nothing from being read, but says that nobody changed the file.

    Returns:
        Certificates as DER.

    Raises:
        WrongPasswordError: The digest is another one.
        MalformedStoreError: The file ends too early, or holds something else.
    """
    content, digest = data[:-_DIGEST], data[-_DIGEST:]
    sealed = sha1(password.encode("utf-16-be") + _SALT + content)  # noqa: S324 - the format's own
    if not hmac.compare_digest(sealed.digest(), digest):
        raise WrongPasswordError
    reader = _Reader(content)
    version, entries = reader.header()
    return [certificate for _ in range(entries) for certificate in reader.entry(version)]


class _Reader:
    """Takes a store's content apart from its beginning to its end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def header(self) -> tuple[int, int]:
        """The version of the format, and how many entries follow."""
        if self._take(len(MAGIC)) != MAGIC or (version := self._number(4)) not in {1, 2}:
            raise MalformedStoreError
        return version, self._number(4)

    def entry(self, version: int) -> Iterator[bytes]:
        """Step over one entry; yield its certificate if that is somebody else's."""
        tag = self._number(4)
        self._text()  # the alias
        self._take(_TIMESTAMP)
        if tag == _TRUSTED_CERTIFICATE:
            yield self._certificate(version)
        elif tag == _PRIVATE_KEY:
            self._take(self._number(4))
            for _ in range(self._number(4)):
                self._certificate(version)
        else:
            raise MalformedStoreError

    def _certificate(self, version: int) -> bytes:
        if version == 2:
            self._text()  # the type, X.509
        return self._take(self._number(4))

    def _text(self) -> None:
        self._take(self._number(2))

    def _number(self, octets: int) -> int:
        return int.from_bytes(self._take(octets), "big")

    def _take(self, octets: int) -> bytes:
        taken = self._content[self._at : self._at + octets]
        if len(taken) < octets:
            raise MalformedStoreError
        self._at += octets
        return taken
