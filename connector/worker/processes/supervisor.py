"""Several workers on one machine: started, kept, stopped and answered for by one process.

Settings enter, an exit code leaves. The supervisor takes no jobs and holds no secrets: it passes signals on,
starts anew what has died, and adds up what its workers say of their health and their numbers.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import structlog

from connector.observe.addition import Addition
from connector.observe.health import Health
from connector.observe.logs import configure_logging
from connector.secrets.masker import Masker
from connector.settings.model import Settings
from connector.worker.processes.worker_process import CANNOT_START, WorkerProcess

_log = structlog.get_logger(__name__)


def worker_command(config: Path | None, assignments: Sequence[str], address: str | None) -> list[str]:
    """Say how to start one worker of several, as this command was started.

    Args:
        config: The settings file, if one was named.
        assignments: What stood behind each ``--set``.
        address: What stood behind ``--address``.
    """
    # As this process found the package: installed, or in the directory where `python -m` was called.
    isolated = () if sys.path[0] in {"", str(Path.cwd())} else ("-P",)
    command = [sys.executable, *isolated, "-m", "connector", "run"]
    command += [] if config is None else ["--config", str(config)]
    command += [] if address is None else ["--address", address]
    for assignment in assignments:
        command += ["--set", assignment]
    return [*command, "--link"]


def supervise(settings: Settings, command: Sequence[str]) -> int:
    """Run ``worker.processes`` workers until a signal ends them.

    Args:
        settings: How many, where health is asked, and how to log.
        command: Starts one; the descriptor of its link is put behind.

    Returns:
        The worst exit code of the workers; 2 when one could not start, or the address of ``health.listen``
        cannot be listened on.
    """
    configure_logging(settings.log, Masker())
    return asyncio.run(Supervisor(settings, command).run())


class Supervisor:
    """Keeps the workers and speaks for them; see :func:`supervise` for the arguments."""

    def __init__(self, settings: Settings, command: Sequence[str]) -> None:
        self._settings = settings
        self._addition = Addition()
        self._workers = [
            WorkerProcess(number, command, self._addition.ended)
            for number in range(1, settings.worker.processes + 1)
        ]

    async def run(self) -> int:
        """Work until a signal has ended all of them; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        loop.add_signal_handler(signal.SIGHUP, self._reload)
        async with AsyncExitStack() as stack:
            try:
                await self._answer_probes(stack)
            except OSError as error:
                reason = f"health.listen {self._settings.health.listen}: {error.strerror}"
                _log.error("workers not started", reason=reason)
                return CANNOT_START
            _log.info("supervisor starting", processes=len(self._workers))
            code = await self._keep()
        _log.info("supervisor stopped", exit_code=code)
        return code

    async def _keep(self) -> int:
        """Keep all of them; when one gives up, nothing is right, and the others stop too."""
        keeping = [asyncio.create_task(worker.keep()) for worker in self._workers]
        await asyncio.wait(keeping, return_when=asyncio.FIRST_COMPLETED)
        if any(task.done() and task.result() == CANNOT_START for task in keeping):
            self._stop()
        return max(await asyncio.gather(*keeping))

    def _stop(self) -> None:
        for worker in self._workers:
            worker.stop()

    def _reload(self) -> None:
        for worker in self._workers:
            worker.reload()

    async def _answer_probes(self, stack: AsyncExitStack) -> None:
        listen = self._settings.health.listen
        if listen is None:
            return
        checks = {f"process {worker.number}": worker.ready for worker in self._workers}
        health = Health(listen, checks, str, live=self._live, metrics=self._metrics)
        await stack.enter_async_context(health)
        _log.info("health is answered", port=health.port)

    async def _live(self) -> None:
        await asyncio.gather(*(worker.live() for worker in self._workers))

    async def _metrics(self) -> bytes:
        texts = await asyncio.gather(*(worker.metrics() for worker in self._workers))
        for worker, text in zip(self._workers, texts, strict=True):
            if text is not None:
                self._addition.heard(worker.number, text)
        return self._addition.text()
