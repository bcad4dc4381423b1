"""What a ledger costs: mails a second and the slowest of a hundred, for each kind in one run.

``python -m benchmarks.ledger [DIRECTORY]`` takes each mail through ``begin``, ``committing`` and ``settle``
with 1, 16 and 64 of them in flight, in a file below the directory (the disk matters: not a tmpfs) and, where
it is installed, in a private PostgreSQL. Beside it stands what one fsync costs there. The worker itself
manages some hundreds of mails a second, so judge a ledger by what it leaves of that.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

from benchmarks.figures import Row, arguments, percentile, report
from connector.ledger.ledger import Ledger
from connector.ledger.memory import MemoryStore
from connector.ledger.port import Granted, Sent, Store
from connector.ledger.postgres import PostgresStore
from connector.ledger.progress import Mark
from connector.ledger.sqlite import SqliteStore
from tests.servers import postgres

_SECONDS = 3.0
_IN_FLIGHT = (1, 16, 64)
_HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_RESPONSE = '{"status": "SUCCESS", "message": "Mail sent successfully", "messageId": "<' + "x" * 400 + '>"}'

_MARK = Mark(("ada@example.com",), mail=("ada@example.com",), built="2026-11-27T08:00:00+01:00")


def main() -> None:
    """Measure and print."""
    place = next(iter(arguments()), None)
    report({"What a ledger costs by itself": asyncio.run(measured(place))})


async def measured(place: str | None = None) -> Sequence[Row]:
    """Take mails through each kind of ledger."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=place)))
        kinds: dict[str, Store | None] = {"none": None, "memory": MemoryStore()}
        kinds["sqlite"] = SqliteStore(directory / "ledger.db")
        if reason := postgres.missing():
            print(f"without PostgreSQL: {reason}")
        else:
            kinds["postgres"] = PostgresStore(stack.enter_context(postgres.running()).create_database())
        print(f"one fsync of 4 kB: {_fsync(directory):.2f} ms (median)")
        return [row for name, store in kinds.items() for row in await _rows(name, store)]


async def _rows(name: str, store: Store | None) -> list[Row]:
    rows: list[Row] = []
    ledger = Ledger(store) if store is not None else None
    for in_flight in _IN_FLIGHT:
        times = await _run(ledger, name, in_flight)
        rows.append(
            {
                "ledger": name,
                "in flight": in_flight,
                "mails/s": len(times) / _SECONDS,
                "operations/s": 3 * len(times) / _SECONDS,
                "median, ms": percentile(times, 0.5),
                "p99, ms": percentile(times, 0.99),
            }
        )
    if ledger is not None:
        await ledger.aclose()
    return rows


async def _run(ledger: Ledger | None, name: str, in_flight: int) -> list[float]:
    """Take mails through a ledger for a while; what each spent in it, in milliseconds."""
    times: list[float] = []
    end = perf_counter() + _SECONDS
    keys = iter(range(sys.maxsize))

    async def slot() -> None:
        while perf_counter() < end:
            begun = perf_counter()
            await _mail(ledger, f"<default>/{name}{in_flight}-{next(keys)}")
            times.append((perf_counter() - begun) * 1000)

    await asyncio.gather(*(slot() for _ in range(in_flight)))
    return times


async def _mail(ledger: Ledger | None, key: str) -> None:
    if ledger is None:
        await asyncio.sleep(0)
        return
    decision = await ledger.begin(key, _HASH, 60)
    assert isinstance(decision, Granted)
    await ledger.committing(decision.attempt, _MARK)
    await ledger.settle(decision.attempt, Sent(_RESPONSE))


def _fsync(directory: Path) -> float:
    """Give the median of what it costs to append 4 kB to a file and wait for the disk, in milliseconds."""
    with (directory / "fsync").open("wb", buffering=0) as file:
        return sorted(_appends(file.fileno()))[50]


def _appends(descriptor: int) -> Iterator[float]:
    for _ in range(100):
        begun = perf_counter()
        os.write(descriptor, bytes(4096))
        os.fsync(descriptor)
        yield (perf_counter() - begun) * 1000


if __name__ == "__main__":
    main()
