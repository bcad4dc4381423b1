"""``smtp-connector keys`` as an operator runs it."""

from __future__ import annotations

import json
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from connector.signing.dkim import DomainKey
from connector.signing.record import text_of, zone_line
from tests.commands.terminal import command
from tests.mail_certificates import PASSWORD, MailAuthority
from tests.servers import keytool
from tests.servers.availability import require

AUTHORITY = MailAuthority()
ANN = AUTHORITY.leaf()
NEW = ("keys", "dkim-new", "--domain", "example.test", "--selector", "r2026", "--output")


def pfx(directory: Path) -> str:
    file = directory / "ann.p12"
    file.write_bytes(ANN.pkcs12())
    return str(file)


def settings(directory: Path, signing: dict[str, Any]) -> str:
    account = {"host": "smtp.example.test", "address": "ann@example.test", "signing": signing}
    file = directory / "worker.yaml"
    file.write_text(json.dumps({"accounts": {"sales": account}}))  # JSON is YAML
    return str(file)


async def test_a_file_is_shown_with_the_password_from_standard_input(tmp_path: Path) -> None:
    done = await command("keys", "show", pfx(tmp_path), stdin=f"{PASSWORD}\n")
    assert (done.code, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == str(tmp_path / "ann.p12")
    assert "  addresses  ann@example.test" in lines
    assert "  purposes   signing, encryption" in lines
    assert "  chain      CN=Test intermediate" in lines
    assert "  usable     yes" in lines
    assert ", 364 days left" in done.stdout


async def test_a_file_is_shown_with_a_secret(tmp_path: Path) -> None:
    arguments = ("keys", "show", pfx(tmp_path), "--password-secret", "ANN", "--json")
    done = await command(*arguments, environ={"SECRET_ANN": PASSWORD})
    (state,) = json.loads(done.stdout)
    assert (state["addresses"], state["daysLeft"], state["fault"]) == (["ann@example.test"], 364, None)
    absent = await command(*arguments)
    assert absent.code == 1
    assert "there is no secret ANN" in absent.stderr


async def test_a_store_of_keytool_is_shown(tmp_path: Path) -> None:
    require(keytool.missing())
    store = keytool.generate(tmp_path / "store.jks", "JKS", password="changeit")
    done = await command("keys", "show", str(store), "--alias", "ann", stdin="changeit\n")
    assert done.code == 0
    assert "  subject    CN=Ann" in done.stdout


async def test_a_wrong_password_is_told_and_not_shown(tmp_path: Path) -> None:
    done = await command("keys", "show", pfx(tmp_path), stdin="kanarienvogel\n")
    assert (done.code, done.stdout) == (1, "")
    assert "ann.p12: the password does not open it" in done.stderr
    assert "kanarienvogel" not in done.stderr


async def test_an_account_is_shown_with_all_its_keys(tmp_path: Path) -> None:
    old = tmp_path / "old.p12"
    old.write_bytes(AUTHORITY.leaf(ends=timedelta(hours=-1)).pkcs12())
    made = await command(*NEW, str(tmp_path / "dkim.pem"))
    assert made.code == 0
    keys = [{"file": file, "password": "secrets.PW"} for file in (pfx(tmp_path), str(old))]
    dkim = {"keys": [{"selector": "r2026", "file": str(tmp_path / "dkim.pem")}]}
    config = settings(tmp_path, {"keys": keys, "dkim": dkim})
    done = await command("keys", "show", "sales", "--config", config, environ={"SECRET_PW": PASSWORD})
    assert done.code == 1
    usable = [line.split("usable")[1].strip() for line in done.stdout.splitlines() if "  usable" in line]
    assert usable[0] == usable[2] == "yes"
    assert usable[1].startswith("no: its certificate expired on ")
    assert "  for        DKIM, selector r2026" in done.stdout
    assert PASSWORD not in done.stdout


@pytest.mark.parametrize("kind", ["rsa", "ed25519"])
async def test_a_key_for_dkim_is_made_with_its_record(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "dkim.pem"
    done = await command(*NEW, str(file), "--type", kind)
    assert (done.code, done.stderr) == (0, "")
    own = DomainKey("example.test", "r2026", load_pem_private_key(file.read_bytes(), None))  # type: ignore[arg-type]  # of a kind that fits
    assert own.algorithm.startswith(kind)
    assert f"name   r2026._domainkey.example.test\ntype   TXT\nvalue  {text_of(own)}\n" in done.stdout
    assert zone_line(own) in done.stdout
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "PRIVATE" not in done.stdout


async def test_a_key_never_takes_the_place_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "dkim.pem"
    file.write_text("another key")
    done = await command(*NEW, str(file))
    assert done.code == 2
    assert "File exists" in done.stderr
    assert file.read_text() == "another key"


WRONG = {
    "no such file": (("keys", "show", "absent.p12"), "absent.p12: neither a file nor an account"),
    "no keys": (("keys", "show", "sales"), "sales: the account has no keys"),
    "an option for files": (
        ("keys", "show", "sales", "--alias", "a"),
        "--alias and --password-secret are for files",
    ),
    "no domain": ((*NEW[:3], "no domain", *NEW[4:], "x.pem"), "--domain no domain: expected a domain"),
    "no selector": ((*NEW[:5], "-r-", *NEW[6:], "x.pem"), "--selector -r-: expected letters"),
    "no type": ((*NEW, "x.pem", "--type", "dsa"), "--type dsa: expected one of rsa, ed25519"),
}


@pytest.mark.parametrize("name", WRONG)
async def test_wrong_usage_says_what_would_be_right(name: str, tmp_path: Path) -> None:
    arguments, reason = WRONG[name]
    config = ("--config", settings(tmp_path, {"padding": "pss"})) if "show" in arguments else ()
    done = await command(*arguments, *config)
    assert done.code == 2
    assert reason in done.stderr
