"""Connections that are kept: a server enters, an open connection to it leaves, and comes back after a mail.

Each server with its login has a :class:`~connector.transport.smtp.lane.Lane` of its own, so that a slow or
dead one takes nothing from the others; what all share is a limit on what is open, kept by closing what has
been idle longest. One timer serves all idle connections.

Whether a mail may be sent once more is not decided here, but in :mod:`~connector.transport.smtp.transport`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta

from connector.errors import CancelReason, ErrorCode, PostponedError, TransportError
from connector.model.server import Server
from connector.settings.model import PoolSettings
from connector.transport.smtp import failures
from connector.transport.smtp.lane import Connection, Grant, Lane
from connector.transport.smtp.session import Session

# For RSET after a refused mail, and for all goodbyes at the end: no mail depends on either.
_TIDYING_SECONDS = 2.0
# How long the same login is not tried again once it was refused. Every job that waits for a server whose
# password was changed would try, hundreds in a second, and after some ten of them many servers lock the
# account. Short, since a person who has it corrected at the server wants to go on.
_REFUSED_SECONDS = 5.0
# When a job comes again that found every connection in use.
_COME_AGAIN_SECONDS = 5.0
# An event loop that is later than this has too little CPU.
_BUSY_SECONDS = 1.0


class Pool:
    """Open connections, by server and login.

    Args:
        settings: Its limits.
        connect: Opens a session; raises :class:`~connector.errors.TransportError`.
    """

    def __init__(self, settings: PoolSettings, connect: Callable[[Server], Awaitable[Session]]) -> None:
        self._settings = settings
        self._connect = connect
        self._lanes: dict[Server, Lane] = {}
        self._refused: dict[Server, tuple[float, TransportError]] = {}
        self._chores: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def connections(self) -> int:
        """How many connections are open, used or idle."""
        return sum(lane.established for lane in self._lanes.values())

    async def take(self, server: Server) -> Connection:
        """An open connection for one mail; :meth:`give_back` must follow.

        An idle one, else a new one where the limit allows it, else the next that is given back.

        Raises:
            TransportError: It could not be opened.
            PostponedError: None was free within ``smtp.pool.wait``; at once when the server is so slow that
                no mail had got one for as long.
            RuntimeError: The pool is closed.
        """
        self._check_open()
        lane = self._lanes.get(server)
        if lane is None:
            limit = server.quota.max_connections or self._settings.max_connections
            lane = self._lanes[server] = Lane(server, limit)
        connection = lane.spare() or await self._queue(lane)
        lane.in_use.add(connection)
        return connection

    async def renew(self, connection: Connection) -> None:
        """Put a new session in the place of one that the server has closed.

        Raises:
            TransportError: There is none; the connection must still be given back.
        """
        connection.session.abort()
        connection.session = await self._session(connection.lane.server)
        connection.mails = 0

    def give_back(self, connection: Connection) -> None:
        """Keep a connection for the next mail, or end it: by what its session has come to."""
        connection.mails += 1
        connection.lane.in_use.discard(connection)
        session = connection.session
        if not session.usable:
            self._drop(connection)
        elif self._closed or connection.mails >= self._settings.max_messages:
            self._do(self._leave(connection))
        elif session.ready:
            self._keep(connection)
        else:
            self._do(self._reset(connection))

    def use(self, settings: PoolSettings, *, keep: bool) -> None:
        """Change the limits; without ``keep`` let go of the connections that are idle."""
        self._settings = settings
        for lane in list(self._lanes.values()):
            lane.limit = lane.server.quota.max_connections or settings.max_connections
            if not keep:
                self._dismiss(lane, len(lane.idle))

    async def aclose(self) -> None:
        """End every idle connection with QUIT, all at once and within two seconds."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        for lane in list(self._lanes.values()):
            self._dismiss(lane, len(lane.idle))
        try:
            async with asyncio.timeout(_TIDYING_SECONDS):
                while self._chores:
                    await asyncio.wait(self._chores)
        except TimeoutError:
            late = tuple(self._chores)
            for chore in late:
                chore.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _queue(self, lane: Lane) -> Connection:
        place = lane.ask()
        if not place.done() and lane.stalled(self._settings.wait.total_seconds()):
            lane.leave_queue(place)
            raise _none_free(lane, self._settings.wait.total_seconds())
        while True:
            connection = place.result() if place.done() else await self._wait(lane, place)
            if connection is not None:
                return connection
            opened = await self._open(lane)
            if isinstance(opened, Connection):
                return opened
            place = opened

    async def _wait(self, lane: Lane, place: asyncio.Future[Grant]) -> Grant:
        """Wait for a grant as long as other mails of the lane get theirs."""
        limit = self._settings.wait.total_seconds()
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle

        def look() -> asyncio.TimerHandle:
            until = loop.time() + limit
            return loop.call_at(until, give_up_if_stalled, until)

        def give_up_if_stalled(until: float) -> None:
            nonlocal timer
            timer = look()
            if not place.done() and lane.stalled(limit):
                lane.leave_queue(place)
                place.set_exception(_none_free(lane, limit, late=loop.time() - until))

        timer = look()
        try:
            return await place
        except asyncio.CancelledError:
            lane.leave_queue(place)
            raise
        finally:
            timer.cancel()
            self._forget(lane)

    async def _open(self, lane: Lane) -> Connection | asyncio.Future[Grant]:
        """A new connection, or a place in the queue if the server thinks that there are enough."""
        try:
            self._check_open()
            self._make_room()
            session = await self._session(lane.server)
        except TransportError as error:
            place = lane.not_opened(error)
            self._forget(lane)
            if place is None:
                raise
            return place
        except BaseException:
            lane.not_tried()
            self._forget(lane)
            raise
        return lane.opened(session)

    async def _session(self, server: Server) -> Session:
        """A new session, unless this login was refused just now."""
        now = asyncio.get_running_loop().time()
        self._refused = {login: found for login, found in self._refused.items() if now < found[0]}
        if server in self._refused:
            raise failures.again(self._refused[server][1])
        try:
            return await self._connect(server)
        except TransportError as error:
            if error.code is ErrorCode.AUTH_FAILED:
                until = asyncio.get_running_loop().time() + _REFUSED_SECONDS
                self._refused[server] = until, failures.again(error)  # without what a traceback holds
            raise

    def _check_open(self) -> None:
        if self._closed:
            raise RuntimeError("the pool is closed")

    def _make_room(self) -> None:
        """End what has been idle longest, if this connection, which is counted already, is one too many."""
        if sum(lane.opening + lane.established for lane in self._lanes.values()) > self._settings.max_total:
            lanes = [lane for lane in self._lanes.values() if lane.idle]
            if lanes:
                self._dismiss(min(lanes, key=lambda lane: lane.idle[0].idle_until), 1)

    def _keep(self, connection: Connection) -> None:
        if self._closed:
            self._do(self._leave(connection))
            return
        loop = asyncio.get_running_loop()
        connection.idle_until = loop.time() + self._settings.idle.total_seconds()
        connection.lane.keep(connection)
        if self._timer is None:
            self._timer = loop.call_at(connection.idle_until, self._sweep)

    def _sweep(self) -> None:
        """End what has been idle too long, and come again for the next that may be."""
        now = asyncio.get_running_loop().time()
        for lane in list(self._lanes.values()):
            self._dismiss(lane, sum(connection.idle_until <= now for connection in lane.idle))
        left = [lane.idle[0].idle_until for lane in self._lanes.values() if lane.idle]
        self._timer = asyncio.get_running_loop().call_at(min(left), self._sweep) if left else None

    def _dismiss(self, lane: Lane, number: int) -> None:
        """End so many of the idle connections, those idle longest first."""
        leaving = lane.idle[:number]
        del lane.idle[:number]
        for connection in leaving:
            self._do(self._leave(connection))

    async def _leave(self, connection: Connection) -> None:
        # Its place stays taken meanwhile: to the server it is still one of our connections.
        try:
            await connection.session.quit()
        finally:
            self._drop(connection)

    async def _reset(self, connection: Connection) -> None:
        """Tidy up after a refused mail."""
        try:
            async with asyncio.timeout(_TIDYING_SECONDS):
                await connection.session.reset()
        except (TransportError, TimeoutError):
            pass
        finally:
            if connection.session.ready:
                self._keep(connection)
            else:
                self._drop(connection)

    def _drop(self, connection: Connection) -> None:
        connection.session.abort()
        connection.lane.lost()
        self._forget(connection.lane)

    def _forget(self, lane: Lane) -> None:
        # Who waited in a lane that was forgotten comes here late, when its server may have another.
        if lane.unused and self._lanes.get(lane.server) is lane:
            del self._lanes[lane.server]

    def _do(self, chore: Coroutine[None, None, None]) -> None:
        """Let something be done behind the callers' backs: no mail's outcome waits for it."""
        task = asyncio.create_task(chore)
        self._chores.add(task)
        task.add_done_callback(self._chores.discard)


def _none_free(lane: Lane, seconds: float, *, late: float = 0.0) -> PostponedError:
    """The error of a mail that found every connection in use, with the cause.

    Args:
        lane: The server.
        seconds: How long it has waited.
        late: How much later than asked for the event loop woke it.
    """
    recording = sum(connection.session.recording for connection in lane.in_use)
    if recording * 2 > len(lane.in_use) > 0:
        cause = "most of them wait for this worker's ledger: look at its disk or database"
    elif late > _BUSY_SECONDS:
        cause = "this worker has too little CPU: lower worker.max_jobs, or give it more"
    else:
        cause = "it is slow, or gets more mail than smtp.pool.max_connections lets through"
    limit = (
        f"All {lane.limit} connections to {lane.server} were in use for {seconds:g} s (smtp.pool.wait): "
        f"{cause}."
    )
    return PostponedError(limit, timedelta(seconds=_COME_AGAIN_SECONDS), CancelReason.NO_CONNECTION)
