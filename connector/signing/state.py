"""What an operator wants to know of keys: whose they are, what for, how long, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from connector.model.signing import DomainKeyFile, KeyFile, SigningPolicy
from connector.signing.keys import Keys, UnusableKeyError, chain, domain_key
from connector.signing.usage import addresses, purposes, signing_fault
from connector.tls.own_keys import OwnKey, UnreadableKeyError

WARN_BELOW_DAYS = 30
_SMIME, _DKIM = "S/MIME", "DKIM"
_CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}


@dataclass(frozen=True, slots=True)
class KeyState:
    """A key as it is now.

    Attributes:
        use: ``S/MIME`` or ``DKIM``.
        file: Where it is.
        kind: Such as ``RSA 2048``; empty where it could not be read.
        certificate: Its own; None where it has none, or could not be read.
        chain: The certificates that are sent along.
        selector: Of a key for DKIM.
        fault: Why it cannot be used; None where it can.
    """

    use: str
    file: Path
    kind: str = ""
    certificate: x509.Certificate | None = None
    chain: tuple[x509.Certificate, ...] = ()
    selector: str | None = None
    fault: str | None = None

    def days_left(self, now: datetime) -> int | None:
        """Whole days until its certificate ends; negative once it has, None without one."""
        return (self.certificate.not_valid_after_utc - now).days if self.certificate is not None else None

    def timely(self, now: datetime) -> bool:
        """Whether its certificate, if it has one, is valid by its dates; that of a coming key is not."""
        own = self.certificate
        return own is None or own.not_valid_before_utc <= now <= own.not_valid_after_utc

    def as_json(self, now: datetime) -> dict[str, Any]:
        """Give it with the same keys for every state."""
        own = self.certificate
        return {
            "use": self.use,
            "file": str(self.file),
            "key": self.kind or None,
            "selector": self.selector,
            "subject": own and own.subject.rfc4514_string(),
            "issuer": own and own.issuer.rfc4514_string(),
            "addresses": sorted(addresses(own)) if own else [],
            "purposes": purposes(own) if own else [],
            "chain": [one.subject.rfc4514_string() for one in self.chain],
            "begins": own and own.not_valid_before_utc.isoformat(),
            "expires": own and own.not_valid_after_utc.isoformat(),
            "daysLeft": self.days_left(now),
            "sha256": own and own.fingerprint(hashes.SHA256()).hex(),
            "fault": self.fault,
        }


def account_states(keys: Keys, policy: SigningPolicy, address: str | None, now: datetime) -> list[KeyState]:
    """Look at all keys of an account; reads files.

    Args:
        keys: Where keys are read.
        policy: The account's, with the passwords of its keys.
        address: The account's sender; None leaves out whether the certificates are for it.
        now: The present, with its zone.
    """
    smime = [_smime_state(keys, source, address, now) for source in policy.keys]
    return smime + [_dkim_state(keys, source) for source in policy.dkim]


def file_state(own: OwnKey, file: Path, now: datetime) -> KeyState:
    """Look at a key that has been read: one without a certificate can only be for DKIM."""
    if own.certificate is None:
        return KeyState(_DKIM, file, kind_of(own.key))
    return _certified(own, own.certificate, file, None, now)


def expiring(states: Sequence[KeyState], now: datetime) -> list[KeyState]:
    """Choose the keys whose certificate ends within 30 days, and that no other generation replaces."""
    lasting = [one for one in states if one.fault is None and _left(one, now) >= WARN_BELOW_DAYS]
    return [one for one in states if _left(one, now) < WARN_BELOW_DAYS and not _replaced(one, lasting)]


def kind_of(key: PrivateKeyTypes) -> str:
    """Name the kind and strength of a key."""
    match key:
        case rsa.RSAPrivateKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePrivateKey():
            return f"EC {_CURVES.get(key.curve.name, key.curve.name)}"
        case ed25519.Ed25519PrivateKey():
            return "Ed25519"
    return "of another kind"


def _smime_state(keys: Keys, source: KeyFile, address: str | None, now: datetime) -> KeyState:
    try:
        own = keys.get(source)
    except UnreadableKeyError as error:
        return KeyState(_SMIME, source.file, fault=error.reason)
    if own.certificate is None:
        return KeyState(_SMIME, source.file, kind_of(own.key), fault="it holds no certificate of its key")
    return _certified(own, own.certificate, source.file, address, now)


def _certified(
    own: OwnKey, certificate: x509.Certificate, file: Path, address: str | None, now: datetime
) -> KeyState:
    fault = signing_fault(certificate, address, now)
    vouching = tuple(chain(certificate, own.others))
    return KeyState(_SMIME, file, kind_of(own.key), certificate, vouching, fault=fault)


def _dkim_state(keys: Keys, source: DomainKeyFile) -> KeyState:
    file, kind, fault = source.file.file, "", None
    try:
        kind = kind_of(keys.get(source.file).key)
        domain_key(keys, source, "")
    except UnreadableKeyError as error:
        fault = error.reason
    except UnusableKeyError as error:
        fault = str(error).removeprefix(f"{file}: ")
    return KeyState(_DKIM, file, kind, selector=source.selector, fault=fault)


def _left(state: KeyState, now: datetime) -> float:
    days = state.days_left(now)
    return float("inf") if days is None else days


def _replaced(state: KeyState, others: Iterable[KeyState]) -> bool:
    own = addresses(state.certificate) if state.certificate is not None else frozenset()
    return any(own <= addresses(one.certificate) for one in others if one.certificate is not None)
