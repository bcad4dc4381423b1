"""TLS to mail servers: one context, always verifying, and words for what can be wrong with a server's.

The authorities to trust enter once; an encrypted link leaves, or an error that says what to change. There
is no switch for "accept any certificate": a private authority belongs into ``smtp.ca_file``.
"""

from __future__ import annotations

import ipaddress
import ssl
from pathlib import Path

import idna

from connector.errors import ErrorCode, Phase, TransportError
from connector.transport.conversation import Conversation
from connector.transport.link import ClearTextBeforeTlsError

_TRUST = "Put its authority's certificate into smtp.ca_file."
# OpenSSL's verification results (x509_vfy.h), as SSLCertVerificationError.verify_code gives them.
_CERTIFICATE_FAULTS = {
    9: "its certificate is not valid yet: check the clocks.",
    10: "its certificate has expired: the server needs a new one.",
    18: f"its certificate is self-signed. {_TRUST}",
    19: f"its certificate comes from an authority that is not trusted here. {_TRUST}",
    20: f"its certificate comes from an authority that is not trusted here. {_TRUST}",
    21: f"it does not send the certificates between its own and a trusted authority's. {_TRUST}",
    62: "its certificate is for another host name: use the name that the certificate has.",
    64: "its certificate is not for this IP address: use the host name that the certificate has.",
}
# OpenSSL's reasons: an alert from the server, or its version refused here.
_VERSION_FAULTS = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION", "NO_PROTOCOLS_AVAILABLE"}
)
_PLAIN_FAULTS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})


def build_context(ca_file: Path | None) -> ssl.SSLContext:
    """Make the context for every connection; reads files, takes some 20 ms.

    Args:
        ca_file: PEM bundle in place of the system's authorities (which ``SSL_CERT_FILE`` can move).

    Raises:
        OSError: The bundle cannot be read or holds no certificate.
    """
    context = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2  # RFC 8996
    return context


def host_to_verify(hostname: str) -> str:
    """The host as certificates spell it: an IP literal without brackets, or a name in its ASCII form.

    Raises:
        UnicodeError: It is no host name.
    """
    bare = hostname.removeprefix("[").removesuffix("]").removesuffix(".")
    if not bare:
        raise UnicodeError("the host name is empty")
    try:
        return str(ipaddress.ip_address(bare))
    except ValueError:
        return bare if bare.isascii() else idna.encode(bare, uts46=True).decode()


async def encrypt(talk: Conversation, context: ssl.SSLContext, hostname: str, phase: Phase) -> None:
    """Do the TLS handshake.

    Args:
        talk: The conversation, in clear so far.
        context: From :func:`build_context`.
        hostname: Whose certificate it has to be.
        phase: What came before: ``STARTTLS``, or ``TLS`` from the first octet.

    Raises:
        TransportError: ``TLS_FAILED`` for what a person has to change, ``CONNECTION_*`` otherwise.
    """
    async with talk.step(Phase.TLS):
        try:
            await talk.link.start_tls(context, host_to_verify(hostname), talk.seconds(Phase.TLS) + 1)
        except (ssl.SSLError, ClearTextBeforeTlsError, ConnectionResetError) as error:
            if _is_tcp_reset(error):
                raise
            fault = f"TLS with {talk.server} failed: {explain(error, phase)} No credentials were sent."
            raise TransportError(ErrorCode.TLS_FAILED, fault, phase=Phase.TLS, server=talk.server) from error


def _is_tcp_reset(error: Exception) -> bool:
    """Whether the network broke the handshake; asyncio reports the server's orderly end without an errno."""
    return isinstance(error, ConnectionResetError) and error.errno is not None


def explain(error: Exception, phase: Phase) -> str:
    """What went wrong in a handshake, and what to do about it, in whole sentences."""
    if isinstance(error, ssl.SSLCertVerificationError):
        fault = f"its certificate is not valid: {error.verify_message}."
        return _CERTIFICATE_FAULTS.get(error.verify_code, fault)
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    if reason in _VERSION_FAULTS:
        return "it speaks no TLS 1.2 or later, which is the least that is accepted."
    if phase is Phase.TLS and (reason in _PLAIN_FAULTS or isinstance(error, ClearTextBeforeTlsError)):
        return "this port does not speak TLS from the start: use security starttls, or port 465."
    if isinstance(error, ClearTextBeforeTlsError):
        return "text came in between STARTTLS and the handshake, as an attacker would inject it."
    if isinstance(error, ConnectionResetError | ssl.SSLEOFError):
        # Many servers refuse a version or a cipher in this way, without the alert of RFC 8446 section 6.
        return "it ended the handshake without saying why; most likely it speaks no TLS 1.2 or later."
    return f"the handshake ended with {reason or 'an error'}."
