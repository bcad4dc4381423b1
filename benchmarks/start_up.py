"""How soon the command line answers, how soon the worker is ready, and what it holds while it idles.

``python -m benchmarks.start_up`` starts a real engine unless ``ZEEBE_ADDRESS`` names one, and prints the
median of several runs with the aim beside it.
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

from benchmarks.figures import Row, report
from connector.devengine.local import engine_for_development
from connector.settings.sources import load

_RUNS = 5
_IDLE = 5.0  # seconds until memory is read


def main() -> None:
    """Measure and print."""
    report({"Start": asyncio.run(measured())})


async def measured() -> Sequence[Row]:
    """Start everything several times."""
    helped = [_help() for _ in range(_RUNS)]
    async with engine_for_development(load(os.environ).settings.engine) as engine:
        assert engine.address is not None
        ready, idle = zip(*[await _worker(engine.address) for _ in range(_RUNS)], strict=True)
    return [
        _row("smtp-connector --help, s", helped, 0.4),
        _row("worker ready, s", ready, 2.0),
        _row("memory, idle, MB", idle, 90.0),
    ]


def _row(what: str, figures: Sequence[float], aim: float) -> Row:
    return {"what": what, "median": statistics.median(figures), "worst": max(figures), "aim": aim}


def _help() -> float:
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-m", "connector", "--help"], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


async def _worker(address: str) -> tuple[float, float]:
    begun = time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "connector", "run", "--set", "log.format=json", "--set", "ledger.kind=memory"),
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "ZEEBE_ADDRESS": address},
    )
    assert process.stderr is not None
    async for line in process.stderr:
        if b"worker ready" in line:
            break
    ready = time.perf_counter() - begun
    await asyncio.sleep(_IDLE)
    idle = _resident(process.pid)
    process.terminate()
    await process.communicate()
    return ready, idle


def _resident(pid: int) -> float:
    """Resident memory in MB (10^6 bytes), from Linux's /proc."""
    pages = int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
