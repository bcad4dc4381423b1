"""Keys in every kind of file in which operators bring them, and what is said of those that cannot be used."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    pkcs12,
)
from pydantic import SecretStr

from connector.model.signing import KeyFile
from connector.tls.own_keys import OwnKey, UnreadableKeyError, read_key
from tests.mail_certificates import PASSWORD, Leaf, MailAuthority
from tests.servers import keytool
from tests.servers.availability import require

AUTHORITY = MailAuthority()
ANN = AUTHORITY.leaf()
STORE_PASSWORD, KEY_PASSWORD = "changeit", "anderes-Passwort"  # of test keys only


def written(directory: Path, name: str, data: bytes) -> Path:
    file = directory / name
    file.write_bytes(data)
    return file


def opened(file: Path, password: str | None = None, **more: str) -> KeyFile:
    secrets = {name: SecretStr(text) for name, text in more.items() if name != "alias"}
    return KeyFile(
        file,
        password=SecretStr(password) if password is not None else None,
        key_password=secrets.get("key_password"),
        alias=more.get("alias"),
    )


def one_pem(at: Path) -> KeyFile:
    return opened(written(at, "own.pem", ANN.key_pem + ANN.certificates_pem))


def certificate_first(at: Path) -> KeyFile:
    return opened(written(at, "own.pem", ANN.certificates_pem + ANN.key_pem))


def issuer_first(at: Path) -> KeyFile:
    issuer = AUTHORITY.intermediate.public_bytes(Encoding.PEM)
    own = ANN.certificate.public_bytes(Encoding.PEM)
    return opened(written(at, "own.pem", issuer + own + ANN.key_pem))


def two_pems(at: Path) -> KeyFile:
    key = written(at, "own.key", ANN.key_pem)
    return replace(opened(written(at, "own.pem", ANN.certificates_pem)), key=key)


def encrypted_pem(at: Path) -> KeyFile:
    return opened(written(at, "own.pem", ANN.encrypted_key_pem + ANN.certificates_pem), PASSWORD)


def openssl_pem(at: Path) -> KeyFile:
    """The form before PKCS#8, with the cipher in a header of the PEM block."""
    encryption = BestAvailableEncryption(PASSWORD.encode())
    key = ANN.key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, encryption)
    return opened(written(at, "own.pem", key + ANN.certificates_pem), PASSWORD)


def pfx(at: Path) -> KeyFile:
    return opened(written(at, "own.pfx", ANN.pkcs12()), PASSWORD)


def old_pfx(at: Path) -> KeyFile:
    """As Windows writes it without AES."""
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .key_cert_algorithm(pkcs12.PBES.PBESv1SHA1And3KeyTripleDESCBC)
        .build(PASSWORD.encode())
    )
    data = pkcs12.serialize_key_and_certificates(b"own", ANN.key, ANN.certificate, ANN.chain, encryption)
    return opened(written(at, "own.pfx", data), PASSWORD)


def named_pfx(at: Path) -> KeyFile:
    return replace(pfx(at), alias="OWN")


FORMS = [
    one_pem,
    certificate_first,
    issuer_first,
    two_pems,
    encrypted_pem,
    openssl_pem,
    pfx,
    old_pfx,
    named_pfx,
]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_key_with_its_chain(form: Callable[[Path], KeyFile], tmp_path: Path) -> None:
    found = read_key(form(tmp_path))
    assert private(found) == ANN.key_pem
    assert found.certificate == ANN.certificate
    assert set(found.others) == set(ANN.chain)
    assert "key=" not in repr(found)


def test_a_key_may_come_without_a_certificate(tmp_path: Path) -> None:
    found = read_key(opened(written(tmp_path, "dkim.pem", ANN.key_pem)))
    assert (found.certificate, found.others) == (None, ())


def test_a_renewed_certificate_beside_the_former_one(tmp_path: Path) -> None:
    """Both are for the same key."""
    renewed = AUTHORITY.leaf().certificate
    former = AUTHORITY.leaf(ends=timedelta(days=3))
    data = former.certificate.public_bytes(Encoding.PEM) + renewed.public_bytes(Encoding.PEM)
    assert read_key(opened(written(tmp_path, "own.pem", data + ANN.key_pem))).certificate == renewed


def private(found: OwnKey) -> bytes:
    return Leaf(found.key, ANN.certificate, ()).key_pem  # type: ignore[arg-type]  # of a kind that fits


# --- keytool -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["JKS", "PKCS12"])
def test_a_store_of_keytool(kind: str, tmp_path: Path) -> None:
    require(keytool.missing())
    store = keytool.generate(tmp_path / "store", kind, password=STORE_PASSWORD)
    found = read_key(opened(store, STORE_PASSWORD, alias="Ann"))
    own = x509.load_pem_x509_certificate(keytool.certificate(store, STORE_PASSWORD))
    assert found.certificate == own
    assert found.key.public_key() == own.public_key()


def test_a_key_with_a_password_of_its_own(tmp_path: Path) -> None:
    require(keytool.missing())
    more = ["-keypass", KEY_PASSWORD]
    store = keytool.generate(tmp_path / "store", "JKS", password=STORE_PASSWORD, more=more)
    found = read_key(opened(store, STORE_PASSWORD, key_password=KEY_PASSWORD))
    assert found.certificate is not None
    with pytest.raises(UnreadableKeyError, match="opens the file, but not its key: set `key_password`"):
        read_key(opened(store, STORE_PASSWORD))
    with pytest.raises(UnreadableKeyError, match="key_password does not open the key"):
        read_key(opened(store, STORE_PASSWORD, key_password="wrong"))


