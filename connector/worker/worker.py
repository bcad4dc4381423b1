"""The life of a worker: take jobs, have them handled, report what became of them, and stop in order.

Jobs enter from an :class:`~connector.engine.port.Engine` and outcomes go back to it; what a job means is
the handler's business. The shutdown, in order, within the grace period:

1. no new jobs: polls end, streams are read dry and cancelled;
2. what was received and not begun is handed back with its retries unspent;
3. running handlers may finish; when only the reserve for reporting is left, they are cancelled, and each
   still gives an outcome (handed back if nothing was sent);
4. outcomes are reported until the grace period ends. A job whose outcome the engine has not heard by then
   is offered again when its lease ends; the log names it.

When a lease is lost while its handler runs, the handler is cancelled: another worker may get the job, and a
mail that is not out yet must not go out twice. Only one that has committed itself goes on: its mail is out,
and what the server replies is worth knowing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from time import monotonic
from typing import Any

import structlog

from connector.engine.port import Engine
from connector.errors import CancelledBeforeSendError
from connector.model.job import Fail, Job, JobContext, Outcome
from connector.observe.metrics import Metrics
from connector.settings.model import WorkerSettings
from connector.worker.leases import Lease, Leases
from connector.worker.patience import Outage
from connector.worker.reports import Reporter
from connector.worker.slots import Slots
from connector.worker.subscription import Intake, Subscription

_log = structlog.get_logger(__name__)

# Of the grace period, what is kept for reporting the outcomes of cancelled handlers.
_RESERVE_SHARE, _RESERVE_MOST = 0.25, 5.0
# What a second signal leaves for cancelled handlers and their reports, in seconds.
_HURRY = 1.0

Handler = Callable[[Job, JobContext], Awaitable[Outcome]]


class Worker:
    """Serves the task types of the settings until told to stop.

    Args:
        engine: Where jobs come from.
        settings: How many, which, and how long.
        handle: Gives each job its outcome. It is cancelled when its lease is lost and it has not committed
            itself, or when the grace period is nearly over. Then it still returns an outcome, within a second
            or two, if it has done anything that cannot be undone; raising ``CancelledError`` means that it
            has not.
        metrics: Where jobs are counted.
    """

    def __init__(
        self, engine: Engine, settings: WorkerSettings, handle: Handler, metrics: Metrics | None = None
    ) -> None:
        self._settings = settings
        self._handle = handle
        self._outage = Outage()
        self._slots = Slots(settings.max_jobs)
        self._leases = Leases(engine, settings.lease.total_seconds(), self._stop_work)
        self._reporter = Reporter(engine, self._outage)
        self._tasks: dict[asyncio.Task[None], Lease] = {}
        self._unreported = 0
        self._engine = engine
        self._metrics = metrics or Metrics()
        self._metrics.count_in_flight(lambda: self.jobs_in_flight)

    @property
    def jobs_in_flight(self) -> int:
        """Jobs that are worked on, or whose outcome the engine has not heard yet."""
        return len(self._tasks)

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event | None = None) -> int:
        """Work until ``stop`` is set, then shut down in order.

        Args:
            stop: Set by the first SIGTERM or SIGINT.
            hurry: Set by the second: what is left of the grace period becomes one second.

        Returns:
            How many jobs' outcomes the engine has not heard, since the worker began: 0 when everything taken
            was reported or handed back before the grace period was over.

        Raises:
            Exception: A fault of the worker itself ended it; the jobs in hand were shut down in order.
        """
        subscriptions = self._subscriptions()
        intake = [asyncio.create_task(subscription.run()) for subscription in subscriptions]
        keeper = asyncio.create_task(self._leases.keep())
        try:
            await _until_set(stop, *intake, keeper)
            await _cancelled(intake)
            waiting = [lease for subscription in subscriptions for lease in subscription.waiting]
            await self._shut_down(waiting, hurry or asyncio.Event())
        finally:
            await _cancelled([*intake, *self._tasks, keeper])
        for task in (*intake, keeper):
            if task.done() and not task.cancelled():
                task.result()
        return self._unreported + len(self._tasks)

    def _subscriptions(self) -> list[Subscription]:
        reachable = asyncio.Event()
        reachable.set()
        shared = Intake(self._engine, self._settings, self._slots, self._leases, self._outage, reachable)
        return [Subscription(task_type, shared, self._begin) for task_type in self._settings.task_types]

    # The way of one job

    def _begin(self, lease: Lease) -> None:
        self._spawn(lease, self._work(lease), slots=1)

    def _spawn(self, lease: Lease, work: Coroutine[Any, Any, None], *, slots: int) -> None:
        def finished(task: asyncio.Task[None]) -> None:
            del self._tasks[task]
            self._leases.release(lease)
            self._slots.give_back(slots)
            if task.cancelled() or task.exception():
                fault = None if task.cancelled() else task.exception()
                self._unreported += 1
                _log.error("outcome not reported", job_key=lease.job.key, exc_info=fault)

        task = asyncio.create_task(work)
        self._tasks[task] = lease
        task.add_done_callback(finished)

    async def _work(self, lease: Lease) -> None:
        begun = self._metrics.job_taken(lease.job.type)
        outcome = await self._outcome_of(lease)
        await self._reporter.report(lease, outcome)
        self._metrics.job_reported(lease.outcome or outcome, begun)

    async def _outcome_of(self, lease: Lease) -> Outcome:
        job = lease.job
        try:
            return await self._handle(job, lease.context)
        except asyncio.CancelledError:
            return _handed_back(job)
        except Exception:  # noqa: BLE001 - no fault of a handler may end the loop; it is logged with its trace
            _log.exception("handler failed unexpectedly", job_key=job.key, element_id=job.element_id)
            return Fail(
                "The worker failed unexpectedly; its log has the details under this job's key.",
                retries=max(0, job.retries - 1),
                backoff=self._settings.retry_backoff.total_seconds(),
            )

    def _stop_work(self, lease: Lease) -> None:
        """Cancel the handler of a lost lease; what has not begun has none."""
        self._metrics.lease_lost()
        if lease.context.committed:
            return
        for task, held in self._tasks.items():
            if held is lease:
                task.cancel()

    # Shutdown

    async def _shut_down(self, waiting: Iterable[Lease], hurry: asyncio.Event) -> None:
        grace = self._settings.grace_period.total_seconds()
        ends = monotonic() + grace
        for lease in waiting:
            self._spawn(lease, self._reporter.report(lease, _handed_back(lease.job)), slots=0)
        _log.info("worker stopping, no new jobs", jobs_in_flight=self.jobs_in_flight)
        await self._settled(ends - min(grace * _RESERVE_SHARE, _RESERVE_MOST), hurry)
        for task, lease in self._tasks.items():
            if lease.outcome is None:
                task.cancel()
        await self._settled(ends, hurry)
        await self._settled(min(ends, monotonic() + _HURRY))

    async def _settled(self, until: float, hurry: asyncio.Event | None = None) -> None:
        """Wait until no job is in flight, the moment has come, or somebody is in a hurry."""
        hurried = asyncio.create_task((hurry or asyncio.Event()).wait())
        while self._tasks and not hurried.done() and (left := until - monotonic()) > 0:
            done = {*self._tasks, hurried}
            await asyncio.wait(done, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()


def _handed_back(job: Job) -> Fail:
    return Fail(CancelledBeforeSendError().message, job.retries)


async def _until_set(event: asyncio.Event, *tasks: asyncio.Task[None]) -> None:
    """Wait for the event; the tasks should outlast it, so the end of one ends the wait as well."""
    waiter = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({waiter, *tasks}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        waiter.cancel()


async def _cancelled(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks and wait until they have ended; twice, as a handler answers the first with an outcome."""
    for _ in range(2):
        pending = {task for task in tasks if not task.done()}
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.wait(pending, timeout=_HURRY)
