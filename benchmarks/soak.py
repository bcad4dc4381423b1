"""A long run: does the worker's memory or the number of its open files grow, and does it complain?

``python -m benchmarks.soak [MAILS]`` sends 50,000 mails, or so many, with the ledger in SQLite, and looks at
the worker's process every two seconds. The slope is that of a straight line through what was seen after the
first third.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from statistics import linear_regression
from time import perf_counter

import psutil

from benchmarks.field import Field, field, sink, worker
from benchmarks.figures import Row, arguments, report

MAILS = 50_000
_EVERY = 2.0
_WARM_UP = 1 / 3


def main() -> None:
    mails = int(next(iter(arguments()), MAILS))
    report({"Soak": asyncio.run(measured(mails))})


async def measured(mails: int = MAILS) -> Sequence[Row]:
    """Send so many mails; what became of the worker's process."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "log"
        async with field() as here, sink() as (port, _):
            await here.deploy("mail", port)
            settings = {
                "engine.address": here.address,
                "ledger.path": str(Path(directory) / "ledger.db"),
                "log.format": "json",
                "log.level": "warning",
            }
            async with worker("mail", mails, settings, log) as process:
                begun = perf_counter()
                looking = asyncio.create_task(_look(psutil.Process(process.pid), begun))
                await _send(here, process, mails)
                seconds = perf_counter() - begun
                looking.cancel()
                seen = await looking
        warnings = Counter(json.loads(line)["event"] for line in log.read_text(encoding="utf-8").splitlines())
        for event, number in warnings.most_common():
            print(f"logged {number} times: {event}")
        return [_row(mails, seconds, seen, warnings.total())]


async def _send(here: Field, process: asyncio.subprocess.Process, mails: int) -> None:
    await here.create("mail", mails)
    assert process.stdout is not None
    await process.stdout.readline()


async def _look(process: psutil.Process, begun: float) -> list[tuple[float, float, int]]:
    """Note seconds, memory in MB and open files until cancelled."""
    seen: list[tuple[float, float, int]] = []
    try:
        while True:
            seen.append((perf_counter() - begun, process.memory_info().rss / 1e6, process.num_fds()))
            await asyncio.sleep(_EVERY)
    except asyncio.CancelledError:
        return seen


def _row(mails: int, seconds: float, seen: list[tuple[float, float, int]], warnings: int) -> Row:
    steady = [one for one in seen if one[0] > seconds * _WARM_UP]
    slope = linear_regression([one[0] for one in steady], [one[1] for one in steady]).slope
    return {
        "mails": mails,
        "mails/s": mails / seconds,
        "memory after warm-up, MB": steady[0][1],
        "memory at the end, MB": steady[-1][1],
        "slope, KB for 1,000 mails": slope * seconds / mails * 1e6,
        "open files, least": min(one[2] for one in steady),
        "open files, most": max(one[2] for one in steady),
        "warnings": warnings,
    }


if __name__ == "__main__":
    main()
