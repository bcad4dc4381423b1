"""Connections that are kept: used again, noticed when dead, and tidied up after a refused mail."""

from __future__ import annotations

import asyncio

import pytest

from connector.errors import ErrorCode, Phase, TransportError
from connector.model.receipt import Delivery
from connector.settings.model import PoolSettings
from connector.testing.behaviour import (
    Action,
    Append,
    Behaviour,
    Bytewise,
    Delay,
    Drop,
    Garbage,
    Hold,
    Reset,
    Say,
    Silence,
    Verb,
)
from connector.testing.smtp import Offer, SmtpServer
from connector.transport.port import Unrecorded
from tests.wire.pooling import pooling, second, turn
from tests.wire.smtp_submission import as_ada, good_context, message, to


async def test_mails_share_a_connection_and_its_login() -> None:
    async with SmtpServer(tls_context=good_context(), users={"ada": "secret"}) as server:
        async with pooling() as smtp:
            for _ in range(3):
                await smtp.submit(message(), as_ada(server, "secret"))
            assert len(server.connections) == 1
        commands = [command.split()[0] for command in server.connections[0].commands]
    assert commands == ["EHLO", "STARTTLS", "EHLO", "AUTH", *["MAIL", "RCPT", "DATA"] * 3, "QUIT"]


@pytest.mark.parametrize("encrypted", [True, False])
async def test_another_login_is_another_connection(encrypted: bool) -> None:
    users = {"ada": "secret"}
    async with SmtpServer(tls_context=good_context(), users=users) as server, pooling() as smtp:
        await smtp.submit(message(), as_ada(server, "secret", encrypted=encrypted))
        with pytest.raises(TransportError) as caught:
            await smtp.submit(message(), as_ada(server, "wrong", encrypted=encrypted))
        assert caught.value.code is ErrorCode.AUTH_FAILED
        await smtp.submit(message(), as_ada(server, "secret", encrypted=not encrypted))
        assert [connection.accepted for connection in server.connections] == [1, 0, 1]


async def test_a_connection_ends_after_so_many_mails() -> None:
    async with SmtpServer() as server, pooling(max_messages=2) as smtp:
        for _ in range(5):
            await smtp.submit(message(), to(server))
        assert [connection.accepted for connection in server.connections] == [2, 2, 1]
        assert [connection.commands[-1] for connection in server.connections[:2]] == ["QUIT", "QUIT"]


async def test_an_unused_connection_takes_its_leave() -> None:
    async with SmtpServer() as server, pooling(idle=0.05) as smtp:
        await asyncio.gather(*(smtp.submit(message(), to(server)) for _ in range(3)))
        await server.wait_until_idle()
        assert [connection.commands[-1] for connection in server.connections] == ["QUIT"] * 3
        await asyncio.gather(*smtp._pool._chores)
        assert smtp._pool._lanes == {}
        await smtp.submit(message(), to(server))
        await server.wait_until_idle()
        assert len(server.connections) == 4


@pytest.mark.parametrize(
    "ending",
    [
        Say(250, "2.0.0 Ok", close=True),
        Append(b"421 4.4.2 Timeout\r\n"),
        Append(b"421 4.4.2 Time"),
        Append(b"250 2.0.0 Ok\r\n"),
        Append(b"\x16\x03\x01 what is this?\r\n"),
    ],
    ids=["closed", "421", "part of a reply", "a reply too many", "garbage"],
)
async def test_a_connection_that_ended_while_idle_fails_no_mail(ending: Action) -> None:
    async with SmtpServer(behaviour=Behaviour().on(Verb.DOT, ending, keep=True, times=1)) as server:
        async with pooling() as smtp:
            assert (await smtp.submit(message(), to(server))).accepted
            await turn()
            assert (await smtp.submit(second(), to(server))).accepted
        assert [connection.accepted for connection in server.connections] == [1, 1]
        assert "MAIL FROM:<second@example.com>" not in bytes(server.connections[0].received_bytes).decode()


