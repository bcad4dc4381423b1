"""Takes jobs from the engine: pushed by streams, polled for the backlog, never without a free slot.

Streams are for latency and polls for the backlog. A stream brings only the jobs that become available while
it is open, so the engine is polled at the beginning, after each reconnect and every few seconds, and again at
once as long as the answers bring jobs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress

import structlog

from connector.engine.port import (
    Engine,
    EngineBusyError,
    EngineDeniedError,
    EngineRefusedError,
    EngineUnavailableError,
    StreamingUnsupportedError,
)
from connector.model.job import Job
from connector.settings.model import WorkerSettings
from connector.worker.leases import Lease, Leases, Slots
from connector.worker.patience import Access, EngineOutage

_log = structlog.get_logger(__name__)

# With fewer slots than task types a parked poll would keep the others waiting; they take turns. Seconds.
_TURN = 1.0
# A stream that lasted so long was a good one: the next is opened without the pauses of earlier failures.
_LASTING = 10.0
# It takes a moment until every broker knows a new stream; the jobs of that moment are polled.
_SETTLED = 0.5
# An answer that is under way when the worker stops is awaited for so long: its jobs are handed back.
_LAST_ANSWER = 1.0
# Jobs that wait in the connection come one right after the other; a pause of this length means that it is
# dry. Under steady load it never is, so the reading has an end as well. A job that arrives in the instant of
# the end waits for its lease: the engine offers no way to take it back.
_DRY_AFTER = 0.05
_DRAIN_AT_MOST = 0.5


class Intake:
    """Takes the jobs of all task types, no more than there are slots.

    Args:
        engine: Where jobs come from.
        settings: How many, which, and how.
        leases: Holds each job that was received.
        outage: Hears of calls that fail.
        start: Begins work on a lease; a slot passes to it.
    """

    def __init__(
        self,
        engine: Engine,
        settings: WorkerSettings,
        leases: Leases,
        outage: EngineOutage,
        start: Callable[[Lease], None],
    ) -> None:
        self.engine = engine
        self.settings = settings
        self.slots = Slots(settings.max_jobs)
        self.leases = leases
        self.outage = outage
        self.start = start
        self.reachable = asyncio.Event()
        self.reachable.set()
        self.subscriptions = [Subscription(task_type, self) for task_type in settings.task_types]

    async def run(self) -> None:
        """Take jobs until cancelled; see :attr:`waiting` afterwards."""
        async with asyncio.TaskGroup() as group:
            for subscription in self.subscriptions:
                group.create_task(subscription.run())

    @property
    def waiting(self) -> list[Lease]:
        """The jobs that were received and not begun; they have no slots."""
        return [lease for subscription in self.subscriptions for lease in subscription.waiting]


class Subscription:
    """Takes the jobs of one task type.

    Args:
        task_type: The task type.
        intake: Holds what all task types share.
    """

    def __init__(self, task_type: str, intake: Intake) -> None:
        self.waiting: deque[Lease] = deque()
        self._type = task_type
        self._intake = intake
        self._streaming = intake.settings.stream
        self._poll_now = asyncio.Event()
        self._stream: JobStream | None = None
        self._by_poll = Access(task_type, "poll")
        self._by_stream = Access(task_type, "stream")

    async def run(self) -> None:
        """Take jobs until cancelled; ``waiting`` then holds those that were received and not begun."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._poll())
            if self._streaming:
                group.create_task(self._keep_stream())

    # Polling

    async def _poll(self) -> None:
        while True:
            try:
                await self._poll_backlog()
            except (EngineRefusedError, EngineDeniedError) as error:
                self._intake.outage.over(self._type)
                await asyncio.sleep(self._by_poll.refused(error))
            except EngineUnavailableError as error:
                self._unreachable(error)
                await asyncio.sleep(self._by_poll.broke())

    async def _poll_backlog(self) -> None:
        while await self._ask(self._intake.slots.total, wait=0):
            pass
        if self._streaming:
            await self._pause()
        else:
            # Parked with one slot only: the other waiting jobs come with the next, immediate answers.
            await self._ask(1, wait=self._parking_time())

    async def _pause(self) -> None:
        # Not asyncio.wait_for: on Python 3.11 it drops a cancellation that comes together with the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._intake.settings.poll_interval.total_seconds()):
                await self._poll_now.wait()
        self._poll_now.clear()

    def _parking_time(self) -> float:
        longest = self._intake.settings.poll_timeout.total_seconds()
        scarce = self._intake.slots.total < len(self._intake.settings.task_types)
        return min(longest, _TURN) if scarce else longest

    async def _ask(self, limit: int, wait: float) -> int:
        """Poll once, for no more jobs than there are free slots; return how many came."""
        slots = self._intake.slots
        free = await slots.take(limit)
        try:
            jobs = await self._answer(free, wait)
            self._reached()
            for lease in self._leases_of(jobs):
                free -= 1
                self._intake.start(lease)
        finally:
            slots.give_back(free)
        return len(jobs)

    async def _answer(self, limit: int, wait: float) -> list[Job]:
        asking = asyncio.create_task(self._intake.engine.activate(self._type, limit, wait))
        try:
            await asyncio.wait({asking})
        except asyncio.CancelledError:
            # An immediate answer is nearly here, and cancelling it would strand its jobs until their lease
            # ends. A parked one is cancelled: no job was waiting for it a moment ago.
            await asyncio.wait({asking}, timeout=0 if wait else _LAST_ANSWER)
            if asking.done() and not asking.exception():
                self.waiting.extend(self._leases_of(asking.result()))
            asking.cancel()
            raise
        return asking.result()

    def _leases_of(self, jobs: list[Job]) -> list[Lease]:
        take = self._intake.leases.take
        return [lease for job in jobs if (lease := take(job, polled=True)) is not None]

    def _reached(self) -> None:
        self._intake.outage.over(self._type)
        self._intake.reachable.set()
        self._by_poll.works()

    def _unreachable(self, error: EngineUnavailableError) -> None:
        self._intake.outage.failed(self._type, error)
        # A broker that shuts down waits 30 s for open streams and refuses polls meanwhile.
        if not isinstance(error, EngineBusyError):
            self._intake.reachable.clear()
            if self._stream is not None:
                self._stream.end()

    # Streaming

    async def _keep_stream(self) -> None:
        while True:
            await self._intake.reachable.wait()
            try:
                await self._stream_once()
                pause = self._by_stream.broke()
            except StreamingUnsupportedError as error:
                _log.info("jobs are polled, not streamed", task_type=self._type, reason=str(error))
                self._streaming = False
                self._poll_now.set()
                return
            except (EngineRefusedError, EngineDeniedError) as error:
                pause = self._by_stream.refused(error)
            except EngineUnavailableError as error:
                _log.debug("job stream broke", task_type=self._type, reason=str(error))
                pause = self._by_stream.broke()
            await self._begin_waiting()
            await asyncio.sleep(pause)

    async def _stream_once(self) -> None:
        """Open a stream and read it to its end."""
        later = asyncio.get_running_loop().call_later
        timers = later(_SETTLED, self._poll_now.set), later(_LASTING, self._by_stream.works)
        stream = self._stream = JobStream(self._intake.engine.stream(self._type))
        try:
            while job := await stream.next():
                self._by_stream.works()
                self._hold(job)
                await self._begin_waiting()
        finally:
            for timer in timers:
                timer.cancel()
            self._stream = None
            await self._close(stream)

    async def _close(self, stream: JobStream) -> None:
        closing = asyncio.create_task(stream.close())
        try:
            await asyncio.wait({closing})
        finally:
            # Cancelled meanwhile: closing takes half a second at most, and only it knows the jobs it read.
            await asyncio.wait({closing})
            for job in closing.result():
                self._hold(job)

    def _hold(self, job: Job) -> None:
        lease = self._intake.leases.take(job, polled=False)
        if lease is not None:
            self.waiting.append(lease)

    async def _begin_waiting(self) -> None:
        """Start the jobs that were received, and return when there is a free slot for the next one.

        Until then the stream is not read, and flow control holds back the engine.
        """
        while self.waiting:
            await self._intake.slots.take()
            self._start_if_ours(self.waiting.popleft())
        await self._intake.slots.some_free()

    def _start_if_ours(self, lease: Lease) -> None:
        if self._intake.leases.stand(lease):
            self._intake.start(lease)
            return
        # Its slot came too late: another worker may have sent the mail by now.
        self._intake.leases.release(lease)
        self._intake.slots.give_back()
        _log.info("job not begun, its lease was lost while it waited for a slot", job_key=lease.job.key)


