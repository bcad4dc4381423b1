"""How many connections there are, who waits for one, and that none is ever leaked."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from connector.errors import ErrorCode, PostponedError, TransportError
from connector.model.receipt import Delivery, Receipt
from connector.model.server import Security, Server
from connector.testing.behaviour import (
    Action,
    Behaviour,
    Bytewise,
    Delay,
    Drop,
    Garbage,
    Hold,
    Say,
    Silence,
    Verb,
)
from connector.testing.smtp import SmtpServer
from connector.transport.port import Unrecorded
from tests.wire.pooling import pooling, second, turn
from tests.wire.smtp_submission import as_ada, good_context, message, to

FULL = Say(421, "4.7.0 Too many concurrent connections", close=True)


async def test_no_more_connections_than_allowed_and_first_come_first_served() -> None:
    hold = Hold()
    async with SmtpServer(behaviour=Behaviour().on(Verb.MAIL, hold, containing="ada@")) as server:
        async with pooling(max_connections=2) as smtp:
            held = [asyncio.create_task(smtp.submit(message(), to(server))) for _ in range(2)]
            await hold.reached.wait()
            rest = [asyncio.create_task(smtp.submit(second(f"{n}@x.example"), to(server))) for n in range(6)]
            await turn()
            hold.until.set()
            await asyncio.gather(*held, *rest)
            assert len(server.connections) == 2
        order = [mail.recipients[0] for mail in server.received if mail.sender == "second@example.com"]
        assert order[:2] in (["0@x.example", "1@x.example"], ["1@x.example", "0@x.example"])
        assert len(order) == 6


async def test_a_slow_server_takes_nothing_from_another() -> None:
    hold = Hold()
    async with (
        SmtpServer(behaviour=Behaviour().on(Verb.DOT, hold, keep=True)) as slow,
        SmtpServer() as fast,
        pooling(max_connections=2, max_total=2) as smtp,
    ):
        waiting = [asyncio.create_task(smtp.submit(message(), to(slow))) for _ in range(5)]
        await hold.reached.wait()
        for _ in range(10):
            await smtp.submit(message(), to(fast))
        assert len(fast.received) == 10
        assert not any(task.done() for task in waiting)
        hold.until.set()
        await asyncio.gather(*waiting)


async def test_the_connection_idle_longest_makes_room_for_another_server() -> None:
    async with SmtpServer() as one, SmtpServer() as two, SmtpServer() as three, pooling(max_total=2) as smtp:
        for server in (one, two, one, three):
            await smtp.submit(message(), to(server))
        await two.wait_until_idle()
        assert two.connections[0].commands[-1] == "QUIT"
        await smtp.submit(message(), to(one))
        assert len(one.connections) == 1


async def test_a_server_that_allows_fewer_connections_than_we_do() -> None:
    """Those one too many wait for the others; no mail fails, and the server is not asked again at once."""
    behaviour = Behaviour().on(Verb.CONNECT, Bytewise(), times=2).on(Verb.CONNECT, FULL)
    async with SmtpServer(behaviour=behaviour) as server, pooling(max_connections=8) as smtp:
        await asyncio.gather(*(smtp.submit(message(), to(server)) for _ in range(30)))
        assert len(server.received) == 30
        assert len(server.connections) <= 8
        asked = len(server.connections)
        await asyncio.gather(*(smtp.submit(message(), to(server)) for _ in range(30)))
        assert len(server.connections) == asked


async def test_a_server_with_no_room_at_all_is_an_error() -> None:
    async with SmtpServer(behaviour=Behaviour().on(Verb.CONNECT, FULL)) as server:
        async with pooling(max_connections=3) as smtp:
            mails = (smtp.submit(message(), to(server)) for _ in range(8))
            errors = await asyncio.gather(*mails, return_exceptions=True)
        assert {type(error) for error in errors} == {TransportError}
        assert len({id(error) for error in errors}) == 8
        assert len(server.connections) == 3


async def test_a_dead_server_is_tried_by_a_few_and_told_to_all(monkeypatch: pytest.MonkeyPatch) -> None:
    attempts = 0
    enough, give_up = asyncio.Event(), asyncio.Event()

    async def unanswered(*_: object, **__: object) -> None:
        nonlocal attempts
        attempts += 1
        if attempts == 2:
            enough.set()
        await give_up.wait()
        raise TimeoutError

    monkeypatch.setattr(asyncio.get_running_loop(), "create_connection", unanswered)
    async with pooling(max_connections=2) as smtp:
        dead = Server("127.0.0.1", 9, Security.NONE)
        mails = [asyncio.create_task(smtp.submit(message(), dead)) for _ in range(10)]
        await enough.wait()
        give_up.set()
        errors = await asyncio.gather(*mails, return_exceptions=True)
    assert attempts == 2
    assert [getattr(error, "code", error) for error in errors] == [ErrorCode.CONNECTION_TIMEOUT] * 10


async def test_who_comes_as_others_hear_of_a_failure_is_not_forgotten_with_them() -> None:
    """A mail may ask between the failure and the moment at which those who waited notice it."""
    behaviour = Behaviour().on(Verb.CONNECT, Say(421, "4.3.2 Down", close=True), times=1)
    async with SmtpServer(behaviour=behaviour) as server, pooling(max_connections=1) as smtp:

        async def twice() -> None:
            with pytest.raises(TransportError):
                await smtp.submit(message(), to(server))
            await smtp.submit(second(), to(server))

        waiting = asyncio.create_task(twice())
        with pytest.raises(TransportError):
            await asyncio.create_task(smtp.submit(message(), to(server)))
        await waiting
        await smtp.submit(second(), to(server))
        assert [connection.accepted for connection in server.connections] == [0, 2]
        await smtp.aclose()
        await server.wait_until_idle()
        assert server.connections[1].commands[-1] == "QUIT"


async def test_a_login_that_was_refused_is_not_tried_by_every_mail(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers lock an account after some wrong logins; each mail still has an error of its own."""
    async with SmtpServer(users={"ada": "new"}) as server, pooling(max_connections=2) as smtp:
        old, new = (as_ada(server, password, encrypted=False) for password in ("old", "new"))
        mails = [smtp.submit(message(), old) for _ in range(20)]
        errors = await asyncio.gather(*mails, return_exceptions=True)
        with pytest.raises(TransportError) as caught:
            await smtp.submit(message(), old)
        assert {getattr(error, "code", error) for error in (*errors, caught.value)} == {ErrorCode.AUTH_FAILED}
        assert len({id(error) for error in errors}) == 20
        assert len(server.connections) <= 2
        assert (await smtp.submit(message(), new)).accepted  # another password is another login
        monkeypatch.setattr("connector.transport.smtp.pool._REFUSED_SECONDS", 0)
        smtp._pool._refused.clear()
        for _ in range(2):
            before = len(server.connections)
            with pytest.raises(TransportError):
                await smtp.submit(message(), old)
            assert len(server.connections) == before + 1


