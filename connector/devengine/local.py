"""A real engine for development, without Docker and with nothing installed by hand.

Nothing enters but a few options; an address leaves, and behind it a complete Zeebe broker that is gone,
data included, as soon as it is no longer wanted. It stands apart from the worker: only here an engine is
started rather than talked to.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from types import TracebackType
from typing import Self
from uuid import uuid4

from rich.console import Console
from rich.markup import escape

from connector.cli.interrupt import until_interrupted
from connector.devengine.broker import HOST, Broker
from connector.devengine.distribution import VERSION, Installation, LocalEngineError, cache_directory
from connector.devengine.java import find_java
from connector.devengine.progress import download_progress
from connector.settings.model import EngineSettings

__all__ = ["LocalEngine", "LocalEngineError", "engine_for_development", "run_engine"]

_PORT_ATTEMPTS = 3
_PORT_TAKEN = "Address already in use"
_PROBE_INTERVAL = 0.1


class LocalEngine:
    """A Zeebe broker with its gateway, on free loopback ports, for as long as the context lasts.

    When this process dies, even by SIGKILL, the engine stops and its data goes too (see ``warden``).

    Args:
        durable: The vendor's own durability, threads and compiler, for measurements; otherwise settings that
            start fast and use little.
        records: Have the engine write each of its records to its log as a line of JSON, for tests that read
            incidents.
        environ: Where ``JAVA_HOME`` and ``LOCAL_ENGINE_…`` are looked up.
        console: Shows a download; by default standard error.
        deadline: Seconds from the start of the broker until it must be ready; a download has its own time.
    """

    def __init__(
        self,
        *,
        durable: bool = False,
        records: bool = False,
        environ: Mapping[str, str] = os.environ,
        console: Console | None = None,
        deadline: float = 120,
    ) -> None:
        self._durable = durable
        self._records = records
        self._environ = environ
        self._console = console or Console(stderr=True)
        self._deadline = deadline
        self._broker: Broker | None = None

    @property
    def grpc_address(self) -> str:
        """``host:port`` of the gateway, as ``ZEEBE_ADDRESS`` wants it."""
        return f"{HOST}:{self._running.ports.grpc}"

    @property
    def rest_address(self) -> str:
        """Base URL of the gateway's REST interface."""
        return f"http://{HOST}:{self._running.ports.rest}"

    @property
    def log(self) -> Path:
        """The file that the broker writes its log to."""
        return self._running.log

    @property
    def pid(self) -> int:
        """The process that watches over the broker; the JVM is its only child."""
        return self._running.pid

    @property
    def _running(self) -> Broker:
        if self._broker is None:
            raise LocalEngineError("The engine is not running.")
        return self._broker

    async def install(self) -> Path:
        """Have the engine's files on this machine, downloading them if need be.

        Raises:
            LocalEngineError: They cannot be had.
        """
        installation = Installation(
            cache_directory(self._environ),
            repository=self._environ.get("LOCAL_ENGINE_REPOSITORY"),
            say=lambda line: self._console.print(line, highlight=False, markup=False),
            progress=download_progress(self._console),
        )
        try:
            return await asyncio.to_thread(installation.complete)
        finally:
            installation.cancelled.set()  # a thread cannot be cancelled, only asked

    async def start(self) -> None:
        """Start the broker, having downloaded it if need be, and wait until it takes commands.

        Raises:
            LocalEngineError: It cannot be had or does not get ready; nothing is left running.
        """
        java = find_java(self._environ)
        home = await self.install()
        self._console.print(f"Starting Zeebe {VERSION}; that takes some seconds.", style="dim")
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            self._broker = Broker(
                java, home, durable=self._durable, records=self._records, environ=self._environ
            )
            trouble = await self._until_ready(self._broker)
            if trouble is None:
                return
            await self.stop()
            # Between choosing free ports and listening on them, somebody else may take one.
            if _PORT_TAKEN not in trouble or attempt == _PORT_ATTEMPTS:
                raise LocalEngineError(trouble)

    async def stop(self) -> None:
        """Stop the broker and remove its data; does nothing when it is not running."""
        broker, self._broker = self._broker, None
        if broker is not None:
            await asyncio.shield(asyncio.to_thread(broker.stop))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _until_ready(self, broker: Broker) -> str | None:
        """Wait for it; what is wrong when it will not get ready."""
        latest = monotonic() + self._deadline
        try:
            while not await asyncio.to_thread(broker.ready):
                if broker.ended:
                    return f"The engine stopped while starting. The end of its log:\n{broker.last_words()}"
                if monotonic() > latest:
                    return (
                        f"The engine is not ready after {self._deadline:g} seconds. "
                        f"The end of its log:\n{broker.last_words()}"
                    )
                await asyncio.sleep(_PROBE_INTERVAL)
        except asyncio.CancelledError:
            await self.stop()
            raise
        return None


@asynccontextmanager
async def engine_for_development(
    settings: EngineSettings, *, environ: Mapping[str, str] = os.environ, console: Console | None = None
) -> AsyncIterator[EngineSettings]:
    """Give the way to an engine: the one that the settings name, else one started for the purpose.

    Args:
        settings: With an address or a cluster, used as they are.
        environ: See :class:`LocalEngine`.
        console: Shows a download.

    Raises:
        LocalEngineError: None is named and none can be started.
    """
    if settings.address or settings.cluster_id:
        yield settings
        return
    async with LocalEngine(environ=environ, console=console) as engine:
        yield EngineSettings(address=engine.grpc_address)


def run_engine(*, environ: Mapping[str, str] = os.environ) -> int:
    """Run ``smtp-connector engine``: an engine in the foreground until SIGINT or SIGTERM.

    The lines on standard output, of which the first is ``ZEEBE_ADDRESS=host:port``, are environment variables
    for workers and clients; what is for people goes to standard error.

    Returns:
        The exit code: 0 once interrupted, 1 when the engine cannot be started.
    """
    notes = Console(stderr=True, highlight=False, soft_wrap=True)
    engine = LocalEngine(environ=environ, console=notes)
    try:
        asyncio.run(until_interrupted(_serve(engine, notes)))
    except LocalEngineError as error:
        notes.print(f"[red]✗[/] {escape(str(error))}")
        return 1
    return 0


async def _serve(engine: LocalEngine, notes: Console) -> None:
    async with engine:
        addresses = Console(highlight=False, soft_wrap=True)
        addresses.print(f"ZEEBE_ADDRESS={engine.grpc_address}\nZEEBE_REST_ADDRESS={engine.rest_address}")
        # Its keys count from the first again: without a name, they would be in the ledger from the last time.
        addresses.print(f"SMTP_CONNECTOR_ENGINE_NAME=development-{uuid4().hex[:12]}")
        addresses.file.flush()
        notes.print(
            "The engine is ready. Give these lines to a worker or client as environment variables.\n"
            "Its data is temporary and goes when it stops: Ctrl-C."
        )
        await asyncio.Event().wait()
