"""Signing and encryption on the whole way of a job, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from structlog.testing import capture_logs

from connector.accounts.accounts import Accounts
from connector.model.job import Complete, Fail, Outcome
from connector.observe.metrics import Metrics
from connector.secrets.masker import Masker
from connector.secrets.providers import open_secrets
from connector.send.assembly import open_pipeline
from connector.send.expiry import ExpiryWatch
from connector.send.pipeline import Pipeline
from connector.settings.model import Settings
from connector.testing.behaviour import Behaviour, Say, Verb
from connector.testing.smtp import SmtpServer
from tests.jobs import job
from tests.mail_certificates import PASSWORD, Leaf, MailAuthority, key
from tests.servers import opendkim
from tests.servers.availability import require
from tests.servers.openssl import decrypted, described, verified
from tests.unit.signing.records import record_of
from tests.wire.test_metrics import value

AUTHORITY = MailAuthority()
ANN = AUTHORITY.leaf()
BOB = AUTHORITY.leaf("bob@example.test", number=1)
CAROL = AUTHORITY.leaf("carol@example.test", number=2)
DAVE = AUTHORITY.leaf("dave@example.test", number=3)
CAROL_EC = AUTHORITY.leaf("carol@example.test", "p256")
MAIL: dict[str, Any] = {
    "smtpEmailToRecipients": ["bob@example.test"],
    "smtpEmailSubject": "Payslip",
    "smtpEmailContent": "Grüße\n.\nblank \nthe end",
}


class Site:
    """The files of an operator: a key for ann, DKIM keys for the domain, certificates of recipients."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.certificates = directory / "certificates"
        self.certificates.mkdir()
        self.put(BOB, "bob")
        self.root = AUTHORITY.root_file(directory)
        self.key = directory / "ann.p12"
        self.key.write_bytes(ANN.pkcs12())
        for kind in ("rsa", "ed25519"):
            own = Leaf(key(kind, 7), ANN.certificate, ())
            (directory / f"{kind}.pem").write_bytes(own.encrypted_key_pem)

    def put(self, leaf: Leaf, name: str) -> None:
        (self.certificates / f"{name}.pem").write_bytes(leaf.certificate.public_bytes(Encoding.PEM))

    def signing(self, **more: Any) -> dict[str, Any]:
        key = {"file": str(self.key), "password": "secrets.KEY_PASSWORD"}
        return {"keys": [key], "certificates": str(self.certificates)} | more

    def dkim(self, **more: Any) -> dict[str, Any]:
        keys = [
            {"selector": kind, "file": str(self.directory / f"{kind}.pem"), "password": PASSWORD}
            for kind in ("rsa", "ed25519")
        ]
        return {"dkim": {"keys": keys} | more}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


@asynccontextmanager
async def pipeline(
    server: SmtpServer, signing: Mapping[str, Any], *, secret: str = PASSWORD
) -> AsyncIterator[Pipeline]:
    account = {
        "host": server.hostname,
        "port": server.port,
        "security": "none",
        "address": "ann@example.test",
        "signing": signing,
    }
    settings = Settings.model_validate({"accounts": {"default": account}, "ledger": {"kind": "memory"}})
    async with open_pipeline(settings, Masker(), {"SECRET_KEY_PASSWORD": secret}) as opened:
        yield opened


async def sent(signing: Mapping[str, Any], **changed: Any) -> tuple[bytes, list[str]]:
    """Send a mail; what the server got, and the warnings in the response."""
    async with SmtpServer() as server:
        async with pipeline(server, signing) as opened:
            outcome = await opened.handle(job(MAIL | changed))
        assert isinstance(outcome, Complete), outcome
        (received,) = server.received
    return received.data, outcome.variables["response"]["warnings"]


async def refused(signing: Mapping[str, Any], *, secret: str = PASSWORD, **changed: Any) -> dict[str, Any]:
    """Send a mail that cannot be; the error, after a look that nothing reached the server."""
    async with SmtpServer() as server:
        async with pipeline(server, signing, secret=secret) as opened:
            outcome = await opened.handle(job(MAIL | changed))
        assert server.connections == []
    assert isinstance(outcome, Fail)
    assert outcome.error is not None
    assert outcome.retries == 0
    return dict(outcome.error)


def text_of(content: bytes) -> str:
    message = message_from_bytes(content, policy=policy.default)
    return str(message.get_content()).replace("\r\n", "\n")


