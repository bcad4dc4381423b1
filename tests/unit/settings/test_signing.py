"""What an operator may say about keys, certificates and DKIM, and what an account makes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connector.accounts.accounts import Accounts
from connector.model.signing import UNPROTECTED, Digest, DomainKeyFile, KeyFile, Padding, Protection
from connector.settings.show import as_json
from connector.settings.sources import Loaded, SettingsError, load

PASSWORD = "geheim-Pässword-{9}"  # of no key at all


@pytest.fixture
def files(tmp_path: Path) -> Path:
    for name in ("own.p12", "own.jks", "chain.pem", "key.pem", "dkim.pem"):
        (tmp_path / name).touch()
    return tmp_path


def loaded(directory: Path, signing: dict[str, Any], environ: dict[str, str] | None = None) -> Loaded:
    file = directory / "settings.yaml"
    file.write_text(json.dumps({"accounts": {"sales": {"host": "smtp.example.com", "signing": signing}}}))
    return load(environ or {}, config=file)


def refusal(directory: Path, signing: dict[str, Any]) -> str:
    with pytest.raises(SettingsError) as caught:
        loaded(directory, signing)
    return str(caught.value)


def test_an_account_has_all_that_is_said(files: Path) -> None:
    signing = {
        "sign": "require",
        "encrypt": "when-possible",
        "keys": [
            {"file": f"{files}/own.p12", "password": PASSWORD},
            {"file": f"{files}/chain.pem", "key": f"{files}/key.pem"},
            {"file": f"{files}/own.jks", "password": "a", "key_password": "b", "alias": "sales"},
        ],
        "padding": "pss",
        "digest": "sha-512",
        "certificates": str(files),
        "encrypt_to_sender": False,
        "dkim": {
            "domain": "Bücher.example",
            "keys": [{"selector": "s2026", "file": f"{files}/dkim.pem", "password": "c"}],
        },
    }
    policy = Accounts(loaded(files, signing).settings).configured("sales").signing
    assert (policy.sign, policy.encrypt) == (Protection.REQUIRE, Protection.WHEN_POSSIBLE)
    assert policy.keys == (
        KeyFile(files / "own.p12", password=SecretStr(PASSWORD)),
        KeyFile(files / "chain.pem", files / "key.pem"),
        KeyFile(files / "own.jks", None, SecretStr("a"), SecretStr("b"), "sales"),
    )
    assert (policy.padding, policy.digest, policy.certificates) == (Padding.PSS, Digest.SHA512, files)
    assert (policy.encrypt_to_sender, policy.dkim_domain) == (False, "xn--bcher-kva.example")
    assert policy.dkim == (DomainKeyFile("s2026", KeyFile(files / "dkim.pem", password=SecretStr("c"))),)
    assert policy.passwords == (PASSWORD, "a", "b", "c")


def test_an_account_leaves_its_mails_alone_unless_told_otherwise(tmp_path: Path) -> None:
    policy = Accounts(loaded(tmp_path, {"encrypt_to_sender": True}).settings).configured("sales").signing
    assert policy.idle
    assert UNPROTECTED.idle


@pytest.mark.parametrize(
    ("signing", "reason"),
    [
        ({"sign": "require"}, "sign require needs keys"),
        ({"sign": "when-possible"}, "sign when-possible needs keys"),
        ({"encrypt": "require"}, "encrypt require needs certificates, the directory of the recipients'"),
        ({"keys": [{"file": "/absent.p12"}]}, "cannot read /absent.p12: No such file or directory"),
        ({"keys": [{}]}, "is required; set it"),
        ({"keys": [{"file": "settings.yaml", "passwort": "x"}]}, "no such setting; remove it"),
        ({"certificates": "/absent"}, "cannot read /absent: it is no directory"),
        ({"digest": "sha-1"}, "expected sha-256, sha-384 or sha-512"),
        ({"dkim": {"keys": [{"file": "/absent"}]}}, "is required; set it"),
        ({"dkim": {"domain": "no domain"}}, "expected a host name"),
    ],
)
def test_what_cannot_be_meant_is_refused(signing: dict[str, Any], reason: str, tmp_path: Path) -> None:
    assert reason in refusal(tmp_path, signing)


@pytest.mark.parametrize("selector", ["", "-s", "s_1", "s..1", "s1.", "ü", "a b"])
def test_a_selector_is_a_name_of_the_dns(selector: str, files: Path) -> None:
    keys = [{"selector": selector, "file": f"{files}/dkim.pem"}]
    assert "entry 1, selector: expected letters, digits and hyphens" in refusal(
        files, {"dkim": {"keys": keys}}
    )


def test_a_selector_stands_once(files: Path) -> None:
    keys = [{"selector": "s1", "file": f"{files}/dkim.pem"}] * 2
    assert "dkim.keys has a selector twice" in refusal(files, {"dkim": {"keys": keys}})


def test_keys_may_come_from_the_environment(files: Path) -> None:
    keys = json.dumps([{"file": f"{files}/own.p12", "password": PASSWORD}])
    found = loaded(files, {"padding": "pss"}, {"SMTP_CONNECTOR_ACCOUNTS_SALES_SIGNING_KEYS": keys})
    policy = Accounts(found.settings).configured("sales").signing
    assert policy.keys == (KeyFile(files / "own.p12", password=SecretStr(PASSWORD)),)


def test_a_password_is_never_shown(files: Path) -> None:
    key = {"file": f"{files}/own.p12", "password": PASSWORD}
    found = loaded(files, {"keys": [key], "dkim": {"keys": [{"selector": "s1", **key}]}})
    shown = (as_json(found), repr(found), repr(Accounts(found.settings).configured("sales")))
    assert not [text for text in shown if PASSWORD in text]
    assert "No such" not in refusal(files, {"keys": [{**key, "alias": [PASSWORD]}]})
    assert PASSWORD not in refusal(files, {"keys": [{**key, "alias": [PASSWORD]}]})
