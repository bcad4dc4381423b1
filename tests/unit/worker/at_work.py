"""A worker at work on an engine in memory, and the handlers that its tests give it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from connector.model.job import Complete, Job, JobContext, Outcome
from connector.settings.model import SEND_TASK_TYPE, WorkerSettings
from connector.testing.engine import FakeEngine
from connector.worker.job_loop import Handler, JobLoop

TYPE = SEND_TASK_TYPE
PATIENCE = 20.0


def worker_settings(**changed: Any) -> WorkerSettings:
    quick: dict[str, Any] = {
        "name": "test",
        "task_types": (TYPE,),
        "poll_interval": timedelta(seconds=0.05),
        "grace_period": timedelta(seconds=5),
    }
    return WorkerSettings(**{**quick, **changed})


@dataclass
class Running:
    """A worker at work."""

    worker: JobLoop
    task: asyncio.Task[int]
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    hurry: asyncio.Event = field(default_factory=asyncio.Event)

    async def shut_down(self) -> int:
        self.stop.set()
        return await self.task


@asynccontextmanager
async def working(engine: FakeEngine, handle: Handler, **changed: Any) -> AsyncIterator[Running]:
    worker = JobLoop(engine, worker_settings(**changed), handle)
    stop, hurry = asyncio.Event(), asyncio.Event()
    async with asyncio.timeout(PATIENCE):
        running = Running(worker, asyncio.create_task(worker.run(stop, hurry)), stop, hurry)
        try:
            yield running
        finally:
            stop.set()
            hurry.set()
            await asyncio.wait({running.task})


async def complete(job: Job, context: JobContext) -> Outcome:
    return Complete({"seen": job.key})


def giving(outcome: Outcome) -> Handler:
    """A handler that always comes to the same."""

    async def handle(job: Job, context: JobContext) -> Outcome:
        return outcome

    return handle


class Held:
    """A handler that keeps its jobs until told to let go; once cancelled it does nothing more.

    Unless ``stubborn``: then it goes on as one whose mail is out, and who waits for the reply. One that
    ``commits`` says so at once.
    """

    def __init__(
        self, outcome: Outcome | None = None, *, stubborn: bool = False, commits: bool = False
    ) -> None:
        self._commits = commits
        self.jobs: list[Job] = []
        self.cancelled: list[Job] = []
        self._stubborn = stubborn
        self.let_go = asyncio.Event()
        self.arrived = asyncio.Condition()
        self._outcome = outcome or Complete()

    async def __call__(self, job: Job, context: JobContext) -> Outcome:
        context.committed = self._commits
        self.jobs.append(job)
        async with self.arrived:
            self.arrived.notify_all()
        try:
            await self.let_go.wait()
        except asyncio.CancelledError:
            self.cancelled.append(job)
            if not self._stubborn:
                raise
            await self.let_go.wait()
        return self._outcome

    async def until(self, number: int) -> None:
        async with self.arrived:
            await self.arrived.wait_for(lambda: len(self.jobs) >= number)
