"""The loop of a worker: take jobs, have them handled, report their outcomes, and stop in order.

Jobs come from an :class:`~connector.engine.port.Engine` and outcomes go back to it; only the handler knows
what a job means. The shutdown, in order, within the grace period:

1. No new jobs: polls end, streams are read dry and cancelled.
2. Jobs that were received and not begun are handed back with their retries unchanged.
3. Running handlers may finish. When only the reserve for reporting is left, they are cancelled, and each
   still gives an outcome (the job is handed back if nothing was sent).
4. Outcomes are reported until the grace period ends. A job whose outcome the engine has not heard by then is
   offered again when its lease ends; the log names it.

When a lease is lost while its handler runs, the handler is cancelled: another worker may get the job, and a
mail that is not out yet must not go out twice. Only a handler that has committed itself goes on: its mail is
out, and the server's reply is worth knowing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from time import monotonic
from typing import Any

import structlog

from connector.engine.port import Engine, EngineRefusedError, EngineUnavailableError, LeaseLostError
from connector.errors import CancelledBeforeSendError, CancelReason, ErrorCode
from connector.model.backoff import Backoff
from connector.model.job import Complete, Fail, Job, JobContext, Outcome, Throw
from connector.observe.job_facts import failed_facts, without_addresses
from connector.observe.metrics import Metrics
from connector.settings.model import WorkerSettings
from connector.worker.intake import Intake
from connector.worker.leases import Lease, Leases
from connector.worker.patience import EngineOutage

_log = structlog.get_logger(__name__)

# The part of the grace period that is kept for reporting the outcomes of cancelled handlers.
_RESERVE_SHARE, _RESERVE_MOST = 0.25, 5.0
# The time that a second signal leaves for cancelled handlers and their reports, in seconds.
_HURRY = 1.0

# Shorter than for a connection: a mail that was sent waits, and its job may be given to another worker.
_LONGEST_PAUSE = 3.0
_NAMES = {Complete: "complete", Throw: "bpmnError", Fail: "fail"}

Handler = Callable[[Job, JobContext], Awaitable[Outcome]]


class JobLoop:
    """Serves the task types of the settings until told to stop.

    Args:
        engine: Where jobs come from.
        settings: How many, which, and how long.
        handle: Gives each job its outcome. It is cancelled when the lease is lost and it has not committed
            itself, or when the grace period is nearly over. Then it still returns an outcome, within a second
            or two, if it has done anything that cannot be undone; raising ``CancelledError`` means that it
            has not.
        metrics: Counts the jobs.
    """

    def __init__(
        self, engine: Engine, settings: WorkerSettings, handle: Handler, metrics: Metrics | None = None
    ) -> None:
        self._settings = settings
        self._handle = handle
        outage = EngineOutage()
        self._leases = Leases(engine, settings.lease.total_seconds(), self._stop_work)
        self._intake = Intake(engine, settings, self._leases, outage, self._begin)
        self._reporter = Reporter(engine, outage)
        self._tasks: dict[asyncio.Task[None], Lease] = {}
        self._unreported = 0
        self._metrics = metrics or Metrics()
        self._metrics.count_in_flight(lambda: self.jobs_in_flight)

    @property
    def jobs_in_flight(self) -> int:
        """The number of jobs that are worked on, or whose outcome the engine has not heard yet."""
        return len(self._tasks)

    async def run(self, stop: asyncio.Event, hurry: asyncio.Event | None = None) -> int:
        """Work until ``stop`` is set, then shut down in order.

        Args:
            stop: Set by the first SIGTERM or SIGINT.
            hurry: Set by the second: what is left of the grace period becomes one second.

        Returns:
            The number of jobs since the start whose outcomes the engine has not heard; 0 when every job was
            reported or handed back before the grace period was over.

        Raises:
            Exception: A fault of the worker itself ended it; the jobs in hand were shut down in order.
        """
        taking = asyncio.create_task(self._intake.run())
        keeper = asyncio.create_task(self._leases.keep())
        try:
            await _until_set(stop, taking, keeper)
            await _cancelled([taking])
            await self._shut_down(self._intake.waiting, hurry or asyncio.Event())
        finally:
            await _cancelled([taking, *self._tasks, keeper])
        for task in (taking, keeper):
            if task.done() and not task.cancelled():
                task.result()
        return self._unreported + len(self._tasks)

    # The way of one job

    def _begin(self, lease: Lease) -> None:
        self._spawn(lease, self._work(lease), slots=1)

    def _spawn(self, lease: Lease, work: Coroutine[Any, Any, None], *, slots: int) -> None:
        def finished(task: asyncio.Task[None]) -> None:
            del self._tasks[task]
            self._leases.release(lease)
            self._intake.slots.give_back(slots)
            if task.cancelled() or task.exception():
                fault = None if task.cancelled() else task.exception()
                self._unreported += 1
                _log.error("outcome not reported", job_key=lease.job.key, exc_info=fault)

        task = asyncio.create_task(work)
        self._tasks[task] = lease
        task.add_done_callback(finished)

    async def _work(self, lease: Lease) -> None:
        begun = self._metrics.job_taken(lease.job.type)
        try:
            outcome = await self._handle(lease.job, lease.context)
        except asyncio.CancelledError:
            outcome = _handed_back(lease)
        except Exception:  # noqa: BLE001 - no fault of a handler may end the loop; it is logged with its trace
            outcome = self._failed(lease.job)
        await self._reporter.report(lease, outcome)
        self._metrics.job_reported(lease.outcome or outcome, begun)

    def _failed(self, job: Job) -> Fail:
        _log.exception("handler failed unexpectedly", job_key=job.key, element_id=job.element_id)
        return Fail(
            "The worker failed unexpectedly. See its log under this job's key, then retry.",
            retries=max(0, job.retries - 1),
            backoff=self._settings.retry_backoff.total_seconds(),
        )

    def _stop_work(self, lease: Lease) -> None:
        """Cancel the handler of a lost lease, if it has begun."""
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
            self._spawn(lease, self._reporter.report(lease, _handed_back(lease)), slots=0)
        _log.info("worker stopping, no new jobs", jobs_in_flight=self.jobs_in_flight)
        await self._settled(ends - min(grace * _RESERVE_SHARE, _RESERVE_MOST), hurry)
        for task, lease in self._tasks.items():
            if lease.outcome is None:
                task.cancel()
        await self._settled(ends, hurry)
        await self._settled(min(ends, monotonic() + _HURRY))

    async def _settled(self, until: float, hurry: asyncio.Event | None = None) -> None:
        """Wait until no job is in flight, the time is over, or ``hurry`` is set."""
        hurried = asyncio.create_task((hurry or asyncio.Event()).wait())
        while self._tasks and not hurried.done() and (left := until - monotonic()) > 0:
            done = {*self._tasks, hurried}
            await asyncio.wait(done, timeout=left, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()


def _handed_back(lease: Lease) -> Fail:
    reason = CancelReason.LEASE_LOST if lease.context.lost else CancelReason.SHUTDOWN
    error = CancelledBeforeSendError(reason)
    lease.context.facts = failed_facts(error, None, None, 0.0)
    return Fail(error.message, lease.job.retries)


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


class Reporter:
    """Reports each outcome until the engine has heard it: a dropped outcome is a mail sent twice.

    While it tries, ``Leases`` goes on extending the lease, so that the engine does not hand out the job of a
    sent mail again. There is no time limit: the worker's shutdown sets one. Zeebe lets Complete and Fail
    through even under back-pressure, and takes a Complete after the lease ended.

    Args:
        engine: Where outcomes are reported.
        outage: Hears of calls that fail.
    """

    def __init__(self, engine: Engine, outage: EngineOutage) -> None:
        self._engine = engine
        self._outage = outage

    async def report(self, lease: Lease, outcome: Outcome) -> None:
        """Return when the engine has taken the outcome, or when reporting has become pointless."""
        lease.outcome = outcome
        backoff = Backoff(most=_LONGEST_PAUSE)
        try:
            while not await self._attempt(lease):  # noqa: ASYNC110 - not polling: each turn is a new attempt
                await asyncio.sleep(backoff.next())
        finally:
            self._outage.over(lease.job.key)

    async def _attempt(self, lease: Lease) -> bool:
        """Try once; return whether there is nothing left to do."""
        outcome = lease.outcome
        assert outcome is not None  # noqa: S101 - `report` has set it
        if lease.context.lost and _comes_again(outcome):
            _log.warning(
                "outcome not reported: the lease ended, the engine offers the job again",
                **_fields(lease, outcome),
            )
            return True
        try:
            await self._engine.report(lease.job, outcome)
        except LeaseLostError as error:
            _log.warning(
                "outcome not taken: the job is gone or done", **_fields(lease, outcome), reason=str(error)
            )
        except EngineRefusedError as error:
            _log.error("engine refused the outcome", **_fields(lease, outcome), reason=str(error))
            lease.outcome = _instead_of(outcome, error, in_doubt=lease.context.when_taken is not None)
            return lease.outcome is None
        except EngineUnavailableError as error:
            self._outage.failed(lease.job.key, error)
            return False
        else:
            _log_reported(lease, outcome)
            if lease.context.when_taken is not None and not _comes_again(outcome):
                lease.context.when_taken()
        return True


def _log_reported(lease: Lease, outcome: Outcome) -> None:
    """Write the one line of a job: an error for an incident, a warning where a retry follows."""
    fields = {**_fields(lease, outcome), **lease.context.facts}
    level = logging.INFO
    if isinstance(outcome, Fail):
        fields |= _costs(outcome)
        level = logging.WARNING if outcome.retries else logging.ERROR
        level = logging.INFO if fields.get("code") == ErrorCode.CANCELLED else level
    _log.log(level, "job reported", **fields)


def _costs(outcome: Fail) -> dict[str, Any]:
    """What a failure costs, and its error, which is not the handler's where an expression has failed."""
    costs: dict[str, Any] = {"retries": outcome.retries, "backoff": outcome.backoff}
    if outcome.error is None:
        return costs
    return {"code": outcome.error["code"], "message": without_addresses(outcome.error["message"]), **costs}


