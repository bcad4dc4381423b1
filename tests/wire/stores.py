"""Certificates in the files in which operators bring them: PEM, PKCS#12 and JKS."""

from __future__ import annotations

import subprocess
from hashlib import sha1
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)

from tests.servers import keytool

STORE_PASSWORD = "changeit"
PASSPHRASE = "kläff kläff"


def made_by_keytool(authority: trustme.CA, file: Path, kind: str) -> Path:
    """Make a trust store as Java people do."""
    pem = file.with_suffix(".pem")
    authority.cert_pem.write_to_path(str(pem))
    command = [
        "keytool",
        "-importcert",
        "-noprompt",
        "-alias",
        "ca",
        "-file",
        str(pem),
        "-keystore",
        str(file),
    ]
    store = ["-storetype", kind, "-storepass", STORE_PASSWORD]
    subprocess.run([*command, *store], check=True, capture_output=True)
    return file


def certificate(authority: trustme.CA) -> x509.Certificate:
    return x509.load_pem_x509_certificate(authority.cert_pem.bytes())


def jks_store(authority: trustme.CA, file: Path, *, version: int = 2) -> Path:
    """Write a JKS file by its format: one authority between two entries with keys of one's own."""
    der = certificate(authority).public_bytes(Encoding.DER)
    kind = _text(b"X.509") if version == 2 else b""
    other = kind + _blob(b"no certificate")
    own = (
        (1).to_bytes(4, "big")
        + _text(b"own")
        + bytes(8)
        + _blob(b"a key")
        + (2).to_bytes(4, "big")
        + other * 2
    )
    trusted = (2).to_bytes(4, "big") + _text(b"ca") + bytes(8) + kind + _blob(der)
    header = b"\xfe\xed\xfe\xed" + version.to_bytes(4, "big") + (3).to_bytes(4, "big")
    file.write_bytes(sealed(header + own + trusted + own))
    return file


def sealed(content: bytes) -> bytes:
    """Put the digest behind a store's content."""
    return content + sha1(STORE_PASSWORD.encode("utf-16-be") + b"Mighty Aphrodite" + content).digest()


def _text(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data


def _blob(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def pkcs12_store(authority: trustme.CA, file: Path) -> Path:
    encryption = BestAvailableEncryption(STORE_PASSWORD.encode())
    authorities = [certificate(authority)]
    file.write_bytes(pkcs12.serialize_key_and_certificates(None, None, None, authorities, encryption))
    return file


class ClientCertificate:
    """A certificate of a client's own, in every form.

    Args:
        authority: Who vouches for it.
        directory: Where its files go.
    """

    def __init__(self, authority: trustme.CA, directory: Path) -> None:
        self._leaf = authority.issue_cert("worker@example.com")
        self._directory = directory
        self._key = load_pem_private_key(self._leaf.private_key_pem.bytes(), None)
        self._chain = b"".join(blob.bytes() for blob in self._leaf.cert_chain_pems)

    def one_pem(self) -> Path:
        return self._write("client.pem", self._leaf.private_key_pem.bytes() + self._chain)

    def two_pems(self, passphrase: str | None) -> tuple[Path, Path]:
        encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
        key = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        return self._write("chain.pem", self._chain), self._write("key.pem", key)

    def pkcs12(self, password: str = PASSPHRASE) -> Path:
        own = x509.load_pem_x509_certificate(self._leaf.cert_chain_pems[0].bytes())
        encryption = BestAvailableEncryption(password.encode())
        data = pkcs12.serialize_key_and_certificates(b"client", self._key, own, None, encryption)  # type: ignore[arg-type]  # trustme's keys are of a kind that fits
        return self._write("client.p12", data)

    def jks(self) -> Path:
        file = self._directory / "client.jks"
        keytool.converted(self.pkcs12(STORE_PASSWORD), file, STORE_PASSWORD)
        return file

    def _write(self, name: str, data: bytes) -> Path:
        file = self._directory / name
        file.write_bytes(data)
        return file
