"""What the event loop does for each mail: tasks, futures, callbacks, and switches to other threads.

``python -m benchmarks.hops`` drains backlogs on the development engine with a handler that does nothing and,
for each kind of ledger, with the connector; the worker counts. Nothing in a mail's way dominates its cost:
what it costs is the number of such hops, and unlike times they are nearly the same on every machine, so that
a test holds them down.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Sequence
from typing import Any

from benchmarks.field import Field, drained, field, ledgers, sink
from benchmarks.figures import Row, report

_JOBS = 1000


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts what is asked of it.

    Attributes:
        counts: How many tasks and futures were made, and callbacks scheduled, since the beginning.
    """

    def __init__(self) -> None:
        super().__init__()
        self.counts = {"tasks": 0, "futures": 0, "call_soon": 0}

    # Any arguments: the base class's own annotations differ from one version of Python to the next.

    def create_task(self, *given: Any, **named: Any) -> Any:
        """Count a task."""
        self.counts["tasks"] += 1
        return super().create_task(*given, **named)

    def create_future(self) -> asyncio.Future[Any]:
        """Count a future."""
        self.counts["futures"] += 1
        return super().create_future()

    def call_soon(self, *given: Any, **named: Any) -> Any:  # type: ignore[override]
        """Count a callback."""
        self.counts["call_soon"] += 1
        return super().call_soon(*given, **named)

    def call_soon_threadsafe(self, *given: Any, **named: Any) -> Any:  # type: ignore[override]
        """Count a callback from another thread."""
        self.counts["call_soon"] += 1
        return super().call_soon_threadsafe(*given, **named)

    def hops(self) -> dict[str, int]:
        """Give the counts, and how often a thread of this process has waited for something."""
        return {**self.counts, "switches": resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw}


def main() -> None:
    """Measure and print."""
    report({"What the event loop does for each mail": asyncio.run(measured())})


async def measured() -> Sequence[Row]:
    """Count for a job that does nothing, and for a mail with each kind of ledger."""
    with ledgers() as kinds:
        async with field() as here, sink() as (port, _):
            await here.deploy("mail", port)
            return [await _row(here, name, settings) for name, settings in kinds.items()]


async def _row(here: Field, name: str, settings: dict[str, str]) -> Row:
    told = await hops(here, "noop" if name == "no-op" else "mail", settings, _JOBS)
    return {"worker": name if name == "no-op" else f"mail, ledger {name}", **told}


async def hops(here: Field, kind: str, settings: dict[str, str], jobs: int) -> dict[str, float]:
    """Count for each of so many jobs."""
    await here.create("mail", jobs)
    told = await drained(kind, jobs, {"engine.address": here.address, "log.level": "warning", **settings})
    return {name: told[name] for name in ("tasks", "futures", "call_soon", "switches")}


if __name__ == "__main__":
    main()
