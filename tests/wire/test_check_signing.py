"""What ``smtp-connector check`` finds in keys, certificates and the DNS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connector.check.findings import CheckStep, Report, Status
from connector.testing.smtp import SmtpServer
from tests.mail_certificates import PASSWORD, Leaf, MailAuthority, key
from tests.servers import nameserver
from tests.servers.nameserver import Nameserver
from tests.unit.signing.records import record_of
from tests.wire.checks import finding, order, sales, statuses

AUTHORITY = MailAuthority()
ANN = AUTHORITY.leaf()
RSA, ED25519 = key("rsa", 7), key("ed25519", 7)
GOOD = {
    "r1._domainkey.example.test": [record_of(RSA)],
    "e1._domainkey.example.test": [record_of(ED25519)],
    "example.test": ["site-verification=1", "v=spf1 include:_spf.example.net mx -all"],
    "_spf.example.net": ["v=spf1 ip4:192.0.2.0/24 a:out.example.net -all"],
    "_dmarc.example.test": ["v=DMARC1; p=reject; rua=mailto:dmarc@example.test"],
}


@pytest.fixture
def dns() -> Iterator[Nameserver]:
    with nameserver.serving(GOOD) as server:
        yield server


def written(file: Path, data: bytes) -> str:
    file.write_bytes(data)
    return str(file)


def dkim(directory: Path, **more: Any) -> dict[str, Any]:
    keys = [
        {"selector": name, "file": written(directory / name, Leaf(own, ANN.certificate, ()).key_pem)}
        for name, own in (("r1", RSA), ("e1", ED25519))
    ]
    return {"dkim": {"keys": keys} | more}


async def checked(signing: dict[str, Any], dns: Nameserver | None = None, **account: Any) -> Report:
    at = ("127.0.0.1", dns.port) if dns is not None else None
    wanted = order("sales", nameserver=at, domain=account.pop("domain", None), seconds=2.0)
    settings = {"address": "ann@example.test", "security": "none", "signing": signing} | account
    async with SmtpServer() as server:
        return await sales(server, wanted, **settings)


# --- keys and certificates ---------------------------------------------------------------------------


def smime(directory: Path, *leaves: Leaf, **more: Any) -> dict[str, Any]:
    files = [written(directory / f"{at}.p12", leaf.pkcs12()) for at, leaf in enumerate(leaves)]
    return {"keys": [{"file": file, "password": PASSWORD} for file in files]} | more


async def test_a_good_key_with_recipients(tmp_path: Path) -> None:
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    written(certificates / "bob.pem", AUTHORITY.leaf("bob@example.test").certificates_pem)
    report = await checked(smime(tmp_path, ANN, certificates=str(certificates)))
    keys = finding(report, CheckStep.KEYS)
    assert keys.status is Status.OK
    assert keys.message == "S/MIME: RSA 2048, 364 days left; 2 certificates of recipients"
    assert keys.facts["keys"][0]["addresses"] == ["ann@example.test"]
    assert keys.facts["certificates"] == 2
    assert {"dkim", "spf", "dmarc"}.isdisjoint(statuses(report))


async def test_an_account_without_keys_has_no_such_step() -> None:
    assert {"keys", "dkim", "spf", "dmarc"}.isdisjoint(statuses(await checked({})))


@pytest.mark.parametrize(
    ("leaves", "status", "words"),
    [
        ([AUTHORITY.leaf(ends=timedelta(days=29, hours=1))], "warning", "ends in 29 days, fewer than 30"),
        ([AUTHORITY.leaf(ends=timedelta(hours=-1))], "failed", "its certificate expired on "),
        ([AUTHORITY.leaf("bob@example.test")], "failed", "is for bob@example.test, not for ann@example.test"),
        ([AUTHORITY.leaf("bob@example.test"), ANN], "warning", "is for bob@example.test, not for "),
        ([AUTHORITY.leaf(ends=timedelta(hours=-1)), ANN], "ok", "364 days left"),
        ([AUTHORITY.leaf(begins=timedelta(days=5)), ANN], "ok", "364 days left"),
    ],
    ids=["soon", "over", "another's", "one of two", "replaced", "coming"],
)
async def test_what_is_said_of_keys(leaves: list[Leaf], status: str, words: str, tmp_path: Path) -> None:
    report = await checked(smime(tmp_path, *leaves))
    keys = finding(report, CheckStep.KEYS)
    assert (keys.status, words in keys.message) == (status, True)
    assert (keys.fix is None) is (status == "ok")


async def test_a_file_among_the_certificates_that_is_none(tmp_path: Path) -> None:
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    written(certificates / "README", b"our customers")
    keys = finding(await checked({"certificates": str(certificates)}), CheckStep.KEYS)
    assert keys.status is Status.WARNING
    assert "README: it holds no certificate in PEM or DER" in keys.message


async def test_a_password_that_is_missing(tmp_path: Path) -> None:
    own = {"file": written(tmp_path / "ann.p12", ANN.pkcs12()), "password": "secrets.ABSENT"}
    report = await checked({"keys": [own]})
    assert finding(report, CheckStep.SETTINGS).status is Status.FAILED
    assert "accounts.sales.signing.keys.password: there is no secret ABSENT" in _told(report)


def _told(report: Report) -> str:
    return "\n".join(found.message for found in report.findings)


# --- the DNS -----------------------------------------------------------------------------------------


async def test_a_domain_that_is_right(dns: Nameserver, tmp_path: Path) -> None:
    report = await checked(dkim(tmp_path), dns)
    assert {step: status for step, status in statuses(report).items() if step in _DOMAIN} == dict.fromkeys(
        _DOMAIN, "ok"
    )
    assert finding(report, CheckStep.DKIM).facts == {
        "records": [
            {"selector": "r1", "name": "r1._domainkey.example.test", "fault": None},
            {"selector": "e1", "name": "e1._domainkey.example.test", "fault": None},
        ]
    }
    assert finding(report, CheckStep.SPF).facts == {
        "domain": "example.test",
        "record": "v=spf1 include:_spf.example.net mx -all",
    }
    assert finding(report, CheckStep.DMARC).facts == {
        "domain": "example.test",
        "policy": "reject",
        "aligned": True,
    }


_DOMAIN = ("dkim", "spf", "dmarc")


async def test_a_domain_may_be_checked_without_keys(dns: Nameserver) -> None:
    report = await checked({}, dns, domain=True)
    assert finding(report, CheckStep.SPF).status is Status.OK
    dmarc = finding(report, CheckStep.DMARC)
    assert (dmarc.status, dmarc.facts["aligned"]) == (Status.OK, None)
    assert "DKIM is your mail server's" in dmarc.message
    assert "dkim" not in statuses(report)


async def test_a_domain_may_be_left_out(dns: Nameserver, tmp_path: Path) -> None:
    report = await checked(dkim(tmp_path), dns, domain=False)
    assert set(_DOMAIN).isdisjoint(statuses(report))
    assert dns.asked == []


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ([], "r1: the DNS has no TXT record at r1._domainkey.example.test"),
        ([record_of(key("rsa", 1))], "r1: the record publishes another key than the file's"),
        ([record_of(RSA)[:200]], "r1: p= of the record is not base64"),
    ],
    ids=["none", "another", "cut"],
)
async def test_a_record_that_does_not_fit_the_key(
    texts: list[str], words: str, dns: Nameserver, tmp_path: Path
) -> None:
    dns.texts["r1._domainkey.example.test"] = texts
    found = finding(await checked(dkim(tmp_path), dns), CheckStep.DKIM)
    assert (found.status, words in found.message) == (Status.FAILED, True)
    assert found.fix == f"Publish this TXT record at r1._domainkey.example.test: {record_of(RSA)}"


SPF: dict[str, tuple[list[str], str, str]] = {
    "none": (["unrelated"], "warning", "example.test has no SPF record"),
    "two": (["v=spf1 -all", "v=spf1 mx -all"], "failed", "has 2 SPF records"),
    "everyone": (["v=spf1 +all"], "warning", "every server may send for example.test"),
    "ten": ([f"v=spf1 {'a ' * 10}-all"], "ok", "v=spf1 a a"),
    "eleven": ([f"v=spf1 {'a ' * 11}-all"], "failed", "it takes more than 10 lookups"),
    "included": (["v=spf1 a mx include:_ten.example.net -all"], "failed", "it takes more than 10 lookups"),
    "itself": (["v=spf1 include:example.test -all"], "failed", "it takes more than 10 lookups"),
    "redirect": (["v=spf1 redirect=_spf.example.net"], "ok", "v=spf1 redirect=_spf.example.net"),
}


@pytest.mark.parametrize("name", SPF)
async def test_what_is_said_of_spf(name: str, dns: Nameserver) -> None:
    texts, status, words = SPF[name]
    dns.texts["example.test"] = texts
    dns.texts["_ten.example.net"] = [f"v=spf1 {'exists:%{i}.x.test ' * 10}-all"]
    found = finding(await checked({}, dns, domain=True), CheckStep.SPF)
    assert (found.status, words in found.message) == (status, True)
    assert (found.fix is None) is (status == "ok")


DMARC: dict[str, tuple[dict[str, list[str]], dict[str, Any], str, str]] = {
    "none": ({"_dmarc.example.test": []}, {}, "warning", "example.test has no DMARC record"),
    "two": (
        {"_dmarc.example.test": ["v=DMARC1; p=none", "v=DMARC1; p=reject"]},
        {},
        "failed",
        "has 2 DMARC records",
    ),
    "no policy": ({"_dmarc.example.test": ["v=DMARC1; rua=mailto:a@b"]}, {}, "failed", "has no p=none"),
    "above": ({}, {"address": "ann@mail.example.test"}, "ok", "p=reject at _dmarc.example.test"),
    "another domain": ({}, {"dkim_domain": "example.net"}, "failed", "are signed for example.net"),
    "the domain above": (
        {},
        {"address": "ann@mail.example.test", "dkim_domain": "example.test"},
        "ok",
        "DKIM is aligned, too",
    ),
    "strict": (
        {"_dmarc.example.test": ["v=DMARC1; p=none; adkim=s"]},
        {"address": "ann@mail.example.test", "dkim_domain": "example.test"},
        "failed",
        "the mails are from mail.example.test and are signed for example.test",
    ),
}


@pytest.mark.parametrize("name", DMARC)
async def test_what_is_said_of_dmarc(name: str, dns: Nameserver, tmp_path: Path) -> None:
    texts, changed, status, words = DMARC[name]
    dns.texts |= texts
    domain = {"domain": changed["dkim_domain"]} if "dkim_domain" in changed else {}
    address = {"address": changed["address"]} if "address" in changed else {}
    found = finding(await checked(dkim(tmp_path, **domain), dns, **address), CheckStep.DMARC)
    assert (found.status, words in found.message) == (status, True)
    assert (found.fix is None) is (status == "ok")


@pytest.mark.parametrize("fault", ["failing", "silent"])
async def test_a_name_server_that_does_not_answer(fault: str, dns: Nameserver, tmp_path: Path) -> None:
    getattr(dns, fault).update(GOOD)
    report = await checked(dkim(tmp_path), dns)
    for step in (CheckStep.DKIM, CheckStep.SPF, CheckStep.DMARC):
        found = finding(report, step)
        assert found.status is Status.WARNING
        assert "the DNS does not answer for " in found.message
        assert found.fix == "Ask another name server with --nameserver, or try again."


async def test_a_key_that_cannot_be_read_is_told_once(dns: Nameserver, tmp_path: Path) -> None:
    signing = dkim(tmp_path)
    (tmp_path / "r1").write_text("no key")
    report = await checked(signing, dns)
    assert finding(report, CheckStep.KEYS).status is Status.FAILED
    assert finding(report, CheckStep.DKIM).facts["records"] == [
        {"selector": "e1", "name": "e1._domainkey.example.test", "fault": None}
    ]
