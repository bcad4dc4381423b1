"""The whole way: from a waiting job to a mail that the server has and a job that is done.

``python -m benchmarks.whole_way`` drains backlogs with the connector and, in turn and
with the same loop, with a handler that completes at once; then starts processes one at a time. For each kind
of ledger: mails a second as a share of the no-op's jobs, CPU of worker, engine and mail server, memory, and
what a mail adds to the latency of a process. Medians of several rounds. Worker, engine, sink and client share
the machine: the CPU of each for a mail says more than the rate.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from time import perf_counter

import psutil

from benchmarks.field import Field, cpu, drained, field, ledgers, sink, worker
from benchmarks.figures import Row, percentile, report

_JOBS = 1000
_ROUNDS = 3
_ONE_AT_A_TIME = 200


@dataclass(frozen=True, slots=True)
class _Round:
    """One backlog; CPU in ms for each job."""

    rate: float
    worker: float
    engine: float
    server: float
    memory: float


def main() -> None:
    report(asyncio.run(measured()))


async def measured() -> dict[str, Sequence[Row]]:
    """Measure rates and latencies with each kind of ledger."""
    with ledgers() as kinds:
        async with field() as here, sink() as (port, server):
            await here.deploy("mail", port)
            return {
                "Whole way": await _rates(here, server, kinds),
                "One at a time": await _latencies(here, kinds),
            }


async def _rates(here: Field, server: psutil.Process, ledgers: dict[str, dict[str, str]]) -> Sequence[Row]:
    await _round(here, server, "no-op", {})  # warms the engine up
    told: dict[str, list[_Round]] = {name: [] for name in ledgers}
    for _ in range(_ROUNDS):
        for name, settings in ledgers.items():
            told[name].append(await _round(here, server, name, settings))
    return [_row(name, rounds, told["no-op"]) for name, rounds in told.items()]


async def _round(here: Field, server: psutil.Process, name: str, settings: dict[str, str]) -> _Round:
    await here.create("mail", _JOBS)
    engine, mails = here.engine_cpu(), cpu(server)
    kind = "noop" if name == "no-op" else "mail"
    told = await drained(kind, _JOBS, {"engine.address": here.address, **settings})
    return _Round(
        told["jobs_per_second"],
        told["cpu_ms"],
        (here.engine_cpu() - engine) / _JOBS * 1000,
        (cpu(server) - mails) / _JOBS * 1000,
        told["memory_mb"],
    )


def _row(name: str, rounds: list[_Round], noop: list[_Round]) -> Row:
    # Each round beside the no-op's of the same turn: the engine's speed drifts.
    shares = [one.rate / other.rate for one, other in zip(rounds, noop, strict=True)]
    return {
        "worker": name if name == "no-op" else f"mail, ledger {name}",
        "per second": median(one.rate for one in rounds),
        "share of no-op": median(shares),
        "worker CPU, ms": median(one.worker for one in rounds),
        "engine CPU, ms": median(one.engine for one in rounds),
        "server CPU, ms": median(one.server for one in rounds),
        "memory, MB": median(one.memory for one in rounds),
    }


async def _latencies(here: Field, ledgers: dict[str, dict[str, str]]) -> Sequence[Row]:
    rows: list[Row] = []
    for name, settings in ledgers.items():
        kind = "noop" if name == "no-op" else "mail"
        async with worker(kind, 0, {"engine.address": here.address, **settings}):
            times = await _one_at_a_time(here)
        p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
        first = rows[0] if rows else None
        rows.append(
            {
                "worker": name if name == "no-op" else f"mail, ledger {name}",
                "p50, ms": p50,
                "p99, ms": p99,
                "over no-op, p50": p50 - float(first["p50, ms"]) if first else 0.0,
                "over no-op, p99": p99 - float(first["p99, ms"]) if first else 0.0,
            }
        )
    return rows


async def _one_at_a_time(here: Field) -> list[float]:
    """Start processes one after the other; how long each took from start to result, in ms."""
    times: list[float] = []
    for number in range(_ONE_AT_A_TIME + 20):
        begun = perf_counter()
        await here.zeebe.run_process_with_result("mail", timeout=60_000)
        if number >= 20:  # the first ones connect and warm up
            times.append((perf_counter() - begun) * 1000)
    return times


if __name__ == "__main__":
    main()
