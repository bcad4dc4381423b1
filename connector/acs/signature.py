"""The signature of a request by an access key, as the service documents it ("Sign an HTTP request").

A complete request enters and gets three headers. What is signed is the verb, the path with its query, and the
moment, host and digest of the content; so a signature is good for one request, and for some minutes.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from datetime import UTC, datetime
from email.utils import format_datetime

import httpx2
from pydantic import SecretStr

_SIGNED = "x-ms-date;host;x-ms-content-sha256"


class UnusableKeyError(Exception):
    """An access key is none."""


class KeyLogin:
    """Signs requests.

    Args:
        key: The access key, in base64 as the portal shows it.
    """

    def __init__(self, key: SecretStr) -> None:
        try:
            self._key = base64.b64decode(key.get_secret_value().strip(), validate=True)
        except (binascii.Error, ValueError):
            self._key = b""
        if not self._key:
            raise UnusableKeyError

    async def put_on(self, request: httpx2.Request, *, refused: bool) -> None:  # noqa: ARG002 - the port's
        """Sign a request as of now, so that another try has another signature."""
        sign(request, self._key, datetime.now(UTC))


def sign(request: httpx2.Request, key: bytes, now: datetime) -> None:
    """Put the signature on a request.

    Args:
        request: With its content.
        key: Decoded.
        now: In UTC; the service takes some minutes of difference.
    """
    content = base64.b64encode(hashlib.sha256(request.content).digest()).decode("ascii")
    date = format_datetime(now, usegmt=True)
    path, host = request.url.raw_path.decode("ascii"), request.headers["Host"]
    text = f"{request.method}\n{path}\n{date};{host};{content}"
    signature = base64.b64encode(hmac.digest(key, text.encode(), "sha256")).decode("ascii")
    request.headers["x-ms-date"] = date
    request.headers["x-ms-content-sha256"] = content
    request.headers["Authorization"] = f"HMAC-SHA256 SignedHeaders={_SIGNED}&Signature={signature}"
