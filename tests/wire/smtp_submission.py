"""What the SMTP tests share: certificates, messages, quick time limits, and one submission on trial."""

from __future__ import annotations

import functools
import ssl
import tempfile
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pydantic import SecretStr

from connector.errors import TransportError
from connector.model.envelope import Envelope, Message
from connector.model.server import Security, Server
from connector.settings.model import SmtpSettings, TimeoutSettings
from connector.testing.smtp import SmtpServer
from connector.transport.smtp.transport import SmtpTransport

LINE = b"The quick brown fox jumps over the lazy dog, and again, and again.\r\n"


def message(*recipients: str, body: bytes = b"Hello.\r\n", require_all: bool = False) -> Message:
    envelope = Envelope("ada@example.com", recipients or ("bob@example.com",))
    return Message(envelope, b"Subject: test\r\n\r\n" + body, "<1@example.com>", require_all)


def bulky(octets: int = 16_000_000) -> Message:
    """Larger than what two kernels buffer between them, so that its sender has to wait for a reader."""
    return message(body=LINE * (octets // len(LINE)))


def settings(**timeouts: float) -> SmtpSettings:
    """Time limits of ten seconds, except for those given: the one on trial must be the one that ends it."""
    limits = dict.fromkeys(TimeoutSettings.model_fields, timedelta(seconds=10))
    limits.update({name: timedelta(seconds=seconds) for name, seconds in timeouts.items()})
    return SmtpSettings(timeouts=TimeoutSettings(**limits), ca_file=ca_file(), helo_name="client.example")


def server_for(hostname: str, port: int) -> Server:
    return Server(hostname, port, Security.NONE)


def to(server: SmtpServer, security: Security = Security.NONE, host: str = "127.0.0.1") -> Server:
    """Where to submit without logging in."""
    return Server(host, server.port, security)


def as_ada(
    server: SmtpServer,
    password: str,
    *,
    encrypted: bool = True,
    security: Security | None = None,
    host: str = "127.0.0.1",
) -> Server:
    """Where to submit as the user ``ada``; over STARTTLS or in clear unless ``security`` says."""
    security = security or (Security.STARTTLS if encrypted else Security.NONE)
    return Server(host, server.port, security, "ada", SecretStr(password))


@asynccontextmanager
async def transport(**timeouts: float) -> AsyncIterator[SmtpTransport]:
    smtp = SmtpTransport(settings(**timeouts))
    try:
        yield smtp
    finally:
        await smtp.aclose()


async def failure(message_: Message, server: Server, **timeouts: float) -> TransportError:
    """Submit and expect it to fail; the connection is closed when this returns."""
    async with transport(**timeouts) as smtp:
        try:
            receipt = await smtp.submit(message_, server)
        except TransportError as error:
            return error
    raise AssertionError(f"it was accepted: {receipt}")


@functools.cache
def authority() -> trustme.CA:
    return trustme.CA()


@functools.cache
def ca_file() -> Path:
    path = Path(tempfile.mkdtemp(prefix="connector-tests-")) / "authority.pem"
    authority().cert_pem.write_to_path(str(path))
    return path


@functools.cache
def good_context() -> ssl.SSLContext:
    return _context(authority().issue_cert("localhost", "127.0.0.1"))


@functools.cache
def expired_context() -> ssl.SSLContext:
    return _context(
        authority().issue_cert("localhost", "127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC))
    )


@functools.cache
def other_host_context() -> ssl.SSLContext:
    return _context(authority().issue_cert("other.example"))


@functools.cache
def unknown_authority_context() -> ssl.SSLContext:
    return _context(trustme.CA().issue_cert("localhost", "127.0.0.1"))


@functools.cache
def old_protocol_context() -> ssl.SSLContext:
    """A server that knows nothing newer than TLS 1.1."""
    context = _context(authority().issue_cert("localhost", "127.0.0.1"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1_1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


@functools.cache
def self_signed_context() -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        file.write(pem + certificate.public_bytes(Encoding.PEM))
        file.flush()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file.name)
    return context


def _context(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
