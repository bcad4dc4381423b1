"""Send one mail for each record of a bulk task: many mails at a time, each by the way of a single one.

A job and its records enter; one response for all leaves, or an error after which a retry sends only what is
missing. Nothing of the task as a whole is recorded: each mail has its own entry in the ledger, so that a
worker that comes after a crash finds what is done. ::

    records ─► named, checked ─► the first alone ─► many at a time ─► put off ones ─► tally

The first mail goes alone: what is wrong with the task, its account or its server shows there, before the
others try the same. What is not the fault of one record ends the attempt.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from heapq import heappop, heappush
from itertools import islice
from time import monotonic
from typing import Any

import structlog

from connector.errors import CancelReason, ConnectorError, ErrorCode
from connector.model.job import Job, JobContext
from connector.model.mail import SendRequest
from connector.observe.job_facts import without_addresses
from connector.send.bulk_tally import Concern, Tally, concern
from connector.send.identity import Identity, identify
from connector.send.one_mail import OneMail
from connector.send.submission import Response, Stages, Submission
from connector.tasks.port import SendTask
from connector.tasks.records import RECORDS, BulkRecord

_log = structlog.get_logger(__name__)

# Records that are checked in one go; a list of 10,000 would hold up the other jobs for 30 ms.
_AT_ONCE = 100
# Connections that fail in a row before the server is taken to be away.
_FAILURES_IN_A_ROW = 10
# Seconds without a mail sent after which a server that gives no connection is left for later.
_PATIENCE = 30.0
# Seconds in which mails whose final dot is out may hear the reply when the worker stops.
_LAST_REPLIES = 2.0
_PROGRESS_EVERY = 30.0
_SHORTEST_PAUSE = 0.5
_LOGGED_FAILURES = 20

# Another attempt has this mail, or it is tried alone after crashes: the others can go meanwhile.
_PUT_OFF = frozenset({CancelReason.OTHER_WORKER, CancelReason.AFTER_CRASHES})
_FULL = frozenset({CancelReason.NO_CONNECTION, CancelReason.SILENT_SERVER})


class Bulk:
    """Sends the mails of bulk tasks.

    Args:
        one: Sends one mail.
        stages: What does the work.
    """

    def __init__(self, one: OneMail, stages: Stages) -> None:
        self._one = one
        self._stages = stages
        # Over all bulk tasks, so that several of them take no more memory and connections than single mails.
        self._room = asyncio.Semaphore(stages.settings.worker.max_jobs)

    async def send(
        self, job: Job, task: SendTask, records: Iterator[BulkRecord], context: JobContext
    ) -> Response:
        """Send the mails that are missing.

        Raises:
            ConnectorError: Not all were sent; see :class:`~connector.errors.BulkError`.
            asyncio.CancelledError: Likewise; ``context.facts`` say how many were.
        """
        named = await _gone_through(records)
        shared = {name: value for name, value in job.variables.items() if name != RECORDS}
        job = replace(job, variables=shared)
        mail = await identify(job, task, self._stages.settings.engine.namespace, bulk=True)
        tally, began = Tally(len(named)), monotonic()
        run = _Run(self._one, self._stages, self._room, job, task, mail, context, tally)
        try:
            with self._stages.metrics.bulk(lambda: tally.waiting):
                await run.through(named)
            response = run.response()
        except ConnectorError as error:
            self._one.note(error, context, seconds=monotonic() - began)
            raise
        finally:
            context.facts = {**context.facts, **tally.facts}
        context.facts = {**context.facts, "seconds": round(monotonic() - began, 3)}
        return response


class _Run:
    """One attempt at one bulk task."""

    def __init__(  # noqa: PLR0913, PLR0917 - all that a mail needs on its way
        self,
        one: OneMail,
        stages: Stages,
        room: asyncio.Semaphore,
        job: Job,
        task: SendTask,
        mail: Identity,
        context: JobContext,
        tally: Tally,
    ) -> None:
        self._one = one
        self._stages = stages
        self._room = room
        self._job = job
        self._task = task
        self._mail = mail
        self._context = context
        self._tally = tally
        self._request: SendRequest | None = None  # of the first mail that could be read
        self._waiting: deque[BulkRecord] = deque()
        self._later: list[tuple[float, int, BulkRecord]] = []  # a heap; by when they are due
        self._stopping = asyncio.Event()
        self._reason: Exception | None = None
        self._workers: dict[asyncio.Task[None], JobContext | None] = {}
        self._failures = 0  # of the connection, in a row
        self._last_sent = monotonic()
        self._decisions: list[Callable[[], object]] = []

    async def through(self, records: Iterable[BulkRecord]) -> None:
        """Try every mail, until there is none left or a reason to stop."""
        self._waiting.extend(records)
        progress = asyncio.create_task(self._tell_progress())
        self._begin(1)
        try:
            while running := self._running():
                await asyncio.wait(running)
        finally:
            progress.cancel()
            await self._wind_up()

    def response(self) -> Response:
        """Describe what became of the task.

        Raises:
            BulkError: A retry has something left to do, or the task wants all or has none.
            Exception: A fault of ours.
        """
        tally, request = self._tally, self._request
        if isinstance(self._reason, ConnectorError):
            raise tally.error(self._reason)
        if self._reason is not None:
            raise self._reason
        if tally.later is not None and self._job.retries > 1:
            raise tally.error(tally.later[1], tally.later[0])
        if tally.doubtful is not None:
            self._context.when_taken = self._decided
            raise tally.error(tally.doubtful[1], tally.doubtful[0])
        first = tally.refused or tally.later
        if first is not None and request is not None and request.require_all_recipients:
            raise tally.error(first[1], first[0], ErrorCode.RECIPIENT_REJECTED)
        if first is not None and not tally.sent:
            raise tally.error(first[1], first[0])
        return tally.response()

    def _decided(self) -> None:
        """Take the next attempt for a person's decision about each mail in doubt."""
        for decide in self._decisions:
            decide()

    # The mails

    def _begin(self, workers: int) -> None:
        for _ in range(workers):
            self._workers[asyncio.create_task(self._work())] = None

    def _running(self) -> list[asyncio.Task[None]]:
        return [worker for worker in self._workers if not worker.done()]

    async def _work(self) -> None:
        while (record := await self._next()) is not None:
            pause = 0.0
            async with self._room:
                if not self._stopping.is_set():
                    pause = await self._send(record)
            if pause:
                await self._pause(pause)
            if len(self._workers) == 1:
                self._begin(self._width() - 1)

    async def _next(self) -> BulkRecord | None:
        while not self._stopping.is_set():
            if self._waiting:
                return self._waiting.popleft()
            if not self._later:
                return None
            due, _, record = heappop(self._later)
            await self._pause(due - monotonic())
            self._waiting.append(record)
        return None

    async def _send(self, record: BulkRecord) -> float:
        """Send a mail; gives the seconds to wait before the next one."""
        own = JobContext(lost=self._context.lost)
        worker = asyncio.current_task()
        assert worker is not None  # noqa: S101 - this is a coroutine
        self._workers[worker] = own
        submission: Submission | None = None
        try:
            mail = await self._mail.of(record)
            submission = Submission(self._job, self._task, mail.key, self._stages, record)
            response = await self._one.send(mail, submission, own)
        except ConnectorError as error:
            return self._failed(record, error, own)
        except Exception as error:  # noqa: BLE001 - the mails beside it are waited for first
            self._stop(error)
        else:
            self._failures, self._last_sent = 0, monotonic()
            self._tally.add(record, response)
        finally:
            self._workers[worker] = None
            if submission is not None:
                self._request = self._request or submission.request
        return 0.0

    def _failed(self, record: BulkRecord, error: ConnectorError, own: JobContext) -> float:
        """Decide what a failure means: for this mail, and for the others."""
        pause = error.retry_after.total_seconds() if error.retry_after else 0.0
        if error.cancel_reason is CancelReason.RATE:
            self._waiting.appendleft(record)
            return pause
        if error.cancel_reason in _PUT_OFF or (error.cancel_reason in _FULL and not self._stalled):
            due = monotonic() + max(pause, _SHORTEST_PAUSE)
            heappush(self._later, (due, record.position, record))
        elif self._concerns_all(error, record):
            self._stop(error)
        else:
            self._tally.fail(record, error)
            self._log_failure(record, error)
            if own.when_taken is not None:
                self._decisions.append(own.when_taken)
        return 0.0

    def _concerns_all(self, error: ConnectorError, record: BulkRecord) -> bool:
        found = concern(error, record)
        self._failures += found is Concern.PERHAPS_OTHERS
        return found is Concern.ALL or self._failures >= _FAILURES_IN_A_ROW

    @property
    def _stalled(self) -> bool:
        return monotonic() - self._last_sent > _PATIENCE

    def _width(self) -> int:
        """How many mails at a time: enough to keep the connections busy, and few that wait for their turn."""
        settings = self._stages.settings
        most = settings.worker.max_jobs
        if self._request is None:
            return most
        quota = self._request.route.quota
        most = min(most, 2 * (quota.max_connections or settings.smtp.pool.max_connections))
        if quota.rate is None:
            return most
        # Half of what the account's line holds stays free for single mails.
        return max(min(most, int(quota.rate * quota.max_wait / 2)), 1)

    # The end

    def _stop(self, reason: Exception) -> None:
        """Begin no further mail; the first reason is the one to tell."""
        self._reason = self._reason or reason
        self._stopping.set()

    async def _pause(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    async def _wind_up(self) -> None:
        """End the mails that are under way where the job was cancelled, those first that are not out yet."""
        self._stopping.set()
        running = self._running()
        if not running:
            return
        for worker in running:
            own = self._workers[worker]
            if own is None or not own.committed:
                worker.cancel()
            if own is not None:
                own.lost = self._context.lost
        try:
            # One whose lease is lost has all the time: its mail must not be in doubt for our sake.
            await asyncio.wait(running, timeout=None if self._context.lost else _LAST_REPLIES)
        finally:
            for worker in running:
                worker.cancel()
            await asyncio.wait(running)

    # The log

    async def _tell_progress(self) -> None:
        while True:
            await asyncio.sleep(_PROGRESS_EVERY)
            _log.info("bulk task under way", **self._named(), **self._tally.facts)

    def _log_failure(self, record: BulkRecord, error: ConnectorError) -> None:
        """Say which mails failed and why; by their position, since a key may be an address."""
        if self._tally.failed <= _LOGGED_FAILURES:
            _log.warning(
                "mail of a bulk task failed",
                **self._named(),
                record=record.position,
                code=error.code.value,
                message=without_addresses(error.message),
            )

    def _named(self) -> dict[str, Any]:
        return {
            "job_key": self._job.key,
            "element_id": self._job.element_id,
            "process_id": self._job.bpmn_process_id,
        }


async def _gone_through(records: Iterator[BulkRecord]) -> list[BulkRecord]:
    """Check the records of a task, a few at a time.

    Raises:
        InputError: The list, or the form of a record, is wrong.
    """
    named: list[BulkRecord] = []
    while some := list(islice(records, _AT_ONCE)):
        named += some
        await asyncio.sleep(0)
    return named
