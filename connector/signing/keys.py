"""An account's keys, ready to sign: chosen by address and date, each with the chain that a reader needs.

Files enter, signers and domain keys leave, or an error that says what is wrong with which file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from connector.model.signing import DomainKeyFile, KeyFile, SigningPolicy
from connector.settings.values import FileStamp, file_stamp
from connector.signing.dkim import DomainKey
from connector.signing.smime import Signer
from connector.signing.usage import signing_fault
from connector.tls.own_keys import OwnKey, UnreadableKeyError, read_key

_SMALLEST_RSA = 1024  # bits; RFC 8301 section 3.2

_Stamps = tuple[FileStamp | None, FileStamp | None]


class UnusableKeyError(Exception):
    """None of the keys can do what is wanted; the text names each file with the reason."""


class Keys:
    """Keys as they were read; one is read anew when its file has changed. Calls read files."""

    def __init__(self) -> None:
        self._read: dict[KeyFile, tuple[_Stamps, OwnKey]] = {}

    def get(self, source: KeyFile) -> OwnKey:
        """Give a key.

        Raises:
            UnreadableKeyError: Its file cannot be read or opened, or holds none.
        """
        stamps = file_stamp(source.file), file_stamp(source.key) if source.key else None
        known = self._read.get(source)
        if known is None or known[0] != stamps:
            known = self._read[source] = stamps, read_key(source)
        return known[1]


def signer(keys: Keys, policy: SigningPolicy, address: str, now: datetime) -> Signer:
    """Choose the key that signs the mail of an address: of those that can, the one issued last.

    Args:
        keys: Where keys are read.
        policy: The generations of the account's key, and how it signs.
        address: The sender's.
        now: The present, with its zone.

    Raises:
        UnusableKeyError: None can.
    """
    usable: list[Signer] = []
    faults: list[str] = []
    for source in policy.keys:
        try:
            usable.append(_signer(keys.get(source), policy, address, now))
        except UnreadableKeyError as error:
            faults.append(str(error))
        except UnusableKeyError as error:
            faults.append(f"{source.file}: {error}")
    if not usable:
        raise UnusableKeyError("; ".join(faults))
    return max(usable, key=lambda one: one.certificate.not_valid_before_utc)


def _signer(own: OwnKey, policy: SigningPolicy, address: str, now: datetime) -> Signer:
    if own.certificate is None:
        raise UnusableKeyError("it holds no certificate of its key")
    if fault := signing_fault(own.certificate, address, now):
        raise UnusableKeyError(fault)
    key = own.key
    if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
        raise UnusableKeyError("its key cannot sign mail")
    vouching = tuple(chain(own.certificate, own.others))
    return Signer(key, own.certificate, vouching, policy.padding, policy.digest)


def chain(certificate: x509.Certificate, others: Sequence[x509.Certificate]) -> Iterator[x509.Certificate]:
    """Order the certificates that vouch for one, up to its root and without it: a reader has to have that.

    Args:
        certificate: Of a key.
        others: What lay beside it, in any order; what does not belong to it is left out.
    """
    left = [one for one in others if one.subject != one.issuer]
    current: x509.Certificate | None = certificate
    while current := next((one for one in left if current and _issued(one, current)), None):
        left.remove(current)
        yield current


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature):
        return False
    return True


def domain_key(keys: Keys, source: DomainKeyFile, domain: str) -> DomainKey:
    """Give a key of a domain for DKIM.

    Args:
        keys: Where keys are read.
        source: The key and its selector.
        domain: The domain that answers for the mail.

    Raises:
        UnreadableKeyError: The file cannot be read or opened, or holds no key.
        UnusableKeyError: The key is of another kind, or too short.
    """
    own = keys.get(source.file).key
    if isinstance(own, rsa.RSAPrivateKey) and own.key_size < _SMALLEST_RSA:
        raise UnusableKeyError(f"{source.file.file}: its RSA key has {own.key_size} bits, fewer than 1024")
    if not isinstance(own, rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey):
        raise UnusableKeyError(f"{source.file.file}: DKIM takes an RSA or an Ed25519 key")
    return DomainKey(domain, source.selector, own)
