"""The attempts under way: held as long as they last, and recorded with patience when they are over.

An attempt enters when it is granted and leaves when the ledger knows what became of it. That may take longer
than its job: once a mail is out, a ledger that is down must not keep the engine from hearing so, and the
record is written behind the job's back. One timer holds all attempts, and one forgets what is old.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial

import structlog

from connector.ledger.ledger import Ledger
from connector.ledger.port import (
    Answer,
    Attempt,
    Entry,
    LedgerUnavailableError,
    Operation,
    Sent,
    Settlement,
    State,
    Store,
)
from connector.ledger.progress import Delivered
from connector.model.backoff import Backoff
from connector.model.outage import Outage

_log = structlog.get_logger(__name__)

# How long a job waits for its record before the engine is told, and the shutdown for all of them.
_RECORD_SECONDS = 5.0
# Attempts are held for another lease when this share of one has passed.
_EXTEND_AFTER = 1 / 3
_PRUNE_EVERY = 3600.0


@dataclass(slots=True, eq=False)
class _Record:
    """What became of an attempt, not in the ledger yet.

    Attributes:
        written: Done when it is; made for who waits.
        backoff: Between one try and the next.
    """

    settlement: Settlement
    written: asyncio.Future[None] | None = None
    backoff: Backoff = field(default_factory=Backoff)

    def awaited(self) -> asyncio.Future[None]:
        """Give what to wait for."""
        if self.written is None or self.written.done():  # who waited has been cancelled
            self.written = asyncio.get_running_loop().create_future()
        return self.written

    def tell(self) -> None:
        """Wake who waits."""
        if self.written is not None and not self.written.done():
            self.written.set_result(None)


class Upkeep:
    """Holds attempts and records what becomes of them.

    Args:
        ledger: Where.
        lease: For how long an attempt is held at a time.
        retention: For how long a mail is remembered.
    """

    def __init__(self, ledger: Ledger, lease: timedelta, retention: timedelta) -> None:
        self.ledger = ledger
        self.lease = lease.total_seconds()
        self._retention = retention.total_seconds()
        self._held: dict[Attempt, None] = {}
        self._records: dict[Attempt, deque[_Record]] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Upkeep]:
        """Do the upkeep until the block ends, and wait for what is not recorded yet, five seconds at most."""
        timers = [asyncio.create_task(timer) for timer in (self._extend(), self._prune())]
        try:
            yield self
        finally:
            await self._finish()
            for timer in timers:
                timer.cancel()
            await asyncio.wait(timers)

    def hold(self, attempt: Attempt) -> None:
        """Extend the attempt's lease until something is recorded of it."""
        self._held[attempt] = None

    def let_go(self, attempt: Attempt) -> None:
        """Let the attempt's lease run out: what became of it cannot be known."""
        self._held.pop(attempt, None)

    def record(self, attempt: Attempt, settlement: Settlement) -> None:
        """Record what became of an attempt as soon as the ledger can be written; after what came before."""
        self._add(attempt, _Record(settlement))

    async def recorded(self, attempt: Attempt, settlement: Settlement) -> None:
        """Record what became of an attempt, and wait until it is durable; five seconds at most.

        A cancellation meanwhile is not raised here, since the worker waits for the outcome of the job. Call
        :func:`heed_cancellation` before anything else is sent.
        """
        written = asyncio.get_running_loop().create_future()
        self._add(attempt, _Record(settlement, written))
        with suppress(TimeoutError, asyncio.CancelledError):  # the job goes on, and so does its record
            async with asyncio.timeout(_RECORD_SECONDS):
                await written

    def _add(self, attempt: Attempt, record: _Record) -> None:
        records = self._records.setdefault(attempt, deque())
        records.append(record)
        if len(records) == 1:
            self._write(attempt)

    def _write(self, attempt: Attempt) -> None:
        """Write the first of an attempt's records; the next one follows when it is written."""
        if records := self._records.get(attempt):
            written = self.ledger.settle(attempt, records[0].settlement)
            written.add_done_callback(partial(self._tried, attempt))

    def _tried(self, attempt: Attempt, writing: asyncio.Future[Answer]) -> None:
        fault = None if writing.cancelled() else writing.exception()
        if fault is None and not writing.cancelled():
            self._written(attempt)
        elif records := self._records.get(attempt):
            if isinstance(fault, LedgerUnavailableError):
                _log.debug("ledger not written, trying again", key=attempt.key, reason=str(fault))
            elif fault is not None:
                _log.error("ledger not written, trying again", key=attempt.key, exc_info=fault)
            writing.get_loop().call_later(records[0].backoff.next(), self._write, attempt)

    def _written(self, attempt: Attempt) -> None:
        records = self._records.get(attempt)
        if records is None:  # the worker has ended meanwhile
            return
        record = records.popleft()
        record.tell()
        if records:
            self._write(attempt)
            return
        del self._records[attempt]
        if not _goes_on(record.settlement):
            self.let_go(attempt)

    async def _finish(self) -> None:
        if self._records:
            last = {records[-1].awaited() for records in self._records.values()}
            await asyncio.wait(last, timeout=_RECORD_SECONDS)
        for attempt in self._records:
            _log.error("the outcome of a mail was not recorded in the ledger", key=attempt.key)
        self._records.clear()

    async def _extend(self) -> None:
        while True:
            await asyncio.sleep(self.lease * _EXTEND_AFTER)
            try:
                await self.ledger.extend(list(self._held))
            except LedgerUnavailableError as error:
                _log.debug("ledger not written: mails under way are not held", reason=str(error))
            except Exception:  # noqa: BLE001 - a fault of ours, once, must not end the holding for good
                _log.exception("mails under way are not held")

    async def _prune(self) -> None:
        while True:
            try:
                forgotten = await self.ledger.prune(self._retention)
            except LedgerUnavailableError as error:
                _log.debug("ledger not pruned", reason=str(error))
            except Exception:  # noqa: BLE001 - as above
                _log.exception("ledger not pruned")
            else:
                _log.debug("ledger pruned", entries=forgotten)
            await asyncio.sleep(_PRUNE_EVERY)