# --- S/MIME ------------------------------------------------------------------------------------------


async def test_a_task_asks_for_a_signature(site: Site) -> None:
    data, warnings = await sent(site.signing(), smtpEmailSign=True)
    assert text_of(verified(data, site.root)) == f"{MAIL['smtpEmailContent']}\n"
    assert warnings == []


async def test_a_task_asks_for_encryption(site: Site) -> None:
    data, _ = await sent(site.signing(), smtpEmailEncrypt=True)
    for reader in (BOB, ANN):
        content = decrypted(data, reader, site.directory)
        assert text_of(content) == f"{MAIL['smtpEmailContent']}\n"
    assert b"blank" not in data


async def test_a_mail_is_signed_then_encrypted_then_signed_for_the_domain(site: Site) -> None:
    require(opendkim.missing())
    data, _ = await sent(
        site.signing(**site.dkim()),
        smtpEmailSign="true",
        smtpEmailEncrypt=True,
    )
    content = verified(decrypted(data, BOB, site.directory), site.root)
    assert text_of(content) == f"{MAIL['smtpEmailContent']}\n"
    records = {f"{kind}._domainkey.example.test": record_of(key(kind, 7)) for kind in ("rsa", "ed25519")}
    assert opendkim.results(data, records, site.directory) == {"rsa": "pass", "ed25519": "pass"}


async def test_nothing_is_done_unless_asked_for(site: Site) -> None:
    data, warnings = await sent(site.signing())
    message = message_from_bytes(data)
    assert (message.get_content_type(), warnings) == ("text/plain", [])


@pytest.mark.parametrize("wish", ["require", "when-possible"])
async def test_an_account_signs_and_encrypts_every_mail(wish: str, site: Site) -> None:
    data, warnings = await sent(site.signing(sign=wish, encrypt=wish))
    assert text_of(verified(decrypted(data, BOB, site.directory), site.root))
    assert warnings == []


async def test_what_is_not_possible_is_a_warning(site: Site) -> None:
    signing = site.signing(sign="when-possible", encrypt="when-possible")
    data, warnings = await sent(
        signing,
        smtpEmailMailBoxName="eve@example.test",
        smtpEmailToRecipients=["bob@example.test", "dave@example.test"],
    )
    assert message_from_bytes(data).get_content_type() == "text/plain"
    assert len(warnings) == 2
    assert warnings[0] == (
        f"sent unsigned: {site.key}: its certificate is for ann@example.test, not for eve@example.test"
    )
    assert warnings[1].startswith("sent unencrypted: dave@example.test: there is no certificate for it in ")


async def test_a_task_may_do_without_what_the_account_only_wishes(site: Site) -> None:
    signing = site.signing(sign="when-possible", encrypt="when-possible")
    data, warnings = await sent(signing, smtpEmailSign=False, smtpEmailEncrypt=False)
    assert (message_from_bytes(data).get_content_type(), warnings) == ("text/plain", [])


@pytest.mark.parametrize("name", ["smtpEmailSign", "smtpEmailEncrypt"])
async def test_a_task_may_not_do_without_what_the_account_requires(name: str, site: Site) -> None:
    asked: dict[str, Any] = {name: False}
    error = await refused(site.signing(sign="require", encrypt="require"), **asked)
    assert (error["code"], error["variables"]["field"]) == ("INVALID_INPUT", name)
    assert "the account requires it for every mail" in error["message"]


async def test_every_attempt_signs_anew_and_sends_the_same_content(site: Site) -> None:
    later = Behaviour().on(Verb.DOT, Say(451, "4.3.0 later"), times=1, keep=True)
    async with SmtpServer(behaviour=later) as server:
        async with pipeline(server, site.signing(sign="require")) as opened:
            outcomes: list[Outcome] = [await opened.handle(job(MAIL)) for _ in range(2)]
        first, second = (received.data for received in server.received)
    assert [type(outcome) for outcome in outcomes] == [Fail, Complete]
    messages = [message_from_bytes(data) for data in (first, second)]
    assert messages[0]["Message-ID"] == messages[1]["Message-ID"]
    assert verified(first, site.root) == verified(second, site.root)


