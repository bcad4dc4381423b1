"""A worker, put together from its settings, and its life as a process.

The process drains at the first SIGTERM or SIGINT: no new jobs, running ones finish, the rest is handed back.
A second signal cuts the grace period short, and SIGHUP reads the settings again.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self

import structlog

from connector.auth.loopback import NotListeningError
from connector.engine.connect import gateway_address
from connector.engine.grpc import GrpcEngine
from connector.engine.port import Engine, EngineRefusedError, EngineUnavailableError
from connector.ledger import LedgerUnavailableError, Upkeep, open_upkeep
from connector.model import VERSION
from connector.model.backoff import Backoff
from connector.model.causes import reason_of
from connector.net.outbound import outbound
from connector.observe.health import Check, Health
from connector.observe.logs import configure_logging
from connector.observe.metrics import MeasuredStore, Metrics
from connector.secrets.masker import Masker
from connector.send.assembly import Shared, open_pipeline, open_smtp
from connector.settings.model import Settings
from connector.settings.sources import Loaded, SettingsError
from connector.worker.job_loop import JobLoop
from connector.worker.processes.control import PROCESS_NUMBER, answer
from connector.worker.reload import Files, Reloadable

log = structlog.get_logger(__name__)

# Threads beside one for each job: several files of one job are read at a time.
_MORE_THREADS = 8
# Beside connections to mail servers: the engine's, the ledger's, attachments being read, logs.
_MORE_FILES = 64
# Seconds between two looks at the files that the settings came from.
_LOOK_EVERY = 2.0

# How long a thread, such as one that writes a large mail, may keep the event loop waiting for Python's lock.
_SWITCH_SECONDS = 0.0005
# After the grace period, for what is left to close in order.
_LATE_SECONDS = 0.8


class Worker:
    """Takes jobs from an engine, sends their mails and reports their outcomes.

    Run it until it is told to stop, or for the length of a block::

        await Worker(settings).run()

        async with Worker(settings, engine=FakeEngine()):
            ...

    It leaves logging and signals to the program around it.

    Args:
        settings: All of them; see :func:`connector.load_settings`.
        engine: An engine in place of the gateway that ``settings.engine`` names. The worker does not close
            it.
        environ: The environment in which secrets are looked up.
        masker: Learns every credential that the worker uses, for a program that masks them in its logs.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        engine: Engine | None = None,
        environ: Mapping[str, str] = os.environ,
        masker: Masker | None = None,
    ) -> None:
        self._open = partial(_opened, settings, masker or Masker(), environ, engine)
        self._stop = asyncio.Event()
        self._task: asyncio.Task[int] | None = None

    async def run(self, stop: asyncio.Event | None = None, hurry: asyncio.Event | None = None) -> int:
        """Work until ``stop`` is set, then shut down in order within ``worker.grace_period``.

        Args:
            stop: Ends the work; without one, cancel this coroutine.
            hurry: Reduces the rest of the grace period to one second.

        Returns:
            The number of jobs whose outcomes the engine has not heard. It offers them again when their leases
            end, and the ledger keeps their mails from being sent twice.

        Raises:
            LedgerUnavailableError: The settings describe a ledger that this worker cannot have.
            OSError: The address of ``health.listen`` or ``pages.listen`` cannot be listened on.
        """
        async with self._open() as parts:
            return await parts.work(stop or asyncio.Event(), hurry)

    async def __aenter__(self) -> Self:
        started = asyncio.get_running_loop().create_future()
        self._stop.clear()
        self._task = asyncio.create_task(self._run_in_background(started))
        await asyncio.wait({self._task, started}, return_when=asyncio.FIRST_COMPLETED)
        if self._task.done():
            self._task.result()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        if self._task is not None:
            await self._task

    async def _run_in_background(self, started: asyncio.Future[None]) -> int:
        async with self._open() as parts:
            started.set_result(None)
            return await parts.work(self._stop, None)


@dataclass(frozen=True, slots=True)
class _Parts:
    """An open worker."""

    settings: Settings
    engine: Engine
    upkeep: Upkeep
    pipelines: Reloadable
    metrics: Metrics

    async def work(
        self, stop: asyncio.Event, hurry: asyncio.Event | None, *duties: Coroutine[Any, Any, None]
    ) -> int:
        """Serve until told to stop, with duties beside it; return how many outcomes were not heard."""
        beside = [asyncio.create_task(duty) for duty in (_announce(self.engine), *duties)]
        loop = JobLoop(self.engine, self.settings.worker, self.pipelines.handle, self.metrics)
        try:
            return await loop.run(stop, hurry)
        finally:
            for task in beside:
                task.cancel()
            await asyncio.wait(beside)  # they use the engine and the pipelines, which are closed next


