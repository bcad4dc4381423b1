"""How long one mail of up to 1 MB keeps the event loop from all others: ``python -m benchmarks.pauses``.

For each kind of mail the CPU of the longest callback of the loop, the median of several mails. CPU, and not
the clock, so that a busy machine changes little. What threads do beside the loop can make it wait for
Python's lock as well, at most half a millisecond at a time, as the worker sets it.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from asyncio.events import Handle
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from statistics import median
from time import thread_time

from benchmarks.field import pipeline_alone, sink
from benchmarks.figures import Row, report
from connector.model.job import Complete
from connector.send.pipeline import Pipeline
from tests.jobs import job

_MAILS = 9
_LINE = "Dear Jane, your order has been shipped and arrives on Monday.\n"
_ROW = "<p>Dear <b>Jane</b>, your <a href='https://shop.example/4711'>order</a> is on its way.</p>\n"
_KEYS = count(1)


def main() -> None:
    """Measure and print."""
    report({"Longest callback of the loop": asyncio.run(measured())})


async def measured() -> Sequence[Row]:
    """Send mails of each kind, one at a time."""
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "1 MB"
        file.write_bytes(os.urandom(1_000_000))
        settings = {"ledger.kind": "memory", "attachments.roots": directory}
        async with sink() as (port, _), pipeline_alone(settings) as pipeline:
            return [await _row(pipeline, port, name, mail) for name, mail in _kinds(file).items()]


def _kinds(file: Path) -> dict[str, dict[str, object]]:
    def html(size: int) -> dict[str, object]:
        return {"smtpEmailContentType": "multipart", "smtpEmailContent": _ROW * (size // len(_ROW))}

    return {
        "text, 1 MB": {"smtpEmailContent": _LINE * (1_000_000 // len(_LINE))},
        "text made from HTML, 4 KB": html(4_000),
        "text made from HTML, 95 KB": html(95_000),
        "text made from HTML, 1 MB": html(1_000_000),
        "attachment, 1 MB": {"smtpEmailContent": _LINE, "smtpEmailAttachments": [str(file)]},
    }


async def _row(pipeline: Pipeline, port: int, name: str, mail: Mapping[str, object]) -> Row:
    longest: list[float] = []
    for _ in range(_MAILS):
        with _timed() as callbacks:
            await _send(pipeline, port, mail)
        longest.append(max(callbacks))
    return {"mail": name, "longest callback, ms of CPU": median(longest) * 1000}


@contextmanager
def _timed() -> Iterator[list[float]]:
    """Note the CPU of each callback that the loop runs."""
    times: list[float] = []
    run = Handle._run  # noqa: SLF001 - there is no other place to stand

    def timed(handle: Handle) -> None:
        begun = thread_time()
        run(handle)
        times.append(thread_time() - begun)

    Handle._run = timed  # type: ignore[assignment, method-assign] # noqa: SLF001
    try:
        yield times
    finally:
        Handle._run = run  # type: ignore[method-assign] # noqa: SLF001


async def _send(pipeline: Pipeline, port: int, mail: Mapping[str, object]) -> None:
    variables = {
        "authentication": {"hostname": "127.0.0.1", "port": port, "security": "none"},
        "smtpEmailMailBoxName": "Shop <shop@example.com>",
        "smtpEmailToRecipients": "Jane Doe <jane@example.org>",
        "smtpEmailSubject": "Your order",
        **mail,
    }
    outcome = await pipeline.handle(job(variables, element_instance_key=next(_KEYS)))
    assert isinstance(outcome, Complete), outcome


if __name__ == "__main__":
    main()
