"""The ledger: no mail twice, none lost, over any store.

A job's key enters before its mail does; what may be done with the mail leaves. Operations of all mails in
flight are queued and recorded together (group commit): while a store writes one group the next one gathers,
so that sixty-four mails cost one fsync and not sixty-four. A group that follows a larger one waits until it
is as large, for no longer than that one took to write: its mails come again soon, and fuller groups cost
less. A mail that is alone in flight always follows a group of one, and never waits.

What is durable when: ``committing`` and ``settle`` answer only after a write that survives a loss of power.
``begin`` and ``extend`` do not wait for one. Losing them costs nothing but a count: a worker that lost power
has sent nothing for which no *committing* is kept, because that mark is written after its *begin*, in order.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterable, Sequence
from functools import partial
from uuid import uuid4

from connector.ledger import rules
from connector.ledger.port import (
    Answer,
    Attempt,
    Decision,
    Entry,
    Granted,
    LedgerUnavailableError,
    Operation,
    Released,
    Settlement,
    State,
    Store,
    require_storable,
)
from connector.ledger.progress import Mark

# More operations than this are not written together: the first of them would wait for the last.
_GROUP = 512
# And no group waits longer for company, in seconds.
_COMPANY_SECONDS = 0.002


_Queued = tuple[Operation, asyncio.Future[Answer]]


class Ledger:
    """Remembers how far each mail has come.

    Args:
        store: Where.
        owner: Names this process among all that share the store; made up when not given.
    """

    def __init__(self, store: Store, owner: str | None = None) -> None:
        self._store = store
        self._owner = owner or f"{socket.gethostname()}/{os.getpid()}/{uuid4().hex[:12]}"
        self._queue: list[_Queued] = []
        self._writer: asyncio.Task[None] | None = None
        self._expected = 1  # operations in a group
        self._patience = 0.0
        self._company: asyncio.Future[None] | None = None

    async def begin(  # noqa: PLR0913 - what a caller knows of the mail, always given by name
        self,
        key: str,
        request_hash: str,
        lease: float,
        *,
        resend: bool = False,
        suspect_after: int | None = None,
        task: str = "",
    ) -> Decision:
        """Ask whether a mail may be sent, and reserve it if so.

        A caller that is cancelled holds nothing.

        Args:
            key: Names the mail; the same at every attempt.
            request_hash: Of what is to be sent, the same at every attempt: without dates and the like.
            lease: Seconds for which it is reserved; extend it for a slow send.
            resend: Take over a mail in doubt, at the risk of a second copy.
            suspect_after: Do not reserve a mail at which so many attempts in a row have crashed.
            task: The element instance that asks; see :class:`~connector.ledger.port.Acknowledged`.

        Raises:
            LedgerUnavailableError: Nothing may be sent now.
            ValueError: Key or hash holds NUL or half a surrogate pair.
        """
        require_storable(key)
        require_storable(request_hash)
        request = rules.Request(key, request_hash, self._owner, lease, resend, suspect_after, task)
        future = self._enqueue(Operation(key, partial(rules.begin, request), durable=False))
        try:
            answer = await future
        except asyncio.CancelledError:
            if not future.cancelled() and future.exception() is None:  # answered in this very moment
                self._give_back(future.result())
            raise
        assert answer is not None  # noqa: S101 - begin always decides
        assert not isinstance(answer, Exception)  # noqa: S101 - errors are raised
        return answer

    async def committing(self, attempt: Attempt, mark: Mark) -> None:
        """Mark, durably, that the last bytes of a delivery are about to go out; holds it for another lease.

        Raises:
            OvertakenError: Another attempt has the mail; it must not be sent.
            LedgerUnavailableError: It must not be sent. Settle the attempt as ``Released``.
        """
        await self._enqueue(Operation(attempt.key, partial(rules.commit, attempt, mark), durable=True))

    async def extend(self, attempts: Iterable[Attempt]) -> None:
        """Hold each attempt for another lease from now; one that was overtaken is left to its successor.

        Raises:
            LedgerUnavailableError: Some were not extended.
        """
        await asyncio.gather(
            *(
                self._enqueue(Operation(attempt.key, partial(rules.extend, attempt), durable=False))
                for attempt in attempts
            )
        )

    def settle(self, attempt: Attempt, settlement: Settlement) -> asyncio.Future[Answer]:
        """Record, durably, what became of an attempt; saying it again, or too late, does no harm.

        Returns:
            Done when it is durable; what comes to the ledger afterwards finds it. A caller need not wait.
            Raises :exc:`LedgerUnavailableError`: try again, above all with ``Sent``: until it is recorded,
            the end of the lease makes the mail uncertain.
        """
        return self._enqueue(Operation(attempt.key, partial(rules.settle, attempt, settlement), durable=True))

    async def check(self) -> None:
        """Say whether the ledger can be written, for a readiness probe.

        Raises:
            LedgerUnavailableError: It cannot.
        """
        await self._store.check()

    async def entries(
        self, *, key: str | None = None, state: State | None = None, limit: int = 100
    ) -> list[Entry]:
        """Show what is kept, the latest changed first.

        Raises:
            LedgerUnavailableError: The store cannot be read.
        """
        return await self._store.entries(key=key, state=state, limit=limit)

    async def keys(self, *, after: str, since: float, limit: int) -> list[str]:
        """Give keys of what is kept, damaged or not.

        Args:
            after: The last key of the call before, as the order is the store's own; empty in the first.
            since: Only of entries that have changed since; seconds since the epoch.
            limit: The most keys.

        Raises:
            LedgerUnavailableError: The store cannot be read.
        """
        return await self._store.keys(after=after, since=since, limit=limit)

    async def prune(self, older_than: float, *, doubtful: bool = False) -> int:
        """Forget what has not changed for so many seconds; how many entries were forgotten.

        What is held stays. A mail that may or may not have been sent stays too unless ``doubtful`` is set:
        forgetting it would send it again.

        Raises:
            LedgerUnavailableError: Not everything could be forgotten.
        """
        return await self._store.prune(older_than, doubtful=doubtful)

    async def aclose(self) -> None:
        """Write what is queued and let go of the store."""
        while self._writer is not None:
            await asyncio.wait([self._writer])
        await self._store.aclose()

    def _enqueue(self, operation: Operation) -> asyncio.Future[Answer]:
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._queue.append((operation, future))
        if self._writer is None:
            self._writer = asyncio.create_task(self._write())
        elif len(self._queue) >= self._expected:
            self._go()
        return future

    async def _write(self) -> None:
        """Write group after group until nothing is queued."""
        clock = asyncio.get_running_loop().time
        try:
            while self._queue:
                if len(self._queue) < self._expected:
                    await self._wait_for_company()
                group, self._queue = self._queue[:_GROUP], self._queue[_GROUP:]
                operations, futures = zip(*group, strict=True)
                began = clock()
                answers = await self._recorded(operations, futures)
                self._expected, self._patience = len(group), min(clock() - began, _COMPANY_SECONDS)
                for future, answer in zip(futures, answers, strict=True):
                    self._resolve(future, answer)
        finally:
            self._writer = None

    async def _wait_for_company(self) -> None:
        loop = asyncio.get_running_loop()
        self._company = loop.create_future()
        timer = loop.call_later(self._patience, self._go)
        try:
            await self._company
        finally:
            timer.cancel()
            self._company = None

    def _go(self) -> None:
        """Let the group that waits for company go."""
        if self._company is not None and not self._company.done():
            self._company.set_result(None)

    async def _recorded(
        self, operations: Sequence[Operation], futures: Sequence[asyncio.Future[Answer]]
    ) -> Sequence[Answer | Exception]:
        try:
            return await self._store.apply(operations)
        except asyncio.CancelledError:
            for future in futures:
                future.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - of any kind: each that waits must hear of it
            return [error] * len(futures)

    def _resolve(self, future: asyncio.Future[Answer], answer: Answer | Exception) -> None:
        if future.cancelled():
            self._give_back(answer)
        elif isinstance(answer, Exception):
            # Several wait for one failure; one exception raised in many tasks gathers their tracebacks.
            future.set_exception(_own(answer))
        else:
            future.set_result(answer)

    def _give_back(self, answer: Answer | Exception) -> None:
        """Release what was granted to a caller who had left meanwhile."""
        if isinstance(answer, Granted):
            attempt = answer.attempt
            release = partial(rules.settle, attempt, Released())
            # Unheard, a failure lets the lease run out.
            self._enqueue(Operation(attempt.key, release, durable=False)).add_done_callback(_retrieve)


def _own(error: Exception) -> Exception:
    if not isinstance(error, LedgerUnavailableError):
        return error
    own = type(error)(str(error))
    own.__cause__ = error
    return own


def _retrieve(future: asyncio.Future[Answer]) -> None:
    if not future.cancelled():
        future.exception()
