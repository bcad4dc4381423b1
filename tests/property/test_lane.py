"""A server's queue under any order of events: nobody is forgotten, passed by, or given what is not there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from unittest.mock import Mock

from hypothesis import given
from hypothesis import strategies as st

from connector.errors import ErrorCode, Phase, Reply, TransportError
from connector.model.server import Server
from connector.transport.smtp.lane import Connection, Grant, Lane
from connector.transport.smtp.session import Session

LIMIT = 3
SERVER = Server("mail.example", 25)
DEAD = TransportError(ErrorCode.CONNECTION_FAILED, "no route", phase=Phase.CONNECT, server=str(SERVER))
FULL = TransportError(
    ErrorCode.RATE_LIMITED, "full", phase=Phase.GREETING, server=str(SERVER), reply=Reply(421, "too many")
)


class Mails:
    """Mails that want connections of one lane, and what has become of each."""

    def __init__(self) -> None:
        self.lane = Lane(SERVER, LIMIT)
        self.queued: list[asyncio.Future[Grant]] = []
        self.opening = 0
        self.using: list[Connection] = []
        self.failed = 0

    def ask(self, _: int) -> None:
        connection = self.lane.spare()
        if connection is None:
            self.queued.append(self.lane.ask())
        else:
            self.using.append(connection)

    def cancel(self, index: int) -> None:
        if self.queued:
            self.lane.leave_queue(self.queued.pop(index % len(self.queued)))

    def opened(self, _: int) -> None:
        if self.opening:
            self.opening -= 1
            self.using.append(self.lane.opened(Mock(spec=Session, ready=True)))

    def dead(self, _: int) -> None:
        self._not_opened(DEAD)

    def full(self, _: int) -> None:
        self._not_opened(FULL)

    def opener_cancelled(self, _: int) -> None:
        if self.opening:
            self.opening -= 1
            self.lane.not_tried()

    def give_back(self, index: int) -> None:
        if self.using:
            self.lane.keep(self.using.pop(index % len(self.using)))

    def break_idle(self, index: int) -> None:
        if self.lane.idle:
            self.lane.idle[index % len(self.lane.idle)].session = Mock(spec=Session, ready=False)

    def lose(self, index: int) -> None:
        if self.using:
            self.using.pop(index % len(self.using))
            self.lane.lost()

    def _not_opened(self, error: TransportError) -> None:
        if self.opening:
            self.opening -= 1
            place = self.lane.not_opened(error)
            if place is None:
                self.failed += 1
            else:
                self.queued.insert(0, place)

    def settle(self) -> None:
        """Take what was granted, as the mails do when they run next."""
        done = [place for place in self.queued if place.done()]
        self.queued = [place for place in self.queued if not place.done()]
        for place in done:
            if place.exception() is not None:
                self.failed += 1
            elif (connection := place.result()) is None:
                self.opening += 1
            else:
                self.using.append(connection)

    def check(self) -> None:
        lane = self.lane
        granted = sum(place.done() and not place.exception() and not place.result() for place in self.queued)
        assert lane.opening == self.opening + granted
        assert lane.opening + lane.established <= LIMIT
        waiting = [place for place in self.queued if not place.done()]
        assert list(lane.waiting) == waiting, "served out of turn, or forgotten"
        if waiting:
            assert lane.opening + lane.established, "nobody is left to wake those who wait"
            assert not any(connection.session.ready for connection in lane.idle), "idle while others wait"

    def finish(self) -> None:
        """Let every mail come to its end, on a server that works."""
        while self.opening or self.using or self.queued:
            assert self.opening or self.using or any(place.done() for place in self.queued), "stuck"
            self.settle()
            self.opened(0)
            self.give_back(0)
            self.settle()
        assert not self.lane.waiting


EVENTS: list[Callable[[Mails, int], None]] = [
    Mails.ask,
    Mails.ask,
    Mails.cancel,
    Mails.opened,
    Mails.dead,
    Mails.full,
    Mails.opener_cancelled,
    Mails.give_back,
    Mails.break_idle,
    Mails.lose,
    lambda mails, _: mails.settle(),
    lambda mails, _: mails.settle(),
]


@given(st.lists(st.tuples(st.sampled_from(EVENTS), st.integers(0, 7)), max_size=60))
def test_any_order_of_events(events: list[tuple[Callable[[Mails, int], None], int]]) -> None:
    async def play() -> None:
        mails = Mails()
        for event, index in events:
            event(mails, index)
            mails.check()
        mails.finish()
        assert mails.lane.established == len(mails.lane.idle)
        assert mails.lane.opening == 0

    asyncio.run(play())
