"""What the ledger costs a mail: the whole pipeline and a real SMTP conversation, without an engine.

``python -m benchmarks.delivery [DIRECTORY]`` sends mails of 2 KB to ``smtp-sink`` with 1, 16 and 64 of them
in flight, with the ledger in memory (nothing durable), in an SQLite file below the directory (the disk
matters: not a tmpfs), and, where it is installed, in a private PostgreSQL. The kinds take turns, and the
median of the rounds counts, so that what else the machine does falls on all of them.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.field import TEXT, pipeline_alone, sink
from benchmarks.figures import Row, arguments, percentile, report
from connector.model.job import Complete, Job
from connector.send.pipeline import Pipeline
from tests.jobs import job
from tests.servers import postgres

_MAILS = {1: 300, 16: 2000, 64: 2000}
_ROUNDS = 3
_KEYS = count(1)


def main() -> None:
    """Measure and print."""
    place = next(iter(arguments()), None)
    report({"What the ledger costs, through the pipeline": asyncio.run(measured(place))})


async def measured(place: str | None = None) -> Sequence[Row]:
    """Measure each kind of ledger with so many mails in flight."""
    rows: list[Row] = []
    with ExitStack() as stack:
        ledgers = _ledgers(stack, place)
        async with sink() as (port, _):
            for in_flight in _MAILS:
                rounds: dict[str, list[tuple[float, float, float, float]]] = {name: [] for name in ledgers}
                for _ in range(_ROUNDS):
                    for name, settings in ledgers.items():
                        rounds[name].append(await _round(settings, port, in_flight))
                rows += _rows(in_flight, rounds)
    return rows


def _ledgers(stack: ExitStack, place: str | None) -> dict[str, dict[str, str]]:
    directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place)))
    ledgers = {
        "memory": {"ledger.kind": "memory"},
        "sqlite": {"ledger.path": str(directory / "ledger.db")},
    }
    if reason := postgres.missing():
        print(f"without PostgreSQL: {reason}")
    else:
        url = stack.enter_context(postgres.running()).create_database()
        ledgers["postgres"] = {"ledger.kind": "postgres", "ledger.url": url}
    return ledgers


def _rows(in_flight: int, rounds: dict[str, list[tuple[float, float, float, float]]]) -> list[Row]:
    rows: list[Row] = []
    for name, figures in rounds.items():
        rate, cpu, middle, slow = (median(column) for column in zip(*figures, strict=True))
        share = median(own[0] / none[0] for own, none in zip(figures, rounds["memory"], strict=True))
        rows.append(
            {
                "in flight": in_flight,
                "ledger": name,
                "mails/s": rate,
                "share of memory's": share,
                "CPU, ms": cpu,
                "p50, ms": middle,
                "p99, ms": slow,
            }
        )
    return rows


async def _round(settings: dict[str, str], port: int, in_flight: int) -> tuple[float, float, float, float]:
    """Send a backlog; its rate, its CPU for each mail, and how long half and nearly all of them took."""
    async with pipeline_alone(settings) as pipeline:
        mails = [_job(port) for _ in range(_MAILS[in_flight])]
        waiting, times = iter(mails), list[float]()
        begun, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(_slot(pipeline, waiting, times) for _ in range(in_flight)))
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    return (
        len(mails) / seconds,
        cpu / len(mails) * 1000,
        percentile(times, 0.5),
        percentile(times, 0.99),
    )


async def _slot(pipeline: Pipeline, waiting: Iterator[Job], times: list[float]) -> None:
    for one in waiting:
        begun = time.perf_counter()
        outcome = await pipeline.handle(one)
        times.append((time.perf_counter() - begun) * 1000)
        assert isinstance(outcome, Complete), outcome


def _job(port: int) -> Job:
    variables = {
        "authentication": {"hostname": "127.0.0.1", "port": port, "security": "none"},
        "smtpEmailMailBoxName": "Shop <shop@example.com>",
        "smtpEmailToRecipients": "Jane Doe <jane@example.org>",
        "smtpEmailSubject": "Your order 4711 has been shipped",
        "smtpEmailContent": TEXT,
    }
    return job(variables, element_instance_key=next(_KEYS))


if __name__ == "__main__":
    main()
