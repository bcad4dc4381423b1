"""Read the certificates that a server shows, also those of a server that is not trusted.

The report of an untrusted certificate says whose it is. For that the check opens a connection of its own,
over which it sends nothing but EHLO and STARTTLS.
"""

from __future__ import annotations

import _ssl
import ssl
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes

from connector.errors import TransportError
from connector.model.server import Server
from connector.transport.smtp.opening import Client, Witness, open_session
from connector.transport.smtp.replies import printable, shortened
from connector.transport.smtp.wire import Wire

# Automatic renewal happens a month ahead: a certificate closer to its end was forgotten.
WARN_BELOW_DAYS = 30


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate of a chain.

    Attributes:
        subject: Its owner, in the form of RFC 4514.
        names: The host names and addresses that it is valid for.
        sha256: Its fingerprint, in hexadecimal digits.
    """

    subject: str
    issuer: str
    names: tuple[str, ...]
    begins: datetime
    expires: datetime
    sha256: str

    @property
    def days_left(self) -> int:
        """The whole days until it expires; negative once it has."""
        return (self.expires - datetime.now(UTC)).days

    def as_json(self) -> dict[str, Any]:
        """Return its facts as JSON values."""
        return {
            "subject": self.subject,
            "issuer": self.issuer,
            "names": list(self.names),
            "begins": self.begins.isoformat(),
            "expires": self.expires.isoformat(),
            "daysLeft": self.days_left,
            "sha256": self.sha256,
        }


def chain_of(tls: ssl.SSLObject) -> tuple[Certificate, ...]:
    """Read the chain as the server sent it, its own certificate first; unreadable ones are left out."""
    found = []
    for der in _sent(tls):
        try:
            found.append(_read(der))
        except ValueError:  # OpenSSL reads more than ``cryptography`` does, such as a negative serial number
            continue
    return tuple(found)


def _sent(tls: ssl.SSLObject) -> list[bytes]:
    if (public := getattr(tls, "get_unverified_chain", None)) is not None:
        return list(public())
    # Before Python 3.13 only the inner object has it.
    inner = tls._sslobj  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    return [certificate.public_bytes(_ssl.ENCODING_DER) for certificate in inner.get_unverified_chain() or ()]


def _read(der: bytes) -> Certificate:
    certificate = x509.load_der_x509_certificate(der)
    return Certificate(
        _shown(certificate.subject.rfc4514_string()),
        _shown(certificate.issuer.rfc4514_string()),
        tuple(map(_shown, _names(certificate))),
        certificate.not_valid_before_utc,
        certificate.not_valid_after_utc,
        certificate.fingerprint(hashes.SHA256()).hex(),
    )


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    hosts = names.get_values_for_type(x509.DNSName)
    return [*hosts, *map(str, names.get_values_for_type(x509.IPAddress))]


def _shown(text: str) -> str:
    """Make text of a foreign certificate safe for a terminal."""
    return shortened(printable(text.encode("utf-8", "replace")))


class _Look(Witness):
    def __init__(self) -> None:
        self.chain: tuple[Certificate, ...] = ()

    def encrypted(self, wire: Wire) -> None:
        if wire.tls is not None:
            self.chain = chain_of(wire.tls)


async def presented(server: Server, client: Client) -> tuple[Certificate, ...]:
    """Return the chain of a server that was not trusted; empty when it shows none.

    This connection must never carry mail or a login: nothing is verified.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = client.context.minimum_version
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    look = _Look()
    try:
        stranger = replace(server, username=None, password=None)
        session = await open_session(stranger, replace(client, context=context, witness=look))
    except TransportError:
        return look.chain
    await session.quit()
    return look.chain
