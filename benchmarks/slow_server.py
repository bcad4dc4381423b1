"""A slow mail server beside a fast one: what the mails of the fast one notice.

``python -m benchmarks.slow_server`` starts processes whose mail goes to the fast server one at a time, first
alone and then while mails to a server that takes two seconds for each are in hand: half as many as there are
slots, and twice as many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import perf_counter

from pyzeebe.errors import UnknownGrpcStatusCodeError

from benchmarks.field import Field, field, sink, worker
from benchmarks.figures import Row, percentile, report

_SECONDS = 20.0  # for each case: jobs that were given back come again every five seconds
_WARM_UP = 10  # mails
_SLOTS = 32
_SLOW_SECONDS = "2"
_BESIDE = (0, _SLOTS // 2, _SLOTS * 2)


def main() -> None:
    report({"Slow server beside a fast one": asyncio.run(measured())})


async def measured() -> Sequence[Row]:
    """Measure the fast server's mails alone and beside slow ones."""
    async with field() as here, sink() as (fast, _), sink("-w", _SLOW_SECONDS) as (slow, _):
        await here.deploy("fast", fast)
        await here.deploy("slow", slow)
        settings = {"engine.address": here.address, "ledger.kind": "memory", "worker.max_jobs": str(_SLOTS)}
        async with worker("mail", 0, settings):
            rows = [await _row(here, beside) for beside in _BESIDE]
    for row in rows:
        row["p95, alone = 1"] = float(row["p95, ms"]) / float(rows[0]["p95, ms"])
    return rows


async def _row(here: Field, beside: int) -> Row:
    keeping = [asyncio.create_task(_slow(here)) for _ in range(beside)]
    times: list[float] = []
    for _ in range(_WARM_UP):
        await _finished(here, "fast")
    until = perf_counter() + _SECONDS
    while (begun := perf_counter()) < until:
        if await _finished(here, "fast"):
            times.append((perf_counter() - begun) * 1000)
    for task in keeping:
        task.cancel()
    await asyncio.gather(*keeping, return_exceptions=True)
    return {
        "mails to the slow server in hand": beside,
        "mails to the fast one": len(times),
        "p50, ms": percentile(times, 0.5),
        "p95, ms": percentile(times, 0.95),
    }


async def _slow(here: Field) -> None:
    while True:
        await _finished(here, "slow")


async def _finished(here: Field, process_id: str) -> bool:
    """Run a process to its end; not so where the engine's gateway loses its broker for a moment."""
    try:
        await here.zeebe.run_process_with_result(process_id, timeout=120_000)
    except UnknownGrpcStatusCodeError:
        return False
    return True


if __name__ == "__main__":
    main()
