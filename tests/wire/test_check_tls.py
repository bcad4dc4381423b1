"""What ``smtp-connector check`` says of TLS, in every way in which it can be wrong, and of clear text."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from connector.check.findings import CheckStep, Status
from connector.errors import ErrorCode
from connector.model.server import Security
from connector.testing.smtp import SmtpServer
from tests.servers.tls import handshaking
from tests.wire import smtp_submission as given
from tests.wire.checks import LOGIN, USERS, finding, sales

# --- TLS that is wrong -------------------------------------------------------------------------------

BAD_TLS: dict[str, tuple[Callable[[], ssl.SSLContext], str, str]] = {
    "expired": (given.expired_context, "has expired", "renew the certificate: "),
    "wrong host": (
        given.other_host_context,
        "for another host name",
        "Set accounts.sales.host to a name in its certificate: other.example",
    ),
    "self-signed": (
        given.self_signed_context,
        "self-signed",
        "the certificate of its authority, CN=localhost, to accounts.sales.ca_file",
    ),
    "unknown authority": (given.unknown_authority_context, "not trusted here", "O=trustme"),
    "TLS 1.1": (given.old_protocol_context, "not speak TLS 1.2 or later", "turn on TLS 1.2 or 1.3"),
}


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
@pytest.mark.parametrize("name", BAD_TLS)
async def test_tls_that_is_wrong_is_named_and_no_login_passes(name: str, security: Security) -> None:
    context, reason, fix = BAD_TLS[name]
    implicit = security is Security.TLS
    async with SmtpServer(tls_context=context(), implicit_tls=implicit, users=USERS) as server:
        report = await sales(server, security=security.value, address="ada@example.com", **LOGIN)
        await server.wait_until_idle()
        assert not any(b"AUTH" in connection.received_bytes for connection in server.connections)
    tls = finding(report, CheckStep.TLS)
    assert (tls.status, tls.code, report.status) == (Status.FAILED, ErrorCode.TLS_FAILED, Status.FAILED)
    assert reason in tls.message
    assert fix in (tls.fix or "")
    assert not any(
        finding(report, step).reached for step in (CheckStep.AUTH, CheckStep.SENDER, CheckStep.MAIL)
    )
    if name != "TLS 1.1":  # whose certificate it was that is not trusted
        assert tls.facts["certificates"][0]["sha256"]


async def test_an_expired_certificate_says_since_when() -> None:
    async with SmtpServer(tls_context=given.expired_context()) as server:
        report = await sales(server)
    tls = finding(report, CheckStep.TLS)
    assert "expired on 2020-01-01" in (tls.fix or "")
    assert tls.facts["certificates"][0]["daysLeft"] < -2000


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_server_that_wants_a_client_certificate(version: ssl.TLSVersion) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    given.authority().issue_cert("localhost").configure_cert(context)
    context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(given.ca_file())
    with handshaking(context, implicit=True) as port:
        report = await sales(host="localhost", port=port, security="tls")
    tls = finding(report, CheckStep.TLS)
    assert (tls.status, tls.code) == (Status.FAILED, ErrorCode.TLS_FAILED)
    assert "client certificate" in tls.message
    assert (tls.fix or "").startswith("Set accounts.sales.client_cert to a certificate")


async def test_tls_that_is_newer_than_the_server() -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    given.authority().issue_cert("localhost").configure_cert(context)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    async with SmtpServer(tls_context=context) as server:
        report = await sales(server, min_tls="1.3")
    assert "or set accounts.sales.min_tls to 1.2" in (finding(report, CheckStep.TLS).fix or "")


async def test_a_file_of_certificates_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate")
    async with SmtpServer(tls_context=given.good_context()) as server:
        report = await sales(server, ca_file=tmp_path / "ca.pem")
    tls = finding(report, CheckStep.TLS)
    assert "accounts.sales.ca_file" in tls.message
    assert tls.fix == "Correct the file of certificates (ca_file)."


# --- security that does not fit ----------------------------------------------------------------------


async def test_clear_text_on_this_machine_is_no_warning() -> None:
    async with SmtpServer() as server:
        report = await sales(server, security="none")
    assert finding(report, CheckStep.TLS).status is Status.SKIPPED
    assert report.status is Status.OK


async def test_clear_text_to_elsewhere_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.transport.smtp.opening._is_loopback", lambda _: False)
    async with SmtpServer(users=USERS) as server:
        report = await sales(server, security="starttls-optional", **LOGIN)
    tls = finding(report, CheckStep.TLS)
    assert (tls.status, report.status) == (Status.WARNING, Status.WARNING)
    assert "and the password" in tls.message
    assert tls.fix == "Set accounts.sales.security to starttls or tls, if the server offers TLS."


async def test_no_starttls_where_it_is_required() -> None:
    async with SmtpServer() as server:
        report = await sales(server)
    tls = finding(report, CheckStep.TLS)
    assert tls.code is ErrorCode.TLS_NOT_OFFERED
    assert "accounts.sales.port to 587" in (tls.fix or "")
    assert finding(report, CheckStep.EHLO).facts["starttls"] is False


async def test_tls_from_the_start_at_a_port_without() -> None:
    async with SmtpServer(tls_context=given.good_context()) as server:
        report = await sales(server, security="tls")
    assert "Set accounts.sales.security to starttls" in (finding(report, CheckStep.TLS).fix or "")
