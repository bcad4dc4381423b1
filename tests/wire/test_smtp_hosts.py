"""A host that does not answer leaves half of the worker's slots to the others."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest
from pydantic import SecretStr

from connector.errors import PostponedError, TransportError
from connector.model.receipt import Receipt
from connector.model.server import Server
from connector.testing.behaviour import Behaviour, Hold, Verb
from connector.testing.smtp import SmtpServer
from connector.transport.smtp.transport import SmtpTransport
from tests.wire.smtp_submission import message, settings, to

SLOTS = 8


def as_user(server: SmtpServer, number: int) -> Server:
    return dataclasses.replace(to(server), username=f"u{number}", password=SecretStr("secret-pw"))


async def outcomes(smtp: SmtpTransport, routes: list[Server]) -> list[Receipt | BaseException]:
    return await asyncio.gather(*(smtp.submit(message(), route) for route in routes), return_exceptions=True)


async def test_a_silent_host_gets_half_of_the_slots(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connector.transport.smtp.fairness._ANSWER_SECONDS", 0.2)
    hold = Hold()
    users = {f"u{number}": "secret-pw" for number in range(SLOTS)}
    async with SmtpServer(behaviour=Behaviour().on(Verb.CONNECT, hold), users=users) as server:
        smtp = SmtpTransport(settings(greeting=1), SLOTS)
        found = await outcomes(smtp, [as_user(server, number) for number in range(SLOTS)])
        await smtp.aclose()
        assert len(server.connections) == SLOTS // 2
    given_back = [one for one in found if isinstance(one, PostponedError)]
    assert len(given_back) == SLOTS // 2
    assert sum(isinstance(one, TransportError) for one in found) == SLOTS // 2
    assert "has answered nothing" in given_back[0].message
    assert not given_back[0].spends_retry


async def test_a_host_that_answers_gets_them_all() -> None:
    hold = Hold()
    async with SmtpServer(behaviour=Behaviour().on(Verb.DOT, hold)) as server:
        smtp = SmtpTransport(settings(), SLOTS)
        sending = asyncio.create_task(outcomes(smtp, [to(server)] * SLOTS))
        async with asyncio.timeout(10):
            while len(server.connections) < SLOTS:  # noqa: ASYNC110 - the server has no event
                await asyncio.sleep(0.01)
        hold.until.set()
        found = await sending
        await smtp.aclose()
    assert all(isinstance(one, Receipt) for one in found), found


async def test_another_host_is_not_held_up() -> None:
    async with (
        SmtpServer(behaviour=Behaviour().on(Verb.CONNECT, Hold())) as silent,
        SmtpServer() as good,
    ):
        smtp = SmtpTransport(settings(greeting=1), SLOTS)
        waiting = asyncio.create_task(outcomes(smtp, [to(silent)] * SLOTS))
        found = await outcomes(smtp, [to(good)] * SLOTS)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        await smtp.aclose()
    assert all(isinstance(one, Receipt) for one in found), found
