"""The jobs that a worker holds, and until when the engine keeps them for it.

A job enters when it is received and leaves when the engine has heard what became of it; until then its
lease is extended. One timer serves all jobs, since a task for each would cost more than the extension.

What Zeebe 8.6 does, measured, decides the rules here: a lease that ended can no longer be extended, but
while *another* worker holds the job, the former holder's commands still go through, and a Fail of his
takes the job away from the one who works on it. So whether a lease still stands is judged by time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic, time

import structlog

from connector.engine.port import (
    Engine,
    EngineRefusedError,
    EngineUnavailableError,
    Fail,
    Job,
    LeaseLostError,
    Outcome,
)

_log = structlog.get_logger(__name__)

# Extension begins when this share of a lease is left, and is tried again at every tick until it is over.
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
        outcome: What became of the job; None while it is waiting or worked on.
        lost: The lease ended, or the engine says that the job is not ours.
    """

    job: Job
    ends: float
    outcome: Outcome | None = None
    lost: bool = False

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
    connection, so it can only bring the estimate down.
    """

    def __init__(self, duration: float) -> None:
        self._duration = duration
        self._skew: float | None = None
        self._warned = False

    def lease_end(self, job: Job, *, polled: bool) -> float:
        """When the job's lease ends, on the monotonic clock."""
        age = time() - (job.deadline - self._duration)
        if polled or self._skew is None or age < self._skew:
            self._skew = age
            self._warn_once(age)
        return monotonic() + self._duration - (age - self._skew)

    def _warn_once(self, skew: float) -> None:
        if abs(skew) > _NOTABLE_SKEW and not self._warned:
            self._warned = True
            _log.warning("this machine's clock and the engine's differ; set both by NTP", seconds=round(skew))


class Leases:
    """Every job that this worker holds, by key.

    Args:
        engine: Where leases are extended.
        duration: What the engine grants at once, in seconds.
    """

    def __init__(self, engine: Engine, duration: float) -> None:
        self._engine = engine
        self._duration = duration
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
        if ends - monotonic() < self._duration * _WORTH_BEGINNING:
            _log.info("stale job dropped, the engine offers it again", job_key=job.key)
            return None
        held = self._held.get(job.key)
        if held is not None and not held.is_followed_by(job):
            held.ends, held.lost = ends, False
            _log.info("job offered again while in hand, lease renewed", job_key=job.key)
            return None
        lease = Lease(job, ends)
        self._held[job.key] = lease
        return lease

    def release(self, lease: Lease) -> None:
        """Let go of a job whose outcome the engine knows, or that is given up."""
        if self._held.get(lease.job.key) is lease:
            del self._held[lease.job.key]

    async def keep(self) -> None:
        """Extend what is due, until cancelled."""
        while True:
            await asyncio.sleep(self._duration * _TICK)
            await asyncio.gather(*map(self._extend, self._due()))

    def _due(self) -> list[Lease]:
        threshold = monotonic() + self._duration * _EXTEND_BELOW
        return [lease for lease in self if lease.ends < threshold and not lease.lost]

    async def _extend(self, lease: Lease) -> None:
        asked = monotonic()
        if lease.ends <= asked:
            self._lose(lease, "it ended before the engine could be reached")
            return
        try:
            await self._engine.extend(lease.job, self._duration)
        except LeaseLostError as error:
            self._lose(lease, str(error))
        except (EngineUnavailableError, EngineRefusedError) as error:
            # Extension is not let through under back-pressure; the next tick tries again.
            _log.debug("lease not extended yet", job_key=lease.job.key, reason=str(error))
        else:
            lease.ends = max(lease.ends, asked + self._duration)

    def _lose(self, lease: Lease, reason: str) -> None:
        lease.lost = True
        _log.warning("lease lost, another worker may get the job", job_key=lease.job.key, reason=reason)
