"""The workers of a process test: this project's worker, and the test's handlers of other job types.

A test waits until nothing moves any more. That is when no worker has a job, none waits that a worker would
take, and nothing is due: from then on only time, a message or a person can move a process.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import UTC, datetime
from inspect import isawaitable
from typing import Any

from connector.devengine.in_memory import InMemoryEngine
from connector.devengine.service import EngineService
from connector.engine.port import LeaseLostError
from connector.ledger import open_upkeep
from connector.model.job import Complete, Fail, Job, JobContext, Outcome, Throw
from connector.secrets.masker import Masker
from connector.send.assembly import Shared, open_pipeline
from connector.send.pipeline import Pipeline
from connector.settings.model import MAILBOX_TASK_TYPE, HealthSettings, Settings
from connector.settings.secrets import SecretSettings
from connector.testing.imap import ImapServer
from connector.testing.redirect import Redirected, RedirectedMailbox, StandInSecrets
from connector.testing.smtp import SmtpServer
from connector.worker.job_loop import JobLoop

Answer = Mapping[str, Any] | Outcome | None
JobHandler = Callable[[Job], Answer | Awaitable[Answer]]

_LEASE = 3_600.0
_EVER = 86_400.0
_IN_HAND, _WAITING = "ACTIVATED", ("CREATED", "TIMED_OUT")


class Workers:
    """All workers of one engine.

    Args:
        service: The engine.
        settings: The settings of this project's worker.
        inbox: The server that receives its mails.
        mailbox: The mailbox that its mailbox tasks read.
    """

    def __init__(
        self, service: EngineService, settings: Settings, inbox: SmtpServer, mailbox: ImapServer
    ) -> None:
        self._service = service
        self._settings = for_tests(settings)
        self._inbox = inbox
        self._mailbox = mailbox
        self._fault: BaseException | None = None
        self._handlers: dict[str, asyncio.Task[None]] = {}
        self._ours = frozenset(self._settings.worker.task_types)

    def serves(self, job_type: str) -> bool:
        """Return whether a worker or a handler takes jobs of a type."""
        return job_type in self._ours or job_type in self._handlers

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run this project's worker, and end it and the handlers at the end."""
        stop, worker = asyncio.Event(), self._settings.worker
        port = InMemoryEngine(self._service, worker.name, worker.lease.total_seconds())
        async with self._pipeline() as pipeline:
            self._read_mailbox(pipeline)
            loop = self._started(JobLoop(port, worker, pipeline.handle).run(stop, hurry=stop))
            try:
                await self._service.until(lambda: loop.done() or all(map(self._streamed, self._ours)))
                yield
            finally:
                port.end_streams()
                stop.set()
                for task in self._handlers.values():
                    task.cancel()
                await asyncio.wait({loop, *self._handlers.values()})

    def _streamed(self, job_type: str) -> bool:
        return self._service.core.open_streams(job_type) > 0

    @asynccontextmanager
    async def _pipeline(self) -> AsyncIterator[Pipeline]:
        settings = self._settings
        async with AsyncExitStack() as stack:
            transport = Redirected(self._inbox, settings.smtp, settings.worker.max_jobs)
            stack.push_async_callback(transport.aclose)
            upkeep = await stack.enter_async_context(open_upkeep(settings.ledger, settings.worker.lease))
            shared, secrets = Shared(upkeep, clock=self._now), StandInSecrets(os.environ)
            yield await stack.enter_async_context(
                open_pipeline(settings, Masker(), secrets, transport, shared)
            )

    def _read_mailbox(self, pipeline: Pipeline) -> None:
        """Do mailbox tasks like other jobs: a test may put a handler of its own in the place of this one."""
        mailbox = RedirectedMailbox(pipeline.stages, self._mailbox)
        self.serve(MAILBOX_TASK_TYPE, lambda job: mailbox.handle(job, JobContext()))

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._service.clock.now(), UTC)

    def serve(self, job_type: str, handler: JobHandler) -> None:
        """Give the jobs of a type to a handler, which replaces an earlier one.

        Raises:
            ValueError: This project's worker takes them.
        """
        if job_type in self._ours:
            raise ValueError(f"Jobs of the type {job_type!r} send mails; look at the inbox instead")
        if (former := self._handlers.get(job_type)) is not None:
            former.cancel()
        self._handlers[job_type] = self._started(self._serve(job_type, handler))

    async def _serve(self, job_type: str, handler: JobHandler) -> None:
        port = InMemoryEngine(self._service, "test", _LEASE)
        while True:
            for job in await port.activate(job_type, 1, _EVER):
                outcome = await _outcome(job, handler)
                with suppress(LeaseLostError):  # the handler itself may have ended the task
                    await port.report(job, outcome)

    def _started(self, work: Any) -> asyncio.Task[Any]:
        def ended(task: asyncio.Task[Any]) -> None:
            if not task.cancelled() and task.exception() is not None:
                self._fault = task.exception()
            self._service.notify()

        task = asyncio.create_task(work)
        task.add_done_callback(ended)
        return task

    async def settle(self, limit: float) -> None:
        """Wait until nothing moves any more.

        Args:
            limit: The longest wait, in seconds.

        Raises:
            TimeoutError: Something still moved.
            Exception: The exception of a handler.
        """
        async with asyncio.timeout(limit):
            await self._service.until(lambda: self._fault is not None or not self._moves())
        if self._fault is not None:
            raise self._fault

    def _moves(self) -> bool:
        core, now = self._service.core, self._service.clock.now()
        if (due := core.due()) is not None and due <= now:
            return True
        return any(
            job.state == _IN_HAND or (job.state in _WAITING and self.serves(job.type))
            for job in core.open_jobs()
        )


async def _outcome(job: Job, handler: JobHandler) -> Outcome:
    answer = handler(job)
    if isawaitable(answer):
        answer = await answer
    match answer:
        case None:
            return Complete()
        case Complete() | Throw() | Fail():
            return answer
        case Mapping():
            return Complete(answer)
    raise TypeError(
        f"The handler of {job.type!r} gave {answer!r}; return variables as a dict, None, Complete, Throw or "
        "Fail"
    )


def for_tests(settings: Settings) -> Settings:
    """Keep the settings that decide about mails and outcomes, and replace those of a worker's environment.

    One job at a time makes the order of mails deterministic. No service of production is used: no ledger, no
    secret or token store. Mailbox tasks are done apart. An account with a rate would make a test wait.
    """
    types = tuple(one for one in settings.worker.task_types if one != MAILBOX_TASK_TYPE)
    worker = {"stream": True, "max_jobs": 1, "task_types": types}
    secrets, none = settings.secrets, SecretSettings()
    stores = {name: getattr(none, name) for name in ("directory", "vault", "aws", "azure", "gcp")}
    ledger = {"kind": "memory", "url": None, "must_exist": False}
    return settings.model_copy(
        update={
            "worker": settings.worker.model_copy(update=worker),
            "accounts": {
                name: account.model_copy(update={"rate": None}) for name, account in settings.accounts.items()
            },
            "secrets": secrets.model_copy(update=stores),
            "ledger": settings.ledger.model_copy(update=ledger),
            "health": HealthSettings(),
        }
    )
