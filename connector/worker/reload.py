"""Change the settings of a running worker without losing a job.

Jobs that start after a change are handled by a pipeline with the new settings. Jobs that have started finish
in their pipeline, which is closed after its last job. Settings that a running worker cannot change keep their
values, and the log names them.
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
from connector.settings.model import Settings
from connector.settings.values import FileStamp, file_stamp

_log = structlog.get_logger(__name__)

# Settings that the job loop, its connections and the open ledger cannot change, by section; None means all.
_FIXED: Mapping[str, frozenset[str] | None] = MappingProxyType(
    {
        "engine": None,
        "health": None,
        "pages": None,
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
    """Gives every job to the pipeline of the current settings.

    Args:
        opening: Opens a pipeline with settings, and closes it.
        settings: The initial settings.
    """

    def __init__(self, opening: Opening, settings: Settings) -> None:
        self._opening = opening
        self._settings = settings
        self._generations: set[_Generation] = set()
        self._current: _Generation

    @property
    def settings(self) -> Settings:
        """The settings in force."""
        return self._settings

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Reloadable]:
        """Open the first pipeline; at the end, close all open ones.

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
        """Handle a job with the settings that are current when it starts."""
        return await self._current.handle(job, context)

    async def use(self, settings: Settings) -> None:
        """Use these settings for later jobs, as far as a running worker can change them.

        Raises:
            Exception: No pipeline can be opened with them; the former settings stay in force.
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
        self._generations.add(generation)
        generation.when_ended(self._generations.discard)
        await generation.opened()
        return generation


class _Generation:
    """One pipeline, in its own task, from its opening to the end of its last job."""

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
        """Wait until it is open; a wait that is cancelled leaves nothing open or half open.

        Raises:
            Exception: It cannot be opened.
        """
        try:
            await asyncio.wait({self._pipeline})
        except asyncio.CancelledError:
            self._task.cancel()
            await asyncio.wait({self._task})
            if self._pipeline.done():
                self._pipeline.exception()  # read, so that asyncio does not report it
            raise
        self._pipeline.result()

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
    """Keep the values that a running worker cannot change.

    Returns:
        The new settings with those values, and the names of the settings whose change has no effect.
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
    """Watches the content of files."""

    def __init__(self, paths: Iterable[Path]) -> None:
        self._paths = tuple(paths)
        self._seen = self._stamps()

    def changed(self) -> bool:
        """Return whether one of them has changed since the last call."""
        before, self._seen = self._seen, self._stamps()
        return before != self._seen

    def _stamps(self) -> list[FileStamp | None]:
        return [file_stamp(path) for path in self._paths]
