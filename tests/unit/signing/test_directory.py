"""Recipients' certificates: found by address, read anew when a file changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from connector.signing.directory import CertificateDirectory, NoCertificateError
from tests.mail_certificates import SERVER, SIGNING, Leaf, MailAuthority

AUTHORITY = MailAuthority()
NOW = datetime.now(UTC)
BOB = "bob@example.test"


def bob(number: int = 0, **more: timedelta) -> Leaf:
    return AUTHORITY.leaf(BOB, number=number, **more)  # type: ignore[arg-type]  # only times are given


def put(leaf: Leaf, file: Path, encoding: Encoding = Encoding.PEM) -> None:
    file.write_bytes(leaf.certificate.public_bytes(encoding))


def found(directory: Path, address: str = BOB) -> x509.Certificate:
    certificates = CertificateDirectory(directory)
    certificates.refresh()
    return certificates.find(address, NOW)


@pytest.mark.parametrize(
    ("name", "encoding"), [("bob.pem", Encoding.PEM), ("bob.cer", Encoding.DER), ("bob", Encoding.DER)]
)
def test_every_encoding(name: str, encoding: Encoding, tmp_path: Path) -> None:
    own = bob()
    put(own, tmp_path / name, encoding)
    assert found(tmp_path) == own.certificate


@pytest.mark.parametrize("address", [BOB, "BOB@example.test", "Bob@Example.Test"])
def test_case_does_not_matter(address: str, tmp_path: Path) -> None:
    put(AUTHORITY.leaf("Bob@EXAMPLE.test"), tmp_path / "bob.pem")
    assert found(tmp_path, address)


def test_several_certificates_in_one_file(tmp_path: Path) -> None:
    ann, own = AUTHORITY.leaf(), bob(1)
    (tmp_path / "all.pem").write_bytes(ann.certificates_pem + own.certificates_pem)
    assert found(tmp_path) == own.certificate
    assert found(tmp_path, "ann@example.test") == ann.certificate


def test_the_newest_that_is_usable_is_taken(tmp_path: Path) -> None:
    old, new = bob(begins=timedelta(days=-300)), bob(1, begins=timedelta(days=-10))
    for name, leaf in {
        "a": old,
        "b": new,
        "coming": bob(2, begins=timedelta(days=3)),
        "EC": AUTHORITY.leaf(BOB, "p256"),
    }.items():
        put(leaf, tmp_path / name)
    assert found(tmp_path) == new.certificate


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [
        (bob(ends=timedelta(hours=-1)), "its certificate expired on "),
        (bob(begins=timedelta(days=2)), "its certificate is not valid before "),
        (AUTHORITY.leaf(BOB, "p256"), "its certificate has an EC key, and encryption takes RSA"),
        (AUTHORITY.leaf(BOB, "ed25519"), "its certificate has another kind of key, and encryption takes RSA"),
        (AUTHORITY.leaf(BOB, "rsa-1024"), "its RSA key has 1024 bits, fewer than 2048"),
        (
            AUTHORITY.leaf(BOB, usage=[SIGNING]),
            "its certificate does not allow encryption: see its key usage",
        ),
        (AUTHORITY.leaf(BOB, purposes=SERVER), "its certificate is not for mail"),
    ],
    ids=["expired", "not yet", "EC", "Ed25519", "short", "key usage", "purpose"],
)
def test_a_certificate_that_cannot_be_used(leaf: Leaf, reason: str, tmp_path: Path) -> None:
    put(leaf, tmp_path / "bob.pem")
    with pytest.raises(NoCertificateError) as caught:
        found(tmp_path)
    assert str(caught.value).startswith(f"{BOB}: {reason}")


def test_an_address_without_a_certificate(tmp_path: Path) -> None:
    with pytest.raises(NoCertificateError, match=f"{BOB}: there is no certificate for it in {tmp_path}"):
        found(tmp_path)


def test_files_that_come_change_and_go(tmp_path: Path) -> None:
    certificates, file = CertificateDirectory(tmp_path, interval=0), tmp_path / "bob.pem"
    own = [bob(number) for number in (0, 1)]
    for leaf in own:
        put(leaf, file)
        certificates.refresh()
        assert certificates.find(BOB, NOW) == leaf.certificate
    file.unlink()
    certificates.refresh()
    with pytest.raises(NoCertificateError):
        certificates.find(BOB, NOW)


def test_a_directory_is_not_looked_at_for_every_mail(tmp_path: Path) -> None:
    certificates = CertificateDirectory(tmp_path, interval=3600)
    certificates.refresh()
    put(bob(), tmp_path / "bob.pem")
    certificates.refresh()
    assert certificates.certificates == []


def test_a_file_that_is_none_is_named_and_skipped(tmp_path: Path) -> None:
    put(bob(), tmp_path / "bob.pem")
    (tmp_path / "README").write_text("certificates of our customers")
    (tmp_path / "damaged.pem").write_bytes(bob().certificates_pem.replace(b"MII", b"MIJ"))
    put(AUTHORITY.leaf(BOB, damaged=True), tmp_path / "extension.pem")
    (tmp_path / ".hidden").write_text("of the file system")
    (tmp_path / "old").mkdir()
    certificates = CertificateDirectory(tmp_path)
    certificates.refresh()
    assert certificates.find(BOB, NOW)
    assert {path.name for path in certificates.faults} == {"README", "damaged.pem", "extension.pem"}


def test_a_directory_that_is_gone_keeps_what_was_read(tmp_path: Path) -> None:
    directory = tmp_path / "certificates"
    directory.mkdir()
    put(bob(), directory / "bob.pem")
    certificates = CertificateDirectory(directory, interval=0)
    certificates.refresh()
    directory.rename(tmp_path / "elsewhere")
    with pytest.raises(FileNotFoundError):
        certificates.refresh()
    assert certificates.find(BOB, NOW)
