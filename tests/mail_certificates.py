"""A private authority for mail certificates: a root, an intermediate, and leaves of every kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

PASSWORD = "geheim-Pässword-{8}"  # of test keys only

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey
MAIL = (ExtendedKeyUsageOID.EMAIL_PROTECTION,)
SERVER = (ExtendedKeyUsageOID.SERVER_AUTH,)
SIGNING, ENCRYPTION = "digital_signature", "key_encipherment"


@cache
def key(kind: str, number: int = 0) -> Key:
    """Make a key once for the whole session; RSA keys take their time."""
    match kind:
        case "rsa":
            return rsa.generate_private_key(65537, 2048)
        case "rsa-1024":
            return rsa.generate_private_key(65537, 1024)
        case "p256":
            return ec.generate_private_key(ec.SECP256R1())
        case "p384":
            return ec.generate_private_key(ec.SECP384R1())
        case "ed25519":
            return ed25519.Ed25519PrivateKey.generate()
    raise AssertionError(f"no such kind of key: {kind}")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A certificate with its key and those that vouch for it."""

    key: Key
    certificate: x509.Certificate
    chain: tuple[x509.Certificate, ...]

    @property
    def key_pem(self) -> bytes:
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    @property
    def encrypted_key_pem(self) -> bytes:
        encryption = BestAvailableEncryption(PASSWORD.encode())
        return self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)

    @property
    def certificates_pem(self) -> bytes:
        return b"".join(one.public_bytes(Encoding.PEM) for one in (self.certificate, *self.chain))

    def pkcs12(self, password: str = PASSWORD) -> bytes:
        encryption = BestAvailableEncryption(password.encode())
        return pkcs12.serialize_key_and_certificates(
            b"own",
            self.key,
            self.certificate,
            self.chain,
            encryption,
        )


class MailAuthority:
    """A root that vouches for an intermediate, which vouches for the leaves.

    Args:
        number: Tells authorities apart; all have the same names.
    """

    def __init__(self, number: int = 0) -> None:
        self._root_key = key("p256", -1 - 2 * number)
        self._intermediate_key = key("p256", -2 - 2 * number)
        self.root = _authority("Test root", self._root_key, "Test root", self._root_key)
        self.intermediate = _authority(
            "Test intermediate", self._intermediate_key, "Test root", self._root_key
        )

    def root_file(self, directory: Path) -> Path:
        file = directory / "root.pem"
        file.write_bytes(self.root.public_bytes(Encoding.PEM))
        return file

    def leaf(
        self,
        address: str | None = "ann@example.test",
        kind: str = "rsa",
        *,
        number: int = 0,
        usage: Sequence[str] | None = (SIGNING, ENCRYPTION),
        purposes: Sequence[x509.ObjectIdentifier] | None = MAIL,
        begins: timedelta = timedelta(days=-1),
        ends: timedelta = timedelta(days=365),
        subject_only: bool = False,
        damaged: bool = False,
    ) -> Leaf:
        """Issue a certificate for an address.

        Args:
            number: Tells keys of one kind apart.
            usage: The bits of key usage; None leaves the extension out.
            purposes: Extended key usage; None leaves it out.
            begins: From when it is valid, from now on.
            ends: Until when.
            subject_only: The address stands in the subject, as in old certificates.
            damaged: The extension with the address is not what it says.
        """
        own = key(kind, number)
        now = datetime.now(UTC)
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, "Ann Example")]
        if subject_only and address:
            attributes.append(x509.NameAttribute(NameOID.EMAIL_ADDRESS, address))
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name(attributes))
            .issuer_name(self.intermediate.subject)
            .public_key(own.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        )
        if usage is not None:
            builder = builder.add_extension(_usage(usage), critical=True)
        if purposes is not None:
            builder = builder.add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        if address and not subject_only:
            names: x509.ExtensionType = x509.SubjectAlternativeName([x509.RFC822Name(address)])
            if damaged:
                names = x509.UnrecognizedExtension(x509.SubjectAlternativeName.oid, b"no names")
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(_signing(self._intermediate_key), hashes.SHA256())
        return Leaf(own, certificate, (self.intermediate,))


def _usage(bits: Sequence[str]) -> x509.KeyUsage:
    every = (
        "digital_signature",
        "content_commitment",
        "key_encipherment",
        "data_encipherment",
        "key_agreement",
        "key_cert_sign",
        "crl_sign",
        "encipher_only",
        "decipher_only",
    )
    return x509.KeyUsage(**{bit: bit in bits for bit in every})


def _authority(name: str, own: Key, issuer: str, issuing: Key) -> x509.Certificate:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(["key_cert_sign", "crl_sign"]), critical=True)
        .sign(_signing(issuing), hashes.SHA256())
    )


def _signing(own: Key) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    assert isinstance(own, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey))
    return own
