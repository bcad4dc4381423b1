"""Taking the jobs of one task type: pushed by a stream, polled for the backlog, never without a free slot.

Leases leave through ``start``, each with a slot. Streaming is for latency and polling for the backlog: a
stream brings only what becomes available while it is open, so the engine is polled at the beginning, after
each reconnect and every few seconds, and again at once as long as the answers bring jobs.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

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
from connector.worker.job_stream import JobStream
from connector.worker.leases import Lease, Leases
from connector.worker.patience import Access, Outage
from connector.worker.slots import Slots

_log = structlog.get_logger(__name__)

# With fewer slots than task types a parked poll would keep the others waiting; they take turns.
_TURN = 1.0
# A stream that lasted so long was a good one: the next is opened without the pauses of earlier failures.
_LASTING = 10.0
# It takes a moment until every broker knows a new stream; the jobs of that moment are polled.
_SETTLED = 0.5
# An answer that is under way when the worker stops is awaited for so long: its jobs are handed back.
_LAST_ANSWER = 1.0


@dataclass(frozen=True, slots=True)
class Intake:
    """What the subscriptions of a worker share."""

    engine: Engine
    settings: WorkerSettings
    slots: Slots
    leases: Leases
    outage: Outage
    reachable: asyncio.Event


class Subscription:
    """One task type's way in.

    Args:
        task_type: Whose jobs.
        shared: What it shares with the other task types.
        start: Begins work on a lease; the slot passes to it.
    """

    def __init__(self, task_type: str, shared: Intake, start: Callable[[Lease], None]) -> None:
        self.waiting: deque[Lease] = deque()
        self._type = task_type
        self._shared = shared
        self._start = start
        self._streaming = shared.settings.stream
        self._poll_now = asyncio.Event()
        self._stream: JobStream | None = None
        self._by_poll = Access(task_type, "poll")
        self._by_stream = Access(task_type, "stream")

    async def run(self) -> None:
        """Take jobs until cancelled.

        Afterwards ``waiting`` holds what was received and not begun; it has no slots.
        """
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
                self._shared.outage.over(self._type)
                await asyncio.sleep(self._by_poll.refused(error))
            except EngineUnavailableError as error:
                self._unreachable(error)
                await asyncio.sleep(self._by_poll.broke())

    async def _poll_backlog(self) -> None:
        while await self._ask(self._shared.slots.total, wait=0):
            pass
        if self._streaming:
            await self._pause()
        else:
            # Parked with one slot only: what else is waiting comes with the next, immediate answers.
            await self._ask(1, wait=self._parking_time())

    async def _pause(self) -> None:
        # Not asyncio.wait_for: on Python 3.11 it drops a cancellation that comes together with the event.
        with suppress(TimeoutError):
            async with asyncio.timeout(self._shared.settings.poll_interval.total_seconds()):
                await self._poll_now.wait()
        self._poll_now.clear()

    def _parking_time(self) -> float:
        longest = self._shared.settings.poll_timeout.total_seconds()
        scarce = self._shared.slots.total < len(self._shared.settings.task_types)
        return min(longest, _TURN) if scarce else longest

    async def _ask(self, limit: int, wait: float) -> int:
        """Poll once, for no more jobs than there are free slots; how many came."""
        slots = self._shared.slots
        free = await slots.take(limit)
        try:
            jobs = await self._answer(free, wait)
            self._reached()
            for lease in self._leases_of(jobs):
                free -= 1
                self._start(lease)
        finally:
            slots.give_back(free)
        return len(jobs)

    async def _answer(self, limit: int, wait: float) -> list[Job]:
        asking = asyncio.create_task(self._shared.engine.activate(self._type, limit, wait))
        try:
            await asyncio.wait({asking})
        except asyncio.CancelledError:
            # An immediate answer is nearly here, and cancelling it would strand its jobs until their lease
            # ends. A parked one is cancelled: nothing was waiting for it a moment ago.
            await asyncio.wait({asking}, timeout=0 if wait else _LAST_ANSWER)
            if asking.done() and not asking.exception():
                self.waiting.extend(self._leases_of(asking.result()))
            asking.cancel()
            raise
        return asking.result()

    def _leases_of(self, jobs: list[Job]) -> list[Lease]:
        taken = (self._shared.leases.take(job, polled=True) for job in jobs)
        return [lease for lease in taken if lease is not None]

    def _reached(self) -> None:
        self._shared.outage.over(self._type)
        self._shared.reachable.set()
        self._by_poll.works()

    def _unreachable(self, error: EngineUnavailableError) -> None:
        self._shared.outage.failed(self._type, error)
        # A broker that shuts down waits 30 s for open streams and refuses polls meanwhile.
        if not isinstance(error, EngineBusyError):
            self._shared.reachable.clear()
            if self._stream is not None:
                self._stream.end()

    # Streaming

    async def _keep_stream(self) -> None:
        while True:
            await self._shared.reachable.wait()
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
        stream = self._stream = JobStream(self._shared.engine.stream(self._type))
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
            # Told to stop meanwhile: it takes half a second at most, and nobody else knows the jobs it read.
            await asyncio.wait({closing})
            for job in closing.result():
                self._hold(job)

    def _hold(self, job: Job) -> None:
        lease = self._shared.leases.take(job, polled=False)
        if lease is not None:
            self.waiting.append(lease)

    async def _begin_waiting(self) -> None:
        """Start what was received, and return when there is a free slot for what comes next.

        Until then the stream is not read, and flow control holds back the engine.
        """
        while self.waiting:
            await self._shared.slots.take()
            self._start_if_ours(self.waiting.popleft())
        await self._shared.slots.some_free()

    def _start_if_ours(self, lease: Lease) -> None:
        if self._shared.leases.stand(lease):
            self._start(lease)
            return
        # Its slot came too late: another worker may have sent the mail by now.
        self._shared.leases.release(lease)
        self._shared.slots.give_back()
        _log.info("job not begun, its lease was lost while it waited for a slot", job_key=lease.job.key)
