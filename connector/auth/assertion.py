"""Signed assertions: how an application proves who it is without a secret (RFC 7523).

A key file and claims enter, a JWT (RFC 7515) leaves. The key is PEM with its certificate, PKCS#12, or the
JSON that Google gives for a service account; it is read for every assertion, so that a new one is used at
once.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key, pkcs12

CLIENT_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
JWT_BEARER_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"

_SECONDS = 300  # how long an assertion is good; providers refuse more than an hour
_PEM = b"-----BEGIN "
_BEGIN_CERTIFICATE = b"-----BEGIN CERTIFICATE-----"

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


class UnusableKeyFileError(Exception):
    """The file holds no key to sign with; the text says why, without any of its content."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key, and what goes with it.

    Attributes:
        certificate: Where the file has one; providers know a key by its thumbprint.
        key_id: Google's name for the key.
        issuer: The service account that the key belongs to.
    """

    key: PrivateKey
    certificate: x509.Certificate | None = None
    key_id: str | None = None
    issuer: str | None = None

    @property
    def expires(self) -> datetime | None:
        """When the certificate ends."""
        return self.certificate.not_valid_after_utc if self.certificate else None

    def sign(self, claims: Mapping[str, Any], *, pss: bool = False) -> str:
        """Sign claims.

        Args:
            claims: JSON values.
            pss: Whether RSA signs with PS256, which Microsoft asks for, in place of RS256.
        """
        header: dict[str, str] = {"typ": "JWT", "alg": self._algorithm(pss=pss)}
        if self.key_id:
            header["kid"] = self.key_id
        if self.certificate is not None:
            header["x5t#S256"] = _text(self.certificate.fingerprint(hashes.SHA256()))
            header["x5t"] = _text(self.certificate.fingerprint(hashes.SHA1()))  # noqa: S303 - RFC 7515 section 4.1.7
        signed = f"{_text(_json(header))}.{_text(_json(claims))}"
        return f"{signed}.{_text(self._signature(signed.encode(), pss=pss))}"

    def _algorithm(self, *, pss: bool) -> str:
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            return "ES256"
        return "PS256" if pss else "RS256"

    def _signature(self, signed: bytes, *, pss: bool) -> bytes:
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            pair = decode_dss_signature(self.key.sign(signed, ec.ECDSA(hashes.SHA256())))
            return b"".join(number.to_bytes(32) for number in pair)
        digest = hashes.SHA256()
        chosen = padding.PSS(padding.MGF1(digest), digest.digest_size) if pss else padding.PKCS1v15()
        return self.key.sign(signed, chosen, digest)


def load_key(file: Path, password: str | None = None) -> SigningKey:
    """Read a key file.

    Args:
        file: PEM with key and certificate, PKCS#12, or a service account's JSON.
        password: Of the key in PEM, or of the PKCS#12 file.

    Raises:
        UnusableKeyFileError: It cannot be read, or holds no RSA or P-256 key.
    """
    try:
        octets = file.read_bytes()
    except OSError as error:
        raise UnusableKeyFileError(f"it cannot be read: {error.strerror}") from None
    if octets.lstrip().startswith(b"{"):
        return _service_account(octets)
    try:
        return _pem(octets, password) if _PEM in octets else _pkcs12(octets, password)
    except (ValueError, TypeError):  # of the library: no key, another form, a wrong or missing password
        raise UnusableKeyFileError("it holds no private key, or its password is wrong or missing") from None


def assertion_claims(issuer: str, subject: str, audience: str, now: float) -> dict[str, Any]:
    """The claims that every assertion has (RFC 7523 section 3)."""
    begins = int(now)
    return {
        "iss": issuer,
        "sub": subject,
        "aud": audience,
        "iat": begins,
        "nbf": begins,
        "exp": begins + _SECONDS,
        "jti": uuid4().hex,
    }


def _pem(octets: bytes, password: str | None) -> SigningKey:
    key = load_pem_private_key(octets, password.encode() if password else None)
    at = octets.find(_BEGIN_CERTIFICATE)
    return SigningKey(_supported(key), x509.load_pem_x509_certificate(octets[at:]) if at >= 0 else None)


def _pkcs12(octets: bytes, password: str | None) -> SigningKey:
    key, certificate, _ = pkcs12.load_key_and_certificates(octets, password.encode() if password else None)
    return SigningKey(_supported(key), certificate)


def _service_account(octets: bytes) -> SigningKey:
    try:
        content = json.loads(octets)
        key = load_pem_private_key(content["private_key"].encode(), None)
        issuer, key_id = content["client_email"], content["private_key_id"]
    except (ValueError, TypeError, KeyError, AttributeError):
        raise UnusableKeyFileError("it is JSON, and not the key of a service account") from None
    return SigningKey(_supported(key), None, str(key_id), str(issuer))


def _supported(key: object) -> PrivateKey:
    if isinstance(key, rsa.RSAPrivateKey):
        return key
    if isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1):
        return key
    raise UnusableKeyFileError("it must hold an RSA key, or an elliptic-curve key on P-256")


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _text(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode("ascii")
