import ssl

import pytest

from connector.model.server import TlsPolicy
from connector.tls.trust import build_context, host_to_verify


def test_the_context_verifies() -> None:
    context = build_context(TlsPolicy())
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


@pytest.mark.parametrize(
    ("hostname", "verified"),
    [
        ("mail.example.com", "mail.example.com"),
        ("mail.example.com.", "mail.example.com"),
        ("Bücher.example", "xn--bcher-kva.example"),
        ("192.0.2.1", "192.0.2.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
    ],
)
def test_host_to_verify(hostname: str, verified: str) -> None:
    assert host_to_verify(hostname) == verified


@pytest.mark.parametrize("hostname", ["", ".", "[]", "ü..example"])
def test_what_is_no_host(hostname: str) -> None:
    with pytest.raises(UnicodeError):
        host_to_verify(hostname)
