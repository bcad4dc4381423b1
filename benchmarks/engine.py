"""The engine alone: our job loop with a handler that completes at once, beside ``pyzeebe.ZeebeWorker``.

``python -m benchmarks.engine`` drains backlogs on the development engine, a process of its own, with each in
turn, several times, and prints the medians: jobs a second, CPU for each job in both processes, and the
longest pause between two completions, which shows what happens when the limit of jobs in flight is reached.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from statistics import median

from benchmarks.field import Field, drained, field
from benchmarks.figures import Row, report

_JOBS = 1000
_ROUNDS = 3
_KINDS: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("ours, stream and poll", "noop", {}),
    ("ours, no line logged for each job", "noop", {"log.level": "warning"}),
    ("ours, poll only", "noop", {"worker.stream": "false"}),
    ("pyzeebe, poll only, no sleep when full", "pyzeebe", {"worker.stream": "false"}),
    ("pyzeebe, stream and poll", "pyzeebe", {}),
    (
        "pyzeebe, poll only, 1,000 jobs in flight",
        "pyzeebe",
        {"worker.stream": "false", "worker.max_jobs": "1000"},
    ),
)


def main() -> None:
    report({"Engine alone": asyncio.run(measured())})


async def measured() -> Sequence[Row]:
    """Drain backlogs with each worker in turn."""
    async with field() as here:
        await here.deploy("noop", 25)
        await _drained(here, "noop", {})  # warms the engine up
        told: dict[str, list[dict[str, float]]] = {name: [] for name, _, _ in _KINDS}
        for _ in range(_ROUNDS):
            for name, kind, settings in _KINDS:
                told[name].append(await _drained(here, kind, settings))
    return [
        {
            "worker": name,
            "jobs/s": median(one["jobs_per_second"] for one in runs),
            "CPU ms/job": median(one["cpu_ms"] for one in runs),
            "engine CPU ms/job": median(one["engine_ms"] for one in runs),
            "longest pause, ms": median(one["longest_pause"] for one in runs) * 1000,
        }
        for name, runs in told.items()
    ]


async def _drained(here: Field, kind: str, settings: dict[str, str]) -> dict[str, float]:
    await here.create("noop", _JOBS)
    before = here.engine_cpu()
    told = await drained(kind, _JOBS, {"engine.address": here.address, **settings})
    return {**told, "engine_ms": (here.engine_cpu() - before) / _JOBS * 1000}


if __name__ == "__main__":
    main()
