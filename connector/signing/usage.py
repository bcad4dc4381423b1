"""What a certificate may be used for: addresses, purposes, dates.

A certificate enters, the reason why it cannot be used leaves, in words for the operator who can replace it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

_MAIL = (ExtendedKeyUsageOID.EMAIL_PROTECTION, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE)
_CURVES = ("secp256r1", "secp384r1", "secp521r1")  # P-256, P-384, P-521
_SMALLEST_RSA = 2048  # bits; RFC 8550 section 4.3 calls shorter keys insecure
# id-on-SmtpUTF8Mailbox (RFC 9598), for local parts that are not ASCII.
_UTF8_MAILBOX = "1.3.6.1.5.5.7.8.9"
_UTF8_STRING = 0x0C
_MOST_SHOWN = 3
_DAMAGED = "its certificate has an extension that cannot be read"

_Extension = TypeVar("_Extension", bound=x509.ExtensionType)


def addresses(certificate: x509.Certificate) -> frozenset[str]:
    """List the mail addresses that a certificate is for (RFC 8550 section 3), in comparable form."""
    found: list[str] = []
    if (names := _extension(certificate, x509.SubjectAlternativeName)) is not None:
        found += names.get_values_for_type(x509.RFC822Name)
        for other in names.get_values_for_type(x509.OtherName):
            if other.type_id.dotted_string == _UTF8_MAILBOX and other.value[:1] == bytes([_UTF8_STRING]):
                found.append(other.value[2:].decode("utf-8", "replace"))
    for attribute in certificate.subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        found.append(str(attribute.value))
    return frozenset(map(comparable, found))


def comparable(address: str) -> str:
    """Write an address so that it can be compared.

    RFC 5280 section 7.5 compares local parts exactly, but no server in use tells people apart by case, and
    certificates are issued for ``Ann@example.com`` and ``ann@example.com`` alike.
    """
    return address.strip().casefold()


def purposes(certificate: x509.Certificate) -> list[str]:
    """List what the extensions of a certificate allow: ``signing``, ``encryption``."""
    allowed = {"signing": _may_sign, "encryption": _may_encrypt}
    return [name for name, bits in allowed.items() if _purpose_fault(certificate, name, bits) is None]


def signing_fault(certificate: x509.Certificate, address: str | None, now: datetime) -> str | None:
    """Say why a certificate cannot sign the mail of an address; None if it can.

    Args:
        certificate: The signer's.
        address: Whose mail it is: readers compare it with the From field (RFC 8550 section 3). None for any.
        now: The present, with its zone.
    """
    try:
        return (
            _signer_fault(certificate)
            or _date_fault(certificate, now)
            or _purpose_fault(certificate, "signing", _may_sign)
            or (_address_fault(certificate, address) if address is not None else None)
        )
    except ValueError:
        return _DAMAGED


def encryption_fault(certificate: x509.Certificate, now: datetime) -> str | None:
    """Say why nothing can be encrypted for a certificate; None if it can."""
    try:
        return (
            _receiver_fault(certificate)
            or _date_fault(certificate, now)
            or _purpose_fault(certificate, "encryption", _may_encrypt)
        )
    except ValueError:
        return _DAMAGED


def _signer_fault(certificate: x509.Certificate) -> str | None:
    key = _public_key(certificate)
    if isinstance(key, rsa.RSAPublicKey):
        return _rsa_fault(key)
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return None
    return "its key cannot sign mail; that takes RSA, or EC with the curve P-256, P-384 or P-521"


def _receiver_fault(certificate: x509.Certificate) -> str | None:
    key = _public_key(certificate)
    if isinstance(key, rsa.RSAPublicKey):
        return _rsa_fault(key)
    kind = "an EC" if isinstance(key, ec.EllipticCurvePublicKey) else "another kind of"
    return f"its certificate has {kind} key, and encryption takes RSA"


def _rsa_fault(key: rsa.RSAPublicKey) -> str | None:
    return None if key.key_size >= _SMALLEST_RSA else f"its RSA key has {key.key_size} bits, fewer than 2048"


def _public_key(certificate: x509.Certificate) -> CertificatePublicKeyTypes | None:
    try:
        return certificate.public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None


def _date_fault(certificate: x509.Certificate, now: datetime) -> str | None:
    if now > certificate.not_valid_after_utc:
        return f"its certificate expired on {certificate.not_valid_after_utc:%Y-%m-%d}"
    if now < certificate.not_valid_before_utc:
        return f"its certificate is not valid before {certificate.not_valid_before_utc:%Y-%m-%d}"
    return None


def _may_sign(usage: x509.KeyUsage) -> bool:
    return usage.digital_signature or usage.content_commitment


def _may_encrypt(usage: x509.KeyUsage) -> bool:
    return usage.key_encipherment


def _purpose_fault(
    certificate: x509.Certificate, purpose: str, allowed: Callable[[x509.KeyUsage], bool]
) -> str | None:
    """Look at key usage and extended key usage (RFC 8550 section 4.4); one that is absent allows all."""
    usage = _extension(certificate, x509.KeyUsage)
    if usage is not None and not allowed(usage):
        return f"its certificate does not allow {purpose}: see its key usage"
    extended = _extension(certificate, x509.ExtendedKeyUsage)
    if extended is not None and not set(_MAIL) & set(extended):
        return "its certificate is not for mail: its extended key usage lacks emailProtection"
    return None


def _address_fault(certificate: x509.Certificate, address: str) -> str | None:
    named = addresses(certificate)
    if comparable(address) in named:
        return None
    shown = ", ".join(sorted(named)[:_MOST_SHOWN]) + (", …" if len(named) > _MOST_SHOWN else "")
    return f"its certificate is for {shown or 'no address'}, not for {address}"


def _extension(certificate: x509.Certificate, kind: type[_Extension]) -> _Extension | None:
    try:
        return certificate.extensions.get_extension_for_class(kind).value
    except x509.ExtensionNotFound:
        return None
