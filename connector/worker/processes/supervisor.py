"""Several workers on one machine: one process starts them, keeps them running and speaks for them.

The supervisor takes no jobs and holds no secrets. It passes signals on, starts a worker again that has died,
and adds up the health and the numbers of its workers. Each start of a worker is a fresh Python: a fork would
copy an event loop and gRPC's threads in any state.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from time import monotonic

import structlog

from connector.model.backoff import Backoff
from connector.observe.health import Health
from connector.observe.logs import configure_logging
from connector.observe.metrics import Addition
from connector.secrets.masker import Masker
from connector.settings.model import Settings
from connector.worker.processes.control import PROCESS_NUMBER, Control

_log = structlog.get_logger(__name__)


def worker_command(config: Path | None, assignments: Sequence[str], address: str | None) -> list[str]:
    """Give the command that starts one worker of several, as this command was started.

    Args:
        config: The settings file, if one was named.
        assignments: The value of each ``--set``.
        address: The value of ``--address``.
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
        settings: How many workers, where health is answered, and how to log.
        command: Starts one; the descriptor of its socket is appended.

    Returns:
        The highest exit code of the workers; 2 when one could not start, or the address of ``health.listen``
        cannot be listened on.
    """
    configure_logging(settings.log, Masker())
    return asyncio.run(Supervisor(settings, command).run())


class Supervisor:
    """Keeps the workers running and speaks for them; see :func:`supervise` for the arguments."""

    def __init__(self, settings: Settings, command: Sequence[str]) -> None:
        self._settings = settings
        self._addition = Addition()
        grace = settings.worker.grace_period.total_seconds()
        self._workers = [
            WorkerProcess(number, command, self._addition.ended, grace + _LATE)
            for number in range(1, settings.worker.processes + 1)
        ]

    async def run(self) -> int:
        """Work until a signal has ended all workers; return the exit code."""
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
        """Keep all workers running; when one gives up, stop the others."""
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


_log = structlog.get_logger(__name__)

CANNOT_START = 2
# Pauses before another start; after a process that lasted they begin anew.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_LASTING = 60.0
# A process that has not answered for so long hangs, or no longer comes up.
_SILENT = 60.0
# A worker ends by itself within its grace period and a second; one that does not hangs.
_LATE = 3.0


class WorkerProcess:
    """One of several workers; it is started again when it ends without being told to.

    Args:
        number: Its number, from 1 on, for logs and probes.
        command: Starts it; the descriptor of its socket is appended.
        ended: Called with the number when a process of this worker has ended.
        patience: Seconds after the signal to end until a process is killed.
    """

    def __init__(
        self, number: int, command: Sequence[str], ended: Callable[[int], None], patience: float = 60.0
    ) -> None:
        self._patience = patience
        self.number = number
        self._command = command
        self._ended = ended
        self._stopping = asyncio.Event()
        self._process: Process | None = None
        self._control: Control | None = None
        self._ever_up = False
        self._heard = monotonic()

    async def keep(self) -> int:
        """Run until told to stop; return the exit code.

        The code is 2 at once when the very first process cannot start: its fault is permanent then.
        """
        backoff = Backoff(_FIRST_PAUSE, _LONGEST_PAUSE)
        while True:
            begun = monotonic()
            code = await self._run()
            if self._stopping.is_set() or (code == CANNOT_START and not self._ever_up):
                return code
            if monotonic() - begun > _LASTING:
                backoff.reset()
            pause = backoff.next()
            _log.error("worker process ended, starting another", process=self.number, exit_code=code)
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()
            if self._stopping.is_set():
                return 1 if code else 0

    def stop(self) -> None:
        """Tell the worker to drain; the second time, to hurry."""
        if not self._stopping.is_set():
            asyncio.get_running_loop().call_later(self._patience, self._kill)
        self._stopping.set()
        self._send(signal.SIGTERM)

    def _kill(self) -> None:
        """End a process that has not ended by itself: it hangs."""
        if self._process is not None:
            _log.error("worker process hangs and is killed; its jobs come again", process=self.number)
            self._send(signal.SIGKILL)

    def reload(self) -> None:
        """Tell the worker to read its settings again; one that is not up yet is about to read them."""
        if self._control is not None and self._control.up.is_set():
            self._send(signal.SIGHUP)

    async def ready(self) -> None:
        """Return if the process is ready.

        Raises:
            ConnectionError: It is not; the text says why.
        """
        reasons = await self._asked("checks")
        if not isinstance(reasons, list):
            raise ConnectionError("the process is being started, or does not answer")
        if reasons:
            raise ConnectionError("; ".join(map(str, reasons)))

    async def live(self) -> None:
        """Return if the process, or its successor, has answered within the last minute.

        Raises:
            ConnectionError: It has not.
        """
        await self._asked("checks")
        if (silent := monotonic() - self._heard) > _SILENT:
            raise ConnectionError(f"process {self.number} has not answered for {silent:.0f} s")

    async def metrics(self) -> str | None:
        """Return the numbers of the process; None while none answers."""
        text = await self._asked("metrics")
        return text if isinstance(text, str) else None

    async def _asked(self, kind: str) -> object:
        if self._control is None:
            return None
        try:
            answer = await self._control.ask(kind)
        except TimeoutError:
            return None
        self._heard = monotonic()
        return answer

    async def _run(self) -> int:
        """Start a process and wait for its end; return its exit code."""
        control = self._control = Control()
        try:
            # A process group of its own: Ctrl-C in a terminal is for the supervisor, which passes it on.
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                str(control.descriptor),
                pass_fds=(control.descriptor,),
                process_group=0,
                env={**os.environ, PROCESS_NUMBER: str(self.number)},
            )
            await control.open()
            if self._stopping.is_set():
                self._send(signal.SIGTERM)
            noting = asyncio.create_task(self._note_up(control))
            code = await self._process.wait()
            noting.cancel()
            return self._meaning(code, was_up=control.up.is_set())
        except OSError as error:  # out of memory or processes, perhaps only now
            _log.warning("worker process not started", process=self.number, reason=str(error))
            return 1
        finally:
            self._process = self._control = None
            await control.close()
            self._ended(self.number)

    async def _note_up(self, control: Control) -> None:
        await control.up.wait()
        self._ever_up, self._heard = True, monotonic()

    def _meaning(self, code: int, *, was_up: bool) -> int:
        """Interpret an exit code; a process that a signal ended left jobs behind, unless it had not begun."""
        if code >= 0:
            return code
        return 0 if code == -signal.SIGTERM and self._stopping.is_set() and not was_up else 1

    def _send(self, number: signal.Signals) -> None:
        # Not Process.send_signal: it checks whether the process has ended, and takes the exit code away from
        # asyncio, which then reports 255.
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
