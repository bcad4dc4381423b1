"""Time and cancellation: each phase has its own limit, and a cancelled send says what may have happened."""

from __future__ import annotations

import asyncio

import pytest

from connector.errors import ErrorCode, Phase, TransportError
from connector.testing.behaviour import Behaviour, Hold, Silence, Verb
from connector.testing.smtp import SmtpServer
from connector.transport.smtp.transport import SmtpTransport
from tests.wire.pooling import pooling
from tests.wire.smtp_submission import as_ada, bulky, failure, good_context, message, to, transport

USERS = {"ada": "secret"}
LIMITS = {
    Verb.CONNECT: ("greeting", Phase.GREETING),
    Verb.EHLO: ("command", Phase.EHLO),
    Verb.STARTTLS: ("command", Phase.STARTTLS),
    Verb.HANDSHAKE: ("tls", Phase.TLS),
    Verb.AUTH: ("auth", Phase.AUTH),
    Verb.MAIL: ("command", Phase.MAIL),
    Verb.RCPT: ("command", Phase.RCPT),
    Verb.DATA: ("command", Phase.DATA),
}


@pytest.mark.parametrize("verb", LIMITS)
async def test_each_phase_has_its_own_limit(verb: Verb) -> None:
    setting, phase = LIMITS[verb]
    behaviour = Behaviour().on(verb, Silence())
    async with SmtpServer(tls_context=good_context(), users=USERS, behaviour=behaviour) as server:
        error = await failure(message(), as_ada(server, "secret"), **{setting: 0.2})
    assert (error.code, error.phase) == (ErrorCode.CONNECTION_TIMEOUT, phase)
    assert f"did nothing for 0.2 s (smtp.timeouts.{setting})" in error.message
    assert server.received == []


async def test_the_limit_of_the_dot_leaves_the_outcome_open() -> None:
    behaviour = Behaviour().on(Verb.DOT, Silence(), keep=True)
    async with SmtpServer(behaviour=behaviour) as server:
        error = await failure(message(), to(server), dot=0.2)
    assert (error.code, error.phase) == (ErrorCode.DELIVERY_UNCERTAIN, Phase.DOT)
    assert "smtp.timeouts.dot" in error.message


async def test_an_address_that_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unanswered(*_: object, **__: object) -> None:
        await asyncio.Event().wait()

    async with SmtpServer() as server:
        monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", unanswered)
        error = await failure(message(), to(server), connect=0.2)
    assert (error.code, error.phase) == (ErrorCode.CONNECTION_TIMEOUT, Phase.CONNECT)


async def cancelled_at(smtp: SmtpTransport, server: SmtpServer, hold: Hold, *, large: bool = False) -> None:
    sending = asyncio.create_task(smtp.submit(bulky() if large else message(), as_ada(server, "secret")))
    await hold.reached.wait()
    sending.cancel()
    await sending


@pytest.mark.parametrize("verb", [*LIMITS, Verb.CONTENT])
async def test_cancelled_before_the_dot(verb: Verb) -> None:
    hold = Hold()
    behaviour = Behaviour().on(verb, hold)
    async with (
        SmtpServer(tls_context=good_context(), users=USERS, behaviour=behaviour) as server,
        transport() as smtp,
    ):
        with pytest.raises(asyncio.CancelledError):
            await cancelled_at(smtp, server, hold, large=verb is Verb.CONTENT)
        hold.until.set()
        await server.wait_until_idle()
        assert server.received == []
        assert "QUIT" not in server.connections[0].commands


@pytest.mark.parametrize("kept", [True, False])
async def test_cancelled_after_the_dot(kept: bool) -> None:
    hold = Hold()
    behaviour = Behaviour().on(Verb.DOT, hold, keep=kept)
    async with (
        SmtpServer(tls_context=good_context(), users=USERS, behaviour=behaviour) as server,
        transport() as smtp,
    ):
        with pytest.raises(TransportError) as caught:
            await cancelled_at(smtp, server, hold)
        assert len(server.received) == kept
    assert (caught.value.code, caught.value.phase) == (ErrorCode.DELIVERY_UNCERTAIN, Phase.DOT)
    assert "stopped waiting" in caught.value.message


async def test_nobody_waits_for_a_server_that_is_slow_to_say_goodbye() -> None:
    """The receipt is there before QUIT is answered; nothing can take it back."""
    hold = Hold()
    async with (
        SmtpServer(behaviour=Behaviour().on(Verb.QUIT, hold)) as server,
        pooling(max_messages=1) as smtp,
    ):
        receipt = await smtp.submit(message(), to(server))
        assert receipt.accepted
        await hold.reached.wait()
        hold.until.set()
        await smtp.aclose()


async def test_closing_waits_for_the_last_goodbye() -> None:
    async with SmtpServer() as server:
        async with transport() as smtp:
            await smtp.submit(message(), to(server))
        assert server.connections[0].commands[-1] == "QUIT"
        assert server.connections[0].sent_bytes.endswith(b"221 2.0.0 Bye\r\n")