def test_one_of_several_keys(tmp_path: Path) -> None:
    require(keytool.missing())
    store = keytool.generate(tmp_path / "store", "JKS", alias="old", password=STORE_PASSWORD)
    keytool.generate(store, "JKS", alias="new", password=STORE_PASSWORD)
    found = read_key(opened(store, STORE_PASSWORD, alias="new"))
    own = x509.load_pem_x509_certificate(keytool.certificate(store, STORE_PASSWORD, "new"))
    assert found.certificate == own
    with pytest.raises(UnreadableKeyError, match=r"several keys: name one in `alias` \(new, old\)"):
        read_key(opened(store, STORE_PASSWORD))
    with pytest.raises(UnreadableKeyError, match="no key named 'newer'; it has new, old"):
        read_key(opened(store, STORE_PASSWORD, alias="newer"))


def test_a_jceks_store_is_named(tmp_path: Path) -> None:
    require(keytool.missing())
    store = keytool.generate(tmp_path / "store", "JCEKS", password=STORE_PASSWORD)
    with pytest.raises(UnreadableKeyError, match="convert it with keytool -importkeystore to PKCS12"):
        read_key(opened(store, STORE_PASSWORD))


@pytest.mark.parametrize("kind", ["JKS", "PKCS12"])
def test_a_wrong_password_of_a_store(kind: str, tmp_path: Path) -> None:
    require(keytool.missing())
    store = keytool.generate(tmp_path / "store", kind, password=STORE_PASSWORD)
    with pytest.raises(UnreadableKeyError, match="the password does not open it"):
        read_key(opened(store, "wrong-password"))


# --- files that cannot be used -----------------------------------------------------------------------

UNUSABLE: dict[str, tuple[Callable[[Path], KeyFile], str]] = {
    "missing": (lambda at: opened(at / "absent"), "No such file"),
    "garbage": (lambda at: opened(written(at, "own", b"\0garbage")), "neither PEM, PKCS#12 nor JKS"),
    "no key": (lambda at: opened(written(at, "own.pem", ANN.certificates_pem)), "it holds no private key"),
    "a store without a key": (
        lambda at: opened(
            written(
                at,
                "own.p12",
                pkcs12.serialize_key_and_certificates(
                    None, None, None, ANN.chain, BestAvailableEncryption(PASSWORD.encode())
                ),
            ),
            PASSWORD,
        ),
        "it holds no private key",
    ),
    "a store without a certificate": (
        lambda at: opened(
            written(
                at,
                "own.p12",
                pkcs12.serialize_key_and_certificates(
                    None, ANN.key, None, None, BestAvailableEncryption(PASSWORD.encode())
                ),
            ),
            PASSWORD,
        ),
        "it holds no certificate of its key",
    ),
    "another's certificate": (
        lambda at: opened(written(at, "own.pem", ANN.key_pem + AUTHORITY.leaf(number=1).certificates_pem)),
        "it holds no certificate of its key",
    ),
    "a damaged certificate": (
        lambda at: opened(
            written(at, "own.pem", ANN.key_pem + ANN.certificates_pem.replace(b"MII", b"MIJ", 1))
        ),
        "a certificate in it is damaged",
    ),
    "a damaged key": (
        lambda at: opened(written(at, "own.pem", ANN.key_pem.replace(b"MII", b"MIJ", 1))),
        "its private key is damaged",
    ),
    "no password": (lambda at: replace(encrypted_pem(at), password=None), "encrypted and needs a password"),
    "a wrong password": (
        lambda at: replace(encrypted_pem(at), password=SecretStr("wrong")),
        "the password does not open it",
    ),
    "a wrong password of an old form": (
        lambda at: replace(openssl_pem(at), password=SecretStr("wrong")),
        "the password does not open it",
    ),
    "a wrong password of a store": (
        lambda at: replace(pfx(at), password=SecretStr("wrong")),
        "the password does not open it",
    ),
    "a password for nothing": (
        lambda at: replace(one_pem(at), password=SecretStr("unneeded")),
        "not encrypted: remove the password",
    ),
    "an alias in PEM": (lambda at: replace(one_pem(at), alias="own"), "PEM has no aliases"),
    "another alias": (lambda at: replace(pfx(at), alias="other"), "first key is named 'own', not 'other'"),
    "a key beside a store": (lambda at: replace(pfx(at), key=at / "own.key"), "it is not PEM"),
    "a second password": (
        lambda at: replace(pfx(at), key_password=SecretStr("x")),
        "not a JKS file, which alone has a `key_password`",
    ),
}


@pytest.mark.parametrize("name", UNUSABLE)
def test_what_is_wrong_is_said(name: str, tmp_path: Path) -> None:
    source, explanation = UNUSABLE[name]
    with pytest.raises(UnreadableKeyError, match=explanation) as caught:
        read_key(source(tmp_path))
    assert str(caught.value).startswith(str(tmp_path))
    assert not any(word in caught.value.reason for word in (PASSWORD, "unneeded", "wrong"))
