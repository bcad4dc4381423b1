"""The worker as a process: settings in, an exit code out.

Puts engine, pipeline and worker together and turns signals into an orderly end: the first SIGTERM or SIGINT
drains (no new jobs, running ones finish, the rest is handed back), a second one cuts the grace period short.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Mapping

import structlog

from connector import __version__
from connector.engine.grpc import GrpcEngine
from connector.engine.patience import Backoff
from connector.engine.port import EngineRefusedError, EngineUnavailableError
from connector.observe.logs import Redactor, configure_logging
from connector.pipeline import open_pipeline
from connector.settings.model import Settings
from connector.worker import Worker

log = structlog.get_logger(__name__)


def run_worker(settings: Settings, environ: Mapping[str, str] = os.environ) -> int:
    """Run until a signal ends it; 0 when everything taken was finished or handed back."""
    redactor = Redactor()
    configure_logging(settings.log, redactor)
    if settings.engine.client_secret is not None:
        redactor.remember(settings.engine.client_secret.get_secret_value())
    asyncio.run(_serve(settings, redactor, environ))
    return 0


async def _serve(settings: Settings, redactor: Redactor, environ: Mapping[str, str]) -> None:
    stop, hurry = _signals()
    log.info("worker starting", version=__version__, task_types=settings.worker.task_types)
    async with (
        GrpcEngine(settings.engine, settings.worker) as engine,
        open_pipeline(settings, redactor, environ) as pipeline,
    ):
        announcement = asyncio.create_task(_announce(engine))
        try:
            await Worker(engine, settings.worker, pipeline.handle).run(stop, hurry)
        finally:
            announcement.cancel()
    log.info("worker stopped")


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


def _signals() -> tuple[asyncio.Event, asyncio.Event]:
    """Give two events: the first signal sets the first, another one the second."""
    stop, hurry = asyncio.Event(), asyncio.Event()

    def signalled() -> None:
        (hurry if stop.is_set() else stop).set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled)
    return stop, hurry
