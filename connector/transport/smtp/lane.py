"""The connections to one server: who uses them, who waits for one, and who may open another.

Events enter (a mail wants a connection, one is given back, an attempt to open one failed), grants leave.
Nothing here does I/O, so that the rules can be tried in any order of events:

- mails are served in the order in which they come, also after one of them was cancelled;
- once an attempt to open a connection has failed, no further one begins while others are under way;
  when the last of them has failed too and nothing is connected, everybody who waits is told so at once, in
  place of trying a dead server one after the other;
- a server that refuses one connection too many is taken at its word: the mail waits for one of the others.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

from connector.errors import Phase, TransportError
from connector.model.server import Server
from connector.transport.smtp import failures
from connector.transport.smtp.session import Session

# Where servers say that they have enough connections of ours: Gmail's "421 4.7.0 Too many concurrent SMTP
# connections" and Exchange's "432 4.3.2 Concurrent connections limit exceeded", or 454 at AUTH.
_LIMIT_PHASES = frozenset({Phase.GREETING, Phase.EHLO, Phase.AUTH})
# How long a server's own limit is believed before one more connection is tried.
_CEILING_SECONDS = 60.0


@dataclass(slots=True, eq=False)
class Connection:
    """An established session, and what the pool has to know of it.

    Attributes:
        lane: The server that it goes to.
        session: The session; another one once it was renewed.
        mails: How many mails it has been used for.
        idle_until: When it is no longer worth keeping, on the loop's clock.
    """

    lane: Lane
    session: Session
    mails: int = 0
    idle_until: float = 0.0


Grant = Connection | None
"""A connection to use, or ``None``: leave to open one."""


@dataclass(slots=True, eq=False)
class Lane:
    """One server's share of the pool.

    Attributes:
        server: The server and the login.
        limit: How many connections it may have.
        idle: Connections not in use, the one used last at the end.
        waiting: Mails without a connection, in the order in which they came.
        opening: How many may open a connection, and have not yet.
        in_use: The connections that mails are being sent on.
        established: How many connections there are: in use, idle, or taking their leave.
        moved: When a mail last got a connection, on the loop's clock.
    """

    server: Server
    limit: int
    idle: list[Connection] = field(default_factory=list)
    waiting: deque[asyncio.Future[Grant]] = field(default_factory=deque)
    in_use: set[Connection] = field(default_factory=set)
    opening: int = 0
    established: int = 0
    moved: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    _failing: bool = False
    _ceiling: int = 0
    _ceiling_until: float = 0.0

    @property
    def unused(self) -> bool:
        """Whether nothing would be lost if it were forgotten."""
        return not (self.waiting or self.opening or self.established)

    def spare(self) -> Connection | None:
        """An idle connection, unless a mail waits for one."""
        connection = None if self.waiting else self._ready()
        if connection is not None:
            self._note_move()
        return connection

    def stalled(self, seconds: float) -> bool:
        """Whether no mail has got a connection for so long: who comes now would wait in vain."""
        return asyncio.get_running_loop().time() - self.moved > seconds

    def ask(self) -> asyncio.Future[Grant]:
        """Queue up for a grant; it may be there at once."""
        return self._queued(first=False)

    def opened(self, session: Session) -> Connection:
        """Turn leave to open a connection into one that is in use."""
        self.opening -= 1
        self.established += 1
        self._failing = False
        self._note_move()
        self.hand_out()
        return Connection(self, session)

    def not_opened(self, error: TransportError) -> asyncio.Future[Grant] | None:
        """Take note that opening a connection failed.

        Returns:
            A place at the head of the queue where the server only has enough connections already; else
            nothing, and the error is the mail's.
        """
        self.opening -= 1
        self._failing = True
        others = self.opening + self.established
        place = None
        if others and _is_limit(error):
            self._ceiling = others
            self._ceiling_until = asyncio.get_running_loop().time() + _CEILING_SECONDS
            place = self._queued(first=True)
        if not self.opening:
            self._failing = False
            if not self.established:
                self._fail(error)
        self.hand_out()
        return place

    def not_tried(self) -> None:
        """Take back leave to open a connection from a mail that was cancelled."""
        self.opening -= 1
        self._failing = self._failing and bool(self.opening)
        self.hand_out()

    def leave_queue(self, place: asyncio.Future[Grant]) -> None:
        """Take back what a cancelled mail was granted meanwhile, or strike it off the queue."""
        if place.cancelled() or not place.done():
            if place in self.waiting:
                self.waiting.remove(place)
        elif place.exception() is None:
            connection = place.result()
            if connection is None:
                self.not_tried()
            else:
                self.keep(connection)

    def keep(self, connection: Connection) -> None:
        """Take a connection back for the next mail."""
        self.idle.append(connection)
        self.hand_out()

    def lost(self) -> None:
        """Take note that an established connection is no more."""
        self.established -= 1
        self.hand_out()

    def hand_out(self) -> None:
        """Grant all that can be granted, in order."""
        while self.waiting:
            place = self.waiting[0]
            if place.done():  # cancelled, and about to be struck off
                self.waiting.popleft()
            elif (connection := self._ready()) is not None:
                self.waiting.popleft().set_result(connection)
                self._note_move()
            elif self._may_open():
                self.opening += 1
                self.waiting.popleft().set_result(None)
            else:
                break

    def _note_move(self) -> None:
        self.moved = asyncio.get_running_loop().time()

    def _queued(self, *, first: bool) -> asyncio.Future[Grant]:
        place: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()
        if first:
            self.waiting.appendleft(place)
        else:
            self.waiting.append(place)
            self.hand_out()
        return place

    def _ready(self) -> Connection | None:
        # The one used last: it is the likeliest to live, and the others may be let go.
        while self.idle:
            connection = self.idle.pop()
            if connection.session.ready:
                return connection
            connection.session.abort()
            self.established -= 1
        return None

    def _may_open(self) -> bool:
        limit = self.limit
        if self._ceiling and asyncio.get_running_loop().time() < self._ceiling_until:
            limit = min(limit, self._ceiling)
        return self.opening + self.established < limit and not (self._failing and self.opening)

    def _fail(self, error: TransportError) -> None:
        waiting, self.waiting = self.waiting, deque()
        for place in waiting:
            if not place.done():
                place.set_exception(failures.again(error))


def _is_limit(error: TransportError) -> bool:
    return error.phase in _LIMIT_PHASES and error.reply is not None and error.reply.transient
