"""New settings for a worker that runs, without losing a job.

Settings enter whenever somebody changes them; every job that comes afterwards is handled by a pipeline that
was opened with them, and those in hand finish on the one that they began on, which is closed after its last
job. Settings that a running worker cannot change keep their values, and the log names them.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import structlog

from connector.model.job import Job, JobContext, Outcome
from connector.send.pipeline import Pipeline
from connector.settings.file_stamp import FileStamp, file_stamp
from connector.settings.model import Settings

_log = structlog.get_logger(__name__)

# What the job loop, its connections and the open ledger hold on to, by section; None is all of a section.
_FIXED: Mapping[str, frozenset[str] | None] = MappingProxyType(
    {
        "engine": None,
        "health": None,
        "worker": frozenset(
            {
                *("name", "task_types", "processes", "max_jobs", "lease", "stream"),
                *("poll_interval", "poll_timeout", "grace_period"),
            }
        ),
        "ledger": frozenset({"kind", "path", "url", "retention"}),
    }
)

Opening = Callable[[Settings], AbstractAsyncContextManager[Pipeline]]


class Reloadable:
    """Hands every job to the pipeline of the settings in force.

    Args:
        opening: Opens a pipeline with settings, and closes it.
        settings: Those to begin with.
    """

    def __init__(self, opening: Opening, settings: Settings) -> None:
        self._opening = opening
        self._settings = settings
        self._generations: set[_Generation] = set()
        self._current: _Generation

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Reloadable]:
        """Open the first pipeline; at the end, close every one that is open.

        Raises:
            Exception: It cannot be opened.
        """
        self._current = await self._begin(self._settings)
        try:
            yield self
        finally:
            for generation in self._generations:
                generation.retire()
            await asyncio.gather(*(generation.ended() for generation in self._generations))

    async def handle(self, job: Job, context: JobContext) -> Outcome:
        """Handle a job as the settings in force say when it begins."""
        return await self._current.handle(job, context)

    async def use(self, settings: Settings) -> None:
        """Handle the jobs that come from now on with these settings, as far as they can be changed.

        Raises:
            Exception: No pipeline can be opened with them; the former ones stay in force.
        """
        wanted, fixed = changeable(self._settings, settings)
        if fixed:
            _log.warning("settings need a restart of the worker", settings=fixed)
        if wanted == self._settings:
            return
        former, self._current = self._current, await self._begin(wanted)
        self._settings = wanted
        former.retire()
        _log.info("settings reloaded")

    async def _begin(self, settings: Settings) -> _Generation:
        generation = _Generation(self._opening(settings))
        await generation.opened()
        self._generations.add(generation)
        generation.when_ended(self._generations.discard)
        return generation


class _Generation:
    """One pipeline from its opening to the end of its last job; in a task of its own, as contexts demand."""

    def __init__(self, opening: AbstractAsyncContextManager[Pipeline]) -> None:
        self._pipeline: asyncio.Future[Pipeline] = asyncio.get_running_loop().create_future()
        self._jobs = 0
        self._retired = False
        self._over = asyncio.Event()
        self._task = asyncio.create_task(self._live(opening))

    async def _live(self, opening: AbstractAsyncContextManager[Pipeline]) -> None:
        try:
            async with opening as pipeline:
                self._pipeline.set_result(pipeline)
                await self._over.wait()
        except Exception as error:
            if self._pipeline.done():
                raise
            self._pipeline.set_exception(error)

    async def opened(self) -> None:
        await self._pipeline

    async def handle(self, job: Job, context: JobContext) -> Outcome:
        self._jobs += 1
        try:
            return await self._pipeline.result().handle(job, context)
        finally:
            self._jobs -= 1
            self._end_if_idle()

    def retire(self) -> None:
        self._retired = True
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._retired and not self._jobs:
            self._over.set()

    async def ended(self) -> None:
        await asyncio.wait({self._task})

    def when_ended(self, tell: Callable[[_Generation], None]) -> None:
        def told(task: asyncio.Task[None]) -> None:
            tell(self)
            if not task.cancelled() and (fault := task.exception()) is not None:
                _log.error("former settings not closed", exc_info=fault)

        self._task.add_done_callback(told)


def changeable(former: Settings, wanted: Settings) -> tuple[Settings, list[str]]:
    """Keep what a running worker cannot change.

    Returns:
        The wanted settings with the former values of those, and the names of those that differ.
    """
    sections: dict[str, Any] = {}
    differing: list[str] = []
    for section, names in _FIXED.items():
        old, new = getattr(former, section), getattr(wanted, section)
        fixed = frozenset(type(old).model_fields) if names is None else names
        kept = {name: getattr(old, name) for name in fixed if getattr(old, name) != getattr(new, name)}
        differing += [f"{section}.{name}" for name in kept]
        sections[section] = new.model_copy(update=kept)
    return wanted.model_copy(update=sections), sorted(differing)


class Files:
    """Files whose content counts."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._seen = self._stamps()

    def changed(self) -> bool:
        """Whether one of them is another than at the last look."""
        before, self._seen = self._seen, self._stamps()
        return before != self._seen

    def _stamps(self) -> list[FileStamp | None]:
        return [file_stamp(path) for path in self._paths]