@asynccontextmanager
async def _opened(
    settings: Settings,
    masker: Masker,
    environ: Mapping[str, str],
    engine: Engine | None = None,
    *,
    process: int | None = None,
) -> AsyncIterator[_Parts]:
    """Open engine, ledger, pipeline, probes and pages, and close them at the end.

    Of several processes each has its number: the supervisor answers probes, and the first serves the pages.
    """
    metrics = Metrics()
    async with AsyncExitStack() as stack:
        if engine is None:
            engine = await stack.enter_async_context(
                GrpcEngine(settings.engine, settings.worker, outbound(settings.http))
            )
        measured = partial(MeasuredStore, metrics=metrics)
        upkeep = await stack.enter_async_context(
            open_upkeep(settings.ledger, settings.worker.lease, measured)
        )
        smtp = await stack.enter_async_context(open_smtp(settings, metrics))
        shared = Shared(upkeep, metrics, smtp=smtp)
        pipelines = Reloadable(
            lambda current: open_pipeline(current, masker, environ, shared=shared), settings
        )
        await stack.enter_async_context(pipelines.running())
        if process is None and settings.health.listen is not None:
            await stack.enter_async_context(
                _answering_probes(settings.health.listen, _checks(engine, upkeep), masker, metrics)
            )
        if process in {None, 1} and settings.pages.listen is not None:
            await stack.enter_async_context(_serving_pages(pipelines, environ, masker))
        yield _Parts(settings, engine, upkeep, pipelines, metrics)


def _checks(engine: Engine, upkeep: Upkeep) -> dict[str, Check]:
    """Give the conditions for the worker to be ready."""

    async def reachable() -> None:
        await engine.version()

    return {"engine": reachable, "ledger": upkeep.ledger.check}


class CannotListenError(OSError):
    """The address of ``health.listen`` or ``pages.listen`` is taken, or not this host's."""


@asynccontextmanager
async def _answering_probes(
    listen: str, checks: Mapping[str, Check], masker: Masker, metrics: Metrics
) -> AsyncIterator[None]:
    async def counted() -> bytes:
        return metrics.text()

    health = Health(listen, checks, masker.mask, metrics=counted)
    try:
        await health.start()
    except OSError as error:
        raise CannotListenError(
            f"health.listen {listen}: {reason_of(error)}; give a free port at an address of this machine"
        ) from error
    try:
        log.info("health is answered", port=health.port)
        yield
    finally:
        await health.aclose()


@asynccontextmanager
async def _serving_pages(
    pipelines: Reloadable, environ: Mapping[str, str], masker: Masker
) -> AsyncIterator[None]:
    from connector.pages.server import serving_pages  # noqa: PLC0415 - loads libraries

    try:
        async with serving_pages(lambda: pipelines.settings, environ, masker):
            yield
    except NotListeningError as error:
        raise CannotListenError(f"pages.listen: {error}") from error


async def _announce(engine: Engine) -> None:
    """Log once that the engine answers; the worker's loops log that it does not."""
    backoff = Backoff()
    while True:
        try:
            log.info("worker ready", engine=await engine.version())
        except (EngineUnavailableError, EngineRefusedError):
            await asyncio.sleep(backoff.next())
        else:
            return


# The process


def run_worker(
    loaded: Loaded,
    again: Callable[[], Loaded],
    environ: Mapping[str, str] = os.environ,
    link: int | None = None,
) -> int:
    """Run until a signal ends it.

    Args:
        loaded: The settings to begin with.
        again: Reads the settings again, after SIGHUP or when a file that they came from has changed.
        environ: The environment in which secrets are looked up.
        link: The descriptor of the socket to a supervisor, which answers probes in place of this process.

    Returns:
        The exit code: 0 when every job was finished or handed back, 1 when the engine has not heard the
        outcome of every job (it offers those again when their leases end), 2 when the worker could not start.
    """
    masker = Masker()
    _prepare_logs(loaded.settings, masker)
    sys.setswitchinterval(_SWITCH_SECONDS)
    try:
        unreported = asyncio.run(_serve(loaded, again, masker, environ, link))
    except (CannotListenError, LedgerUnavailableError) as error:
        log.error("worker not started", reason=str(error))  # noqa: TRY400 - foreseen, no trace
        return 2
    return 1 if unreported else 0


def _prepare_logs(settings: Settings, masker: Masker) -> None:
    number = os.environ.get(PROCESS_NUMBER)
    configure_logging(settings.log, masker, int(number) if number else None)
    for credential in settings.confidential:
        masker.remember(credential)