async def test_waiting_for_a_connection_has_its_limit() -> None:
    hold = Hold()
    async with (
        SmtpServer(behaviour=Behaviour().on(Verb.DOT, hold, keep=True)) as server,
        pooling(max_connections=1, wait=0.1) as smtp,
    ):
        first = asyncio.create_task(smtp.submit(message(), to(server)))
        await hold.reached.wait()
        with pytest.raises(PostponedError) as caught:
            await smtp.submit(second(), to(server))
        assert caught.value.retry_after == timedelta(seconds=5)
        assert "smtp.pool.wait" in caught.value.message
        hold.until.set()
        await first
        assert (await smtp.submit(second(), to(server))).accepted


async def test_a_server_that_lets_nobody_through_keeps_no_further_mail_waiting() -> None:
    hold = Hold()
    async with (
        SmtpServer(behaviour=Behaviour().on(Verb.DOT, hold)) as slow,
        pooling(max_connections=1, wait=0.1) as smtp,
    ):
        first = asyncio.create_task(smtp.submit(message(), to(slow)))
        await hold.reached.wait()
        with pytest.raises(PostponedError):
            await smtp.submit(second(), to(slow))
        lane = smtp._pool._lanes[to(slow)]
        late = asyncio.create_task(smtp.submit(second(), to(slow)))
        await turn()
        assert late.done()
        assert isinstance(late.exception(), PostponedError)
        assert not lane.waiting
        hold.until.set()
        await first
        assert (await smtp.submit(second(), to(slow))).accepted


