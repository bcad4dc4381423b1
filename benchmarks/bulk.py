"""A bulk task beside as many single jobs: mails a second and CPU for each mail, without an engine.

``python -m benchmarks.bulk [DIRECTORY]`` sends 5,000 mails of 2 KB to ``smtp-sink`` by one task with 5,000
records, and by 5,000 jobs of which as many are in flight as a worker takes, with the ledger in an SQLite
file below the directory (the disk matters: not a tmpfs). The two take turns, and the median of the ratios
counts, so that what else the machine does falls on both.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.field import TEXT, pipeline_alone, sink
from benchmarks.figures import Row, arguments, report
from connector.model.job import Complete, Job
from connector.send.pipeline import Pipeline
from connector.settings.model import WorkerSettings
from tests.jobs import job

_MAILS = 5_000
_ROUNDS = 3
_KEYS = count(1)
_Figures = tuple[float, float]


def main() -> None:
    """Measure and print."""
    place = next(iter(arguments()), None)
    report({"A bulk task beside single jobs": asyncio.run(measured(place))})


async def measured(place: str | None = None) -> Sequence[Row]:
    """Send so many mails in both ways, by turns."""
    single: list[_Figures] = []
    bulk: list[_Figures] = []
    with tempfile.TemporaryDirectory(dir=place) as directory:
        settings = {"ledger.path": str(Path(directory) / "ledger.db")}
        async with sink() as (port, _):
            for _ in range(_ROUNDS):
                single.append(await _round(settings, [_job(port) for _ in range(_MAILS)]))
                bulk.append(await _round(settings, [_bulk(port)]))
    ratio = median(own[0] / other[0] for own, other in zip(bulk, single, strict=True))
    return [_row("single jobs", single, 1.0), _row("one bulk task", bulk, ratio)]


def _row(name: str, figures: list[_Figures], ratio: float) -> Row:
    rate, cpu = (median(column) for column in zip(*figures, strict=True))
    return {"way": name, "mails/s": rate, "share of single jobs'": ratio, "CPU, ms": cpu}


async def _round(settings: dict[str, str], jobs: list[Job]) -> _Figures:
    """Handle jobs; the rate of their mails, and the CPU for each of them."""
    async with pipeline_alone(settings) as pipeline:
        waiting = iter(jobs)
        begun, cpu = time.perf_counter(), time.process_time()
        await asyncio.gather(*(_slot(pipeline, waiting) for _ in range(WorkerSettings().max_jobs)))
        return _MAILS / (time.perf_counter() - begun), (time.process_time() - cpu) / _MAILS * 1000


async def _slot(pipeline: Pipeline, waiting: Iterator[Job]) -> None:
    for one in waiting:
        outcome = await pipeline.handle(one)
        assert isinstance(outcome, Complete), outcome


def _job(port: int) -> Job:
    return _made(port, smtpEmailToRecipients="Jane Doe <jane@example.org>")


def _bulk(port: int) -> Job:
    records = [{"key": f"c-{number}", "to": "Jane Doe <jane@example.org>"} for number in range(_MAILS)]
    return _made(port, smtpEmailRecipientsData=records)


def _made(port: int, **recipients: Any) -> Job:
    variables = {
        "authentication": {"hostname": "127.0.0.1", "port": port, "security": "none"},
        "smtpEmailMailBoxName": "Shop <shop@example.com>",
        "smtpEmailSubject": "Your order 4711 has been shipped",
        "smtpEmailContent": TEXT,
        **recipients,
    }
    return job(variables, element_instance_key=next(_KEYS))


if __name__ == "__main__":
    main()
