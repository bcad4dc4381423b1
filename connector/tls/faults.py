"""What went wrong in a handshake, in words: the fault, and the setting that mends it.

An error of OpenSSL's enters, whole sentences leave. A certificate that is not trusted is the operator's to
judge, so every sentence about one names where its authority would be listed for this very server.
"""

from __future__ import annotations

import ssl
from enum import StrEnum

from connector.errors import Phase
from connector.model.server import Server


class ClearTextBeforeTlsError(Exception):
    """Octets came before the handshake: the server's, or those of an attacker on the way."""


class TlsAwaitedError(ConnectionAbortedError):
    """The server waits for a handshake, and this side for a greeting."""


class Fault(StrEnum):
    """What kind of thing is wrong, for choosing a remedy."""

    NOT_YET_VALID = "not yet valid"
    EXPIRED = "expired"
    UNTRUSTED = "untrusted"
    OTHER_HOST = "other host"
    VERSION = "version"
    NO_TLS = "no TLS"
    TLS_FROM_THE_START = "TLS from the start"
    CLIENT_CERTIFICATE = "client certificate"
    OTHER = "other"


# OpenSSL's verification results (x509_vfy.h), as SSLCertVerificationError.verify_code gives them.
_CERTIFICATE_FAULTS = {
    9: (Fault.NOT_YET_VALID, "its certificate is not valid yet: check the clocks."),
    10: (Fault.EXPIRED, "its certificate has expired: the server needs a new one."),
    18: (Fault.UNTRUSTED, "its certificate is self-signed. {trust}"),
    19: (Fault.UNTRUSTED, "its certificate comes from an authority that is not trusted here. {trust}"),
    20: (Fault.UNTRUSTED, "its certificate comes from an authority that is not trusted here. {trust}"),
    21: (
        Fault.UNTRUSTED,
        "it does not send the certificates between its own and a trusted authority's. {trust}",
    ),
    62: (
        Fault.OTHER_HOST,
        "its certificate is for another host name: use the name that the certificate has{host}.",
    ),
    64: (
        Fault.OTHER_HOST,
        "its certificate is not for this IP address: use the host name that the certificate has{host}.",
    ),
}
# OpenSSL's reasons: an alert from the server, or its version refused here.
_VERSION_FAULTS = frozenset(
    {"UNSUPPORTED_PROTOCOL", "TLSV1_ALERT_PROTOCOL_VERSION", "WRONG_SSL_VERSION", "NO_PROTOCOLS_AVAILABLE"}
)
_OR_TLS_PORT = ", or use the port for TLS, usually 993 (IMAP) or 995 (POP3)"
_PLAIN_FAULTS = frozenset({"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"})
# Alerts by which a server refuses our certificate (RFC 8446 section 6.2), or the lack of one.
_CLIENT_FAULTS = {
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": "it requires a client certificate",
    "SSLV3_ALERT_HANDSHAKE_FAILURE": "it accepts none of our ciphers, or requires a client certificate",
    "TLSV1_ALERT_UNKNOWN_CA": "it does not trust the authority of our client certificate",
    "SSLV3_ALERT_BAD_CERTIFICATE": "it refuses our client certificate",
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": "it refuses our client certificate",
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": "our client certificate has expired",
    "SSLV3_ALERT_CERTIFICATE_REVOKED": "our client certificate was revoked",
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": "it refuses the kind of our client certificate",
}


def fault_of(error: BaseException | None) -> Fault:
    """Tell the kind of what ended a handshake."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _CERTIFICATE_FAULTS.get(error.verify_code, (Fault.OTHER, ""))[0]
    if isinstance(error, TlsAwaitedError):
        return Fault.TLS_FROM_THE_START
    if isinstance(error, ConnectionResetError | ssl.SSLEOFError):
        return Fault.VERSION
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    if reason in _VERSION_FAULTS:
        return Fault.VERSION
    if reason in _CLIENT_FAULTS:
        return Fault.CLIENT_CERTIFICATE
    plain = reason in _PLAIN_FAULTS or isinstance(error, ClearTextBeforeTlsError)
    return Fault.NO_TLS if plain else Fault.OTHER


def explain(error: Exception, phase: Phase, server: Server, *, incoming: bool = False) -> str:
    """What went wrong in a handshake, and what to do about it, in whole sentences.

    Args:
        error: What ended it.
        phase: What came before: ``STARTTLS``, or ``TLS`` from the first octet.
        server: Whose handshake it was; its account's settings are named.
        incoming: Whether it keeps a mailbox.
    """
    half = "incoming." if incoming else ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_fault(error, server, half)
    reason = error.reason if isinstance(error, ssl.SSLError) else None
    if reason in _VERSION_FAULTS:
        return f"it does not speak {_least(server)}."
    if phase is Phase.TLS and (reason in _PLAIN_FAULTS or isinstance(error, ClearTextBeforeTlsError)):
        port = _OR_TLS_PORT if incoming else _or_465(server)
        return (
            f"this port does not speak TLS from the start: set {_security(server, half)} to starttls{port}."
        )
    if isinstance(error, ClearTextBeforeTlsError):
        return "text arrived between STARTTLS and the handshake, as an attacker would inject it."
    if isinstance(error, ConnectionResetError | ssl.SSLEOFError):
        # Many servers refuse a version or a cipher in this way, without the alert of RFC 8446 section 6.
        return f"it ended the handshake without a reason; most likely it does not speak {_least(server)}."
    return _client_fault(reason, server) or f"the handshake ended with {reason or 'an error'}."


def _security(server: Server, half: str = "") -> str:
    return f"accounts.{server.account}.{half}security" if server.account else "security"


def _or_465(server: Server) -> str:
    return "" if server.port == 465 else ", or use port 465"


def _or_587(server: Server) -> str:
    return "" if server.port == 587 else ", or use port 587 with starttls"


def _certificate_fault(error: ssl.SSLCertVerificationError, server: Server, half: str) -> str:
    host = f" in accounts.{server.account}.{half}host" if server.account else ""
    known = _CERTIFICATE_FAULTS.get(error.verify_code)
    if known is None:
        return f"its certificate is not valid: {error.verify_message}."
    return known[1].format(trust=_trust(server), host=host)


def explain_later(error: BaseException | None, server: Server) -> str | None:
    """What a server has against our TLS that shows only in the place of a reply.

    A server that waits for a handshake sends no greeting. In TLS 1.3 a client is done before the server has
    looked at its certificate (RFC 8446 section 4.4.2), so that the alert arrives in the place of the next
    reply.

    Returns:
        The sentence, or None when the error is of another kind.
    """
    if isinstance(error, TlsAwaitedError):
        return f"this port speaks TLS from the start: set {_security(server)} to tls{_or_587(server)}."
    return _client_fault(error.reason if isinstance(error, ssl.SSLError) else None, server)


def _client_fault(reason: str | None, server: Server) -> str | None:
    if reason not in _CLIENT_FAULTS:
        return None
    account = f"accounts.{server.account}.client_cert" if server.account else "client_cert of an account"
    return f"{_CLIENT_FAULTS[reason]}: see {account}."


def _trust(server: Server) -> str:
    if server.account is None:
        return "Put its authority's certificate into smtp.ca_file."
    kind = "trust_store" if server.tls.trust_store else "ca_file"
    return f"Put its authority's certificate into accounts.{server.account}.{kind}."


def _least(server: Server) -> str:
    if server.tls.min_version == "1.2":
        return "TLS 1.2 or later, and older versions are not accepted"
    return f"TLS {server.tls.min_version} or later, which accounts.{server.account}.min_tls demands"