async def _serve(
    loaded: Loaded,
    again: Callable[[], Loaded],
    masker: Masker,
    environ: Mapping[str, str],
    link: int | None,
) -> int:
    """Serve until told to stop; return how many outcomes the engine has not heard."""
    settings = loaded.settings
    _give_threads(settings.worker.max_jobs)
    _compare_limits(settings)
    log.info("worker starting", **surroundings(settings))
    with _Signals(settings.worker.grace_period.total_seconds()) as signals:
        process = None if link is None else int(os.environ.get(PROCESS_NUMBER, "0"))
        async with _opened(settings, masker, environ, process=process) as parts:
            duties = [_reload(parts.pipelines, loaded, again, masker, signals.hangup)]
            if link is not None:
                checks = _checks(parts.engine, parts.upkeep)
                duties.append(answer(link, checks, parts.metrics, orphaned=signals.stop))
            _set_aside_what_stays()
            unreported = await parts.work(signals.stop, signals.hurry, *duties)
    if unreported:
        log.error("worker stopped; the engine has not heard every outcome", jobs=unreported)
    else:
        log.info("worker stopped")
    return unreported


def surroundings(settings: Settings) -> dict[str, Any]:
    """What the first line of a log must say to know this worker from another one; no secret is among it."""
    return {
        "version": VERSION,
        "engine": gateway_address(settings.engine),
        "task_types": settings.worker.task_types,
        "accounts": sorted(settings.accounts),
        "ledger": settings.ledger.place,
        "time_zone": settings.message.time_zone,
    }


def _compare_limits(settings: Settings) -> None:
    """Warn where the process may open fewer files than its connections need."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = settings.smtp.pool.max_total + settings.worker.max_jobs + _MORE_FILES
    if allowed < wanted:
        log.warning(
            "limit of open files is low: raise it (ulimit -n), or lower smtp.pool.max_total",
            allowed=allowed,
            wanted=wanted,
        )


def _set_aside_what_stays() -> None:
    """Keep the garbage collector from going through modules and settings again and again.

    Its third generation held up all mails for 50 to 75 ms; a bulk task of 10,000 records has it run several
    times. What was made by now is mostly there for good, and 2.6 ms are left.
    """
    gc.collect()
    gc.freeze()


def _give_threads(jobs: int) -> None:
    """Give each job a thread of its own.

    Host names are looked up, files read and large mails written in threads, and a look-up in a dead DNS takes
    half a minute. asyncio's own six threads (on two cores) would soon all wait for one dead name.
    """
    threads = _Threads(jobs + _MORE_THREADS, thread_name_prefix="job")
    asyncio.get_running_loop().set_default_executor(threads)  # asyncio.run closes it


class _Threads(ThreadPoolExecutor):
    """Threads that the end of the worker does not wait for: one may hang in a system call."""

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: ARG002
        """Take no more work, and leave what runs to itself."""
        super().shutdown(wait=False, cancel_futures=True)


async def _reload(
    pipelines: Reloadable,
    loaded: Loaded,
    again: Callable[[], Loaded],
    masker: Masker,
    hangup: asyncio.Event,
) -> None:
    """Put changed settings into force, until cancelled; unusable ones change nothing."""
    files = Files(loaded.files)
    while True:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_EVERY):  # wait_for of Python 3.11 may lose a cancellation
                await hangup.wait()
        if not await asyncio.to_thread(files.changed) and not hangup.is_set():  # a mount may hang
            continue
        hangup.clear()
        try:
            loaded = again()
            _prepare_logs(loaded.settings, masker)
            await pipelines.use(loaded.settings)
        except SettingsError as error:
            log.error("settings not reloaded", reason=str(error))  # noqa: TRY400 - foreseen, no trace
        except Exception:
            log.exception("settings not reloaded")
        else:
            files = Files(loaded.files)


class _Signals:
    """The signals to the process, as events: the first to end, another one, and SIGHUP.

    The first signal also starts a clock that ends the process soon after the grace period, if something in it
    hangs by then.

    Args:
        grace: The grace period in seconds.
    """

    def __init__(self, grace: float) -> None:
        self.stop, self.hurry, self.hangup = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._clock = threading.Timer(grace + _LATE_SECONDS, _end_at_once)
        self._clock.daemon = True

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        loop.add_signal_handler(signal.SIGHUP, self.hangup.set)
        return self

    def __exit__(self, *_: object) -> None:
        self._clock.cancel()

    def _end(self) -> None:
        if self.stop.is_set():
            self.hurry.set()
            return
        self.stop.set()
        self._clock.start()


def _end_at_once() -> None:
    """End the process although something in it hangs: the engine offers its jobs again."""
    log.error("worker stopped: something still hangs after worker.grace_period, and its job comes again")
    leave(1)


def leave(code: int) -> None:
    """End the process with an exit code, without waiting for threads that hang in a system call."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)
