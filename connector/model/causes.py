"""Why a connection ended or never began, in words that say it once.

An exception enters, a phrase leaves. The words of libraries repeat the address, name classes and files of
source, or are empty; the operating system's are plain, and stand further down the chain of causes.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator

_MOST = 20  # causes of a cause
_LONGEST = 300
# OpenSSL's verification results (x509_vfy.h).
_CERTIFICATES = {
    9: "its certificate is not valid yet",
    10: "its certificate has expired",
    18: "its certificate is self-signed",
    **dict.fromkeys((19, 20, 21), "its certificate comes from an authority that is not trusted here"),
    **dict.fromkeys((62, 64), "its certificate is for another host name"),
}


def reason_of(error: BaseException) -> str:
    """Say why, without a full stop and without the address."""
    for cause in causes_of(error):
        if reason := _known(cause):
            return reason
    words = str(error).partition("\n")[0].strip()
    return words[:_LONGEST].rstrip(".") or "no reason was given"


def causes_of(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error, and what it was raised from."""
    cause = error
    for _ in range(_MOST):
        if cause is None:
            return
        yield cause
        inner = cause.exceptions[0] if isinstance(cause, BaseExceptionGroup) else None
        cause = inner or cause.__cause__ or cause.__context__


def _known(cause: BaseException) -> str | None:
    if isinstance(cause, ssl.SSLCertVerificationError):
        return _CERTIFICATES.get(getattr(cause, "verify_code", 0), "its certificate is not valid")
    if isinstance(cause, ssl.SSLError):
        return "it does not speak TLS, or no version of it that is accepted here"
    if isinstance(cause, socket.gaierror | UnicodeError):
        return "its host name is not known"
    if isinstance(cause, TimeoutError) or "Timeout" in type(cause).__name__:
        return "it did not answer in time"
    if isinstance(cause, EOFError) or (isinstance(cause, ConnectionError) and not cause.args):
        return "the connection was closed"
    # asyncio puts the address behind the system's words: "Connect call failed ('127.0.0.1', 25)".
    return os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno else None
