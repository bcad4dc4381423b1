"""One worker in a process of its own, which drains a backlog and says what that took.

``python -m benchmarks.job_worker KIND JOBS [KEY=VALUE ...]`` with the settings that an operator gives. The
kinds are ``mail``, the connector as ``smtp-connector run`` puts it together; ``noop``, the same loop with a
handler that completes at once; ``pyzeebe``, that library's worker with such a handler. Prints one JSON object
when the engine has heard of so many jobs; with JOBS 0, works until SIGTERM, whatever becomes of the jobs.

Rate and CPU count from the moment at which the worker begins to work, connecting and taking jobs included.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from time import perf_counter, process_time
from typing import Any

import psutil
from pyzeebe import ZeebeWorker, create_insecure_channel

from benchmarks.hops import CountingLoop
from connector.engine.grpc import GrpcEngine
from connector.ledger import open_upkeep
from connector.model.job import Complete, Job, JobContext, Outcome
from connector.observe.logs import configure_logging
from connector.secrets.masker import Masker
from connector.send.assembly import Shared, open_pipeline
from connector.settings.model import SEND_TASK_TYPE, Settings
from connector.settings.sources import load
from connector.worker.job_loop import Handler, JobLoop


@dataclass
class Tally:
    """Counts what the engine has heard, and what the loop has done; ``over`` is set with the last job."""

    jobs: int
    loop: CountingLoop
    over: asyncio.Event = field(default_factory=asyncio.Event)
    heard: int = 0
    begun: tuple[float, float] = (0.0, 0.0)
    before: dict[str, int] = field(default_factory=dict)
    longest_pause: float = 0.0
    _last: float | None = None

    def begin(self) -> None:
        """Begin to count."""
        self.begun, self.before = (perf_counter(), process_time()), self.loop.hops()

    def one(self) -> None:
        """Count one job that the engine has heard of."""
        self.heard += 1
        now = perf_counter()
        if self._last is not None:
            self.longest_pause = max(self.longest_pause, now - self._last)
        self._last = now
        if self.heard == self.jobs:
            self._say(now)
            self.over.set()

    def _say(self, now: float) -> None:
        told = {
            "jobs_per_second": self.jobs / (now - self.begun[0]),
            "cpu_ms": (process_time() - self.begun[1]) / self.jobs * 1000,
            "memory_mb": psutil.Process().memory_info().rss / 1e6,
            "longest_pause": self.longest_pause,
            **{name: (now - self.before[name]) / self.jobs for name, now in self.loop.hops().items()},
        }
        print(json.dumps(told), flush=True)


class _Counted(GrpcEngine):
    tally: Tally

    async def report(self, job: Job, outcome: Outcome) -> None:
        completed = isinstance(outcome, Complete)
        if self.tally.jobs and not completed:
            raise SystemExit(f"a job did not end as it should: {outcome}")
        await super().report(job, outcome)
        if completed:
            self.tally.one()


async def _noop(_job: Job, _context: JobContext) -> Outcome:
    return Complete(mail_sent=False)


async def _ours(settings: Settings, tally: Tally, *, mail: bool) -> None:
    masker = Masker()
    configure_logging(settings.log, masker)
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(_Counted(settings.engine, settings.worker))
        assert isinstance(engine, _Counted)
        engine.tally = tally
        handle: Handler = _noop
        if mail:
            upkeep = await stack.enter_async_context(open_upkeep(settings.ledger, settings.worker.lease))
            opening = open_pipeline(settings, masker, os.environ, shared=Shared(upkeep))
            handle = (await stack.enter_async_context(opening)).handle
        tally.begin()
        await JobLoop(engine, settings.worker, handle).run(tally.over)


async def _pyzeebe(settings: Settings, tally: Tally) -> None:
    """Run pyzeebe's worker as well as it can be set: no sleep when full, as many jobs in flight as ours."""
    stream, delay = settings.worker.stream, int(os.environ.get("POLL_RETRY_DELAY", "0"))
    channel = create_insecure_channel(grpc_address=settings.engine.address or "")
    worker = ZeebeWorker(channel, poll_retry_delay=delay, stream_enabled=stream)
    most = settings.worker.max_jobs

    @worker.task(  # type: ignore[arg-type]
        task_type=SEND_TASK_TYPE, max_running_jobs=most, max_jobs_to_activate=most, timeout_ms=60_000
    )
    async def noop(**_variables: Any) -> dict[str, Any]:
        return {}

    report: Callable[..., Awaitable[object]] = worker.zeebe_adapter.complete_job

    async def counted(*given: object, **named: object) -> object:
        answer = await report(*given, **named)
        tally.one()
        return answer

    worker.zeebe_adapter.complete_job = counted  # type: ignore[method-assign, assignment]
    tally.begin()
    working = asyncio.create_task(worker.work())
    await tally.over.wait()
    working.cancel()
    await asyncio.wait({working})
    await channel.close(None)


async def _work(loop: CountingLoop, kind: str, jobs: int, assignments: list[str]) -> None:
    overrides = {name: value for name, _, value in (one.partition("=") for one in assignments)}
    settings = load(os.environ, overrides=overrides).settings
    tally = Tally(jobs, loop)
    loop.add_signal_handler(signal.SIGTERM, tally.over.set)
    if kind == "pyzeebe":
        await _pyzeebe(settings, tally)
    else:
        await _ours(settings, tally, mail=kind == "mail")


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=CountingLoop) as runner:
        counting = runner.get_loop()
        assert isinstance(counting, CountingLoop)
        runner.run(_work(counting, sys.argv[1], int(sys.argv[2]), sys.argv[3:]))
