"""What ``smtp-connector check`` finds at real servers: the step that fails, why, and what to change."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import SecretStr

from connector.check import run
from connector.check.findings import CheckStep, Finding, Report, Status
from connector.errors import ErrorCode
from connector.model.addresses import Mailbox
from connector.model.server import Security, Server
from connector.secrets.masker import MASK, Masker
from connector.settings.model import Settings
from connector.testing.behaviour import Behaviour, Drop, Garbage, Hold, Say, Silence, Verb
from connector.testing.smtp import Offer, SmtpServer
from tests.servers.postfix import USERNAME, Postfix
from tests.wire import smtp_submission as given
from tests.wire.checks import LOGIN, USERS, checked, finding, order, sales, statuses


async def test_a_disabled_account_is_skipped_with_a_note() -> None:
    async with SmtpServer() as server:
        report = await sales(server, enabled=False)
        assert server.connections == []
    assert statuses(report) == {"settings": "skipped"}
    assert "disabled" in report.findings[0].message
    assert report.status is Status.OK


# --- what is right -----------------------------------------------------------------------------------


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
async def test_every_step_of_a_good_account(security: Security) -> None:
    implicit = security is Security.TLS
    async with SmtpServer(tls_context=given.good_context(), implicit_tls=implicit, users=USERS) as server:
        report = await sales(server, security=security.value, address="ada@example.com", **LOGIN)
        await server.wait_until_idle()
        (connection,) = server.connections
    good = ["dns", "tcp", "tls", "ehlo", "auth", "sender"]
    assert statuses(report) == dict.fromkeys(good, "ok") | {"mail": "skipped"}
    assert report.status is Status.OK
    assert connection.commands[-3:] == ["MAIL FROM:<ada@example.com>", "RSET", "QUIT"]
    assert (
        finding(report, CheckStep.TCP).facts["address"] in finding(report, CheckStep.DNS).facts["addresses"]
    )
    assert finding(report, CheckStep.AUTH).facts == {"mechanism": "PLAIN"}
    assert finding(report, CheckStep.EHLO).facts == {
        "size": 52_428_800,
        "pipelining": True,
        "starttls": False,  # behind STARTTLS it must not be offered again (RFC 3207 section 4.2)
        "dsn": True,
        "smtputf8": True,
        "auth": ["PLAIN", "LOGIN"],
    }


async def test_the_certificates_are_those_that_the_server_sends() -> None:
    issued = given.authority().create_child_ca().issue_cert("localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued.configure_cert(context)
    async with SmtpServer(tls_context=context) as server:
        report = await sales(server)
    facts = finding(report, CheckStep.TLS).facts
    own, between = facts["certificates"]
    assert own["names"] == ["localhost"]
    assert own["issuer"] == between["subject"]
    assert own["daysLeft"] > 1000
    assert facts["version"] == "TLSv1.3"
    assert facts["cipher"].startswith("TLS_")


@pytest.mark.parametrize(("days", "status"), [(29, Status.WARNING), (32, Status.OK)])
async def test_a_certificate_that_ends_soon_is_a_warning(days: int, status: Status) -> None:
    expires = datetime.now(UTC) + timedelta(days=days, minutes=1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    given.authority().issue_cert("localhost", not_after=expires).configure_cert(context)
    async with SmtpServer(tls_context=context) as server:
        report = await sales(server)
    tls = finding(report, CheckStep.TLS)
    assert (tls.status, report.status) == (status, status)
    assert f"expires in {days} days" in tls.message
    assert (f"renew it before {expires:%Y-%m-%d}" in (tls.fix or "")) == (status is Status.WARNING)


async def test_a_test_mail_goes_all_the_way() -> None:
    async with SmtpServer(tls_context=given.good_context(), users=USERS) as server:
        wanted = order("sales", recipient=Mailbox("bob@example.com"))
        report = await sales(server, wanted, address="ada@example.com", **LOGIN)
        (mail,) = server.received
    assert (mail.sender, mail.recipients) == ("ada@example.com", ("bob@example.com",))
    facts = finding(report, CheckStep.MAIL).facts
    assert facts["recipient"] == "bob@example.com"
    assert facts["messageId"].encode() in mail.data
    assert facts["reply"].startswith("250 ")


async def test_postfix(postfix: Postfix) -> None:
    mark = "dev@example.test"
    account: dict[str, Any] = {
        "host": postfix.hostname,
        "port": postfix.port,
        "ca_file": postfix.ca_file,
        "username": USERNAME,
        "password": "secrets.POSTFIX",
        "address": "demo@example.test",
    }
    report = await sales(wanted=order("sales", recipient=Mailbox(mark)), **account)
    assert set(statuses(report).values()) == {"ok"}
    assert finding(report, CheckStep.EHLO).facts["size"] == 2_000_000
    name = finding(report, CheckStep.MAIL).facts["messageId"]
    assert b"Test mail through sales" in await postfix.mail("dev", name.encode())


# --- everything else that fails ----------------------------------------------------------------------

REFUSALS: dict[str, tuple[Verb, Say, CheckStep, ErrorCode, str]] = {
    "greeting": (
        Verb.CONNECT,
        Say(554, "no"),
        CheckStep.EHLO,
        ErrorCode.CLIENT_REJECTED,
        "let this machine in",
    ),
    "EHLO": (
        Verb.EHLO,
        Say(550, "who are you"),
        CheckStep.EHLO,
        ErrorCode.CLIENT_REJECTED,
        "smtp.helo_name",
    ),
    "STARTTLS": (Verb.STARTTLS, Say(502, "broken"), CheckStep.TLS, ErrorCode.TLS_FAILED, "log of localhost"),
    "login": (
        Verb.AUTH,
        Say(535, "5.7.8 no"),
        CheckStep.AUTH,
        ErrorCode.AUTH_FAILED,
        "Correct accounts.sales.username and accounts.sales.password.",
    ),
    "login now": (Verb.AUTH, Say(454, "later"), CheckStep.AUTH, ErrorCode.AUTH_UNAVAILABLE, "Wait"),
    "sender": (
        Verb.MAIL,
        Say(553, "5.7.1 not yours"),
        CheckStep.SENDER,
        ErrorCode.SENDER_REJECTED,
        "Set accounts.sales.address",
    ),
    "sender now": (Verb.MAIL, Say(451, "later"), CheckStep.SENDER, ErrorCode.TEMPORARILY_REJECTED, "Wait"),
    "recipient": (
        Verb.RCPT,
        Say(550, "5.1.1 nobody"),
        CheckStep.MAIL,
        ErrorCode.RECIPIENT_REJECTED,
        "--send-to",
    ),
    "message": (Verb.DOT, Say(554, "spam"), CheckStep.MAIL, ErrorCode.MESSAGE_REJECTED, "ask the operator"),
}


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refusal_is_told_with_its_reply_and_a_fix(name: str) -> None:
    verb, reply, step, code, fix = REFUSALS[name]
    behaviour = Behaviour().on(verb, reply)
    async with SmtpServer(tls_context=given.good_context(), users=USERS, behaviour=behaviour) as server:
        wanted = order("sales", recipient=Mailbox("bob@example.com"))
        report = await sales(server, wanted, address="ada@example.com", **LOGIN)
    failed = finding(report, step)
    assert (failed.status, failed.code) == (Status.FAILED, code)
    assert f"{reply.code} {reply.lines[0]}" in failed.message
    assert fix in (failed.fix or "")
    assert [found.step for found in report.findings if found.status is Status.FAILED] == [step]


async def test_a_name_of_the_account_that_is_refused_is_to_be_changed_there() -> None:
    behaviour = Behaviour().on(Verb.EHLO, Say(550, "who are you"))
    async with SmtpServer(tls_context=given.good_context(), behaviour=behaviour) as server:
        report = await sales(server, helo_name="worker.example.com")
    assert "set accounts.sales.helo_name to" in (finding(report, CheckStep.EHLO).fix or "")


async def test_a_login_that_the_server_does_not_offer() -> None:
    offer = Offer(auth=("XOAUTH2",))
    async with SmtpServer(tls_context=given.good_context(), users=USERS, offer=offer) as server:
        report = await sales(server, **LOGIN)
    auth = finding(report, CheckStep.AUTH)
    assert auth.code is ErrorCode.AUTH_FAILED
    assert "OAuth" in (auth.fix or "")


async def test_a_provider_has_a_hint_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    given.authority().issue_cert("smtp.gmail.com").configure_cert(context)
    async with SmtpServer(tls_context=context, implicit_tls=True, users={"ada": "another"}) as server:
        monkeypatch.setattr(socket, "getaddrinfo", leading_to(server.port))
        report = await sales(preset="gmail", **LOGIN)
    assert "app password" in (finding(report, CheckStep.AUTH).fix or "")


def leading_to(port: int) -> Callable[..., list[Any]]:
    return lambda *_, **__: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


async def test_a_host_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    report = await sales(host="mail.example.com")
    dns = finding(report, CheckStep.DNS)
    assert dns.code is ErrorCode.DNS_FAILED
    assert (dns.fix or "").startswith("Correct accounts.sales.host. If the name is right")


async def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        report = await sales(host="127.0.0.1", port=free.getsockname()[1])
    tcp = finding(report, CheckStep.TCP)
    assert tcp.code is ErrorCode.CONNECTION_FAILED
    assert "no firewall blocks the connection" in (tcp.fix or "")


@pytest.mark.parametrize("action", [Drop(), Garbage()], ids=repr)
async def test_something_that_is_no_mail_server(action: Drop | Garbage) -> None:
    async with SmtpServer(behaviour=Behaviour().on(Verb.CONNECT, action)) as server:
        report = await sales(server)
    ehlo = finding(report, CheckStep.EHLO)
    assert ehlo.code is ErrorCode.CONNECTION_FAILED
    assert "accounts.sales.port" in (ehlo.fix or "")


HANGS = {
    Verb.CONNECT: (CheckStep.EHLO, "set accounts.sales.security to tls"),
    Verb.HANDSHAKE: (CheckStep.TLS, "Try a longer --timeout"),
    Verb.CREDENTIALS: (CheckStep.AUTH, "Try a longer --timeout"),
    Verb.MAIL: (CheckStep.SENDER, "Try a longer --timeout"),
}


@pytest.mark.parametrize("verb", HANGS)
async def test_a_server_that_hangs_is_left_after_the_time_limit(verb: Verb) -> None:
    step, fix = HANGS[verb]
    behaviour, offer = Behaviour().on(verb, Silence()), Offer(auth=("LOGIN",))
    async with SmtpServer(
        tls_context=given.good_context(), users=USERS, behaviour=behaviour, offer=offer
    ) as server:
        async with asyncio.timeout(14):  # less than any of the worker's own limits
            report = await sales(server, order("sales", seconds=1.0), address="a@example.com", **LOGIN)
    failed = finding(report, step)
    assert failed.code is ErrorCode.CONNECTION_TIMEOUT
    assert "--timeout (1 s)" in failed.message
    assert fix in (failed.fix or "")


async def test_a_dead_dns_is_left_after_the_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = asyncio.Event()
    loop = asyncio.get_running_loop()

    def wait(*_: object, **__: object) -> list[Any]:
        asyncio.run_coroutine_threadsafe(answer.wait(), loop).result()
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    report = await sales(wanted=order("sales", seconds=0.2), host="mail.example.com")
    answer.set()
    dns = finding(report, CheckStep.DNS)
    assert dns.code is ErrorCode.CONNECTION_TIMEOUT
    assert dns.message == "DNS did not answer for mail.example.com within 0.2 s."
    assert "/etc/resolv.conf" in (dns.fix or "")


async def test_a_secret_that_nobody_has() -> None:
    report = await sales(host="localhost", username="ada", password="secrets.NOPE")
    (only,) = report.findings
    assert (only.step, only.code) == (CheckStep.SETTINGS, ErrorCode.SECRET_NOT_FOUND)
    assert "accounts.sales.password: there is no secret NOPE" in only.message
    assert (only.fix or "").startswith("Store the secret in one of these places")


async def test_a_secret_that_is_bound_to_another_server() -> None:
    async with SmtpServer(tls_context=given.good_context(), users=USERS) as server:
        account = {"host": "localhost", "port": server.port, **LOGIN}
        bound = {"bind": {"PW": ["mail.example.com"]}}
        (report,) = await checked(order("sales"), accounts={"sales": account}, secrets=bound)
        assert server.connections == []
    (only,) = report.findings
    assert only.code is ErrorCode.SECRET_NOT_ALLOWED
    assert only.fix == "Add this host and port to the secret's hosts in secrets.bind."


async def test_a_provider_of_secrets_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr("connector.secrets.providers.EnvironmentSecrets.get", never)
    report = await sales(wanted=order("sales", seconds=0.2), host="localhost", **LOGIN)
    (only,) = report.findings
    assert (only.step, only.code) == (CheckStep.SETTINGS, ErrorCode.SECRETS_UNAVAILABLE)
    assert "in 0.2 s" in only.message


async def test_what_a_server_repeats_of_the_login_is_masked() -> None:
    echo = Say(535, "5.7.8 password correct horse is wrong", "Y29ycmVjdCBob3JzZQ==")
    behaviour = Behaviour().on(Verb.CREDENTIALS, echo)
    async with SmtpServer(
        tls_context=given.good_context(), users=USERS, behaviour=behaviour, offer=Offer(auth=("LOGIN",))
    ) as server:
        report = await sales(server, **LOGIN)
    shown = str(report)
    assert "correct horse" not in shown
    assert "Y29ycmVjdCBob3JzZQ" not in shown


async def test_a_secret_in_what_a_server_offers_is_masked() -> None:
    """Before the login nobody but the masker knows what to look for."""
    behaviour = Behaviour().on(Verb.EHLO, Say(250, "mail.example", "AUTH LOGIN HUSH-HUSH"))
    async with SmtpServer(users={"ada": "x"}, behaviour=behaviour) as server:
        report = await sales(server, security="none", username="ada", password="HUSH-HUSH")
    assert finding(report, CheckStep.EHLO).facts["auth"] == ["LOGIN", MASK]
    assert "HUSH" not in str(report)


@pytest.mark.parametrize(("host", "status"), [("127.0.0.1", "ok"), ("mail.example.com", "failed")])
async def test_the_secret_of_a_server_without_an_account_goes_where_it_may(host: str, status: str) -> None:
    async with SmtpServer(users=USERS) as server:
        by_hand = Server("127.0.0.1", server.port, Security.NONE, "ada", SecretStr("in its place"))
        wanted = order(server=by_hand, secret="PW")
        (report,) = await checked(wanted, secrets={"bind": {"PW": [f"{host}:{server.port}"]}})
    assert report.status.value == status
    assert (report.findings[0].code is ErrorCode.SECRET_NOT_ALLOWED) == (status == "failed")


async def test_an_account_without_an_address_cannot_send_a_test_mail() -> None:
    async with SmtpServer(tls_context=given.good_context()) as server:
        report = await sales(server, order("sales", recipient=Mailbox("bob@example.com")))
        assert server.received == []
    assert finding(report, CheckStep.SENDER).status is Status.SKIPPED
    assert finding(report, CheckStep.MAIL).fix == "Set accounts.sales.address, or give --from ADDRESS."


async def test_a_slow_server_does_not_hold_up_the_others() -> None:
    slow_greeting = Hold()
    quick = SmtpServer(tls_context=given.good_context())
    slow = SmtpServer(tls_context=given.good_context(), behaviour=Behaviour().on(Verb.CONNECT, slow_greeting))
    async with quick, slow:
        accounts = {
            name: {"host": "localhost", "port": server.port, "ca_file": given.ca_file()}
            for name, server in {"slow": slow, "quick": quick}.items()
        }
        arriving = run.reports(
            order("slow", "quick"), Settings.model_validate({"accounts": accounts}), Masker(), {}
        )
        first = await anext(arriving)
        slow_greeting.until.set()
        (second,) = [report async for report in arriving]
    assert (first.name, second.name) == ("quick", "slow")
    assert second.status is Status.OK


async def test_a_server_of_the_command_line_names_its_options() -> None:
    async with SmtpServer() as server:
        given_by_hand = Server("localhost", server.port, Security.STARTTLS)
        (report,) = await checked(order(server=given_by_hand))
    assert (report.kind, report.name) == ("server", "server")
    assert "Set --port to 587, or to 465 with --security tls" in (finding(report, CheckStep.TLS).fix or "")


def test_what_is_masked_leaves_the_words_of_programs_alone() -> None:
    masker = Masker()
    masker.remember("failed")
    found = Finding(CheckStep.TLS, Status.FAILED, "it failed", facts={"cipher": "failed"})
    shown = Report("account", "sales", "x:1", (found,)).masked(masker.mask).as_json()
    assert shown["steps"][0] | {"seconds": None} == {
        "step": "tls",
        "status": "failed",
        "message": f"it {MASK}",
        "fix": None,
        "code": None,
        "seconds": None,
        "facts": {"version": None, "cipher": MASK, "certificates": []},
    }
