"""Sign and encrypt a message as its account and its task ask for it.

A message enters, one with the same envelope and other octets leaves, or the error that says why it must not
be sent like this. First the signature, then encryption around it, then the domain's signatures around all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from cryptography import x509

from connector.errors import EncryptionError, SigningError
from connector.model.envelope import Message, PrivateCopy
from connector.model.mail import SendRequest
from connector.model.signing import Protection, SigningPolicy
from connector.signing import dkim, smime
from connector.signing.directory import CertificateDirectory, NoCertificateError
from connector.signing.keys import Keys, UnusableKeyError, domain_key, signer
from connector.signing.usage import addresses, comparable, encryption_fault
from connector.tls.own_keys import UnreadableKeyError

_ALL_OR_NONE = (
    "smtpEmailBccRecipients of an encrypted mail take deliveries of their own, and with them one refused "
    "recipient cannot stop the mail for all; leave out smtpEmailRequireAllRecipients or the blind copies"
)
_SENDER = ""  # which no address is
_MOST_NAMED = 10  # recipients in one error


@dataclass(frozen=True, slots=True)
class Protected:
    """A message that may be sent.

    Attributes:
        warnings: What of the account's wishes was not possible.
    """

    message: Message
    warnings: tuple[str, ...]


class Protector:
    """Signs and encrypts the mails of all accounts.

    Args:
        clock: Gives the present with its zone.
    """

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._keys = Keys()
        self._directories: dict[Path, CertificateDirectory] = {}

    async def protect(self, message: Message, request: SendRequest) -> Protected:
        """Sign and encrypt a message anew; nothing of an earlier attempt is used again.

        It happens off the event loop, which key files and large messages would hold up.

        Args:
            message: As it was written.
            request: What was asked for, with the passwords of the keys.

        Raises:
            SigningError: A signature that must be there cannot be made.
            EncryptionError: A recipient has no usable certificate, or the sender.
            ValueError: The message is not 7-bit, which no input should be able to cause.
        """
        return await asyncio.to_thread(self._protect, message, request)

    def _protect(self, message: Message, request: SendRequest) -> Protected:
        policy, now = request.signing, self._clock()
        warnings: list[str] = []
        if policy.sign is not Protection.ON_REQUEST:
            try:
                own = self._signer(policy, request.sender.address, now)
                message = replace(message, data=smime.sign(message.data, own))
            except SigningError as error:
                warnings.append(_tolerated(error, policy.sign, "unsigned"))
        if policy.encrypt is not Protection.ON_REQUEST:
            try:
                message = self._encrypted(message, request, now)
            except EncryptionError as error:
                warnings.append(_tolerated(error, policy.encrypt, "unencrypted"))
        if policy.dkim:
            keys = self._domain_keys(policy, request.sender.domain)
            message = _each(message, lambda data: dkim.sign(data, keys, now))
        return Protected(message, tuple(warnings))

    def _encrypted(self, message: Message, request: SendRequest, now: datetime) -> Message:
        """Encrypt a message; blind copies apart, or the others could see for whom else it is encrypted."""
        readers = self._readers(request, message, now)
        own = readers.pop(_SENDER, None)
        named = {box.address for box in (*request.to, *request.cc)}
        blind = [address for address in readers if address not in named]
        if blind and message.require_all_recipients:
            raise EncryptionError(_ALL_OR_NONE)
        copies = tuple(
            PrivateCopy(address, _sealed(message.data, [readers[address], own])) for address in blind
        )
        shared = [certificate for address, certificate in readers.items() if address in named]
        data = _sealed(message.data, [*shared, own]) if shared else copies[0].data
        return replace(message, data=data, private=copies)

    def _signer(self, policy: SigningPolicy, sender: str, now: datetime) -> smime.Signer:
        if not policy.keys:
            raise SigningError(f"{_named(policy)} has no key; an operator sets signing.keys")
        try:
            return signer(self._keys, policy, sender, now)
        except UnusableKeyError as error:
            raise SigningError(str(error)) from None

    def _domain_keys(self, policy: SigningPolicy, sender_domain: str) -> list[dkim.DomainKey]:
        domain = policy.dkim_domain or sender_domain
        try:
            return [domain_key(self._keys, source, domain) for source in policy.dkim]
        except (UnreadableKeyError, UnusableKeyError) as error:
            raise SigningError(f"DKIM: {error}") from None

    def _readers(self, request: SendRequest, message: Message, now: datetime) -> dict[str, x509.Certificate]:
        """Find the certificate of each recipient, and under another name that of the sender."""
        policy, sender = request.signing, request.sender.address
        directory = self._directory(policy)
        found: dict[str, x509.Certificate] = {}
        missing: dict[str, str] = {}
        for address in message.envelope.recipients:
            try:
                found[address] = directory.find(address, now)
            except NoCertificateError as error:
                missing[address] = str(error)
        if policy.encrypt_to_sender:
            try:
                found[_SENDER] = self._own(policy, sender, now) or directory.find(sender, now)
            except NoCertificateError as error:
                missing[sender] = f"{error} (the sender, see signing.encrypt_to_sender)"
        if missing:
            reasons = "; ".join([*missing.values()][:_MOST_NAMED])
            more = "; and more" if len(missing) > _MOST_NAMED else ""
            raise EncryptionError(reasons + more, tuple(missing))
        return found

    def _directory(self, policy: SigningPolicy) -> CertificateDirectory:
        if policy.certificates is None:
            raise EncryptionError(
                f"{_named(policy)} has no certificates of recipients; an operator sets signing.certificates"
            )
        directory = self._directories.setdefault(
            policy.certificates, CertificateDirectory(policy.certificates)
        )
        try:
            directory.refresh()
        except OSError as error:
            raise EncryptionError(f"{policy.certificates}: {error.strerror}") from None
        return directory

    def _own(self, policy: SigningPolicy, sender: str, now: datetime) -> x509.Certificate | None:
        """The certificate of a key of the account's own with which the sender can open the mail."""
        usable = [
            certificate
            for certificate in self._own_certificates(policy)
            if comparable(sender) in addresses(certificate) and encryption_fault(certificate, now) is None
        ]
        return max(usable, key=lambda one: one.not_valid_before_utc, default=None)

    def _own_certificates(self, policy: SigningPolicy) -> Iterator[x509.Certificate]:
        for source in policy.keys:
            try:
                own = self._keys.get(source)
            except UnreadableKeyError:  # told by the signature, if there is to be one
                continue
            if own.certificate is not None:
                yield own.certificate


def _sealed(data: bytes, readers: Iterable[x509.Certificate | None]) -> bytes:
    return smime.encrypt(data, [certificate for certificate in readers if certificate is not None])


def _each(message: Message, change: Callable[[bytes], bytes]) -> Message:
    """Change the octets of a message and of its private copies."""
    private = tuple(replace(copy, data=change(copy.data)) for copy in message.private)
    return replace(message, data=change(message.data), private=private)


def _named(policy: SigningPolicy) -> str:
    return f"the account {policy.account}" if policy.account else "the task names its server itself and so"


def _tolerated(error: SigningError | EncryptionError, wish: Protection, how: str) -> str:
    """Turn an error into a warning where the account only wishes; otherwise raise it."""
    if wish is Protection.REQUIRE:
        raise error
    return f"sent {how}: {error.reason}"
