"""Certificates and keys in the forms in which people bring them from Java: PKCS#12 and JKS.

Files enter; what OpenSSL reads leaves: certificates as DER, a key as PEM. Apart from the rest of TLS because
of the library for PKCS#12, which is loaded when a file needs it.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr

from connector.model.signing import KeyFile
from connector.tls import jks

_PEM = b"-----BEGIN "


class UnreadableStoreError(Exception):
    """A store cannot be opened, or lacks what is wanted of it; the text says which."""


def trusted_certificates(file: Path, password: str) -> bytes:
    """Read the authorities of a trust store.

    Args:
        file: PKCS#12, which Java has written since version 9 under any file name, or JKS.
        password: The store's.

    Returns:
        The certificates as DER, one after the other.

    Raises:
        UnreadableStoreError: It is neither, the password is wrong, or there is no certificate in it.
        OSError: It cannot be read.
    """
    data = file.read_bytes()
    found = _from_jks(data, password) if data.startswith(jks.MAGIC) else _from_pkcs12(data, password)
    if not found:
        raise UnreadableStoreError("it holds no certificate of an authority")
    return b"".join(found)


def _from_jks(data: bytes, password: str) -> list[bytes]:
    try:
        return jks.trusted_certificates(data, password)
    except jks.WrongPasswordError:
        raise UnreadableStoreError("trust_store_password does not open it, or it is damaged") from None
    except jks.MalformedStoreError:
        raise UnreadableStoreError("it is not a valid JKS file") from None


def _from_pkcs12(data: bytes, password: str) -> list[bytes]:
    from cryptography.hazmat.primitives.serialization import Encoding, pkcs12  # noqa: PLC0415 - loads a library

    if data.startswith(_PEM):
        raise UnreadableStoreError("it is PEM: name it in ca_file")
    try:
        store = pkcs12.load_pkcs12(data, password.encode())
    except ValueError:
        raise UnreadableStoreError(
            "it is neither PKCS#12 nor JKS, or trust_store_password does not open it"
        ) from None
    # A certificate with a key is the holder's own, not an authority's.
    own = [store.cert] if store.cert is not None and store.key is None else []
    listed = [*own, *store.additional_certs]
    return [entry.certificate.public_bytes(Encoding.DER) for entry in listed]


@contextmanager
def client_pem(certificate: Path, key: Path | None, password: str) -> Iterator[tuple[Path, Path | None, str]]:
    """Give a client certificate as files of PEM, which is all that OpenSSL's loader takes.

    Args:
        certificate: PEM, PKCS#12 or JKS.
        key: PEM, where the certificate's file does not hold it.
        password: Of the key, or the PKCS#12 or JKS file.

    Yields:
        The file of the certificate and its chain, that of the key, and the key's passphrase.

    Raises:
        UnreadableStoreError: The file cannot be opened, or holds no key with its certificate.
        OSError: A file cannot be read.
    """
    if _PEM in certificate.read_bytes():
        yield certificate, key, password
        return
    # The key never touches a disk in clear: its passphrase lives as long as this block.
    passphrase = secrets.token_urlsafe()
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(_pem_of(KeyFile(certificate, key, SecretStr(password)), passphrase))
        file.flush()
        yield Path(file.name), None, passphrase


def _pem_of(source: KeyFile, passphrase: str) -> bytes:
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - loads a library

    from connector.tls.own_keys import UnreadableKeyError, read_key  # noqa: PLC0415 - loads a library

    try:
        own = read_key(source)
    except UnreadableKeyError as error:
        raise UnreadableStoreError(error.reason) from None
    if own.certificate is None:
        raise UnreadableStoreError("it holds no certificate of its key")
    key = own.key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(passphrase.encode()),
    )
    chain = (own.certificate, *own.others)
    return key + b"".join(one.public_bytes(serialization.Encoding.PEM) for one in chain)