class WatchedStore:
    """Tells the log of a store's outages, which operations of the worker and of a probe meet.

    A damaged entry is no outage: it fails its own mail only.

    Args:
        store: The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._outage = Outage("ledger")

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        """See :class:`Store`."""
        with self._noted():
            return await self._store.apply(operations)

    async def check(self) -> None:
        """See :class:`Store`."""
        with self._noted():
            await self._store.check()

    async def entries(self, *, key: str | None, state: State | None, limit: int) -> list[Entry]:
        """See :class:`Store`."""
        with self._noted():
            return await self._store.entries(key=key, state=state, limit=limit)

    async def keys(self, *, after: str, since: float, limit: int) -> list[str]:
        """See :class:`Store`."""
        with self._noted():
            return await self._store.keys(after=after, since=since, limit=limit)

    async def prune(self, older_than: float, *, doubtful: bool) -> int:
        """See :class:`Store`."""
        with self._noted():
            return await self._store.prune(older_than, doubtful=doubtful)

    async def aclose(self) -> None:
        """See :class:`Store`."""
        await self._store.aclose()

    @contextmanager
    def _noted(self) -> Iterator[None]:
        # One for all operations: each of them needs the same store, and some come once an hour only.
        try:
            yield
        except LedgerUnavailableError as error:
            self._outage.failed(self, error)
            raise
        self._outage.over(self)


def _goes_on(settlement: Settlement) -> bool:
    """Whether the attempt has more to do, and is held meanwhile."""
    return isinstance(settlement, Delivered) or (isinstance(settlement, Sent) and settlement.copying)


def cancellations() -> int:
    """How often the current task was cancelled; it stays so in one that went on after a cancellation."""
    task = asyncio.current_task()
    return task.cancelling() if task is not None else 0


def heed_cancellation(before: int) -> None:
    """Raise the cancellation that :meth:`Upkeep.recorded` has kept back.

    Args:
        before: The :func:`cancellations` before what may have been cancelled.

    Raises:
        asyncio.CancelledError: The task was cancelled since.
    """
    if cancellations() > before:
        raise asyncio.CancelledError
