"""How soon the command line answers, the worker is ready and a waiting job's mail is out; memory when idle.

``python -m benchmarks.start_up`` starts an engine, and prints the median of several runs with the aim
beside it.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.field import Field, field
from benchmarks.figures import Row, report
from connector.testing.smtp import SmtpServer

_RUNS = 5
_IDLE = 5.0  # seconds until memory is read


def main() -> None:
    """Measure and print."""
    report({"Start": asyncio.run(measured())})


async def measured() -> Sequence[Row]:
    """Start everything several times."""
    helped = [_help() for _ in range(_RUNS)]
    async with field() as here, SmtpServer() as server:
        await here.deploy("mail", server.port)
        runs = [await _worker(here, server) for _ in range(_RUNS)]
    ready, mail, idle = zip(*runs, strict=True)
    return [
        _row("smtp-connector --help, s", helped, 0.4),
        _row("worker ready, s", ready, 2.0),
        _row("a waiting job's mail is out, s", mail, 2.0),
        _row("memory, idle, MB", idle, 90.0),
    ]


def _row(what: str, figures: Sequence[float], aim: float) -> Row:
    return {"what": what, "median": statistics.median(figures), "worst": max(figures), "aim": aim}


def _help() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "connector", "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


async def _worker(here: Field, server: SmtpServer) -> tuple[float, float, float]:
    number = len(server.received) + 1
    await here.create("mail", 1)
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "connector", "run", "--set", "log.format=json", "--set", "ledger.kind=memory"),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "ZEEBE_ADDRESS": here.address},
    )
    assert process.stderr is not None
    async for line in process.stderr:
        if b"worker ready" in line:
            break
    ready = time.perf_counter() - begun
    await server.wait_for(number)
    mail = time.perf_counter() - begun
    await asyncio.sleep(_IDLE)
    idle = _resident(process.pid)
    process.terminate()
    await process.communicate()
    return ready, mail, idle


def _resident(pid: int) -> float:
    """Resident memory in MB (10^6 bytes), from Linux's /proc."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
