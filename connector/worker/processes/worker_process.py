"""One place for a worker process: it is started, and started again whenever it ends unasked.

A command enters, an exit code leaves when the last process of this place has ended for good. Each start is a
fresh Python: a fork would copy an event loop and gRPC's threads in whatever state they are.
"""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from contextlib import suppress
from time import monotonic

import structlog

from connector.worker.patience import Backoff
from connector.worker.processes.link import Link

_log = structlog.get_logger(__name__)

CANNOT_START = 2
# Pauses before another start; one that lasted has nothing to do with the last time.
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0
_LASTING = 60.0
# A process that nobody has heard of for so long hangs, or does not come up any more.
_SILENT = 60.0


class WorkerProcess:
    """One of several workers.

    Args:
        number: Which, from 1 on, for logs and probes.
        command: Starts it; the descriptor of its link is put behind.
        ended: Told whenever a process of this place has ended.
    """

    def __init__(self, number: int, command: Sequence[str], ended: Callable[[int], None]) -> None:
        self.number = number
        self._command = command
        self._ended = ended
        self._stopping = asyncio.Event()
        self._process: Process | None = None
        self._link: Link | None = None
        self._ever_up = False
        self._heard = monotonic()

    async def keep(self) -> int:
        """Run until told to stop; the exit code.

        It is 2 at once when the very first process cannot start: what is wrong then is wrong for good.
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
        """Tell it to drain; the second time, to hurry."""
        self._stopping.set()
        self._send(signal.SIGTERM)

    def reload(self) -> None:
        """Tell it to read its settings anew; one that is not up yet is about to read them."""
        if self._link is not None and self._link.up.is_set():
            self._send(signal.SIGHUP)

    async def ready(self) -> None:
        """Return if the process is ready.

        Raises:
            ConnectionError: It is not, and why.
        """
        reasons = await self._asked("checks")
        if not isinstance(reasons, list):
            raise ConnectionError("the process is being started, or does not answer")
        if reasons:
            raise ConnectionError("; ".join(map(str, reasons)))

    async def live(self) -> None:
        """Return if the process, or one in its place, has been heard of lately.

        Raises:
            ConnectionError: It has not.
        """
        await self._asked("checks")
        if (silent := monotonic() - self._heard) > _SILENT:
            raise ConnectionError(f"process {self.number} has not been heard of for {silent:.0f} s")

    async def metrics(self) -> str | None:
        """What the process counts; None while there is none that answers."""
        text = await self._asked("metrics")
        return text if isinstance(text, str) else None

    async def _asked(self, kind: str) -> object:
        if self._link is None:
            return None
        try:
            answer = await self._link.ask(kind)
        except TimeoutError:
            return None
        self._heard = monotonic()
        return answer

    async def _run(self) -> int:
        """Start a process and wait for its end."""
        link = self._link = Link()
        try:
            # A process group of its own: Ctrl-C in a terminal is for the supervisor, which passes it on.
            self._process = await asyncio.create_subprocess_exec(
                *self._command, str(link.descriptor), pass_fds=(link.descriptor,), process_group=0
            )
            await link.open()
            if self._stopping.is_set():
                self._send(signal.SIGTERM)
            noting = asyncio.create_task(self._note_up(link))
            code = await self._process.wait()
            noting.cancel()
            return self._meaning(code, was_up=link.up.is_set())
        except OSError as error:  # out of memory or processes, perhaps only now
            _log.warning("worker process not started", process=self.number, reason=str(error))
            return 1
        finally:
            self._process = self._link = None
            await link.close()
            self._ended(self.number)

    async def _note_up(self, link: Link) -> None:
        await link.up.wait()
        self._ever_up, self._heard = True, monotonic()

    def _meaning(self, code: int, *, was_up: bool) -> int:
        """Read an exit code; one that a signal ended has left jobs behind, unless it had not begun."""
        if code >= 0:
            return code
        return 0 if code == -signal.SIGTERM and self._stopping.is_set() and not was_up else 1

    def _send(self, number: signal.Signals) -> None:
        # Not Process.send_signal: that one looks whether the process has ended, and takes the exit code from
        # under asyncio, which then reports 255.
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
