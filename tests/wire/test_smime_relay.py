"""Signatures after Postfix has passed mails on to a server that takes 7-bit content only."""

from __future__ import annotations

import smtplib
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from connector.signing.dkim import DomainKey
from connector.signing.dkim import sign as sign_for_domain
from connector.signing.smime import Signer, encrypt, sign
from tests.mail_certificates import MailAuthority, key
from tests.mails import MAILS, NOW, large
from tests.servers import opendkim
from tests.servers.availability import require
from tests.servers.openssl import decrypted, verified
from tests.servers.postfix import Postfix

AUTHORITY = MailAuthority()
ANN, BOB = AUTHORITY.leaf(), AUTHORITY.leaf("bob@example.test", number=1)
SIGNER = Signer(ANN.key, ANN.certificate, ANN.chain)  # type: ignore[arg-type]  # it is RSA


async def relayed(mail: bytes, postfix: Postfix, mark: str) -> bytes:
    """Send a mail through the relay, and take it from the mailbox."""
    marked = f"X-Mark: {mark}\r\n".encode() + mail
    with smtplib.SMTP("127.0.0.1", postfix.relay) as client:
        client.sendmail("ann@example.test", ["bob@example.test"], marked, ["BODY=8BITMIME"])
    return await postfix.mail("bob", mark.encode())


def content_of(mail: bytes) -> bytes:
    return mail[mail.index(b"Content-") :].replace(b"\r\n", b"\n")


@pytest.mark.parametrize("name", MAILS)
async def test_a_signature_survives_the_relay(name: str, postfix: Postfix, tmp_path: Path) -> None:
    arrived = await relayed(sign(MAILS[name], SIGNER), postfix, f"signed {name}")
    content = verified(arrived, AUTHORITY.root_file(tmp_path))
    assert content.replace(b"\r\n", b"\n") == content_of(MAILS[name])


@pytest.mark.parametrize("name", MAILS)
async def test_an_encrypted_mail_survives_the_relay(name: str, postfix: Postfix, tmp_path: Path) -> None:
    sealed = encrypt(sign(MAILS[name], SIGNER), [BOB.certificate])
    arrived = await relayed(sealed, postfix, f"sealed {name}")
    content = verified(decrypted(arrived, BOB, tmp_path), AUTHORITY.root_file(tmp_path))
    assert content.replace(b"\r\n", b"\n") == content_of(MAILS[name])


@pytest.mark.parametrize("name", MAILS)
async def test_a_domain_key_survives_the_relay(name: str, postfix: Postfix, tmp_path: Path) -> None:
    require(opendkim.missing())
    own = DomainKey("example.test", "s1", key("ed25519"))  # type: ignore[arg-type]  # it is Ed25519
    signed = sign_for_domain(sign(MAILS[name], SIGNER), [own], NOW)
    arrived = await relayed(signed, postfix, f"domain {name}")
    public = own.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    record = {"s1._domainkey.example.test": f"v=DKIM1; k=ed25519; p={b64encode(public).decode()}"}
    assert opendkim.results(arrived, record, tmp_path) == {"s1": "pass"}


async def test_ten_megabytes_survive_the_relay(postfix: Postfix, tmp_path: Path) -> None:
    message = large()
    arrived = await relayed(encrypt(sign(message, SIGNER), [BOB.certificate]), postfix, "ten megabytes")
    content = verified(decrypted(arrived, BOB, tmp_path), AUTHORITY.root_file(tmp_path))
    assert content.replace(b"\r\n", b"\n") == content_of(message)


async def test_the_relay_encodes_8_bit_content_anew(postfix: Postfix) -> None:
    """Or the tests above would show nothing."""
    eight = MAILS["text"].replace(b"invoice", "Prüfung".encode()).replace(b": 7bit", b": 8bit")
    assert b"Pr=C3=BCfung" in await relayed(eight, postfix, "eight bits")
