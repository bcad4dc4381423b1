"""What the benchmarks stand on: an engine, its processes, a mail server, and the CPU that each spends.

An engine enters; waiting jobs, and what a worker process made of them, leave. Client, worker, engine and
mail server are processes of their own, so that each one's CPU can be told.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from pyzeebe import ZeebeClient, create_insecure_channel
from pyzeebe.errors import ZeebeBackPressureError

from connector.devengine.local import LocalEngine
from connector.observe.logs import configure_logging
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.send.pipeline import Pipeline
from connector.settings.model import SEND_TASK_TYPE
from connector.settings.sources import load
from tests.engine.processes import Static, send_process
from tests.servers import postgres

TEXT = "Dear Jane, your order has been shipped and arrives on Monday.\n" * 33
_CREATING = 32  # requests in flight
_PATIENCE = 300  # seconds for one backlog


@dataclass(frozen=True, slots=True)
class Field:
    """A running engine and a client on it."""

    engine: LocalEngine
    zeebe: ZeebeClient

    @property
    def address(self) -> str:
        """``host:port`` of the gateway."""
        return self.engine.grpc_address

    def engine_cpu(self) -> float:
        """CPU seconds that the engine's process has spent."""
        return cpu(psutil.Process(self.engine.pid))

    async def deploy(self, process_id: str, port: int) -> None:
        """Deploy a process that sends a mail of 2 KB to a server on this machine."""
        inputs: Mapping[str, Any] = {
            "smtpEmailMailBoxName": Static("Shop <shop@example.com>"),
            "smtpEmailToRecipients": Static("Jane Doe <jane@example.org>"),
            "smtpEmailSubject": Static("Your order 4711 has been shipped"),
            "smtpEmailContent": TEXT,
            "authentication.hostname": Static("127.0.0.1"),
            "authentication.port": port,
            "authentication.security": Static("none"),
        }
        with tempfile.TemporaryDirectory() as directory:
            file = Path(directory) / f"{process_id}.bpmn"
            file.write_bytes(send_process(process_id, SEND_TASK_TYPE, inputs, {"resultVariable": "mail"}))
            await self.zeebe.deploy_resource(str(file))

    async def create(self, process_id: str, number: int) -> None:
        """Start so many instances; each waits with one job."""
        left = iter(range(number))

        async def client() -> None:
            for _ in left:
                while not await self._created(process_id):  # noqa: ASYNC110 - each turn is a new attempt
                    await asyncio.sleep(0.05)

        await asyncio.gather(*(client() for _ in range(_CREATING)))

    async def _created(self, process_id: str) -> bool:
        try:
            await self.zeebe.run_process(process_id)
        except ZeebeBackPressureError:
            return False
        return True


@asynccontextmanager
async def field() -> AsyncIterator[Field]:
    """Start an engine in a process of its own."""
    async with LocalEngine() as engine:
        channel = create_insecure_channel(grpc_address=engine.grpc_address)
        try:
            yield Field(engine, ZeebeClient(channel, max_connection_retries=-1))
        finally:
            await channel.close(None)


def cpu(process: psutil.Process) -> float:
    """CPU seconds that a process has spent."""
    times = process.cpu_times()
    return float(times.user + times.system)


@asynccontextmanager
async def worker(
    kind: str, jobs: int, settings: Mapping[str, object], log: Path = Path(os.devnull)
) -> AsyncIterator[Process]:
    """Run ``benchmarks.job_worker`` until the block ends; see there. Its log goes to a file."""
    with log.open("wb") as stderr:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "benchmarks.job_worker", kind, str(jobs)),
            *(f"{name}={value}" for name, value in settings.items()),
            stdout=PIPE,
            stderr=stderr,
        )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()


async def drained(kind: str, jobs: int, settings: Mapping[str, object]) -> dict[str, float]:
    """Let a worker drain so many jobs; its rate, CPU and memory."""
    async with worker(kind, jobs, settings) as process:
        assert process.stdout is not None
        async with asyncio.timeout(_PATIENCE):
            told: dict[str, float] = json.loads(await process.stdout.readline())
        return told


@contextmanager
def ledgers() -> Iterator[dict[str, dict[str, str]]]:
    """Give the settings of each kind of worker; without PostgreSQL on this machine, of all but that."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        ledgers = {
            "no-op": {},
            "memory": {"ledger.kind": "memory"},
            "sqlite": {"ledger.kind": "sqlite", "ledger.path": str(directory / "ledger.db")},
        }
        if postgres.missing() is None:
            database = stack.enter_context(postgres.running()).create_database()
            ledgers["postgres"] = {"ledger.kind": "postgres", "ledger.url": database}
        yield ledgers


@asynccontextmanager
async def pipeline_alone(settings: Mapping[str, str]) -> AsyncIterator[Pipeline]:
    """The pipeline in this process, with no engine before it; what it warns of is logged."""
    loaded = load({}, overrides={"log.level": "warning", **settings}).settings
    masker = Masker()
    configure_logging(loaded.log, masker)
    async with open_pipeline(loaded, masker, {}) as pipeline:
        yield pipeline


@asynccontextmanager
async def sink(*options: str) -> AsyncIterator[tuple[int, psutil.Process]]:
    """Run Postfix's ``smtp-sink``, which takes every mail and keeps none; its port and process."""
    if shutil.which("smtp-sink") is None:
        raise SystemExit("smtp-sink is missing; it comes with Postfix: apt install postfix")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    user = ("-u", "nobody") if os.geteuid() == 0 else ()
    process = await asyncio.create_subprocess_exec("smtp-sink", *user, *options, f"127.0.0.1:{port}", "500")
    try:
        await _answering(port)
        yield port, psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


async def _answering(port: int) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return
