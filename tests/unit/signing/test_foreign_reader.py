"""Signed and encrypted mails in a reader that has nothing of OpenSSL: Bouncy Castle."""

from __future__ import annotations

from email import message_from_bytes

import pytest

from connector.model.signing import Padding
from connector.signing.smime import Signer, encrypt, sign
from tests.mail_certificates import Leaf, MailAuthority
from tests.mails import MAILS
from tests.servers import bouncy_castle
from tests.servers.availability import require

AUTHORITY = MailAuthority()
ANN, BOB = AUTHORITY.leaf(), AUTHORITY.leaf("bob@example.test", number=1)
READERS = [BOB.certificate, ANN.certificate]


def sealed(mail: bytes, leaf: Leaf = ANN, padding: Padding = Padding.PKCS1) -> bytes:
    return encrypt(sign(mail, signer(leaf, padding)), READERS)


def signer(leaf: Leaf, padding: Padding = Padding.PKCS1) -> Signer:
    return Signer(leaf.key, leaf.certificate, leaf.chain, padding)  # type: ignore[arg-type]  # RSA or EC


def every_kind() -> dict[str, bytes]:
    kinds = {name: sealed(mail) for name, mail in MAILS.items()}
    kinds["PSS"] = sealed(MAILS["text"], padding=Padding.PSS)
    kinds["P-256"] = sealed(MAILS["text"], AUTHORITY.leaf(kind="p256"))
    kinds["P-384"] = sealed(MAILS["text"], AUTHORITY.leaf(kind="p384"))
    return kinds


def content_of(mail: bytes) -> bytes:
    message = message_from_bytes(mail)
    if message.is_multipart():
        return mail.partition(b"\r\n\r\n")[2].rstrip(b"\r\n")
    content = message.get_payload(decode=True)
    assert isinstance(content, bytes)
    return content


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes | str]:
    require(bouncy_castle.missing())
    directory = tmp_path_factory.mktemp("mails")
    mails = every_kind() | {
        "forged": sealed(MAILS["text"], MailAuthority(1).leaf()),
        "for another": encrypt(MAILS["text"], [ANN.certificate]),
        "altered": encrypt(sign(MAILS["text"], signer(ANN)).replace(b"invoice", b"Invoice"), READERS),
    }
    return bouncy_castle.opened(mails, BOB, AUTHORITY.root_file(directory), directory)


@pytest.mark.parametrize("name", [*MAILS, "PSS", "P-256", "P-384"])
def test_signed_and_encrypted_mails_are_opened(name: str, opened: dict[str, bytes | str]) -> None:
    content = opened[name]
    assert isinstance(content, bytes), content
    assert content.rstrip(b"\r\n") == content_of(MAILS.get(name, MAILS["text"])).rstrip(b"\r\n")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("forged", "the signer is not trusted"),
        ("for another", "not encrypted for this key"),
        ("altered", "message-digest attribute value does not match"),
    ],
)
def test_what_is_wrong_is_refused(name: str, reason: str, opened: dict[str, bytes | str]) -> None:
    assert reason in str(opened[name])
