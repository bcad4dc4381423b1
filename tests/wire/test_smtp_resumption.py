"""TLS sessions: the second connection to a server resumes the first, and never where trust could differ."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from connector.errors import ErrorCode, TransportError
from connector.model.server import Security
from connector.settings.model import SmtpSettings
from connector.testing.behaviour import Behaviour, Garbage, Verb
from connector.testing.smtp import SmtpServer
from connector.transport.smtp.transport import SmtpTransport
from tests.wire.pooling import second
from tests.wire.smtp_submission import authority, ca_file, message, settings, to


def server_context(version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
    """A context of its own, whose statistics are those of one test."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority().issue_cert("localhost", "127.0.0.1").configure_cert(context)
    context.minimum_version = context.maximum_version = version
    return context


@asynccontextmanager
async def connecting_anew(**changes: object) -> AsyncIterator[SmtpTransport]:
    """A transport that makes a connection for each mail."""
    smtp = SmtpTransport(
        SmtpSettings.model_validate({**settings().model_dump(), "pool": {"max_messages": 1}, **changes})
    )
    try:
        yield smtp
    finally:
        await smtp.aclose()


@pytest.mark.parametrize("security", [Security.TLS, Security.STARTTLS])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_the_next_connection_resumes(version: ssl.TLSVersion, security: Security) -> None:
    context = server_context(version)
    implicit = security is Security.TLS
    async with SmtpServer(tls_context=context, implicit_tls=implicit) as server, connecting_anew() as smtp:
        for mail in (message(), second(), second()):
            await smtp.submit(mail, to(server, security))
            await server.wait_until_idle()
        assert len(server.received) == 3
        assert all(mail.tls for mail in server.received)
    assert context.session_stats()["hits"] == 2


async def test_a_session_is_for_one_host_name() -> None:
    context = server_context()
    async with SmtpServer(tls_context=context) as server, connecting_anew() as smtp:
        await smtp.submit(message(), to(server, Security.STARTTLS, "127.0.0.1"))
        await smtp.submit(second(), to(server, Security.STARTTLS, "localhost"))
    assert context.session_stats()["hits"] == 0


async def test_a_session_does_not_outlive_the_trust_that_it_was_made_with(tmp_path: Path) -> None:
    trusted = tmp_path / "authorities.pem"
    trusted.write_bytes(ca_file().read_bytes())
    async with (
        SmtpServer(tls_context=server_context()) as server,
        connecting_anew(ca_file=trusted) as smtp,
    ):
        await smtp.submit(message(), to(server, Security.STARTTLS))
        trusted.write_bytes(trustme.CA().cert_pem.bytes())
        with pytest.raises(TransportError) as caught:
            await smtp.submit(second(), to(server, Security.STARTTLS))
    assert caught.value.code is ErrorCode.TLS_FAILED
    assert len(server.received) == 1


async def test_a_server_that_keeps_no_sessions_gets_its_mail() -> None:
    context = server_context(ssl.TLSVersion.TLSv1_2)
    context.options |= ssl.OP_NO_TICKET
    async with SmtpServer(tls_context=context) as server, connecting_anew() as smtp:
        await smtp.submit(message(), to(server, Security.STARTTLS))
        await smtp.submit(second(), to(server, Security.STARTTLS))
        assert len(server.received) == 2


async def test_after_a_handshake_that_failed_the_next_is_a_full_one() -> None:
    context = server_context()
    behaviour = Behaviour()
    async with SmtpServer(behaviour=behaviour, tls_context=context) as server, connecting_anew() as smtp:
        await smtp.submit(message(), to(server, Security.STARTTLS))
        behaviour.on(Verb.HANDSHAKE, Garbage(b"What handshake?\r\n"), times=1)
        with pytest.raises(TransportError):
            await smtp.submit(second(), to(server, Security.STARTTLS))
        await smtp.submit(second(), to(server, Security.STARTTLS))
        assert len(server.received) == 2
    assert context.session_stats()["hits"] == 0
