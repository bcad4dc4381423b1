"""Private keys with their certificates, in the files in which operators bring them: PEM, PKCS#12, JKS.

Apart from the rest of TLS because of the library, which is loaded when a file needs it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_private_key,
    load_pem_private_key,
    pkcs12,
)
from pydantic import SecretStr

from connector.model.signing import KeyFile
from connector.tls import jks

_PEM = b"-----BEGIN "
_PEM_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"
_PEM_KEY = re.compile(rb"-----BEGIN ([A-Z0-9 ]*PRIVATE KEY)-----.*?-----END \1-----", re.DOTALL)
_JCEKS = b"\xce\xce\xce\xce"
# pkcs7-data, with which every PKCS#12 file begins (RFC 7292 section 4).
_PKCS12 = bytes.fromhex("06092a864886f70d010701")
_MOST_ALIASES = 10

_WRONG_PASSWORD = "the password does not open it"  # noqa: S105 - an explanation
_NO_PASSWORD = "it is encrypted and needs a password"  # noqa: S105 - an explanation
_NO_CERTIFICATE = "it holds no certificate of its key"


class UnreadableKeyError(Exception):
    """A file does not yield a key.

    Args:
        file: Which file.
        reason: Why, without a full stop; what to change where that is not plain.

    Attributes:
        locked: A password is missing or wrong.
    """

    def __init__(self, file: Path, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.reason = reason
        self.locked = reason.startswith((_WRONG_PASSWORD, _NO_PASSWORD))


@dataclass(frozen=True, slots=True)
class OwnKey:
    """A private key and what its file says about it.

    Attributes:
        certificate: The key's own; None where the file has none.
        others: The other certificates of the file, in its order.
    """

    key: PrivateKeyTypes = field(repr=False)
    certificate: x509.Certificate | None
    others: tuple[x509.Certificate, ...]


def read_key(source: KeyFile) -> OwnKey:
    """Read a private key and its certificates.

    Args:
        source: The files, and what opens them.

    Raises:
        UnreadableKeyError: A file cannot be read or opened, or does not hold what is wanted of it.
    """
    data = _content(source.file)
    password = _text(source.password)
    if source.key_password is not None and not data.startswith(jks.MAGIC):
        raise UnreadableKeyError(source.file, "it is not a JKS file, which alone has a `key_password`")
    if _PEM in data:
        return _from_pem(data, source, password)
    if source.key is not None:
        raise UnreadableKeyError(
            source.file, "it is not PEM, which it must be beside a key in a file of its own"
        )
    if data.startswith(jks.MAGIC):
        return _from_jks(data, source, password or "")
    if data.startswith(_JCEKS):
        raise UnreadableKeyError(
            source.file, "JCEKS is not supported: convert it with keytool -importkeystore to PKCS12"
        )
    if _PKCS12 in data[:100]:
        return _from_pkcs12(data, source, password or "")
    raise UnreadableKeyError(source.file, "it is neither PEM, PKCS#12 nor JKS")


def _text(password: SecretStr | None) -> str | None:
    return password.get_secret_value() if password is not None else None


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise UnreadableKeyError(file, error.strerror or "it cannot be read") from None


def _from_pem(data: bytes, source: KeyFile, password: str | None) -> OwnKey:
    if source.alias is not None:
        raise UnreadableKeyError(source.file, "PEM has no aliases: remove `alias`")
    key_file = source.key or source.file
    block = _PEM_KEY.search(data if source.key is None else _content(source.key))
    if block is None:
        raise UnreadableKeyError(key_file, "it holds no private key")
    key = _pem_key(block[0], key_file, password)
    try:
        found = x509.load_pem_x509_certificates(data) if _PEM_CERTIFICATE in data else []
    except ValueError:
        raise UnreadableKeyError(source.file, "a certificate in it is damaged") from None
    return _with_own(source.file, key, found)


def _pem_key(block: bytes, file: Path, password: str | None) -> PrivateKeyTypes:
    encrypted = b"ENCRYPTED" in block  # in the label of PKCS#8, or in the Proc-Type of OpenSSL's own form
    if encrypted and password is None:
        raise UnreadableKeyError(file, _NO_PASSWORD)
    if not encrypted and password is not None:
        raise UnreadableKeyError(file, "its key is not encrypted: remove the password")
    try:
        return load_pem_private_key(block, password.encode() if password is not None else None)
    except (ValueError, TypeError):
        reason = _WRONG_PASSWORD if encrypted else "its private key is damaged"
        raise UnreadableKeyError(file, reason) from None


def _from_pkcs12(data: bytes, source: KeyFile, password: str) -> OwnKey:
    try:
        store = pkcs12.load_pkcs12(data, password.encode())
    except ValueError:
        raise UnreadableKeyError(source.file, _WRONG_PASSWORD) from None
    if store.key is None:
        raise UnreadableKeyError(source.file, "it holds no private key")
    if store.cert is None:
        raise UnreadableKeyError(source.file, _NO_CERTIFICATE)
    name = (store.cert.friendly_name or b"").decode("utf-8", "replace")
    if source.alias is not None and source.alias.lower() != name.lower():
        raise UnreadableKeyError(source.file, f"its first key is named {name!r}, not {source.alias!r}")
    others = tuple(entry.certificate for entry in store.additional_certs)
    return OwnKey(store.key, store.cert.certificate, others)


def _from_jks(data: bytes, source: KeyFile, password: str) -> OwnKey:
    try:
        entry = _chosen([entry for entry in jks.entries(data, password) if entry.protected], source)
        key = load_der_private_key(_jks_key(entry, source, password), None)
        found = [x509.load_der_x509_certificate(one) for one in entry.certificates]
    except jks.WrongPasswordError:
        raise UnreadableKeyError(source.file, f"{_WRONG_PASSWORD}, or it is damaged") from None
    except (jks.MalformedStoreError, ValueError):
        raise UnreadableKeyError(source.file, "it is not a valid JKS file") from None
    return _with_own(source.file, key, found)


def _jks_key(entry: jks.Entry, source: KeyFile, password: str) -> bytes:
    own = _text(source.key_password)
    try:
        return jks.private_key(entry, password if own is None else own)
    except jks.WrongPasswordError:
        reason = "the password opens the file, but not its key: set `key_password`"
        raise UnreadableKeyError(
            source.file, reason if own is None else "key_password does not open the key"
        ) from None


def _chosen(keys: Sequence[jks.Entry], source: KeyFile) -> jks.Entry:
    """Take the key that the alias names; Java compares them without case."""
    if not keys:
        raise UnreadableKeyError(source.file, "it holds no private key")
    names = ", ".join(sorted(entry.alias for entry in keys)[:_MOST_ALIASES])
    if source.alias is None:
        if len(keys) > 1:
            raise UnreadableKeyError(source.file, f"it holds several keys: name one in `alias` ({names})")
        return keys[0]
    for entry in keys:
        if entry.alias.lower() == source.alias.lower():
            return entry
    raise UnreadableKeyError(source.file, f"it holds no key named {source.alias!r}; it has {names}")


def _with_own(file: Path, key: PrivateKeyTypes, certificates: Sequence[x509.Certificate]) -> OwnKey:
    """Tell the key's own certificate from the others; files of PEM have them in any order."""
    public = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    own = [one for one in certificates if _public(one) == public]
    if certificates and not own:
        raise UnreadableKeyError(file, _NO_CERTIFICATE)
    others = tuple(one for one in certificates if one not in own)
    # A renewed certificate may lie beside the former one of the same key.
    return OwnKey(key, max(own, key=lambda one: one.not_valid_after_utc, default=None), others)


def _public(certificate: x509.Certificate) -> bytes | None:
    try:
        return certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):  # of a kind that no key of ours is
        return None
