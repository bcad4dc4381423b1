"""TLS as it must not be: refused with the right code, and no octet of a credential on the wire."""

from __future__ import annotations

import asyncio
import base64
import ssl
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from connector.errors import ErrorCode, Phase, TransportError
from connector.model.server import Security, Server
from connector.settings.model import SmtpSettings
from connector.testing.behaviour import Append, Behaviour, Drop, Garbage, Hold, Reset, Say, Silence, Verb
from connector.testing.smtp import Offer, SmtpServer
from connector.transport.smtp.transport import SmtpTransport
from tests.wire import smtp_submission as given
from tests.wire.smtp_submission import failure, message, transport

PASSWORD = "correct horse battery"
USERS = {"ada": PASSWORD}

BAD_SERVERS: dict[str, tuple[Callable[[], ssl.SSLContext], str]] = {
    "self-signed": (given.self_signed_context, "self-signed"),
    "unknown authority": (given.unknown_authority_context, "not trusted here"),
    "expired": (given.expired_context, "expired"),
    "other host": (given.other_host_context, "not for this IP address"),
    "TLS 1.1": (given.old_protocol_context, "not speak TLS 1.2 or later"),
}


def as_ada(server: SmtpServer, security: Security, host: str = "127.0.0.1") -> Server:
    return given.as_ada(server, PASSWORD, security=security, host=host)


async def no_credentials_passed(server: SmtpServer) -> bool:
    """Whether not one connection carried the password in any of the forms that SMTP gives it."""
    await server.wait_until_idle()
    forms = [PASSWORD.encode(), base64.b64encode(PASSWORD.encode()), b"AUTH", b"ada", b"YWRh"]
    return not any(form in connection.received_bytes for form in forms for connection in server.connections)


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS, Security.STARTTLS_OPTIONAL])
@pytest.mark.parametrize("bad", BAD_SERVERS)
async def test_a_bad_server_is_refused_before_any_credential(bad: str, security: Security) -> None:
    context, explanation = BAD_SERVERS[bad]
    implicit = security is Security.TLS
    async with SmtpServer(tls_context=context(), implicit_tls=implicit, users=USERS) as server:
        error = await failure(message(), as_ada(server, security))
        assert await no_credentials_passed(server)
    assert (error.code, error.phase) == (ErrorCode.TLS_FAILED, Phase.TLS)
    assert explanation in error.message
    assert not error.code.retryable
    assert server.received == []


async def test_the_old_server_would_talk_to_an_old_client() -> None:
    """Otherwise the TLS 1.1 case would show only that OpenSSL refuses to be that server."""
    lax = ssl.create_default_context(cafile=str(given.ca_file()))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        lax.minimum_version = ssl.TLSVersion.TLSv1_1
        lax.set_ciphers("ALL:@SECLEVEL=0")
    async with SmtpServer(tls_context=given.old_protocol_context(), implicit_tls=True) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=lax)
        assert (await reader.readline()).startswith(b"220")
        assert writer.get_extra_info("ssl_object").version() == "TLSv1.1"
        writer.transport.abort()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "localhost."])
@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS, Security.STARTTLS_OPTIONAL])
async def test_a_good_server_is_used(security: Security, host: str) -> None:
    implicit = security is Security.TLS
    async with (
        SmtpServer(tls_context=given.good_context(), implicit_tls=implicit, users=USERS) as server,
        transport() as smtp,
    ):
        receipt = await smtp.submit(message(), as_ada(server, security, host))
        assert receipt.warnings == ()
        assert (server.received[0].tls, server.received[0].username) == (True, "ada")
        assert b"AUTH" not in server.connections[0].received_in_clear


async def test_the_name_must_fit_too() -> None:
    async with SmtpServer(tls_context=given.other_host_context()) as server:
        error = await failure(message(), given.to(server, Security.STARTTLS, "localhost"))
    assert error.code is ErrorCode.TLS_FAILED
    assert "another host name" in error.message


async def test_starttls_stripped() -> None:
    stripped = Offer(starttls=False)
    async with SmtpServer(tls_context=given.good_context(), offer=stripped, users=USERS) as server:
        error = await failure(message(), as_ada(server, Security.STARTTLS))
        assert await no_credentials_passed(server)
        assert server.connections[0].commands == ["EHLO client.example", "QUIT"]
    assert (error.code, error.phase) == (ErrorCode.TLS_NOT_OFFERED, Phase.STARTTLS)


async def test_optional_starttls_may_be_absent() -> None:
    async with SmtpServer() as server, transport() as smtp:
        await smtp.submit(message(), given.to(server, Security.STARTTLS_OPTIONAL))
        assert not server.received[0].tls


@pytest.mark.parametrize("reply", [Say(454, "4.7.0 TLS not available"), Say(554, "5.7.0 Broken")], ids=repr)
async def test_optional_starttls_that_is_offered_must_work(reply: Say) -> None:
    behaviour = Behaviour().on(Verb.STARTTLS, reply)
    async with SmtpServer(tls_context=given.good_context(), behaviour=behaviour, users=USERS) as server:
        error = await failure(message(), as_ada(server, Security.STARTTLS_OPTIONAL))
        assert await no_credentials_passed(server)
    assert error.phase is Phase.STARTTLS
    assert server.received == []


