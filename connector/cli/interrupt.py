"""Let SIGINT and SIGTERM end a command after it has stopped what it started."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


async def until_interrupted(work: Coroutine[Any, Any, T]) -> T | None:
    """Run a coroutine until it ends, or until SIGINT or SIGTERM cancels it.

    Later signals are ignored while it cleans up, so that a second Ctrl-C leaves nothing running.

    Returns:
        Its result, or None if a signal ended it.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(work)
    interrupted = asyncio.Event()

    def on_signal() -> None:
        if not interrupted.is_set():
            interrupted.set()
            task.cancel()

    for number in _SIGNALS:
        loop.add_signal_handler(number, on_signal)
    try:
        return await task
    except asyncio.CancelledError:
        if not interrupted.is_set():
            raise
        return None
    finally:
        for number in _SIGNALS:
            loop.remove_signal_handler(number)