async def cancelled_after(turns: int, task: asyncio.Task[Receipt]) -> BaseException | Receipt:
    await turn(turns)
    task.cancel()
    return (await asyncio.gather(task, return_exceptions=True))[0]


@pytest.mark.parametrize("turns", range(40))
@pytest.mark.parametrize("mailed_before", [True, False])
async def test_cancelled_anywhere_neither_leaks_nor_lies(turns: int, mailed_before: bool) -> None:
    """One mail of three is cancelled at any moment: the others go out, and its outcome is what happened."""
    async with SmtpServer() as server:
        async with pooling(max_connections=1) as smtp:
            if mailed_before:
                await smtp.submit(message("before@x.example"), to(server))
            first, unlucky, third = (
                asyncio.create_task(smtp.submit(message(f"{name}@x.example"), to(server)))
                for name in ("first", "unlucky", "third")
            )
            outcome = await cancelled_after(turns, unlucky)
            await asyncio.gather(first, third)
        await server.wait_until_idle()
        got = [mail.recipients[0] for mail in server.received]
        assert got.count("first@x.example") == got.count("third@x.example") == 1
        if isinstance(outcome, Receipt):
            assert "unlucky@x.example" in got
        elif isinstance(outcome, asyncio.CancelledError):
            assert "unlucky@x.example" not in got
        else:
            assert isinstance(outcome, TransportError)
            assert outcome.code is ErrorCode.DELIVERY_UNCERTAIN


@pytest.mark.parametrize("turns", range(0, 60, 2))
async def test_the_one_who_connects_is_cancelled(turns: int) -> None:
    async with SmtpServer(tls_context=good_context(), users={"ada": "secret"}) as server:
        async with pooling(max_connections=1) as smtp:
            target = as_ada(server, "secret")
            unlucky = asyncio.create_task(smtp.submit(message(), target))
            rest = [asyncio.create_task(smtp.submit(second(), target)) for _ in range(3)]
            await cancelled_after(turns, unlucky)
            await asyncio.gather(*rest)
        await server.wait_until_idle()
        assert [mail.sender for mail in server.received].count("second@example.com") == 3


@pytest.mark.parametrize("action", [Silence(), Drop(), Garbage()], ids=repr)
async def test_closing_takes_leave_of_all_at_once(action: Action) -> None:
    behaviour = Behaviour().on(Verb.QUIT, action, times=1)
    holds = [Hold() for _ in range(4)]
    for hold in holds:
        behaviour.on(Verb.MAIL, hold, times=1)
    async with SmtpServer(behaviour=behaviour) as server:
        async with pooling() as smtp:
            mails = [asyncio.create_task(smtp.submit(message(), to(server))) for _ in holds]
            for hold in holds:
                await hold.reached.wait()
            for hold in holds:
                hold.until.set()
            await asyncio.gather(*mails)
        assert [connection.commands[-1] for connection in server.connections] == ["QUIT"] * 4


async def test_a_closed_transport_takes_no_mail() -> None:
    async with SmtpServer() as server:
        async with pooling() as smtp:
            pass
        with pytest.raises(RuntimeError, match="closed"):
            await smtp.submit(message(), to(server))
        assert server.connections == []


async def test_a_mail_waits_on_while_others_get_their_turn() -> None:
    """The limit is on a standstill: 20 mails of 0.05 s on one connection take longer than it."""
    behaviour = Behaviour().on(Verb.DOT, Delay(0.05))
    async with SmtpServer(behaviour=behaviour) as server, pooling(max_connections=1, wait=0.3) as smtp:
        receipts = await asyncio.gather(*(smtp.submit(message(), to(server)) for _ in range(20)))
    assert all(receipt.accepted for receipt in receipts)


async def test_a_slow_ledger_is_named_as_the_cause() -> None:
    class Slow(Unrecorded):
        async def committing(self, delivery: Delivery) -> None:
            reached.set()
            await until.wait()

    reached, until = asyncio.Event(), asyncio.Event()
    async with SmtpServer() as server, pooling(max_connections=1, wait=0.1) as smtp:
        first = asyncio.create_task(smtp.submit(message(), to(server), Slow()))
        await reached.wait()
        with pytest.raises(PostponedError, match="wait for this worker's ledger"):
            await smtp.submit(second(), to(server))
        until.set()
        await first