def _fields(lease: Lease, outcome: Outcome) -> dict[str, Any]:
    job = lease.job
    return {
        "job_key": job.key,
        "element_id": job.element_id,
        "process_id": job.bpmn_process_id,
        "process_instance": job.process_instance_key,
        "outcome": _NAMES[type(outcome)],
    }


def _comes_again(outcome: Outcome) -> bool:
    """Whether the job is tried again by this outcome, as it is when the outcome is never reported.

    Such a Fail is not sent once the lease has ended: the engine would take it, and take the job from the
    worker that has it by then. Nor does it turn a doubt into an incident that a person decides about.
    """
    return isinstance(outcome, Fail) and outcome.retries > 0


def _instead_of(outcome: Outcome, error: EngineRefusedError, *, in_doubt: bool) -> Outcome | None:
    """Return the outcome to report in place of one that the engine will never take; None for none."""
    if isinstance(outcome, Fail):
        return Fail(outcome.message, outcome.retries, outcome.backoff) if outcome.variables else None
    if isinstance(outcome, Throw):
        refused = f"The engine refused the BPMN error {outcome.code!r}: {error}. {outcome.message}".rstrip()
    else:
        refused = f"The engine refused the result variables, so the process cannot go on: {error}"
    if in_doubt:
        refused = f"The mail may have been delivered; retrying this job sends it again. {refused}"
    elif outcome.mail_sent:
        refused = f"The mail was sent; retrying this job does not send it again. {refused}"
    return Fail(refused, retries=0)
