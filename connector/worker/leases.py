"""The jobs that a worker holds, and until when the engine keeps them for it.

A job enters when it is received and leaves when the engine has heard what became of it; until then its
lease is extended. One timer serves all jobs, since a task for each would cost more than the extension.

What Zeebe 8.6 does, measured, decides the rules here: a lease that ended can no longer be extended, but
while *another* worker holds the job, the former holder's commands still go through, and a Fail of his
takes the job away from the one who works on it. So whether a lease still stands is judged by time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from time import monotonic, time

import structlog

from connector.engine.port import Engine, EngineRefusedError, EngineUnavailableError, LeaseLostError
from connector.model.job import Fail, Job, JobContext, Outcome

_log = structlog.get_logger(__name__)

# Extension begins when this share of a lease is left, and is tried again at every tick. With one tick left
# the lease is given up, so that work on the job has stopped before the engine may give it to another worker.
_EXTEND_BELOW = 0.5
_TICK = 0.05
# A job that comes with less than this left is not begun: the first extension may come too late.
_WORTH_BEGINNING = 0.2
_NOTABLE_SKEW = 5.0


@dataclass(slots=True, eq=False)
class Lease:
    """One job in this worker's hands.

    Attributes:
        ends: When the engine may give the job to another worker, on the monotonic clock.
        context: Whether the lease was lost (it ended, or the engine says that the job is not ours), and what
            the handler says of its work.
        outcome: What became of the job; None while it is waiting or worked on.
        extending: An extension is under way.
    """

    job: Job
    ends: float
    context: JobContext = field(default_factory=JobContext)
    outcome: Outcome | None = None
    extending: bool = False

    def is_followed_by(self, job: Job) -> bool:
        """Whether a job with our key is the next attempt, the engine having taken our Fail.

        The answer to a Fail and the job that is offered again travel on two connections; the job may come
        first. Only the number of retries tells it from the same attempt offered anew after its lease ended.
        """
        return (
            isinstance(self.outcome, Fail)
            and self.outcome.retries != self.job.retries
            and job.retries == self.outcome.retries
        )


class EngineClock:
    """Reads deadlines, which are on the engine's clock, on this machine's monotonic one.

    A worker whose clock is a minute ahead would otherwise take every job for stale. A polled job was
    activated just now, which tells how far the clocks are apart; a streamed one may have lain in the
    connection, so it can only bring the estimate down. Setting this machine's clock changes nothing here.

    When the engine's clock is set back, every streamed job looks stale. They are dropped for most of a
    lease; when no job has been in time meanwhile, the next one tells the time anew. It cannot have lain in
    the connection: as long as no job is taken, a slot stays free, and the streams are read at once.
    """

    def __init__(self, duration: float) -> None:
        self._duration = duration
        self._apart = time() - monotonic()
        self._skew: float | None = None
        self._stale_since: float | None = None
        self._warned_of = 0.0

    def lease_end(self, job: Job, *, polled: bool) -> float | None:
        """When the job's lease ends, on the monotonic clock; None when it is (nearly) over."""
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
        """Say once that the clocks differ, and again when the difference has changed."""
        if abs(skew) > _NOTABLE_SKEW and abs(skew - self._warned_of) > _NOTABLE_SKEW:
            self._warned_of = skew
            _log.warning("this machine's clock and the engine's differ; set both by NTP", seconds=round(skew))


class Leases:
    """Every job that this worker holds, by key.

    Args:
        engine: Where leases are extended.
        duration: What the engine grants at once, in seconds.
        on_lost: Told of a lease that is lost while its job is waiting or worked on.
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
            job: What was received.
            polled: It was asked for just now; a streamed job may have waited in the connection.

        Returns:
            The lease; None when the job must not be begun: its lease is (nearly) over and the engine gives
            it away, or it is in hand already and was offered again, which renews the lease that we have.
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
        lease = Lease(job, ends)
        self._held[job.key] = lease
        return lease

    def release(self, lease: Lease) -> None:
        """Let go of a job whose outcome the engine knows, or that is given up."""
        if self._held.get(lease.job.key) is lease:
            del self._held[lease.job.key]

    def stand(self, lease: Lease) -> bool:
        """Whether the job is still ours, for long enough to begin it or to go on with it."""
        return not lease.context.lost and lease.ends - monotonic() > self._duration * _TICK

    async def keep(self) -> None:
        """Extend what is due, and tell of what is lost, until cancelled.

        The clock is looked at before anything is awaited, and never waits for the answer to an extension: a
        worker that was stopped for a while must hear of its lost leases before it goes on.
        """
        async with asyncio.TaskGroup() as extensions:
            while True:
                await asyncio.sleep(self._duration * _TICK)
                for lease in self._due():
                    if not self.stand(lease):
                        self._lose(lease, "it could not be extended in time")
                    elif not lease.extending:
                        lease.extending = True
                        extensions.create_task(self._extend(lease))

    def _due(self) -> list[Lease]:
        threshold = monotonic() + self._duration * _EXTEND_BELOW
        return [lease for lease in self if lease.ends < threshold and not lease.context.lost]

    async def _extend(self, lease: Lease) -> None:
        asked = monotonic()
        try:
            await self._engine.extend(lease.job, self._duration)
        except LeaseLostError as error:
            self._lose(lease, str(error))
        except (EngineUnavailableError, EngineRefusedError) as error:
            # Extension is not let through under back-pressure; the next tick tries again.
            _log.debug("lease not extended yet", job_key=lease.job.key, reason=str(error))
        else:
            lease.ends = max(lease.ends, asked + self._duration)
        finally:
            lease.extending = False

    def _lose(self, lease: Lease, reason: str) -> None:
        known, lease.context.lost = lease.context.lost, True
        # With an outcome the job may well be over: reported while the extension was under way.
        if lease.outcome is None and not known:
            _log.warning("lease lost, another worker may get the job", job_key=lease.job.key, reason=reason)
            self._on_lost(lease)
