"""The jobs that a worker holds, how many they may be, and until when the engine keeps them for it.

A job is held from when it is received until the engine has heard its outcome; until then its lease is
extended. One timer serves all jobs, because a task for each would cost more than the extension.

The rules follow from what Zeebe 8.6 does, measured: a lease that ended can no longer be extended, but while
*another* worker holds the job, the former holder's commands still go through, and its Fail takes the job away
from the worker that has it now. So whether a lease still stands is judged by time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic, time

import structlog

from connector.engine.port import Engine, EngineRefusedError, EngineUnavailableError, LeaseLostError
from connector.errors import ExpressionError
from connector.model.job import Fail, Job, JobContext, Outcome
from connector.tasks.headers import job_timeout

_log = structlog.get_logger(__name__)

# Extension begins when this share of a lease is left, and is tried again at every tick. With one tick left
# the lease is given up, so that work on the job has stopped before the engine may give it to another worker.
_EXTEND_BELOW = 0.5
_TICK = 0.05
# A job that comes with less than this left is not begun: the first extension may come too late.
_WORTH_BEGINNING = 0.2
_NOTABLE_SKEW = 5.0


class Slots:
    """Places for jobs in flight, over all task types, given out in the order of asking.

    The order keeps one task type from starving another.

    Args:
        total: The largest number of jobs in flight.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._free = asyncio.Semaphore(total)

    async def take(self, limit: int = 1) -> int:
        """Wait for one free slot and take it, with as many more as are free, up to ``limit``."""
        await self._free.acquire()
        taken = 1
        while taken < limit and not self._free.locked():
            await self._free.acquire()  # does not wait: no other task runs between the check and this
            taken += 1
        return taken

    def give_back(self, number: int = 1) -> None:
        """Return slots whose jobs are reported, or that were not used."""
        for _ in range(number):
            self._free.release()

    async def some_free(self) -> None:
        """Wait until a slot is free, without taking it."""
        await self.take()
        self.give_back()


@dataclass(slots=True, eq=False)
class Lease:
    """One job that this worker holds.

    Attributes:
        ends: When the engine may give the job to another worker, on the monotonic clock.
        context: Whether the lease was lost (it ended, or the engine says that the job is not ours), and what
            the handler reports of its work.
        outcome: The job's outcome; None while it waits or is worked on.
        extending: An extension is under way.
        own_timeout: What the task wants at each extension, in seconds; None for the worker's setting.
        granted: The engine has granted what is wanted; a job comes with the worker's setting.
    """

    job: Job
    ends: float
    context: JobContext = field(default_factory=JobContext)
    outcome: Outcome | None = None
    extending: bool = False
    own_timeout: float | None = None
    granted: bool = True

    def is_followed_by(self, job: Job) -> bool:
        """Whether a job with our key is the next attempt, offered because the engine has taken our Fail.

        The answer to a Fail and the job that is offered again travel on two connections; the job may come
        first. Only the number of retries distinguishes it from the same attempt, offered again because its
        lease ended.
        """
        return (
            isinstance(self.outcome, Fail)
            and self.outcome.retries != self.job.retries
            and job.retries == self.outcome.retries
        )


class EngineClock:
    """Converts deadlines from the engine's clock to this machine's monotonic one.

    A worker whose clock is a minute ahead would otherwise take every job for stale. A polled job was
    activated just now, which shows how far the clocks are apart. A streamed job may have waited in the
    connection, so it can only lower the estimate. Setting this machine's clock changes nothing here.

    When the engine's clock is set back, every streamed job looks stale. They are dropped for most of a
    lease; if no job was in time meanwhile, the next one sets the estimate anew. It cannot have waited in the
    connection: as long as no job is taken, a slot stays free, and the streams are read at once.
    """

    def __init__(self, duration: float) -> None:
        self._duration = duration
        self._apart = time() - monotonic()
        self._skew: float | None = None
        self._stale_since: float | None = None
        self._warned_of = 0.0

    def lease_end(self, job: Job, *, polled: bool) -> float | None:
        """Return when the job's lease ends, on the monotonic clock; None when it is (nearly) over."""
        now = monotonic()
        age = now + self._apart - (job.deadline - self._duration)
        if polled or self._skew is None or age < self._skew or self._all_stale(now):
            self._skew = age
            self._warn(age)
        left = self._duration - (age - self._skew)
        if left < self._duration * _WORTH_BEGINNING:
            self._stale_since = self._stale_since or now
            return None
        self._stale_since = None
        return now + left

    def _all_stale(self, now: float) -> bool:
        since = self._stale_since
        return since is not None and now - since > self._duration * (1 - _WORTH_BEGINNING)

    def _warn(self, skew: float) -> None:
        """Log once that the clocks differ, and again when the difference has changed."""
        if abs(skew) > _NOTABLE_SKEW and abs(skew - self._warned_of) > _NOTABLE_SKEW:
            self._warned_of = skew
            _log.warning("this machine's clock and the engine's differ; set both by NTP", seconds=round(skew))


