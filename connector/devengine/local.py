"""The development engine as a process of its own, and ``smtp-connector engine``.

Options enter; addresses leave, and behind them an engine that is gone as soon as it is no longer wanted.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from connector.devengine.commands import EngineVersion
from connector.settings.model import EngineSettings

__all__ = ["LocalEngine", "LocalEngineError", "engine_for_development"]

HOST = "127.0.0.1"
_PATIENCE = 5  # seconds between SIGTERM and SIGKILL
_LOG_LINES = 25
# Nothing else of our environment reaches the engine.
_PASSED_ON = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "PYTHONPATH")


class LocalEngineError(Exception):
    """The engine cannot be started; the message says why."""


class LocalEngine:
    """An engine in a process of its own, on loopback ports, for as long as the context lasts.

    When this process dies, even by SIGKILL, the engine ends as well. A process that was killed can be started
    again, at the same ports; with a journal it knows everything that it knew.

    Args:
        version: The version whose behaviour is imitated where versions differ.
        journal: Where accepted commands are kept; without one, the engine forgets everything at its end.
        records: Where each record is written as a JSON line, for tests that read what happened.
        deadline: Seconds until it must be ready.
    """

    def __init__(
        self,
        *,
        version: EngineVersion = "8.6",
        journal: Path | None = None,
        records: Path | None = None,
        deadline: float = 60,
    ) -> None:
        self._version = version
        self._files = {"--journal": journal, "--records": records}
        self._deadline = deadline
        self._ports: dict[str, int] = {}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def grpc_address(self) -> str:
        """``host:port`` of the gateway, as ``ZEEBE_ADDRESS`` wants it."""
        return f"{HOST}:{self._at('grpc')}"

    @property
    def rest_address(self) -> str:
        """Base URL of the REST API."""
        return f"http://{HOST}:{self._at('rest')}"

    @property
    def pid(self) -> int:
        """Its process.

        Raises:
            LocalEngineError: It is not running.
        """
        if self._process is None:
            raise LocalEngineError("The engine is not running.")
        return self._process.pid

    async def start(self) -> None:
        """Start the process and wait until it takes commands.

        Raises:
            LocalEngineError: It does not get ready; nothing is left running.
        """
        await self.stop()
        # A file without a name, so that nothing of it stays, however this process ends.
        with tempfile.TemporaryFile() as log:
            self._process = process = self._popen(log)
            try:
                self._ports = await asyncio.to_thread(_ready, process, self._deadline)
            except LocalEngineError as error:
                await self.stop()
                raise LocalEngineError(f"{error} It said:\n{_last_words(log)}") from None
            except asyncio.CancelledError:
                await self.stop()
                raise

    async def stop(self) -> None:
        """Stop it; does nothing when it is not running."""
        process, self._process = self._process, None
        if process is not None:
            await asyncio.shield(asyncio.to_thread(_stop, process))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _at(self, door: str) -> int:
        if self._process is None or door not in self._ports:
            raise LocalEngineError("The engine is not running.")
        return self._ports[door]

    def _popen(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        options = [f"--version={self._version}", "--with-parent"]
        options += [f"{name}={path.resolve()}" for name, path in self._files.items() if path is not None]
        if self._ports:
            options += [f"--port={self._ports['grpc']}", f"--rest-port={self._ports['rest']}"]
        # A session of its own: Ctrl-C in the terminal is for us, who stop the worker before the engine.
        return subprocess.Popen(  # noqa: S603 - our own command, no shell
            [sys.executable, "-m", "connector.devengine.process", *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
            start_new_session=True,
        )


@asynccontextmanager
async def engine_for_development(settings: EngineSettings) -> AsyncIterator[EngineSettings]:
    """Give the way to an engine: the one that the settings name, else one started for the purpose.

    Args:
        settings: With an address or a cluster, used as they are.

    Raises:
        LocalEngineError: None is named and none can be started.
    """
    if settings.address or settings.cluster_id:
        yield settings
        return
    async with LocalEngine() as engine:
        yield EngineSettings(address=engine.grpc_address)


def _ready(process: subprocess.Popen[bytes], deadline: float) -> dict[str, int]:
    """Wait for the line that says where the engine listens."""
    late = threading.Event()

    def give_up() -> None:
        late.set()
        process.kill()

    timer = threading.Timer(deadline, give_up)
    timer.start()
    line = process.stdout.readline() if process.stdout else b""
    timer.cancel()
    if late.is_set():
        raise LocalEngineError(f"The engine is not ready after {deadline:g} seconds.")
    if not line:
        raise LocalEngineError("The engine stopped while starting.")
    return dict(json.loads(line))


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Stop the process, by force after a while."""
    with process:
        process.terminate()
        try:
            process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()


def _last_words(log: IO[bytes]) -> str:
    log.seek(0)
    lines = log.read().decode(errors="replace").splitlines()
    return "\n".join(lines[-_LOG_LINES:]) or "(nothing)"
