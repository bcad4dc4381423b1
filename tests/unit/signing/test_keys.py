"""Which key signs whose mail, and what is said of those that cannot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from pydantic import SecretStr

from connector.model.signing import Digest, DomainKeyFile, KeyFile, Padding, SigningPolicy
from connector.signing.keys import Keys, UnusableKeyError, chain, domain_key, signer
from connector.tls.own_keys import UnreadableKeyError
from tests.mail_certificates import ENCRYPTION, PASSWORD, SERVER, SIGNING, Leaf, MailAuthority, key

AUTHORITY = MailAuthority()
NOW = datetime.now(UTC)
ANN = "ann@example.test"
# The library makes none of 512 bits.
SHORT = """\
-----BEGIN PRIVATE KEY-----
MIIBVgIBADANBgkqhkiG9w0BAQEFAASCAUAwggE8AgEAAkEAxRELgIhP9v0QNjZB
EkYKpNPjs0p+HsVp8RgTFXp1dQEDa2sr3OWXMjCzgnIX2r1zkqddENWd6WnZ/1Ea
81O2DwIDAQABAkEAqHhw59og2prvsBjjulaMpOrMP6uQdIf6kPUu427EWVgZdAjz
lEOoK0FjVqVVqvjJUbafpmJsts5Ph+xxZWbMYQIhAPhfUuYF3yqWUp+SlHB1EVWI
MTanrH0grXJhnxjmA4pxAiEAyx5cWM5Jo+Dsmcmnp0I44nzkumvykjD1uo0KZx1m
iH8CIQC1avtkZRmTQ+XqBOlEE16r+STpZSRK6ZmHmOLbDve7IQIgSqMjZ/aVlMSH
7JLvKkTpRkCChAY6ooGfKie9lNp23N0CIQDOAf6NrRUh8nzsFNAkSZTE8sc28o3X
RGQUNzlEpMvKag==
-----END PRIVATE KEY-----
"""


def written(leaf: Leaf, file: Path) -> KeyFile:
    file.write_bytes(leaf.key_pem + leaf.certificates_pem)
    return KeyFile(file)


def policy(*sources: KeyFile) -> SigningPolicy:
    return SigningPolicy(keys=sources)


def refusal(leaf: Leaf, directory: Path, address: str = ANN) -> str:
    with pytest.raises(UnusableKeyError) as caught:
        signer(Keys(), policy(written(leaf, directory / "own.pem")), address, NOW)
    return str(caught.value).removeprefix(f"{directory / 'own.pem'}: ")


@pytest.mark.parametrize(
    "leaf",
    [
        AUTHORITY.leaf(),
        AUTHORITY.leaf(kind="p256"),
        AUTHORITY.leaf(kind="p384"),
        AUTHORITY.leaf("Ann@Example.TEST"),
        AUTHORITY.leaf(subject_only=True),
        AUTHORITY.leaf(usage=[SIGNING]),
        AUTHORITY.leaf(usage=["content_commitment"]),
        AUTHORITY.leaf(usage=None, purposes=None),
        AUTHORITY.leaf(purposes=[ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]),
    ],
    ids=["RSA", "P-256", "P-384", "case", "subject", "signing", "commitment", "no limits", "any purpose"],
)
def test_a_key_that_signs(leaf: Leaf, tmp_path: Path) -> None:
    found = signer(Keys(), policy(written(leaf, tmp_path / "own.pem")), ANN, NOW)
    assert (found.certificate, found.chain) == (leaf.certificate, leaf.chain)


@pytest.mark.parametrize(
    ("leaf", "reason"),
    [
        (AUTHORITY.leaf(ends=timedelta(hours=-1)), "its certificate expired on "),
        (AUTHORITY.leaf(begins=timedelta(days=2)), "its certificate is not valid before "),
        (AUTHORITY.leaf(usage=[ENCRYPTION]), "its certificate does not allow signing: see its key usage"),
        (AUTHORITY.leaf(purposes=SERVER), "its certificate is not for mail: its extended key usage lacks "),
        (AUTHORITY.leaf("bob@example.test"), f"its certificate is for bob@example.test, not for {ANN}"),
        (AUTHORITY.leaf(None), f"its certificate is for no address, not for {ANN}"),
        (AUTHORITY.leaf(kind="rsa-1024"), "its RSA key has 1024 bits, fewer than 2048"),
        (AUTHORITY.leaf(kind="ed25519"), "its key cannot sign mail; that takes RSA, or EC with "),
    ],
    ids=["expired", "not yet", "key usage", "purpose", "address", "no address", "short", "Ed25519"],
)
def test_a_key_that_does_not_sign(leaf: Leaf, reason: str, tmp_path: Path) -> None:
    assert refusal(leaf, tmp_path).startswith(reason)


def test_a_key_without_a_certificate(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_bytes(AUTHORITY.leaf().key_pem)
    with pytest.raises(UnusableKeyError, match="it holds no certificate of its key"):
        signer(Keys(), policy(KeyFile(tmp_path / "own.pem")), ANN, NOW)


def test_the_newest_generation_that_is_valid_signs(tmp_path: Path) -> None:
    old = AUTHORITY.leaf(begins=timedelta(days=-300), ends=timedelta(days=900))
    current = AUTHORITY.leaf(begins=timedelta(days=-10), number=1)
    coming = AUTHORITY.leaf(begins=timedelta(days=5), number=2)
    sources = [written(leaf, tmp_path / f"{at}.pem") for at, leaf in enumerate((coming, old, current))]
    keys, generations = Keys(), policy(*sources)
    assert signer(keys, generations, ANN, NOW).certificate == current.certificate
    assert signer(keys, generations, ANN, NOW + timedelta(days=6)).certificate == coming.certificate


def test_every_file_is_named_when_none_signs(tmp_path: Path) -> None:
    expired = written(AUTHORITY.leaf(ends=timedelta(hours=-1)), tmp_path / "old.pem")
    sealed = tmp_path / "new.p12"
    sealed.write_bytes(AUTHORITY.leaf().pkcs12())
    with pytest.raises(UnusableKeyError) as caught:
        signer(Keys(), policy(expired, KeyFile(sealed, password=SecretStr("wrong"))), ANN, NOW)
    assert str(caught.value).startswith(f"{expired.file}: its certificate expired on ")
    assert str(caught.value).endswith(f"; {sealed}: the password does not open it")


def test_one_file_that_cannot_be_read_does_not_stop_the_other(tmp_path: Path) -> None:
    own = AUTHORITY.leaf()
    found = signer(Keys(), policy(KeyFile(tmp_path / "absent"), written(own, tmp_path / "a.pem")), ANN, NOW)
    assert found.certificate == own.certificate


def test_a_file_that_changes_is_read_again(tmp_path: Path) -> None:
    keys, source = Keys(), written(AUTHORITY.leaf(), tmp_path / "own.pem")
    first = keys.get(source)
    assert keys.get(source) is first
    renewed = AUTHORITY.leaf(number=1)
    written(renewed, tmp_path / "own.pem")
    assert keys.get(source).certificate == renewed.certificate


def test_the_policy_says_how_to_sign(tmp_path: Path) -> None:
    source = written(AUTHORITY.leaf(), tmp_path / "own.pem")
    wanted = SigningPolicy(keys=(source,), padding=Padding.PSS, digest=Digest.SHA512)
    found = signer(Keys(), wanted, ANN, NOW)
    assert (found.padding, found.digest) == (Padding.PSS, Digest.SHA512)


def test_the_chain_is_ordered_and_has_no_root() -> None:
    leaf, stranger = AUTHORITY.leaf(), MailAuthority(1)
    others = [AUTHORITY.root, AUTHORITY.leaf(number=1).certificate, *leaf.chain, stranger.root]
    assert list(chain(leaf.certificate, others)) == [AUTHORITY.intermediate]


def test_a_namesake_of_the_issuer_is_left_out() -> None:
    """Another intermediate of the same name and another key."""
    leaf, namesake = AUTHORITY.leaf(), MailAuthority(1).intermediate
    assert list(chain(leaf.certificate, [namesake, AUTHORITY.intermediate])) == [AUTHORITY.intermediate]


# --- DKIM --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "algorithm"), [("rsa", "rsa-sha256"), ("ed25519", "ed25519-sha256")])
def test_a_key_of_a_domain(kind: str, algorithm: str, tmp_path: Path) -> None:
    (tmp_path / "dkim.pem").write_bytes(Leaf(key(kind), AUTHORITY.root, ()).encrypted_key_pem)
    source = DomainKeyFile("s1", KeyFile(tmp_path / "dkim.pem", password=SecretStr(PASSWORD)))
    found = domain_key(Keys(), source, "example.test")
    assert (found.domain, found.selector, found.algorithm) == ("example.test", "s1", algorithm)


def test_a_short_rsa_key_is_refused_for_dkim(tmp_path: Path) -> None:
    (tmp_path / "dkim.pem").write_text(SHORT)
    with pytest.raises(UnusableKeyError, match=r"dkim\.pem: its RSA key has 512 bits, fewer than 1024"):
        domain_key(Keys(), DomainKeyFile("s1", KeyFile(tmp_path / "dkim.pem")), "example.test")


def test_an_ec_key_is_refused_for_dkim(tmp_path: Path) -> None:
    (tmp_path / "dkim.pem").write_bytes(Leaf(key("p256"), AUTHORITY.root, ()).key_pem)
    with pytest.raises(UnusableKeyError, match=r"dkim\.pem: DKIM takes an RSA or an Ed25519 key"):
        domain_key(Keys(), DomainKeyFile("s1", KeyFile(tmp_path / "dkim.pem")), "example.test")


def test_a_dkim_key_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(UnreadableKeyError, match="No such file"):
        domain_key(Keys(), DomainKeyFile("s1", KeyFile(tmp_path / "absent.pem")), "example.test")
