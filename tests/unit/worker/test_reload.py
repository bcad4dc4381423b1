"""New settings for a worker that runs: no job is lost, and what cannot change is named."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import cast

import pytest
from structlog.testing import capture_logs

from connector.model.job import Complete, Job, JobContext, Outcome
from connector.send.pipeline import Pipeline
from connector.settings.ledger import LedgerSettings
from connector.settings.model import AttachmentSettings, EngineSettings, Settings, WorkerSettings
from connector.worker.reload import Files, Reloadable, changeable
from tests.jobs import job


class Opened:
    """Pipelines that say which settings they were opened with, and when they are closed."""

    def __init__(self) -> None:
        self.closed: list[int] = []
        self.go_on = asyncio.Event()
        self.began = asyncio.Event()

    @asynccontextmanager
    async def __call__(self, settings: Settings) -> AsyncIterator[Pipeline]:
        limit = settings.attachments.max_count
        if limit == 0:
            raise OSError("no such thing")
        outer = self

        class Counting:
            async def handle(self, job: Job, context: JobContext) -> Outcome:
                outer.began.set()
                await outer.go_on.wait()
                assert limit not in outer.closed
                return Complete({"limit": limit})

        yield cast("Pipeline", Counting())
        self.closed.append(limit)


def limited(count: int) -> Settings:
    return Settings(attachments=AttachmentSettings(max_count=count))


async def test_jobs_in_hand_end_as_they_began_and_later_ones_follow_the_new_settings() -> None:
    opened = Opened()
    async with Reloadable(opened, limited(1)).running() as pipeline:
        first = asyncio.create_task(pipeline.handle(job({}), JobContext()))
        await opened.began.wait()
        await pipeline.use(limited(2))
        second = asyncio.create_task(pipeline.handle(job({}), JobContext()))
        await asyncio.sleep(0)
        assert opened.closed == []
        opened.go_on.set()
        assert [await first, await second] == [Complete({"limit": 1}), Complete({"limit": 2})]
        await asyncio.sleep(0)
        assert opened.closed == [1]
    assert opened.closed == [1, 2]


async def test_settings_that_open_nothing_change_nothing() -> None:
    opened = Opened()
    opened.go_on.set()
    async with Reloadable(opened, limited(1)).running() as pipeline:
        with pytest.raises(OSError, match="no such thing"):
            await pipeline.use(limited(0))
        assert await pipeline.handle(job({}), JobContext()) == Complete({"limit": 1})
    assert opened.closed == [1]


class Slow:
    """An opening that waits, and what became of it."""

    def __init__(self, fault: Exception | None) -> None:
        self.fault = fault
        self.began, self.ended = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def __call__(self, settings: Settings) -> AsyncIterator[Pipeline]:
        if settings.attachments.max_count == 2:
            self.began.set()
            try:
                await asyncio.Event().wait()
            finally:
                self.ended.set()
                if self.fault is not None:
                    raise self.fault
        yield cast("Pipeline", None)


@pytest.mark.parametrize("fault", [None, OSError("the ledger went away as well")])
async def test_a_change_that_is_cancelled_while_it_opens_leaves_nothing_behind(
    fault: Exception | None,
) -> None:
    reported: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    opening = Slow(fault)
    async with Reloadable(opening, limited(1)).running() as pipelines:
        change = asyncio.create_task(pipelines.use(limited(2)))
        await opening.began.wait()
        change.cancel()
        with pytest.raises(asyncio.CancelledError):
            await change
        assert opening.ended.is_set()
        assert pipelines.settings == limited(1)
    del change
    gc.collect()
    assert not reported


async def test_a_change_can_be_taken_back() -> None:
    opened = Opened()
    async with Reloadable(opened, limited(1)).running() as pipeline:
        await pipeline.use(limited(2))
        await pipeline.use(limited(1))
    assert opened.closed == [1, 2, 1]


async def test_the_same_settings_open_nothing() -> None:
    opened = Opened()
    async with Reloadable(opened, limited(1)).running() as pipeline:
        await pipeline.use(limited(1))
    assert opened.closed == [1]


async def test_what_needs_a_restart_is_named_and_the_rest_is_used() -> None:
    opened = Opened()
    opened.go_on.set()
    wanted = limited(2).model_copy(update={"worker": WorkerSettings(max_jobs=7)})
    with capture_logs() as logs:
        async with Reloadable(opened, limited(1)).running() as pipeline:
            await pipeline.use(wanted)
            assert await pipeline.handle(job({}), JobContext()) == Complete({"limit": 2})
    (warning,) = [entry for entry in logs if entry["log_level"] == "warning"]
    assert warning["settings"] == ["worker.max_jobs"]


def test_only_what_a_running_worker_can_change_changes() -> None:
    former = Settings()
    wanted = Settings(
        engine=EngineSettings(address="other:26500"),
        worker=WorkerSettings(max_jobs=7, retry_backoff=timedelta(seconds=7)),
        ledger=LedgerSettings(path=Path("other.db"), max_crashes=7),
    )
    settings, fixed = changeable(former, wanted)
    assert fixed == ["engine.address", "ledger.path", "worker.max_jobs"]
    assert settings.engine == former.engine
    assert (settings.worker.max_jobs, settings.worker.retry_backoff) == (32, timedelta(seconds=7))
    assert (settings.ledger.path, settings.ledger.max_crashes) == (former.ledger.path, 7)


def test_a_file_that_is_written_replaced_made_or_gone_has_changed(tmp_path: Path) -> None:
    file, other = tmp_path / "worker.yaml", tmp_path / "other"
    files = Files([file])
    assert not files.changed()
    for change in (
        lambda: file.write_text("a: 1"),
        lambda: file.write_text("a: 12"),
        lambda: (other.write_text("a: 12"), other.replace(file)),
        file.unlink,
    ):
        change()
        assert files.changed()
        assert not files.changed()
