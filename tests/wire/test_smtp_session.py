"""A session that is kept: several mails, after a refusal too, and what may be known of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from unittest.mock import Mock

import pytest

from connector.errors import ErrorCode, TransportError
from connector.model.server import Security, Server, TlsPolicy
from connector.testing.behaviour import Behaviour, Drop, Say, Silence, Verb
from connector.testing.smtp import SmtpServer
from connector.tls.trust import build_context
from connector.transport.smtp.opening import Client, clear_text_warnings, open_session
from connector.transport.smtp.session import Session
from connector.transport.smtp.wire import Wire
from tests.wire.smtp_submission import as_ada, ca_file, good_context, message, settings, to


@asynccontextmanager
async def session(server: SmtpServer, helo_name: str | None = None) -> AsyncIterator[Session]:
    client = Client(settings().timeouts.limits, build_context(TlsPolicy(ca_file=ca_file())), helo_name)
    opened = await open_session(to(server), client)
    try:
        yield opened
    finally:
        await opened.quit()


async def test_several_mails_on_one_connection() -> None:
    async with SmtpServer() as server, session(server) as kept:
        for number in range(3):
            await kept.submit(message(f"r{number}@x.example"))
        assert kept.usable
        assert len(server.received) == 3
        assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("verb", "lines"),
    [
        (Verb.MAIL, Say(550, "5.7.1 No")),
        (Verb.RCPT, Say(450, "4.2.0 Greylisted")),
        (Verb.DATA, Say(451, "4.3.0 Later")),
    ],
)
async def test_a_mail_after_one_that_was_refused(verb: Verb, lines: Say) -> None:
    """The replies to what was pipelined behind the refused command are read before the next mail."""
    behaviour = Behaviour().on(verb, lines, times=1)
    async with SmtpServer(behaviour=behaviour) as server, session(server) as kept:
        with pytest.raises(TransportError):
            await kept.submit(message("first@x.example"))
        assert kept.usable
        await kept.reset()
        receipt = await kept.submit(message("second@x.example"))
        assert receipt.accepted == ("second@x.example",)
        assert [mail.recipients for mail in server.received] == [("second@x.example",)]


async def test_a_server_that_waits_for_content_cannot_be_reset() -> None:
    behaviour = Behaviour().on(Verb.RCPT, Say(550, "5.1.1 No")).on(Verb.DATA, Say(354, "Go on"))
    async with SmtpServer(behaviour=behaviour) as server, session(server) as kept:
        with pytest.raises(TransportError):
            await kept.submit(message())
        with pytest.raises(TransportError):
            await kept.reset()
        assert not kept.usable
        await server.wait_until_idle()
        assert server.connections[0].received_bytes.endswith(b"DATA\r\n")


async def test_replies_out_of_step_end_the_session() -> None:
    async with SmtpServer(behaviour=Behaviour().on(Verb.RCPT, Say(354, "Go on"))) as server:
        async with session(server) as kept:
            with pytest.raises(TransportError):
                await kept.submit(message())
            assert not kept.usable
        await server.wait_until_idle()
        assert "QUIT" not in server.connections[0].commands


async def test_the_tls_layer_hides_nothing_that_it_holds() -> None:
    """Its default is to take half a megabyte before it says so: enough to hide a final dot."""
    behaviour = Behaviour().on(Verb.NOOP, Silence())
    async with SmtpServer(behaviour=behaviour, tls_context=good_context()) as server:
        trust = build_context(TlsPolicy(ca_file=ca_file()))
        client = Client(settings().timeouts.limits, trust, "client.example")
        kept = await open_session(to(server, Security.STARTTLS), client)
        wire = kept._talk
        wire.write(b"NOOP\r\n")
        while not wire.held:
            wire.write(b"x" * 10_000)
            await asyncio.sleep(0)
        assert wire._transport is not None
        assert 0 < wire._transport.get_write_buffer_size() < 20_000
        kept.abort()


async def test_a_connection_that_was_closed_meanwhile_loses_nothing() -> None:
    behaviour = Behaviour().on(Verb.RSET, Drop())
    async with SmtpServer(behaviour=behaviour) as server, session(server) as kept:
        await kept.submit(message())
        with pytest.raises(TransportError):
            await kept.reset()
        assert not kept.usable
        with pytest.raises(TransportError) as caught:
            await kept.submit(message())
        assert caught.value.code is ErrorCode.CONNECTION_FAILED
        assert len(server.received) == 1


async def test_a_host_without_a_name_greets_with_its_address() -> None:
    async with SmtpServer() as server, session(server):
        assert server.connections[0].commands == ["EHLO [127.0.0.1]"]


async def test_an_ipv6_address_literal() -> None:
    try:
        server = SmtpServer(host="::1")
        await server.start()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    client = Client(settings().timeouts.limits, build_context(TlsPolicy()))
    kept = await open_session(to(server, host="[::1]"), client)
    await kept.quit()
    assert server.connections[0].commands[0] == "EHLO [IPv6:::1]"
    await server.aclose()


@pytest.mark.parametrize(
    ("peer", "encrypted", "username", "warning"),
    [
        ("192.0.2.1", False, "ada", "The password and the mail went to mail.example:25 without encryption"),
        ("192.0.2.1", False, None, "The mail went to mail.example:25 without encryption"),
        ("2001:db8::1%eth0", False, None, "The mail went to"),
        ("192.0.2.1", True, "ada", None),
        ("127.0.0.9", False, "ada", None),
        ("::1", False, "ada", None),
        ("::ffff:127.0.0.1", False, "ada", None),
        ("::ffff:192.0.2.1", False, "ada", "The password"),
    ],
)
def test_clear_text_is_a_warning(
    peer: str, encrypted: bool, username: str | None, warning: str | None
) -> None:
    wire = Mock(spec=Wire, encrypted=encrypted)
    wire.address.return_value = peer
    warnings = clear_text_warnings(wire, Server("mail.example", 25, username=username))
    assert len(warnings) == (warning is not None)
    assert all(text.startswith(warning or "") for text in warnings)


async def test_logging_in_over_loopback_in_clear_warns_of_nothing() -> None:
    async with SmtpServer(users={"ada": "secret"}) as server:
        client = Client(settings().timeouts.limits, build_context(TlsPolicy()))
        kept = await open_session(as_ada(server, "secret", encrypted=False), client)
        assert (await kept.submit(message())).warnings == ()
        await kept.quit()
