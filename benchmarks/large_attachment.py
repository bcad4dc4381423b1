"""A large attachment on its way through the pipeline: what memory it takes, and how long it blocks the loop.

``python -m benchmarks.large_attachment`` sends mails with a file of 1 and of 10 MB to ``smtp-sink``, while a
ticker asks for the loop every millisecond. Memory is the peak of what Python had allocated during a mail, by
the file's size; a pause is the longest time in which the ticker did not get its turn, the median of several
mails.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import tracemalloc
from collections.abc import Sequence
from itertools import count
from pathlib import Path
from statistics import median
from time import perf_counter

from benchmarks.field import pipeline_alone, sink
from benchmarks.figures import Row, report
from connector.model.job import Complete, Job
from connector.send.pipeline import Pipeline
from tests.jobs import job

_SIZES = (1_000_000, 10_000_000)
_MAILS = 9
TICK = 0.001
_KEYS = count(1)


def main() -> None:
    """Measure and print."""
    report({"Large attachments": asyncio.run(measured())})


async def measured() -> Sequence[Row]:
    """Send mails with each size of attachment."""
    with tempfile.TemporaryDirectory() as directory:
        settings = {"ledger.kind": "memory", "attachments.roots": directory}
        async with sink() as (port, _), pipeline_alone(settings) as pipeline:
            return [await _row(pipeline, port, Path(directory), size) for size in _SIZES]


async def _row(pipeline: Pipeline, port: int, directory: Path, size: int) -> Row:
    file = directory / f"{size}.bin"
    file.write_bytes(os.urandom(size))
    await _send(pipeline, port, file)  # connects and warms up
    pauses, seconds = zip(*[await _watched(pipeline, port, file) for _ in range(_MAILS)], strict=True)
    tracemalloc.start()
    await _send(pipeline, port, file)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {
        "attachment, MB": size / 1e6,
        "memory, times its size": peak / size,
        "longest pause of the loop, ms": median(pauses) * 1000,
        "mail, ms": median(seconds) * 1000,
    }


async def _watched(pipeline: Pipeline, port: int, file: Path) -> tuple[float, float]:
    """Send a mail beside a ticker; its longest pause, and how long the mail took."""
    pauses: list[float] = []
    ticking = asyncio.create_task(tick(pauses))
    begun = perf_counter()
    await _send(pipeline, port, file)
    seconds = perf_counter() - begun
    ticking.cancel()
    return max(pauses) - TICK, seconds


async def tick(pauses: list[float]) -> None:
    last = perf_counter()
    while True:
        await asyncio.sleep(TICK)
        now = perf_counter()
        pauses.append(now - last)
        last = now


async def _send(pipeline: Pipeline, port: int, file: Path) -> None:
    outcome = await pipeline.handle(_job(port, file))
    assert isinstance(outcome, Complete), outcome


def _job(port: int, file: Path) -> Job:
    variables = {
        "authentication": {"hostname": "127.0.0.1", "port": port, "security": "none"},
        "smtpEmailMailBoxName": "Shop <shop@example.com>",
        "smtpEmailToRecipients": "Jane Doe <jane@example.org>",
        "smtpEmailSubject": "Your invoice",
        "smtpEmailContent": "Your invoice is attached.",
        "smtpEmailAttachments": [str(file)],
    }
    return job(variables, element_instance_key=next(_KEYS))


if __name__ == "__main__":
    main()