class JobStream:
    """An open job stream; waiting for the next job can be cancelled without losing it.

    Measured on Zeebe 8.6: when a stream is cancelled, the jobs that the gateway has already written into the
    connection are lost until their leases end, 295 of 300 small jobs with a reader that had stopped. Jobs
    that the gateway has not written yet go to other workers at once. So a stream is read until it is dry
    before it is cancelled, and the jobs read that way are handed back.
    """

    def __init__(self, jobs: AsyncGenerator[Job, None]) -> None:
        self._jobs = jobs
        self._pending: asyncio.Task[Job | None] | None = None
        self._ended = asyncio.get_running_loop().create_future()

    async def next(self) -> Job | None:
        """Wait for the next job; None when the engine ended the stream, or :meth:`end` was called.

        Raises:
            EngineUnavailableError: The stream broke.
            EngineRefusedError: The engine refuses this stream.
        """
        reading = self._reading()
        await asyncio.wait({reading, self._ended}, return_when=asyncio.FIRST_COMPLETED)
        return None if self._ended.done() else self._taken(reading)

    def end(self) -> None:
        """Let the reader stop, as for an engine that is going away: it may wait for streams to end."""
        if not self._ended.done():
            self._ended.set_result(None)

    async def close(self) -> list[Job]:
        """Read the connection dry, cancel the stream, and return the jobs that were read."""
        left: list[Job] = []
        with suppress(TimeoutError, EngineUnavailableError, EngineRefusedError):
            async with asyncio.timeout(_DRAIN_AT_MOST):
                while job := await self._next_soon():
                    left.append(job)
        if (last := await self._give_up_reading()) is not None:
            left.append(last)
        await self._jobs.aclose()
        return left

    async def _give_up_reading(self) -> Job | None:
        """Cancel the read that waits; a job that came in this very moment is not lost."""
        if self._pending is None:
            return None
        self._pending.cancel()
        await asyncio.wait({self._pending})
        if self._pending.cancelled() or self._pending.exception():
            return None
        return self._pending.result()

    async def _next_soon(self) -> Job | None:
        reading = self._reading()
        async with asyncio.timeout(_DRY_AFTER):
            await asyncio.wait({reading})
        return self._taken(reading)

    def _reading(self) -> asyncio.Task[Job | None]:
        # A task of its own: cancelling a wait for it leaves it, and with it the job, for later.
        if self._pending is None:
            self._pending = asyncio.create_task(_next_of(self._jobs))
        return self._pending

    def _taken(self, reading: asyncio.Task[Job | None]) -> Job | None:
        self._pending = None
        return reading.result()


async def _next_of(jobs: AsyncGenerator[Job, None]) -> Job | None:
    return await anext(jobs, None)
