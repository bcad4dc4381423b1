"""The signature of a request, against values that were computed by hand with OpenSSL.

``printf '<text to sign>' | openssl dgst -sha256 -mac HMAC -macopt key:<key> -binary | base64``
"""

from __future__ import annotations

from datetime import UTC, datetime

import httpx2

from connector.acs.signature import sign

KEY = b"an access key"
NOW = datetime(2026, 3, 1, 8, 0, 5, tzinfo=UTC)


def test_a_request_with_content() -> None:
    url = "https://contoso.communication.azure.com/emails:send?api-version=2025-09-01"
    request = httpx2.Request("POST", url, content=b'{"a": 1}')
    sign(request, KEY, NOW)
    assert request.headers["x-ms-date"] == "Sun, 01 Mar 2026 08:00:05 GMT"
    assert request.headers["x-ms-content-sha256"] == "+dhgKMbg1k4iUYb5astpM4ssWXZN95FiEH9cS7NNExA="
    assert request.headers["Authorization"] == (
        "HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256"
        "&Signature=G7Zz131o2UcduRR4hpMsuq2V53KOkf9oifvHKOjolYI="
    )


def test_another_moment_or_path_has_another_signature() -> None:
    signatures = set()
    for path, now in (("a", NOW), ("b", NOW), ("a", NOW.replace(second=6))):
        request = httpx2.Request("GET", f"https://contoso.communication.azure.com/emails/operations/{path}")
        sign(request, KEY, now)
        signatures.add(request.headers["Authorization"])
    assert len(signatures) == 3
