"""Jobs that no worker has: the backlog of each type, the streams that want them, and polls that wait."""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable
from typing import Protocol

from connector.devengine.commands import ActivatedJob, ActivationRequest
from connector.devengine.state import Job

Push = Callable[[ActivatedJob], bool]


class Leases(Protocol):
    """Reserves jobs for workers."""

    def lease(self, job: Job, request: ActivationRequest) -> ActivatedJob:
        """Take a job out of the backlog for a worker."""

    def put_back(self, job: Job) -> None:
        """Put a job into the backlog that no worker wanted, without offering it again."""


class Stream:
    """A worker's open stream."""

    __slots__ = ("_backlog", "push", "request")

    def __init__(self, backlog: Backlog, request: ActivationRequest, push: Push) -> None:
        self._backlog = backlog
        self.request = request
        self.push = push

    def close(self) -> None:
        """Push no more jobs; what was pushed stays leased."""
        self._backlog.drop_stream(self)


class Watch:
    """A poll that waits for jobs of a type."""

    __slots__ = ("_watches", "callback")

    def __init__(self, watches: dict[Watch, None], callback: Callable[[], object]) -> None:
        self._watches = watches
        self.callback = callback
        watches[self] = None

    def close(self) -> None:
        """Call back no more."""
        self._watches.pop(self, None)


class Backlog:
    """Keeps the jobs of each type in the order in which they became available."""

    def __init__(self) -> None:
        # An ordered dict finds its first entry at once, also after many were taken from the front.
        self._jobs: dict[str, OrderedDict[int, Job]] = defaultdict(OrderedDict)
        self._streams: dict[str, deque[Stream]] = {}
        self._watches: dict[str, dict[Watch, None]] = defaultdict(dict)
        self._fresh: deque[Job] = deque()

    def add(self, job: Job) -> None:
        """Take a job in; `settle` offers it to the streams."""
        self.keep(job)
        self._fresh.append(job)

    def keep(self, job: Job) -> None:
        """Take a job in for polls only."""
        self._jobs[job.type][job.key] = job

    def remove(self, job: Job) -> bool:
        """Take a job out; says whether it was there."""
        return self._jobs[job.type].pop(job.key, None) is not None

    def oldest(self, job_type: str, limit: int) -> list[Job]:
        """Return the jobs that a poll gets."""
        jobs = self._jobs[job_type]
        return [job for job, _ in zip(jobs.values(), range(limit), strict=False)]

    def open_stream(self, request: ActivationRequest, push: Push) -> Stream:
        """Offer the jobs of a type to a worker from now on."""
        stream = Stream(self, request, push)
        self._streams.setdefault(request.type, deque()).append(stream)
        return stream

    def streams(self, job_type: str | None) -> int:
        """Return how many streams are open, for one type or for all."""
        if job_type is not None:
            return len(self._streams.get(job_type, ()))
        return sum(map(len, self._streams.values()))

    def drop_stream(self, stream: Stream) -> None:
        """Forget a stream; a second time does nothing."""
        streams = self._streams.get(stream.request.type)
        if streams is not None and stream in streams:
            streams.remove(stream)

    def watch(self, job_type: str, callback: Callable[[], object]) -> Watch:
        """Call back whenever a job of a type stays in the backlog."""
        return Watch(self._watches[job_type], callback)

    def settle(self, leases: Leases) -> None:
        """Offer the new jobs to the streams in turn, and tell the polls of what is left."""
        left: dict[str, None] = {}
        while self._fresh:
            job = self._fresh.popleft()
            if job.key in self._jobs[job.type] and not self._pushed(job, leases):
                left[job.type] = None
        for job_type in left:
            for watch in list(self._watches[job_type]):
                if self._jobs[job_type]:
                    watch.callback()

    def _pushed(self, job: Job, leases: Leases) -> bool:
        streams = self._streams.get(job.type)
        if streams is None:
            return False
        for stream in list(streams):
            streams.rotate(-1)
            # Leased first, because a worker in this process may complete the job before `push` returns.
            if stream.push(leases.lease(job, stream.request)):
                return True
            leases.put_back(job)
        return False