@pytest.mark.parametrize(
    "action", [Drop(), Reset(), Say(421, "4.4.2 Timeout", close=True), Garbage()], ids=repr
)
@pytest.mark.parametrize("pipelining", [True, False])
async def test_closed_as_the_next_mail_begins(action: Action, pipelining: bool) -> None:
    """The server's end and our MAIL cross on the way: the mail goes out once, on a fresh connection."""
    behaviour = Behaviour().on(Verb.MAIL, action, containing="second@", times=1)
    async with SmtpServer(behaviour=behaviour, offer=Offer(pipelining=pipelining)) as server:
        async with pooling() as smtp:
            await smtp.submit(message(), to(server))
            assert (await smtp.submit(second(), to(server))).accepted == ("bob@example.com",)
        assert [mail.sender for mail in server.received] == ["ada@example.com", "second@example.com"]
        assert len(server.connections) == 2


@pytest.mark.parametrize("action", [Drop(), Say(421, "4.3.2 Shutting down", close=True)], ids=repr)
async def test_one_fresh_connection_and_no_more(action: Action) -> None:
    behaviour = Behaviour().on(Verb.MAIL, action, containing="second@")
    async with SmtpServer(behaviour=behaviour) as server, pooling() as smtp:
        await smtp.submit(message(), to(server))
        with pytest.raises(TransportError) as caught:
            await smtp.submit(second(), to(server))
        assert caught.value.code.retryable
        assert caught.value.phase is Phase.MAIL
        assert len(server.connections) == 2


async def test_a_fresh_connection_that_breaks_is_the_mails_failure() -> None:
    async with SmtpServer(behaviour=Behaviour().on(Verb.MAIL, Drop(), times=1)) as server, pooling() as smtp:
        with pytest.raises(TransportError) as caught:
            await smtp.submit(message(), to(server))
        assert caught.value.code is ErrorCode.CONNECTION_FAILED
        assert len(server.connections) == 1


@pytest.mark.parametrize(
    ("verb", "action", "code"),
    [
        (Verb.MAIL, Silence(), ErrorCode.CONNECTION_TIMEOUT),
        (Verb.MAIL, Say(451, "4.3.0 Later"), ErrorCode.TEMPORARILY_REJECTED),
        (Verb.RCPT, Drop(), ErrorCode.CONNECTION_FAILED),
        (Verb.RCPT, Say(421, "4.3.2 Shutting down", close=True), ErrorCode.TEMPORARILY_REJECTED),
        (Verb.DATA, Drop(), ErrorCode.CONNECTION_FAILED),
        (Verb.DOT, Drop(), ErrorCode.DELIVERY_UNCERTAIN),
    ],
)
async def test_any_other_failure_on_a_kept_connection_is_told(
    verb: Verb, action: Action, code: ErrorCode
) -> None:
    """A kept connection is an excuse for a break before MAIL was answered, and for nothing else."""
    behaviour = Behaviour().on(verb, Bytewise(), times=1).on(verb, action, times=1)
    async with (
        SmtpServer(behaviour=behaviour, offer=Offer(pipelining=False)) as server,
        pooling(timeouts={"command": 0.3}) as smtp,
    ):
        await smtp.submit(message(), to(server))
        commits: list[str] = []

        class Second(Unrecorded):
            async def committing(self, delivery: Delivery) -> None:
                commits.append("second")

        with pytest.raises(TransportError) as caught:
            await smtp.submit(second(), to(server), Second())
        assert caught.value.code is code
        assert len(server.connections) == 1
        assert len(commits) <= 1