class Leases:
    """Every job that this worker holds, by key.

    Args:
        engine: Where leases are extended.
        duration: What the engine grants at once, in seconds.
        on_lost: Called with a lease that is lost while its job waits or is worked on.
    """

    def __init__(self, engine: Engine, duration: float, on_lost: Callable[[Lease], None]) -> None:
        self._engine = engine
        self._duration = duration
        self._on_lost = on_lost
        self._clock = EngineClock(duration)
        self._held: dict[int, Lease] = {}

    def __len__(self) -> int:
        return len(self._held)

    def __iter__(self) -> Iterator[Lease]:
        return iter(self._held.values())

    def take(self, job: Job, *, polled: bool) -> Lease | None:
        """Hold a job that was received.

        Args:
            job: The job.
            polled: It comes from a poll of just now; a streamed job may have waited in the connection.

        Returns:
            The lease; None when the job must not be begun: its lease is (nearly) over and the engine gives it
            to another worker, or it is held already and was offered again, which renews the lease we have.
        """
        ends = self._clock.lease_end(job, polled=polled)
        if ends is None:
            _log.info("stale job dropped, the engine offers it again", job_key=job.key)
            return None
        held = self._held.get(job.key)
        if held is not None and not held.is_followed_by(job):
            held.ends, held.context.lost = ends, False
            _log.info("job offered again while in hand, lease renewed", job_key=job.key)
            return None
        own = _own_timeout(job)
        lease = Lease(job, ends, own_timeout=own, granted=own is None)
        self._held[job.key] = lease
        return lease

    def release(self, lease: Lease) -> None:
        """Release a job whose outcome the engine knows, or that is given up."""
        if self._held.get(lease.job.key) is lease:
            del self._held[lease.job.key]

    def stand(self, lease: Lease) -> bool:
        """Whether the job is ours for long enough to begin it or to go on with it."""
        return not lease.context.lost and lease.ends - monotonic() > self._wanted(lease) * _TICK

    async def keep(self) -> None:
        """Extend the leases that are due, and report the lost ones, until cancelled.

        The clock is read before anything is awaited, and never waits for the answer to an extension: a worker
        that was stopped for a while must hear of its lost leases before it goes on.
        """
        async with asyncio.TaskGroup() as extensions:
            while True:
                await asyncio.sleep(self._shortest() * _TICK)
                for lease in self._due():
                    if not self.stand(lease):
                        self._lose(lease, "it could not be extended in time")
                    elif not lease.extending:
                        lease.extending = True
                        extensions.create_task(self._extend(lease))

    def _due(self) -> list[Lease]:
        now = monotonic()
        return [lease for lease in self if not lease.context.lost and self._is_due(lease, now)]

    def _is_due(self, lease: Lease, now: float) -> bool:
        return not lease.granted or lease.ends < now + self._wanted(lease) * _EXTEND_BELOW

    def _wanted(self, lease: Lease) -> float:
        return lease.own_timeout or self._duration

    def _shortest(self) -> float:
        return min(map(self._wanted, self), default=self._duration)

    async def _extend(self, lease: Lease) -> None:
        ends = monotonic() + self._wanted(lease)
        try:
            await self._engine.extend(lease.job, self._wanted(lease))
        except LeaseLostError as error:
            self._lose(lease, str(error))
        except (EngineUnavailableError, EngineRefusedError) as error:
            # Extension is not let through under back-pressure; the next tick tries again.
            _log.debug("lease not extended yet", job_key=lease.job.key, reason=str(error))
        else:
            # The first extension to a task's own timeout may shorten the lease.
            lease.ends = max(lease.ends, ends) if lease.granted else ends
            lease.granted = True
        finally:
            lease.extending = False

    def _lose(self, lease: Lease, reason: str) -> None:
        known, lease.context.lost = lease.context.lost, True
        # With an outcome the job may well be over: reported while the extension was under way.
        if lease.outcome is None and not known:
            _log.warning("lease lost, another worker may get the job", job_key=lease.job.key, reason=reason)
            self._on_lost(lease)


def _own_timeout(job: Job) -> float | None:
    """Read the task's own timeout, in seconds; one that is wrong is the pipeline's to report."""
    try:
        timeout = job_timeout(job.headers)
    except ExpressionError:
        return None
    return timeout.total_seconds() if timeout else None
