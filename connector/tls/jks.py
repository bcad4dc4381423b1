"""Certificates and private keys of a JKS file, the key store of Java before version 9.

Octets and a password enter, DER leaves. The format never changed: big-endian numbers, texts with their length
before them, and a digest at the end that a password goes into. Our own reader, because the library for it
needs a compiler wherever the connector is installed.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha1

MAGIC = b"\xfe\xed\xfe\xed"

_SALT = b"Mighty Aphrodite"  # of sun.security.provider.JavaKeyStore
_DIGEST = 20
_PRIVATE_KEY, _TRUSTED_CERTIFICATE = 1, 2
_TIMESTAMP = 8

_SEQUENCE, _OCTET_STRING = 0x30, 0x04
# 1.3.6.1.4.1.42.2.17.1.1, Sun's own protection of keys: the only one that a JKS file has.
_KEY_PROTECTOR = bytes.fromhex("060a2b060104012a02110101")


class WrongPasswordError(Exception):
    """The password is not the one that the file or the key was sealed with, or it was changed since."""


class MalformedStoreError(Exception):
    """It is no JKS file, or not all of one."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a store.

    Attributes:
        alias: Its name, as keytool shows it.
        certificates: As DER. A key's own certificate comes first, then those that vouch for it.
        protected: The private key as EncryptedPrivateKeyInfo (RFC 5958); empty in an entry that holds the
            certificate of an authority.
    """

    alias: str
    certificates: tuple[bytes, ...]
    protected: bytes = field(default=b"", repr=False)


def entries(data: bytes, password: str) -> list[Entry]:
    """Read every entry of a store.

    Args:
        data: The whole file.
        password: The store's. It protects nothing from being read, but shows that the file is unchanged.

    Raises:
        WrongPasswordError: The digest differs.
        MalformedStoreError: The file ends too early, or holds something else.
    """
    content, digest = data[:-_DIGEST], data[-_DIGEST:]
    sealed = sha1(password.encode("utf-16-be") + _SALT + content)  # noqa: S324 - the format's own
    if not hmac.compare_digest(sealed.digest(), digest):
        raise WrongPasswordError
    return list(_Reader(content).entries())


def trusted_certificates(data: bytes, password: str) -> list[bytes]:
    """Read the certificates of authorities; entries with a private key are skipped.

    Args:
        data: The whole file.
        password: The store's.

    Returns:
        Certificates as DER.

    Raises:
        WrongPasswordError: The digest differs.
        MalformedStoreError: The file ends too early, or holds something else.
    """
    return [entry.certificates[0] for entry in entries(data, password) if not entry.protected]


def private_key(entry: Entry, password: str) -> bytes:
    """Open the private key of an entry.

    Java masks it with a stream of SHA-1 digests, each of the password and the digest before, of which the
    first is a salt; a digest of the password and the key shows whether the password is right.

    Args:
        entry: One with a private key.
        password: The key's, which keytool makes the same as the store's unless told otherwise.

    Returns:
        The key as PrivateKeyInfo (PKCS#8, RFC 5208) in DER.

    Raises:
        WrongPasswordError: The password is not the key's.
        MalformedStoreError: The key is not protected in the way of a JKS file.
    """
    algorithm, rest = _der(_der(entry.protected, _SEQUENCE)[0], _SEQUENCE)
    sealed = _der(rest, _OCTET_STRING)[0]
    if not algorithm.startswith(_KEY_PROTECTOR) or len(sealed) < 2 * _DIGEST:
        raise MalformedStoreError
    salt, masked, digest = sealed[:_DIGEST], sealed[_DIGEST:-_DIGEST], sealed[-_DIGEST:]
    secret = password.encode("utf-16-be")
    key = bytes(one ^ other for one, other in zip(masked, _stream(secret, salt), strict=False))
    expected = sha1(secret + key).digest()  # noqa: S324 - the format's own
    if not hmac.compare_digest(expected, digest):
        raise WrongPasswordError
    return key


def _stream(secret: bytes, salt: bytes) -> Iterator[int]:
    block = salt
    while True:
        block = sha1(secret + block).digest()  # noqa: S324 - the format's own
        yield from block


def _der(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """Take the first DER value (X.690 section 8.1) off its front: its content, and what follows it."""
    reader = _Reader(data)
    if reader.number(1) != tag:
        raise MalformedStoreError
    length = reader.number(1)
    if length & 0x80:  # then it says how many octets the length has
        length = reader.number(length & 0x7F)
    return reader.take(length), reader.rest()


class _Reader:
    """Takes a store's content apart from its beginning to its end."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def entries(self) -> Iterator[Entry]:
        if self.take(len(MAGIC)) != MAGIC or (version := self.number(4)) not in {1, 2}:
            raise MalformedStoreError
        for _ in range(self.number(4)):
            yield self._entry(version)

    def _entry(self, version: int) -> Entry:
        tag = self.number(4)
        alias = self._text().decode("utf-8", "replace")
        self.take(_TIMESTAMP)
        if tag == _TRUSTED_CERTIFICATE:
            return Entry(alias, (self._certificate(version),))
        if tag == _PRIVATE_KEY:
            protected = self.take(self.number(4))
            chain = tuple(self._certificate(version) for _ in range(self.number(4)))
            return Entry(alias, chain, protected)
        raise MalformedStoreError

    def _certificate(self, version: int) -> bytes:
        if version == 2:
            self._text()  # the type, X.509
        return self.take(self.number(4))

    def _text(self) -> bytes:
        return self.take(self.number(2))

    def number(self, octets: int) -> int:
        return int.from_bytes(self.take(octets), "big")

    def take(self, octets: int) -> bytes:
        taken = self._content[self._at : self._at + octets]
        if len(taken) < octets:
            raise MalformedStoreError
        self._at += octets
        return taken

    def rest(self) -> bytes:
        return self._content[self._at :]
