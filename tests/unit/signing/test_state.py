"""What is said about keys, and which of them are about to expire."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from pydantic import SecretStr

from connector.model.signing import DomainKeyFile, KeyFile, SigningPolicy
from connector.signing.keys import Keys
from connector.signing.state import KeyState, account_states, expiring, file_state
from connector.tls.own_keys import read_key
from tests.mail_certificates import PASSWORD, SIGNING, Leaf, MailAuthority, key

AUTHORITY = MailAuthority()
NOW = datetime.now(UTC)
ANN = "ann@example.test"


def written(leaf: Leaf, file: Path) -> KeyFile:
    file.write_bytes(leaf.key_pem + leaf.certificates_pem)
    return KeyFile(file)


def states(
    *sources: KeyFile, dkim: tuple[DomainKeyFile, ...] = (), address: str | None = ANN
) -> list[KeyState]:
    return account_states(Keys(), SigningPolicy(keys=sources, dkim=dkim), address, NOW)


def test_everything_about_a_key_is_told(tmp_path: Path) -> None:
    leaf = AUTHORITY.leaf(ends=timedelta(days=40, hours=1), usage=[SIGNING])
    (state,) = states(written(leaf, tmp_path / "ann.pem"))
    assert state.as_json(NOW) == {
        "use": "S/MIME",
        "file": str(tmp_path / "ann.pem"),
        "key": "RSA 2048",
        "selector": None,
        "subject": "CN=Ann Example",
        "issuer": "CN=Test intermediate",
        "addresses": [ANN],
        "purposes": ["signing"],
        "chain": ["CN=Test intermediate"],
        "begins": leaf.certificate.not_valid_before_utc.isoformat(),
        "expires": leaf.certificate.not_valid_after_utc.isoformat(),
        "daysLeft": 40,
        "sha256": leaf.certificate.fingerprint(hashes.SHA256()).hex(),
        "fault": None,
    }


@pytest.mark.parametrize(
    ("kind", "name"),
    [("rsa", "RSA 2048"), ("p256", "EC P-256"), ("p384", "EC P-384"), ("ed25519", "Ed25519")],
)
def test_the_kind_of_a_key(kind: str, name: str, tmp_path: Path) -> None:
    (state,) = states(written(AUTHORITY.leaf(kind=kind), tmp_path / "own.pem"))
    assert state.kind == name


def test_what_is_wrong_is_told(tmp_path: Path) -> None:
    (tmp_path / "bare.pem").write_bytes(AUTHORITY.leaf().key_pem)
    found = states(
        KeyFile(tmp_path / "absent"),
        KeyFile(tmp_path / "bare.pem"),
        written(AUTHORITY.leaf("bob@example.test"), tmp_path / "bob.pem"),
    )
    assert [state.fault for state in found] == [
        "No such file or directory",
        "it holds no certificate of its key",
        f"its certificate is for bob@example.test, not for {ANN}",
    ]
    assert states(KeyFile(tmp_path / "bob.pem"), address=None)[0].fault is None


def test_keys_for_dkim(tmp_path: Path) -> None:
    for kind in ("rsa", "ed25519", "p256"):
        (tmp_path / kind).write_bytes(Leaf(key(kind), AUTHORITY.root, ()).encrypted_key_pem)
    secret = SecretStr(PASSWORD)
    dkim = [
        DomainKeyFile(kind, KeyFile(tmp_path / kind, password=secret)) for kind in ("rsa", "ed25519", "p256")
    ]
    found = states(dkim=(*dkim, DomainKeyFile("s4", KeyFile(tmp_path / "rsa"))))
    assert [(state.use, state.selector, state.kind, state.fault) for state in found] == [
        ("DKIM", "rsa", "RSA 2048", None),
        ("DKIM", "ed25519", "Ed25519", None),
        ("DKIM", "p256", "EC P-256", "DKIM takes an RSA or an Ed25519 key"),
        ("DKIM", "s4", "", "it is encrypted and needs a password"),
    ]


def test_the_key_of_one_file(tmp_path: Path) -> None:
    source = written(AUTHORITY.leaf(), tmp_path / "own.pem")
    assert file_state(read_key(source), source.file, NOW).use == "S/MIME"
    source.file.write_bytes(AUTHORITY.leaf().key_pem)
    assert file_state(read_key(source), source.file, NOW).use == "DKIM"


SOON, LATER = timedelta(days=29), timedelta(days=30, hours=1)


@pytest.mark.parametrize(
    ("leaves", "warned"),
    [
        ([{"ends": SOON}], [0]),
        ([{"ends": LATER}], []),
        ([{"ends": timedelta(hours=-2)}], [0]),
        ([{"ends": SOON}, {"ends": LATER, "number": 1}], []),
        ([{"ends": SOON}, {"ends": LATER, "number": 1, "address": "bob@example.test"}], [0]),
        ([{"ends": SOON}, {"ends": LATER, "number": 1, "begins": timedelta(days=1)}], [0]),
        ([{"ends": SOON}, {"ends": timedelta(days=2), "number": 1}], [0, 1]),
    ],
    ids=["soon", "later", "over", "replaced", "another's", "not yet replaced", "both"],
)
def test_a_key_is_warned_of_unless_another_replaces_it(
    leaves: list[dict[str, Any]], warned: list[int], tmp_path: Path
) -> None:
    sources = [written(AUTHORITY.leaf(**leaf), tmp_path / str(at)) for at, leaf in enumerate(leaves)]
    found = states(*sources, address=None)
    assert [found.index(state) for state in expiring(found, NOW)] == warned


def test_a_key_for_dkim_does_not_expire(tmp_path: Path) -> None:
    (tmp_path / "dkim.pem").write_bytes(AUTHORITY.leaf().key_pem)
    assert expiring(states(dkim=(DomainKeyFile("s1", KeyFile(tmp_path / "dkim.pem")),)), NOW) == []