@pytest.mark.parametrize(
    ("verb", "say"),
    [
        (Verb.MAIL, Say(550, "5.7.1 No")),
        (Verb.RCPT, Say(550, "5.1.1 No such user")),
        (Verb.DATA, Say(451, "4.3.0 Later")),
    ],
)
@pytest.mark.parametrize("pipelining", [True, False])
async def test_a_refused_mail_leaves_the_connection_to_the_next(
    verb: Verb, say: Say, pipelining: bool
) -> None:
    behaviour = Behaviour().on(verb, say, times=1)
    async with SmtpServer(behaviour=behaviour, offer=Offer(pipelining=pipelining)) as server:
        async with pooling(max_connections=1) as smtp:
            with pytest.raises(TransportError):
                await smtp.submit(message(), to(server))
            assert (await smtp.submit(second(), to(server))).accepted
        assert len(server.connections) == 1
        assert "RSET" in server.connections[0].commands
        assert [mail.sender for mail in server.received] == ["second@example.com"]


async def test_a_mail_refused_at_the_dot_ends_its_connection() -> None:
    """Only the reply to QUIT shows that the refusal was the server's last word on the mail."""
    behaviour = Behaviour().on(Verb.DOT, Say(554, "5.7.1 Spam"), times=1)
    async with SmtpServer(behaviour=behaviour) as server:
        async with pooling(max_connections=1) as smtp:
            with pytest.raises(TransportError):
                await smtp.submit(message(), to(server))
            assert (await smtp.submit(second(), to(server))).accepted
        assert [connection.commands[-1] for connection in server.connections] == ["QUIT", "QUIT"]
        assert [mail.sender for mail in server.received] == ["second@example.com"]


@pytest.mark.parametrize("pipelining", [True, False])
async def test_a_reply_too_many_puts_nobody_else_out_of_step(pipelining: bool) -> None:
    """It must not pass for the answer to RSET, whose own would then be taken for that to the next MAIL."""
    behaviour = (
        Behaviour().on(Verb.DOT, Append(b"250 2.0.0 Ok\r\n"), times=1).on(Verb.RSET, Delay(0.02), times=1)
    )
    async with SmtpServer(behaviour=behaviour, offer=Offer(pipelining=pipelining)) as server:
        async with pooling(max_connections=1) as smtp:
            mails = (message(), second(), second())
            receipts = await asyncio.gather(*(smtp.submit(mail, to(server)) for mail in mails))
        assert [receipt.accepted for receipt in receipts] == [("bob@example.com",)] * 3
        assert [connection.accepted for connection in server.connections] == [1, 2]


async def test_a_refused_mail_does_not_wait_for_the_tidying_up() -> None:
    hold = Hold()
    behaviour = Behaviour().on(Verb.RCPT, Say(550, "5.1.1 No"), times=1).on(Verb.RSET, hold)
    async with SmtpServer(behaviour=behaviour) as server, pooling() as smtp:
        with pytest.raises(TransportError):
            await smtp.submit(message(), to(server))
        await hold.reached.wait()
        assert (await smtp.submit(second(), to(server))).accepted
        hold.until.set()


async def test_content_that_the_server_waits_for_is_never_made_up() -> None:
    """Asked for content with nobody accepted, only closing the connection is safe."""
    behaviour = (
        Behaviour().on(Verb.RCPT, Say(550, "5.1.1 No"), times=1).on(Verb.DATA, Say(354, "Go on"), times=1)
    )
    async with SmtpServer(behaviour=behaviour) as server, pooling(max_connections=1) as smtp:
        with pytest.raises(TransportError):
            await smtp.submit(message(), to(server))
        await smtp.submit(second(), to(server))
        assert bytes(server.connections[0].received_bytes).endswith(b"DATA\r\n")
        assert [mail.sender for mail in server.received] == ["second@example.com"]


async def test_new_settings_keep_what_they_do_not_change() -> None:
    async with SmtpServer() as server, pooling() as smtp:
        await smtp.submit(message(), to(server))
        smtp.use(smtp._settings.model_copy(update={"pool": PoolSettings(max_connections=3)}))
        await smtp.submit(second(), to(server))
        assert len(server.connections) == 1
        smtp.use(smtp._settings.model_copy(update={"helo_name": "new.example"}))
        await smtp.submit(message(), to(server))
        assert len(server.connections) == 2
        assert "EHLO new.example" in server.connections[1].commands
