"""Show a long download: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

from connector.devengine.distribution import DownloadProgress

_STEP = 20  # percent between two lines where there is no bar


def download_progress(console: Console) -> DownloadProgress:
    """Give what :class:`~connector.devengine.distribution.Installation` wants for its ``progress``."""
    return _bar(console) if console.is_terminal else _lines(console)


def _bar(console: Console) -> DownloadProgress:
    @contextmanager
    def shown(name: str, size: int) -> Iterator[Callable[[int], None]]:
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        with Progress("[progress.description]{task.description}", *columns, console=console) as progress:
            task = progress.add_task(name, total=size)
            yield lambda count: progress.advance(task, count)

    return shown


def _lines(console: Console) -> DownloadProgress:
    @contextmanager
    def shown(name: str, size: int) -> Iterator[Callable[[int], None]]:
        received = 0

        def advance(count: int) -> None:
            nonlocal received
            before, received = received, received + count
            reached = received * 100 // size // _STEP
            if reached > before * 100 // size // _STEP:
                console.print(f"{name}: {reached * _STEP} %", highlight=False)

        yield advance

    return shown
