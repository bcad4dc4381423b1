"""DKIM signatures, as opendkim, rspamd and dkimpy verify them: none shares code with what signs here."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest

from connector.signing.dkim import DomainKey, sign
from tests.mail_certificates import key
from tests.mails import MAILS, large
from tests.servers import nameserver, opendkim, rspamd
from tests.servers.availability import require
from tests.servers.rspamd import Rspamd
from tests.unit.signing.records import record_of

NOW = datetime(2026, 11, 20, 20, 50, 33, tzinfo=UTC)
RSA = DomainKey("example.test", "rsa", key("rsa"))  # type: ignore[arg-type]  # it is RSA
ED25519 = DomainKey("example.test", "ed", key("ed25519"))  # type: ignore[arg-type]  # it is Ed25519
BOTH = {"rsa": "pass", "ed": "pass"}


RECORDS = {f"{own.selector}._domainkey.example.test": record_of(own.key) for own in (RSA, ED25519)}


def signed(mail: bytes) -> bytes:
    return sign(mail, [RSA, ED25519], NOW)


def altered(mail: bytes, place: bytes) -> bytes:
    at = mail.index(place)
    return mail[:at] + mail[at : at + 1].swapcase() + mail[at + 1 :]


@pytest.fixture(scope="module")
def rspamd_server() -> Iterator[Rspamd]:
    require(rspamd.missing())
    with (
        nameserver.serving({name: [text] for name, text in RECORDS.items()}) as names,
        rspamd.running(names.port) as server,
    ):
        yield server


def of_opendkim(mail: bytes, directory: Path) -> dict[str, str]:
    require(opendkim.missing())
    return opendkim.results(mail, RECORDS, directory)


def of_dkimpy(mail: bytes) -> list[bool]:
    return [_verified_by_dkimpy(mail, at) for at in range(2)]


def _verified_by_dkimpy(mail: bytes, at: int) -> bool:
    records = {f"{name}.".encode(): text.encode() for name, text in RECORDS.items()}
    try:
        return bool(dkim.DKIM(mail).verify(at, dnsfunc=lambda name, timeout: records[name]))
    except dkim.ValidationError:
        return False


@pytest.mark.parametrize("name", MAILS)
def test_opendkim_accepts_both_signatures(name: str, tmp_path: Path) -> None:
    assert of_opendkim(signed(MAILS[name]), tmp_path) == BOTH


@pytest.mark.parametrize("name", MAILS)
def test_rspamd_accepts_both_signatures(name: str, rspamd_server: Rspamd) -> None:
    assert rspamd_server.results(signed(MAILS[name])) == BOTH


@pytest.mark.parametrize("name", MAILS)
def test_dkimpy_accepts_both_signatures(name: str) -> None:
    assert of_dkimpy(signed(MAILS[name])) == [True, True]


def test_ten_megabytes(tmp_path: Path, rspamd_server: Rspamd) -> None:
    mail = signed(large())
    assert of_opendkim(mail, tmp_path) == BOTH
    assert rspamd_server.results(mail) == BOTH


ALTERED = [b"invoice", b"ber_die", b"ann@example", b"bob@example", b"fryock", b"text/plain", b"Fri,"]


@pytest.mark.parametrize("place", ALTERED, ids=bytes.decode)
def test_one_altered_octet_is_refused(place: bytes, tmp_path: Path, rspamd_server: Rspamd) -> None:
    changed = altered(signed(MAILS["text"]), place)
    assert of_opendkim(changed, tmp_path) == {"rsa": "fail", "ed": "fail"}
    assert rspamd_server.results(changed) == {"rsa": "fail", "ed": "fail"}
    assert of_dkimpy(changed) == [False, False]


@pytest.mark.parametrize("name", ["From", "Subject", "To", "Date", "Message-ID", "Content-Type"])
def test_a_second_field_is_refused(name: str, tmp_path: Path, rspamd_server: Rspamd) -> None:
    changed = f"{name}: another@example.test\r\n".encode() + signed(MAILS["text"])
    assert of_opendkim(changed, tmp_path) == {"rsa": "fail", "ed": "fail"}
    assert rspamd_server.results(changed) == {"rsa": "fail", "ed": "fail"}


COVERED = [
    "Sender",
    "Reply-To",
    "Cc",
    "MIME-Version",
    "Content-Transfer-Encoding",
    "In-Reply-To",
    "References",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Auto-Submitted",
]


@pytest.mark.parametrize("name", COVERED)
def test_a_field_that_is_there_cannot_change(name: str) -> None:
    mail = signed(f"{name}: <a@example.test>\r\n".encode() + MAILS["text"])
    assert of_dkimpy(mail) == [True, True]
    assert of_dkimpy(mail.replace(b"<a@example", b"<b@example")) == [False, False]


def test_blanks_and_folds_may_change_on_the_way(tmp_path: Path) -> None:
    mail = signed(MAILS["text"]).replace(b"Subject: ", b"Subject:\r\n\t ")
    assert of_opendkim(mail.replace(b"due.", b"due. \t"), tmp_path) == BOTH


def test_every_line_is_short() -> None:
    header = signed(MAILS["text"])[: -len(MAILS["text"])]
    assert max(map(len, header.split(b"\r\n"))) <= 78
    assert header.count(b"DKIM-Signature: v=1; ") == 2


def test_the_signature_tells_what_it_covers() -> None:
    header = sign(MAILS["text"], [ED25519], NOW)[: -len(MAILS["text"])]
    tags = dict(tag.strip().split("=", 1) for tag in re.sub(r"\s", "", header.decode()[16:]).split(";"))
    assert (tags["a"], tags["d"], tags["s"], tags["t"]) == (
        "ed25519-sha256",
        "example.test",
        "ed",
        str(int(NOW.timestamp())),
    )
    names = tags["h"].split(":")
    for name in ("from", "subject", "to", "date", "message-id", "content-type"):
        assert names.count(name) == 2
    assert names.count("mime-version") == 1


def test_a_key_does_not_show_itself() -> None:
    assert "key=" not in repr(RSA)
