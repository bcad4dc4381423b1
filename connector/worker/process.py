"""The worker as a process: settings in, an exit code out.

Puts engine, pipeline and worker together and turns signals into an orderly end: the first SIGTERM or SIGINT
drains (no new jobs, running ones finish, the rest is handed back), a second one cuts the grace period short,
and SIGHUP reads the settings anew.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Any

import structlog

from connector import __version__
from connector.engine.grpc import GrpcEngine
from connector.engine.port import EngineRefusedError, EngineUnavailableError
from connector.ledger import LedgerUnavailableError, Upkeep, open_upkeep
from connector.observe.health import Check, Health
from connector.observe.logs import configure_logging
from connector.observe.metrics import MeasuredStore, Metrics
from connector.secrets.masker import Masker
from connector.send.pipeline import Shared, open_pipeline
from connector.settings.model import Settings
from connector.settings.sources import Loaded, SettingsError
from connector.worker.patience import Backoff
from connector.worker.processes.link import answer
from connector.worker.reload import Files, Reloadable
from connector.worker.worker import Worker

log = structlog.get_logger(__name__)

# Threads beside one for each job: several files of one job are read at a time.
_MORE_THREADS = 8
# Seconds between two looks at the files that the settings came from.
_LOOK_EVERY = 2.0


def run_worker(
    loaded: Loaded,
    again: Callable[[], Loaded],
    environ: Mapping[str, str] = os.environ,
    link: int | None = None,
) -> int:
    """Run until a signal ends it.

    Args:
        loaded: The settings to begin with.
        again: Reads them anew, when SIGHUP asks for it or a file that they came from has changed.
        environ: Where secrets from the environment are looked up.
        link: The descriptor of the way to a supervisor, which answers probes in place of this process.

    Returns:
        The exit code: 0 when everything taken was finished or handed back, 1 when the engine has not heard
        the outcome of every job (it offers those again when their leases end), 2 when the worker could not
        start.
    """
    masker = Masker()
    _prepare_logs(loaded.settings, masker)
    try:
        unreported = asyncio.run(_serve(loaded, again, masker, environ, link))
    except (_CannotListenError, LedgerUnavailableError) as error:
        log.error("worker not started", reason=str(error))  # noqa: TRY400 - foreseen, no trace
        return 2
    return 1 if unreported else 0


class _CannotListenError(Exception):
    """The address of ``health.listen`` is taken, or not this host's."""


def _prepare_logs(settings: Settings, masker: Masker) -> None:
    configure_logging(settings.log, masker)
    for credential in settings.credentials:
        masker.remember(credential)


async def _serve(
    loaded: Loaded,
    again: Callable[[], Loaded],
    masker: Masker,
    environ: Mapping[str, str],
    link: int | None,
) -> int:
    """Serve until told to stop; how many jobs' outcomes the engine has not heard."""
    settings = loaded.settings
    stop, hurry, hangup = _signals()
    _give_threads(settings.worker.max_jobs)
    metrics = Metrics()
    log.info("worker starting", version=__version__, task_types=settings.worker.task_types)
    async with (
        GrpcEngine(settings.engine, settings.worker) as engine,
        open_upkeep(
            settings.ledger, settings.worker.lease, partial(MeasuredStore, metrics=metrics)
        ) as upkeep,
        Reloadable(
            lambda current: open_pipeline(current, masker, environ, shared=Shared(upkeep, metrics)),
            settings,
        ).running() as pipeline,
        _answering_probes(
            settings.health.listen if link is None else None, _checks(engine, upkeep), masker, metrics
        ),
    ):
        reloading = _reload(pipeline, loaded, again, masker, hangup)
        duties: list[Coroutine[Any, Any, None]] = [_announce(engine), reloading]
        if link is not None:
            duties.append(answer(link, _checks(engine, upkeep), metrics, orphaned=stop))
        beside = [asyncio.create_task(duty) for duty in duties]
        try:
            unreported = await Worker(engine, settings.worker, pipeline.handle, metrics).run(stop, hurry)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.wait(beside)  # they use the engine and the pipeline, which are closed next
    if unreported:
        log.error("worker stopped; the engine has not heard every outcome", jobs=unreported)
    else:
        log.info("worker stopped")
    return unreported


def _give_threads(jobs: int) -> None:
    """Let no job wait for the thread of another.

    Host names are looked up, files read and large mails written in threads, and a look-up in a dead DNS
    takes half a minute. asyncio's own six threads (on two cores) would soon all wait for one dead name.
    """
    threads = ThreadPoolExecutor(jobs + _MORE_THREADS, thread_name_prefix="job")
    asyncio.get_running_loop().set_default_executor(threads)  # asyncio.run closes it


def _checks(engine: GrpcEngine, upkeep: Upkeep) -> dict[str, Check]:
    """What must hold for the worker to be ready."""

    async def reachable() -> None:
        await engine.version()

    return {"engine": reachable, "ledger": upkeep.ledger.check}


@asynccontextmanager
async def _answering_probes(
    listen: str | None, checks: Mapping[str, Check], masker: Masker, metrics: Metrics
) -> AsyncIterator[None]:
    """Answer ``/health/…`` and ``/metrics`` where the settings say so."""
    if listen is None:
        yield
        return

    async def counted() -> bytes:
        return metrics.text()

    health = Health(listen, checks, masker.mask, metrics=counted)
    try:
        await health.start()
    except OSError as error:
        raise _CannotListenError(f"health.listen {listen}: {error.strerror}") from error
    try:
        log.info("health is answered", port=health.port)
        yield
    finally:
        await health.aclose()


async def _announce(engine: GrpcEngine) -> None:
    """Say once that the engine answers; that it does not, the worker's own loops say."""
    backoff = Backoff()
    while True:
        try:
            log.info("worker ready", engine=await engine.version())
        except (EngineUnavailableError, EngineRefusedError):
            await asyncio.sleep(backoff.next())
        else:
            return


async def _reload(
    pipeline: Reloadable,
    loaded: Loaded,
    again: Callable[[], Loaded],
    masker: Masker,
    hangup: asyncio.Event,
) -> None:
    """Put changed settings into force, until cancelled; those that cannot be used change nothing."""
    files = Files(loaded.files)
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(hangup.wait(), _LOOK_EVERY)
        if not files.changed() and not hangup.is_set():
            continue
        hangup.clear()
        try:
            loaded = again()
            _prepare_logs(loaded.settings, masker)
            await pipeline.use(loaded.settings)
        except SettingsError as error:
            log.error("settings not reloaded", reason=str(error))  # noqa: TRY400 - foreseen, no trace
        except Exception:
            log.exception("settings not reloaded")
        else:
            files = Files(loaded.files)


def _signals() -> tuple[asyncio.Event, asyncio.Event, asyncio.Event]:
    """Give three events: the first signal to end sets the first, another one the second, SIGHUP the third."""
    stop, hurry, hangup = asyncio.Event(), asyncio.Event(), asyncio.Event()

    def signalled() -> None:
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled)
    loop.add_signal_handler(signal.SIGHUP, hangup.set)
    return stop, hurry, hangup
