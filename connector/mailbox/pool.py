"""Open mailboxes, kept from one task to the next.

Each mailbox with its login has a queue of its own, so that a slow or dead server takes nothing from the
others. Within it the first to come is served first; what all share is a limit on what is open, kept by
closing what has been idle longest.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from connector.auth.port import TokenSource
from connector.errors import CancelReason, ErrorCode, MailboxError, PostponedError
from connector.mailbox.connection import Limits
from connector.mailbox.port import Mailbox
from connector.mailbox.threaded import ThreadedMailbox
from connector.model.incoming import Incoming, MailProtocol
from connector.model.server import TimeLimits
from connector.settings.incoming import MailboxSettings
from connector.tls.trust import Contexts, UnusableTrustError

_Result = TypeVar("_Result")
Operation = Callable[[Mailbox], Awaitable[_Result]]
# How long the same login is not tried again once it was refused: after some ten tries many servers lock it.
_REFUSED_SECONDS = 5.0
# When a job comes again that found every connection in use.
_COME_AGAIN = timedelta(seconds=5)
# What a connection breaks with that the server has closed while no one used it.
_CLOSED = frozenset({ErrorCode.CONNECTION_FAILED, ErrorCode.MAILBOX_ERROR})


@dataclass(eq=False, slots=True)
class _Kept:
    """An open mailbox that no task uses."""

    mailbox: ThreadedMailbox[Any]
    until: float


@dataclass(eq=False)
class _Lane:
    """The connections to one mailbox.

    Attributes:
        places: Connections that may be open; who waits for one is served in order.
        idle: Those that no task uses, the one used last at the end.
        users: Tasks that use the lane or wait in it.
        refused: The login's refusal, and until when it answers every task.
    """

    places: asyncio.Semaphore
    idle: list[_Kept] = field(default_factory=list)
    users: int = 0
    refused: tuple[float, MailboxError] | None = None


class Mailboxes:
    """Opens mailboxes, and keeps the connections of those whose protocol allows it.

    Args:
        settings: The limits.
        limits: The time limits of servers that have none of their own.
        ca_file: PEM bundle of the authorities to trust where a server names none.
    """

    def __init__(self, settings: MailboxSettings, limits: TimeLimits, ca_file: Path | None = None) -> None:
        self._settings = settings
        self._limits = limits
        self._ca_file = ca_file
        self._contexts = Contexts()
        self._lanes: dict[Incoming, _Lane] = {}
        self._open = 0
        self._closing: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def connections(self) -> int:
        """How many connections are open, used or idle."""
        return self._open

    async def use(
        self, incoming: Incoming, operation: Operation[_Result], tokens: TokenSource | None = None
    ) -> _Result:
        """Do something with a mailbox.

        A connection that was kept and turns out to be closed is replaced once: every operation of a mailbox
        may come twice.

        Args:
            incoming: The mailbox.
            operation: What to do.
            tokens: Gives access tokens to log in with, in place of the password.

        Raises:
            MailboxError: It cannot be opened, or the operation failed.
            PostponedError: No connection was free within ``mailbox.wait``.
        """
        async with self._place(incoming) as lane:
            while lane.idle:
                kept = lane.idle.pop().mailbox
                try:
                    return await self._done(lane, kept, operation)
                except MailboxError as error:
                    if error.code not in _CLOSED or kept.usable:
                        raise
            return await self._done(lane, await self._opened(lane, incoming, tokens), operation)

    async def aclose(self) -> None:
        """Close every mailbox that no task uses."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for lane in self._lanes.values():
            self._dismiss(lane, len(lane.idle))
        while self._closing:
            await asyncio.wait(self._closing)

    async def _done(
        self, lane: _Lane, mailbox: ThreadedMailbox[Any], operation: Operation[_Result]
    ) -> _Result:
        try:
            return await operation(mailbox)
        finally:
            if mailbox.usable and mailbox.reusable and not self._closed:
                self._keep(lane, mailbox)
            else:
                self._leave(mailbox)

    @asynccontextmanager
    async def _place(self, incoming: Incoming) -> AsyncIterator[_Lane]:
        """Wait for one's turn at a mailbox."""
        lane = self._lanes.get(incoming)
        if lane is None:
            most = 1 if incoming.protocol is MailProtocol.POP3 else self._settings.max_connections
            most = min(most, incoming.server.quota.max_connections or most)
            lane = self._lanes[incoming] = _Lane(asyncio.Semaphore(most))
        lane.users += 1
        try:
            await self._turn(lane, incoming)
            try:
                yield lane
            finally:
                lane.places.release()
        finally:
            lane.users -= 1
            if not lane.users and not lane.idle and lane.refused is None:
                self._lanes.pop(incoming, None)

    async def _turn(self, lane: _Lane, incoming: Incoming) -> None:
        wait = self._settings.wait.total_seconds()
        try:
            async with asyncio.timeout(wait):
                await lane.places.acquire()
        except TimeoutError:
            raise PostponedError(
                f"Every connection to the mailbox at {incoming.server} was in use for {wait:g} s "
                "(mailbox.wait): it is slow, or has more tasks than mailbox.max_connections lets through.",
                _COME_AGAIN,
                CancelReason.NO_CONNECTION,
            ) from None

    async def _opened(
        self, lane: _Lane, incoming: Incoming, tokens: TokenSource | None
    ) -> ThreadedMailbox[Any]:
        now = asyncio.get_running_loop().time()
        if lane.refused is not None and now < lane.refused[0]:
            raise lane.refused[1].again()
        lane.refused = None
        context = await self._context(incoming)
        self._make_room()
        mailbox = ThreadedMailbox(incoming, self._limits_of(incoming), _opening(incoming), tokens)
        self._open += 1
        try:
            await mailbox.open(context)
        except BaseException as error:
            self._open -= 1
            if isinstance(error, MailboxError) and error.code is ErrorCode.AUTH_FAILED:
                lane.refused = now + _REFUSED_SECONDS, error.again()
            raise
        return mailbox

    async def _context(self, incoming: Incoming) -> ssl.SSLContext:
        server = incoming.server
        policy = server.tls
        if policy.ca_file is None and policy.trust_store is None:
            policy = replace(policy, ca_file=self._ca_file)
        try:
            return (await self._contexts.get(policy)).context
        except UnusableTrustError as error:
            account = f"accounts.{server.account}." if server.account else "smtp."
            setting = f"{account}{error.key}" if error.key else "the system's authorities"
            text = f"TLS is not possible: {setting} cannot be used: {error}. No credentials were sent."
            raise MailboxError(ErrorCode.TLS_FAILED, text, server=str(server), phase="tls") from error

    def _limits_of(self, incoming: Incoming) -> Limits:
        limits = incoming.server.timeouts or self._limits
        operation = self._settings.time_limit.total_seconds()
        return Limits(limits.connect, limits.tls, limits.command, operation)

    # --- connections that are kept ------------------------------------------------------------------

    def _keep(self, lane: _Lane, mailbox: ThreadedMailbox[Any]) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._settings.idle.total_seconds()
        lane.idle.append(_Kept(mailbox, until))
        if self._sweeper is None:
            self._sweeper = loop.call_at(until, self._sweep)

    def _sweep(self) -> None:
        """Close what has been idle too long, and come again for the next."""
        loop = asyncio.get_running_loop()
        for incoming, lane in list(self._lanes.items()):
            self._dismiss(lane, sum(kept.until <= loop.time() for kept in lane.idle))
            if not lane.users and not lane.idle:
                del self._lanes[incoming]
        left = [lane.idle[0].until for lane in self._lanes.values() if lane.idle]
        self._sweeper = loop.call_at(min(left), self._sweep) if left else None

    def _make_room(self) -> None:
        """Close what has been idle longest where one more connection would be too many."""
        if self._open >= self._settings.max_total:
            lanes = [lane for lane in self._lanes.values() if lane.idle]
            if lanes:
                self._dismiss(min(lanes, key=lambda lane: lane.idle[0].until), 1)

    def _dismiss(self, lane: _Lane, number: int) -> None:
        leaving = lane.idle[:number]
        del lane.idle[:number]
        for kept in leaving:
            self._leave(kept.mailbox)

    def _leave(self, mailbox: ThreadedMailbox[Any]) -> None:
        """Close a mailbox behind the tasks' backs."""
        self._open -= 1
        task = asyncio.create_task(mailbox.aclose())
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)


def _opening(incoming: Incoming) -> Any:
    """What opens a session of a protocol; its libraries are loaded when first asked for."""
    if incoming.protocol is MailProtocol.POP3:
        from connector.mailbox.pop3 import open_pop3  # noqa: PLC0415

        return open_pop3
    from connector.mailbox.imap.mailbox import open_imap  # noqa: PLC0415

    return open_imap
