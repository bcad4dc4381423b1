"""A thread for one connection of a library that waits: the event loop never does.

The thread is a daemon, so that a name look-up that hangs does not keep the process from ending.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from queue import SimpleQueue
from typing import TypeVar

_Result = TypeVar("_Result")
_Work = Callable[[], None]
# How long an interrupted call may take to end before it is left to itself.
_LAST_SECONDS = 1.0


class ConnectionThread:
    """Runs one call after the other.

    Args:
        name: What the thread is called, for debuggers.
    """

    def __init__(self, name: str) -> None:
        self._queue: SimpleQueue[_Work | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        self._thread.start()

    async def run(
        self, call: Callable[[], _Result], interrupt: Callable[[], object], seconds: float
    ) -> _Result:
        """Run a call and wait for its end.

        Args:
            call: What to run.
            interrupt: Makes the call end soon; called when this coroutine is cancelled, or after the time.
            seconds: How long it may take.

        Raises:
            TimeoutError: It took longer, and was interrupted.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[_Result] = loop.create_future()
        self._queue.put(lambda: _settle(loop, done, call))
        try:
            finished, _ = await asyncio.wait({done}, timeout=seconds)
        except asyncio.CancelledError:
            await self._interrupted(done, interrupt)
            raise
        if not finished:
            await self._interrupted(done, interrupt)
            raise TimeoutError
        return done.result()

    async def _interrupted(self, done: asyncio.Future[_Result], interrupt: Callable[[], object]) -> None:
        """Let the call end; a name look-up cannot be interrupted and is left to itself."""
        interrupt()
        with suppress(asyncio.CancelledError):
            await asyncio.wait({done}, timeout=_LAST_SECONDS)
        if done.done() and not done.cancelled():
            done.exception()  # looked at, so that asyncio does not report it

    def stop(self) -> None:
        """End the thread after what it has in hand."""
        self._queue.put(None)

    def _serve(self) -> None:
        while (work := self._queue.get()) is not None:
            work()


def _settle(
    loop: asyncio.AbstractEventLoop, done: asyncio.Future[_Result], call: Callable[[], _Result]
) -> None:
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - carried to the event loop
        _tell(loop, done, partial(done.set_exception, error))
    else:
        _tell(loop, done, partial(done.set_result, result))


def _tell(loop: asyncio.AbstractEventLoop, done: asyncio.Future[_Result], settle: Callable[[], None]) -> None:
    def settled() -> None:
        if not done.done():
            settle()

    with suppress(RuntimeError):  # the loop is closed, and no one waits any more
        loop.call_soon_threadsafe(settled)