@pytest.mark.parametrize("injected", [b"250-evil\r\n250 AUTH PLAIN\r\n", b"250", b"\r\n", b"250 x\r\n" * 3])
async def test_text_injected_behind_starttls_is_an_attack(injected: bytes) -> None:
    behaviour = Behaviour().on(Verb.STARTTLS, Append(injected))
    async with SmtpServer(tls_context=given.good_context(), behaviour=behaviour, users=USERS) as server:
        error = await failure(message(), as_ada(server, Security.STARTTLS))
        assert await no_credentials_passed(server)
    assert (error.code, error.phase) == (ErrorCode.TLS_FAILED, Phase.TLS)
    assert "between STARTTLS and the handshake" in error.message


async def test_what_was_announced_in_clear_is_forgotten() -> None:
    """An attacker's EHLO reply must not choose the mechanism or the limits of the encrypted session."""
    forged = Say(250, "evil.example", "STARTTLS", "SIZE 1", "AUTH LOGIN", "DSN")
    behaviour = Behaviour().on(Verb.EHLO, forged, times=1)
    async with (
        SmtpServer(tls_context=given.good_context(), behaviour=behaviour, users=USERS) as server,
        transport() as smtp,
    ):
        await smtp.submit(message(), as_ada(server, Security.STARTTLS))
        assert [line for line in server.connections[0].commands if line.startswith("AUTH PLAIN")]


async def test_implicit_tls_on_a_plain_port_says_so() -> None:
    async with SmtpServer(users=USERS) as server:
        error = await failure(message(), as_ada(server, Security.TLS))
    assert (error.code, error.phase) == (ErrorCode.TLS_FAILED, Phase.TLS)
    assert "does not speak TLS from the start: set security to starttls, or use port 465." in error.message


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.STARTTLS_OPTIONAL, Security.NONE])
async def test_a_plain_connection_to_an_implicit_tls_port_says_so_long_before_its_time_limit(
    security: Security, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector.transport.smtp.tls_probe._SILENT_SECONDS", 0.01)
    async with SmtpServer(tls_context=given.good_context(), implicit_tls=True, users=USERS) as server:
        error = await failure(message(), as_ada(server, security))  # whose limit is that of the test
        assert await no_credentials_passed(server)
    assert (error.code, error.phase) == (ErrorCode.TLS_FAILED, Phase.TLS)
    assert "speaks TLS from the start: set security to tls, or use port 587" in error.message


async def test_a_server_that_greets_late_and_speaks_no_tls_is_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connector.transport.smtp.tls_probe._SILENT_SECONDS", 0.01)
    late, probe = Hold(), Hold()
    behaviour = Behaviour().on(Verb.CONNECT, late, times=1).on(Verb.CONNECT, probe, times=1)
    async with SmtpServer(behaviour=behaviour) as server, transport() as smtp:
        sent = asyncio.create_task(smtp.submit(message(), given.to(server)))
        await probe.reached.wait()
        probe.until.set()
        late.until.set()
        await sent
    assert len(server.received) == 1


@pytest.mark.parametrize("action", [Drop(), Reset()], ids=repr)
async def test_a_break_in_the_handshake(action: Drop | Reset) -> None:
    """Both ends of a race: the server's end can be seen before our first octets draw a reset, or after."""
    behaviour = Behaviour().on(Verb.HANDSHAKE, action)
    async with SmtpServer(tls_context=given.good_context(), behaviour=behaviour, users=USERS) as server:
        error = await failure(message(), as_ada(server, Security.STARTTLS))
        assert await no_credentials_passed(server)
    assert error.code in (ErrorCode.CONNECTION_FAILED, ErrorCode.TLS_FAILED)
    assert error.phase is Phase.TLS


@pytest.mark.parametrize("implicit", [True, False], ids=["implicit", "starttls"])
async def test_a_handshake_that_hangs_ends_in_time(implicit: bool) -> None:
    verb = Verb.CONNECT if implicit else Verb.HANDSHAKE
    context = None if implicit else given.good_context()
    async with SmtpServer(tls_context=context, behaviour=Behaviour().on(verb, Silence())) as server:
        security = Security.TLS if implicit else Security.STARTTLS
        error = await failure(message(), given.to(server, security), tls=0.2)
    assert (error.code, error.phase) == (ErrorCode.CONNECTION_TIMEOUT, Phase.TLS)
    assert "smtp.timeouts.tls" in error.message


async def test_garbage_in_the_handshake() -> None:
    behaviour = Behaviour().on(Verb.HANDSHAKE, Garbage(b"What handshake?\r\n"))
    async with SmtpServer(tls_context=given.good_context(), behaviour=behaviour) as server:
        error = await failure(message(), given.to(server, Security.STARTTLS))
    assert error.code in (ErrorCode.TLS_FAILED, ErrorCode.CONNECTION_FAILED)


@pytest.mark.parametrize("content", [None, "no certificate"], ids=["absent", "not PEM"])
async def test_a_bundle_that_became_unusable_is_named(content: str | None, tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text(content or "")
    smtp = SmtpTransport(SmtpSettings(ca_file=bundle))
    if content is None:
        bundle.unlink()
    async with SmtpServer() as server:
        with pytest.raises(TransportError, match=r"smtp\.ca_file .*bundle\.pem") as caught:
            await smtp.submit(message(), given.to(server))
        assert server.connections == []
    assert caught.value.code is ErrorCode.TLS_FAILED


async def test_the_systems_bundle_is_used_without_a_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(given.ca_file()))
    smtp = SmtpTransport(SmtpSettings(helo_name="client.example"))
    async with SmtpServer(tls_context=given.good_context()) as server:
        await smtp.submit(message(), given.to(server, Security.STARTTLS))
        await smtp.aclose()
        assert server.received[0].tls
