"""The worker as a process of its own, with what it has logged so far."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager


class Running:
    """A worker process with what it has logged so far."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self.log = ""
        self._grown = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    async def logged(self, text: str, deadline: float = 20) -> None:
        async with asyncio.timeout(deadline), self._grown:
            await self._grown.wait_for(lambda: text in self.log)

    async def ended(self, deadline: float = 40) -> int:
        async with asyncio.timeout(deadline):
            await self._reader
            return await self.process.wait()

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            async with self._grown:
                self.log += line.decode()
                self._grown.notify_all()


@asynccontextmanager
async def run(
    engine_address: str,
    environ: Mapping[str, str] | None = None,
    *options: str,
    program: tuple[str, ...] = ("connector",),
) -> AsyncIterator[Running]:
    """Run ``smtp-connector run`` until the block ends; then it is killed if it still runs.

    Args:
        program: The module to run, and arguments before ``run``.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *program,
        "run",
        *options,
        stderr=PIPE,
        env={
            **kept,
            "ZEEBE_ADDRESS": engine_address,
            "SMTP_CONNECTOR_LEDGER_KIND": "memory",
            **(environ or {}),
        },
    )
    running = Running(process)
    try:
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await running.ended()


async def probe(worker: Running, path: str) -> int:
    """The status that the worker's health endpoint answers with."""
    await worker.logged("health is answered")
    port = next(json.loads(line)["port"] for line in worker.log.splitlines() if "health is answered" in line)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /health/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    status = (await reader.readline()).split(b" ")[1]
    writer.close()
    return int(status)
