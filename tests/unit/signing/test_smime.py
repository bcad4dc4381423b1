"""Signatures and envelopes, as OpenSSL sees them; it shares no code with what writes them here."""

from __future__ import annotations

from email import message_from_bytes, policy
from pathlib import Path

import pytest

from connector.model.signing import Digest, Padding
from connector.signing.smime import Signer, encrypt, sign
from tests.mail_certificates import Leaf, MailAuthority
from tests.mails import MAILS, large
from tests.servers.openssl import RefusedError, decrypted, described, verified

AUTHORITY = MailAuthority()


def signer(leaf: Leaf, padding: Padding = Padding.PKCS1, digest: Digest | None = None) -> Signer:
    return Signer(leaf.key, leaf.certificate, leaf.chain, padding, digest)  # type: ignore[arg-type]  # RSA or EC


def content_of(mail: bytes) -> bytes:
    """What of a message describes and holds its content: the octets that are signed or encrypted."""
    header, _, body = mail.partition(b"\r\n\r\n")
    fields = header[header.index(b"Content-") :]  # the connector writes them last
    return fields + b"\r\n\r\n" + body


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return AUTHORITY.root_file(tmp_path)


@pytest.mark.parametrize("name", MAILS)
def test_every_content_is_verified(name: str, root: Path) -> None:
    signed = sign(MAILS[name], signer(AUTHORITY.leaf()))
    assert verified(signed, root) == content_of(MAILS[name])


@pytest.mark.parametrize("name", MAILS)
def test_every_content_is_decrypted(name: str, tmp_path: Path) -> None:
    ann, bob = AUTHORITY.leaf(), AUTHORITY.leaf("bob@example.test", number=1)
    encrypted = encrypt(MAILS[name], [bob.certificate, ann.certificate])
    for reader in (ann, bob):
        assert decrypted(encrypted, reader, tmp_path) == content_of(MAILS[name])


@pytest.mark.parametrize("name", MAILS)
def test_signed_content_is_encrypted(name: str, root: Path, tmp_path: Path) -> None:
    ann, bob = AUTHORITY.leaf(), AUTHORITY.leaf("bob@example.test", number=1)
    sealed = encrypt(sign(MAILS[name], signer(ann)), [bob.certificate])
    assert verified(decrypted(sealed, bob, tmp_path), root) == content_of(MAILS[name])


def test_ten_megabytes(root: Path, tmp_path: Path) -> None:
    ann, message = AUTHORITY.leaf(), large()
    signed = sign(message, signer(ann))
    assert verified(signed, root) == content_of(message)
    assert verified(decrypted(encrypt(signed, [ann.certificate]), ann, tmp_path), root) == content_of(message)


@pytest.mark.parametrize(
    ("kind", "padding", "digest", "words"),
    [
        ("rsa", Padding.PKCS1, None, ["rsaEncryption", "sha256"]),
        ("rsa", Padding.PKCS1, Digest.SHA512, ["rsaEncryption", "sha512"]),
        ("rsa", Padding.PSS, None, ["rsassaPss", "sha256"]),
        ("rsa", Padding.PSS, Digest.SHA384, ["rsassaPss", "sha384"]),
        ("p256", Padding.PKCS1, None, ["ecdsa-with-SHA256"]),
        ("p384", Padding.PKCS1, None, ["ecdsa-with-SHA384"]),
        ("p384", Padding.PKCS1, Digest.SHA512, ["ecdsa-with-SHA512"]),
    ],
)
def test_every_algorithm(
    kind: str, padding: Padding, digest: Digest | None, words: list[str], root: Path
) -> None:
    signed = sign(MAILS["text"], signer(AUTHORITY.leaf(kind=kind), padding, digest))
    assert verified(signed, root) == content_of(MAILS["text"])
    told = described(signed)
    assert [word for word in words if word not in told] == []
    micalg = message_from_bytes(signed).get_param("micalg")
    assert isinstance(micalg, str)
    assert micalg.replace("-", "") in told.lower()


@pytest.mark.parametrize("place", [b"invoice", b"Content-Type: text/plain", b"charset"])
def test_one_altered_octet_is_refused(place: bytes, root: Path) -> None:
    signed = sign(MAILS["text"], signer(AUTHORITY.leaf()))
    at = signed.index(place)
    with pytest.raises(RefusedError, match=r"verification failure|digest failure"):
        verified(signed[:at] + signed[at : at + 1].swapcase() + signed[at + 1 :], root)


def test_the_chain_is_sent_along(root: Path) -> None:
    leaf = AUTHORITY.leaf()
    alone = Signer(leaf.key, leaf.certificate)  # type: ignore[arg-type]  # it is RSA
    with pytest.raises(RefusedError, match="unable to get local issuer certificate"):
        verified(sign(MAILS["text"], alone), root)


def test_a_stranger_cannot_read(tmp_path: Path) -> None:
    encrypted = encrypt(MAILS["text"], [AUTHORITY.leaf().certificate])
    with pytest.raises(RefusedError):
        decrypted(encrypted, AUTHORITY.leaf(number=1), tmp_path)


def test_content_is_encrypted_with_aes_256() -> None:
    assert "aes-256-cbc" in described(encrypt(MAILS["text"], [AUTHORITY.leaf().certificate]))


def test_a_certificate_named_twice_is_one_recipient() -> None:
    ann = AUTHORITY.leaf().certificate
    assert described(encrypt(MAILS["text"], [ann, ann])).count("d.ktri") == 1


@pytest.mark.parametrize("name", MAILS)
def test_other_fields_stay_outside(name: str) -> None:
    original = message_from_bytes(MAILS[name], policy=policy.default)
    for changed in (
        sign(MAILS[name], signer(AUTHORITY.leaf())),
        encrypt(MAILS[name], [AUTHORITY.leaf().certificate]),
    ):
        message = message_from_bytes(changed, policy=policy.default)
        fields = [item for item in message.items() if not item[0].startswith("Content-")]
        assert fields == [item for item in original.items() if not item[0].startswith("Content-")]
        assert max(map(len, changed.split(b"\r\n"))) <= 998


def test_a_reader_without_smime_sees_the_content() -> None:
    message = message_from_bytes(sign(MAILS["text"], signer(AUTHORITY.leaf())), policy=policy.default)
    assert message.get_content_type() == "multipart/signed"
    content, signature = message.iter_parts()
    assert content.get_content().splitlines() == ["Hello Bob,", "the invoice is due."]
    assert (signature.get_content_type(), signature.get_filename()) == (
        "application/pkcs7-signature",
        "smime.p7s",
    )
    assert message.preamble is None


def test_the_envelope_says_what_it_is() -> None:
    encrypted = encrypt(MAILS["text"], [AUTHORITY.leaf().certificate])
    message = message_from_bytes(encrypted, policy=policy.default)
    assert message.get_content_type() == "application/pkcs7-mime"
    assert message["content-type"].params["smime-type"] == "enveloped-data"
    assert b"invoice" not in encrypted


@pytest.mark.parametrize("eight", ["é".encode(), b"\xff"])
def test_content_that_a_server_may_change_is_not_signed(eight: bytes) -> None:
    with pytest.raises(ValueError, match="8-bit"):
        sign(MAILS["text"] + eight, signer(AUTHORITY.leaf()))


def test_a_signer_shows_no_key() -> None:
    assert "key=" not in repr(signer(AUTHORITY.leaf()))
