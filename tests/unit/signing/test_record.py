"""The record of a key for DKIM: what is published, and what is wrong with what the DNS has."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable

import dkim
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from connector.signing.dkim import DomainKey, sign
from connector.signing.record import name_of, record_fault, text_of, zone_line
from tests.mail_certificates import key
from tests.mails import MAILS, NOW
from tests.unit.signing.records import record_of

RSA = DomainKey("example.test", "s1", key("rsa"))  # type: ignore[arg-type]  # it is RSA
ED25519 = DomainKey("example.test", "s1", key("ed25519"))  # type: ignore[arg-type]  # it is Ed25519


@pytest.mark.parametrize("own", [RSA, ED25519], ids=["rsa", "ed25519"])
def test_a_record_verifies_what_the_key_signs(own: DomainKey) -> None:
    record = text_of(own).encode()
    assert dkim.DKIM(sign(MAILS["text"], [own], NOW)).verify(dnsfunc=lambda name, timeout: record)
    assert text_of(own) == record_of(own.key)
    assert record_fault([text_of(own)], own) is None


def test_a_line_of_a_zone_file_has_the_record_in_short_strings() -> None:
    line = zone_line(RSA)
    assert line.startswith(f"{name_of(RSA)}. IN TXT ( ")
    strings = re.findall(r'"([^"]*)"', line)
    assert "".join(strings) == text_of(RSA)
    assert max(map(len, strings)) <= 255


def pkcs1(own: DomainKey) -> str:
    data = own.key.public_key().public_bytes(Encoding.DER, PublicFormat.PKCS1)
    return f"v=DKIM1; p={b64encode(data).decode()}"


@pytest.mark.parametrize(
    "change",
    [
        pkcs1,
        lambda own: text_of(own).replace("v=DKIM1; ", ""),
        lambda own: text_of(own).replace("; ", ";"),
        lambda own: text_of(own).replace("k=rsa; ", "k=rsa; h=sha1:sha256; s=email; t=s; n=our key; "),
        lambda own: text_of(own)[:100] + " " + text_of(own)[100:] + ";",
    ],
    ids=["PKCS#1", "no version", "no blanks", "more tags", "blanks inside"],
)
def test_other_forms_of_the_record_are_the_same(change: Callable[[DomainKey], str]) -> None:
    assert record_fault([change(RSA)], RSA) is None


OTHER = DomainKey("example.test", "s1", key("rsa", 1))  # type: ignore[arg-type]  # it is RSA
NAME = "s1._domainkey.example.test"


@pytest.mark.parametrize(
    ("texts", "reason"),
    [
        ([], f"the DNS has no TXT record at {NAME}"),
        ([text_of(RSA)] * 2, f"the DNS has 2 TXT records at {NAME}, not one"),
        ([text_of(OTHER)], "the record publishes another key than the file's"),
        ([pkcs1(OTHER)], "the record publishes another key than the file's"),
        ([text_of(ED25519)], "another kind (k=ed25519), the file has rsa"),
        ([text_of(RSA)[:200]], "p= of the record is not base64; a part of it may be missing"),
        (["v=DKIM1; k=rsa; p="], "the key was revoked (an empty p=)"),
        (["v=DKIM1; k=rsa"], "it lacks p="),
        ([text_of(RSA).replace("DKIM1", "DKIM2")], "v= is not DKIM1"),
        ([text_of(RSA).replace("k=", "h=sha1; k=")], "does not allow SHA-256 (h=sha1)"),
        ([text_of(RSA).replace("k=", "s=tlsrpt; k=")], "is not for mail (s=tlsrpt)"),
        (["verification=4711"], "it lacks p="),
    ],
)
def test_what_is_wrong_with_a_record(texts: list[str], reason: str) -> None:
    assert reason in (record_fault(texts, RSA) or "")
