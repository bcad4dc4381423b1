"""The worker as a process: what it puts together, and its exit code."""

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Self

import pytest
from pydantic import SecretStr
from structlog.testing import capture_logs

from connector.model.job import Complete, Job, JobContext, Outcome
from connector.secrets.masker import Masker
from connector.settings.ledger import LedgerSettings
from connector.settings.model import SEND_TASK_TYPE, EngineSettings, Settings, WorkerSettings
from connector.settings.sources import Loaded
from connector.testing.engine import FakeEngine
from connector.worker import worker

SECRET = "s3cr3t-of-the-client"


class Engine(FakeEngine):
    """In place of ``GrpcEngine``: it has one job, and is slow to say its version."""

    asked_when_closed: bool | None = None

    async def __aenter__(self) -> Self:
        self.key = self.create_job(SEND_TASK_TYPE)
        self._asked = False
        return self

    async def __aexit__(self, *_: object) -> None:
        self.asked_when_closed = self._asked

    async def version(self) -> str:
        self._asked = True
        try:
            await asyncio.Event().wait()
        finally:
            self._asked = False
        return ""


Handle = Callable[[Engine], Awaitable[Outcome]]


def prepared(monkeypatch: pytest.MonkeyPatch, handle: Handle) -> Engine:
    """Let the service run on an engine in memory; SIGTERM comes when its job has been handled."""
    engine = Engine()

    class Pipeline:
        async def handle(self, job: Job, context: JobContext) -> Outcome:
            try:
                return await handle(engine)
            finally:
                os.kill(os.getpid(), signal.SIGTERM)

    @asynccontextmanager
    async def opened(*_: object, **__: object) -> AsyncIterator[Pipeline]:
        yield Pipeline()

    monkeypatch.setattr(worker, "GrpcEngine", lambda *_: engine)
    monkeypatch.setattr(worker, "open_pipeline", opened)
    monkeypatch.setattr(worker, "configure_logging", lambda *_: None)
    return engine


SETTINGS = Settings(
    ledger=LedgerSettings(kind="memory"),
    worker=WorkerSettings(task_types=(SEND_TASK_TYPE,), max_jobs=100, grace_period=timedelta(seconds=0.2)),
)


def run_worker(settings: Settings) -> int:
    loaded = Loaded(settings, {})
    return worker.run_worker(loaded, lambda: loaded)


async def complete(engine: Engine) -> Outcome:
    return Complete()


async def complete_while_the_engine_goes_down(engine: Engine) -> Outcome:
    engine.go_down()
    return Complete()


@pytest.mark.parametrize(("handle", "code"), [(complete, 0), (complete_while_the_engine_goes_down, 1)])
def test_the_exit_code_says_whether_the_engine_heard_every_outcome(
    monkeypatch: pytest.MonkeyPatch, handle: Handle, code: int
) -> None:
    prepared(monkeypatch, handle)
    with capture_logs() as logs:
        assert run_worker(SETTINGS) == code
    last = logs[-1]
    assert last["event"].startswith("worker stopped")
    assert (last["log_level"], last.get("jobs")) == (("error", 1) if code else ("info", None))


def test_jobs_do_not_wait_for_each_others_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(SETTINGS.worker.max_jobs)

    async def handle(engine: Engine) -> Outcome:
        waits = [asyncio.to_thread(together.wait, 20) for _ in range(together.parties)]
        await asyncio.gather(*waits)
        return Complete({"together": True})

    engine = prepared(monkeypatch, handle)
    assert run_worker(SETTINGS) == 0
    assert engine.outcomes(engine.key) == [Complete({"together": True})]


def test_nothing_uses_the_engine_once_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = prepared(monkeypatch, complete)
    run_worker(SETTINGS)
    assert engine.asked_when_closed is False


def test_the_client_secret_is_masked_from_the_beginning(monkeypatch: pytest.MonkeyPatch) -> None:
    masked: list[str] = []

    async def serve(loaded: Loaded, read: object, masker: Masker, *more: object) -> int:
        masked.append(masker.mask(f"the endpoint says {SECRET}"))
        return 0

    monkeypatch.setattr(worker, "_serve", serve)
    monkeypatch.setattr(worker, "configure_logging", lambda *_: None)
    credentials = {"client_id": "mailer", "client_secret": SecretStr(SECRET)}
    cloud = EngineSettings(cluster_id="c1", cluster_region="bru-2", **credentials)
    run_worker(Settings(engine=cloud))
    assert len(masked) == 1
    assert SECRET not in masked[0]