async def test_a_key_that_is_renewed_signs_the_next_mail(site: Site) -> None:
    async with SmtpServer() as server:
        async with pipeline(server, site.signing(sign="require")) as opened:
            await opened.handle(job(MAIL, element_instance_key=1))
            renewed = AUTHORITY.leaf(number=3)
            site.key.write_bytes(renewed.pkcs12())
            await opened.handle(job(MAIL, element_instance_key=2))
        serials = [_serial(received.data, site) for received in server.received]
    assert serials == [ANN.certificate.serial_number, renewed.certificate.serial_number]


def _serial(data: bytes, site: Site) -> int:
    from cryptography.hazmat.primitives.serialization import pkcs7

    signature = list(message_from_bytes(data).walk())[-1].get_payload(decode=True)
    assert isinstance(signature, bytes)
    own = [one for one in pkcs7.load_der_pkcs7_certificates(signature) if one != AUTHORITY.intermediate]
    return own[0].serial_number


async def test_a_certificate_that_is_put_there_is_found(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.signing.directory.monotonic", iter(range(0, 1000, 10)).__next__)
    carol = {"smtpEmailToRecipients": ["carol@example.test"], "smtpEmailEncrypt": True}
    async with SmtpServer() as server, pipeline(server, site.signing()) as opened:
        first = await opened.handle(job(MAIL | carol, element_instance_key=1))
        site.put(AUTHORITY.leaf("carol@example.test", number=2), "carol")
        second = await opened.handle(job(MAIL | carol, element_instance_key=2))
    assert [type(first), type(second)] == [Fail, Complete]


# --- what must be and cannot -------------------------------------------------------------------------


async def test_a_recipient_without_a_certificate_is_named(site: Site) -> None:
    site.put(CAROL_EC, "carol")
    site.put(AUTHORITY.leaf("dave@example.test", number=2, ends=timedelta(hours=-1)), "dave")
    recipients = [f"{name}@example.test" for name in ("bob", "carol", "dave", "eve")]
    error = await refused(site.signing(), smtpEmailEncrypt=True, smtpEmailToRecipients=recipients)
    assert error["code"] == "ENCRYPTION_FAILED"
    assert error["variables"]["recipients"] == recipients[1:]
    assert "carol@example.test: its certificate has an EC key, and encryption takes RSA" in error["message"]
    assert "dave@example.test: its certificate expired on " in error["message"]
    assert "eve@example.test: there is no certificate for it in " in error["message"]
    assert "bob@" not in error["message"]


async def test_a_sender_without_a_certificate_is_named(site: Site) -> None:
    mail: dict[str, Any] = {"smtpEmailMailBoxName": "eve@example.test", "smtpEmailEncrypt": True}
    error = await refused(site.signing(), **mail)
    assert error["code"] == "ENCRYPTION_FAILED"
    assert "(the sender, see signing.encrypt_to_sender)" in error["message"]
    data, _ = await sent(site.signing(encrypt_to_sender=False), **mail)
    assert decrypted(data, BOB, site.directory)


async def test_a_senders_certificate_may_lie_in_the_directory(site: Site) -> None:
    """With an EC key of their own, or none, which signs but cannot be encrypted for."""
    eve = AUTHORITY.leaf("eve@example.test", number=2)
    site.put(eve, "eve")
    data, _ = await sent(site.signing(), smtpEmailMailBoxName="eve@example.test", smtpEmailEncrypt=True)
    assert decrypted(data, eve, site.directory)


def blind(site: Site) -> dict[str, Any]:
    """Encrypted for bob, with blind copies for carol and dave."""
    site.put(CAROL, "carol")
    site.put(DAVE, "dave")
    copies = ["dave@example.test", "bob@example.test", "carol@example.test"]
    return MAIL | {"smtpEmailEncrypt": True, "smtpEmailSign": True, "smtpEmailBccRecipients": copies}


async def test_blind_copies_of_an_encrypted_mail_are_deliveries_of_their_own(site: Site) -> None:
    mail = blind(site)
    async with SmtpServer() as server:
        async with pipeline(server, site.signing(**site.dkim())) as opened:
            outcome = await opened.handle(job(mail))
        received = {one.recipients: one.data for one in server.received}
    names = ("bob", "dave", "carol")
    assert isinstance(outcome, Complete)
    assert outcome.variables["response"]["accepted"] == [f"{name}@example.test" for name in names]
    assert set(received) == {(f"{name}@example.test",) for name in names}
    for name, own in {"bob": BOB, "carol": CAROL, "dave": DAVE}.items():
        data = received[f"{name}@example.test",]
        assert verified(decrypted(data, own, site.directory), site.root)
        assert described(data).count("d.ktri") == 2  # this recipient, and the sender
        assert data.count(b"DKIM-Signature: ") == 2
    ids = {message_from_bytes(data)["Message-ID"] for data in received.values()}
    assert len(ids) == 1


async def test_a_blind_copy_that_is_refused_for_now_is_sent_by_the_next_attempt(site: Site) -> None:
    mail = blind(site)
    greylisted = Behaviour().on(Verb.RCPT, Say(450, "4.2.0 later"), containing="carol", times=1)
    async with SmtpServer(behaviour=greylisted) as server:
        async with pipeline(server, site.signing()) as opened:
            first = await opened.handle(job(mail, retries=3))
            second = await opened.handle(job(mail, retries=2))
        recipients = [one.recipients for one in server.received]
    assert isinstance(first, Fail)
    assert isinstance(second, Complete)
    assert sorted(recipients) == [(f"{name}@example.test",) for name in ("bob", "carol", "dave")]
    assert recipients[-1] == ("carol@example.test",)


async def test_those_who_may_see_each_other_get_one_delivery(site: Site) -> None:
    mail = blind(site) | {"smtpEmailCcRecipients": ["dave@example.test"]}
    async with SmtpServer() as server:
        async with pipeline(server, site.signing()) as opened:
            await opened.handle(job(mail))
        received = {one.recipients: one.data for one in server.received}
    assert set(received) == {("bob@example.test", "dave@example.test"), ("carol@example.test",)}
    shared = received["bob@example.test", "dave@example.test"]
    assert described(shared).count("d.ktri") == 3  # both, and the sender


async def test_blind_copies_alone(site: Site) -> None:
    mail = blind(site) | {"smtpEmailToRecipients": None}
    async with SmtpServer() as server:
        async with pipeline(server, site.signing()) as opened:
            outcome = await opened.handle(job(mail))
        recipients = sorted(one.recipients for one in server.received)
    assert isinstance(outcome, Complete)
    assert recipients == [(f"{name}@example.test",) for name in ("bob", "carol", "dave")]


async def test_blind_copies_and_all_or_none_exclude_each_other(site: Site) -> None:
    error = await refused(site.signing(), **blind(site), smtpEmailRequireAllRecipients=True)
    assert error["code"] == "ENCRYPTION_FAILED"
    assert "leave out smtpEmailRequireAllRecipients or the blind copies" in error["message"]


REFUSED: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a wrong password": ({"password": "wrong"}, {}, "the password does not open it"),
    "another's address": (
        {},
        {"smtpEmailMailBoxName": "eve@example.test"},
        "its certificate is for ann@example.test, not for eve@example.test",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
async def test_a_key_that_cannot_sign_is_named(name: str, site: Site) -> None:
    changed, mail, reason = REFUSED[name]
    own = {"file": str(site.key), "password": "secrets.KEY_PASSWORD"} | changed
    error = await refused({"keys": [own]}, smtpEmailSign=True, **mail)
    assert error["code"] == "SIGNING_FAILED"
    assert f"{site.key}: {reason}" in error["message"]


async def test_an_expired_key_is_named(site: Site) -> None:
    site.key.write_bytes(AUTHORITY.leaf(ends=timedelta(hours=-1)).pkcs12())
    error = await refused(site.signing(sign="require"))
    assert error["code"] == "SIGNING_FAILED"
    assert "its certificate expired on " in error["message"]


async def test_an_account_without_a_key_cannot_sign() -> None:
    error = await refused({}, smtpEmailSign=True)
    assert error["code"] == "SIGNING_FAILED"
    assert "the account default has no key; an operator sets signing.keys" in error["message"]


async def test_an_account_without_certificates_cannot_encrypt() -> None:
    error = await refused({}, smtpEmailEncrypt=True)
    assert error["code"] == "ENCRYPTION_FAILED"
    assert "the account default has no certificates of recipients" in error["message"]


async def test_a_task_with_a_server_of_its_own_cannot_sign(site: Site) -> None:
    error = await refused(
        site.signing(sign="require"),
        authentication={"hostname": "localhost", "port": 2525},
        smtpEmailMailBoxName="ann@example.test",
        smtpEmailSign=True,
    )
    assert error["code"] == "SIGNING_FAILED"
    assert "the task names its server itself and so has no key" in error["message"]


async def test_a_domain_key_that_cannot_be_read_stops_the_mail(site: Site) -> None:
    dkim = site.dkim()
    (site.directory / "rsa.pem").write_text("-----BEGIN NOTHING-----")
    error = await refused(dkim)
    assert error["code"] == "SIGNING_FAILED"
    assert f"DKIM: {site.directory / 'rsa.pem'}: it holds no private key" in error["message"]


async def test_the_domain_may_be_another_than_the_senders(site: Site) -> None:
    data, _ = await sent(site.dkim(domain="mail.example.test"))
    assert data.count(b" d=mail.example.test;") == 2


# --- secrets -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("written", ["secrets.KEY_PASSWORD", PASSWORD])
@pytest.mark.parametrize("right", [True, False])
async def test_a_password_is_found_nowhere(
    written: str, right: bool, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    if not right:
        site.key.write_bytes(ANN.pkcs12("another"))
    signing = site.signing(sign="require", encrypt="require", **site.dkim())
    signing["keys"] = [{"file": str(site.key), "password": written}]
    echo = Behaviour().on(Verb.DOT, Say(250, f"2.0.0 queued for {PASSWORD}"))
    async with SmtpServer(behaviour=echo) as server, pipeline(server, signing) as opened:
        outcome = await opened.handle(job(MAIL))
    assert isinstance(outcome, Complete) is right
    told = json.dumps([outcome.variables, getattr(outcome, "error", None)], ensure_ascii=False)
    for text in (told, repr(outcome), *capsys.readouterr()):
        assert PASSWORD not in text
        assert "PRIVATE KEY" not in text


# --- keys that expire --------------------------------------------------------------------------------


async def looked_at(
    signing: Mapping[str, Any], metrics: Metrics, secret: str = PASSWORD
) -> list[dict[str, Any]]:
    """Let the watch look once; what it logs."""
    account = {"host": "localhost", "signing": signing}
    settings = Settings.model_validate({"accounts": {"sales": account}})
    async with open_secrets(settings.secrets, {"SECRET_KEY_PASSWORD": secret}, lambda _: None) as secrets:
        watch = ExpiryWatch(Accounts(settings), secrets, metrics, lambda: datetime.now(UTC))
        with capture_logs() as logs:
            await watch.look()
    return [dict(log) for log in logs]


def renewed(site: Site, **more: Any) -> Leaf:
    leaf = AUTHORITY.leaf(**more)
    site.key.write_bytes(leaf.pkcs12())
    return leaf


async def test_a_key_that_expires_is_warned_of_in_log_and_metrics(site: Site) -> None:
    metrics, leaf = Metrics(), renewed(site, ends=timedelta(days=12, hours=1))
    (log,) = await looked_at(site.signing(**site.dkim()), metrics)
    assert log == {
        "event": "signing key expires",
        "log_level": "warning",
        "account": "sales",
        "file": str(site.key),
        "days_left": 12,
    }
    sample = f'smtp_connector_key_expires_timestamp_seconds{{account="sales",file="{site.key}"}}'
    assert value(metrics, sample) == leaf.certificate.not_valid_after_utc.timestamp()


async def test_a_key_with_time_left_is_counted_and_not_logged(site: Site) -> None:
    metrics = Metrics()
    assert await looked_at(site.signing(), metrics) == []
    assert "smtp_connector_key_expires_timestamp_seconds{" in metrics.text().decode()


async def test_a_key_that_cannot_be_used_is_logged(site: Site) -> None:
    (log,) = await looked_at(site.signing(), Metrics(), secret="wrong")
    assert (log["event"], log["reason"]) == ("signing key unusable", "the password does not open it")


async def test_a_coming_key_is_no_fault(site: Site) -> None:
    renewed(site, begins=timedelta(days=3))
    assert await looked_at(site.signing(), Metrics()) == []


async def test_a_secret_that_is_missing_is_logged(site: Site) -> None:
    own = {"file": str(site.key), "password": "secrets.ABSENT"}
    (log,) = await looked_at({"keys": [own]}, Metrics())
    assert (log["event"], log["code"]) == ("keys not looked at", "SECRET_NOT_FOUND")


async def test_a_worker_watches_the_keys_of_its_accounts(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    looked = asyncio.Event()

    async def look(_: ExpiryWatch) -> None:
        looked.set()

    monkeypatch.setattr(ExpiryWatch, "look", look)
    async with SmtpServer() as server, pipeline(server, site.signing()):
        await asyncio.wait_for(looked.wait(), 10)
