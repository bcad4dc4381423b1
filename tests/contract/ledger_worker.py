"""A process that takes mails through a ledger and says what was acknowledged; tests kill it.

``python -m tests.contract.ledger_worker PLACE PREFIX COUNT`` prints a line for each acknowledgement.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import structlog
from pydantic import SecretStr

from connector.ledger import Ledger, open_ledger
from connector.ledger.port import Granted, Sent
from connector.settings.ledger import LedgerSettings
from tests.contract.attempts import MARK

IN_FLIGHT = 8


def settings(place: str) -> LedgerSettings:
    """Take a URL for PostgreSQL and anything else for a file."""
    if place.startswith("postgresql://"):
        return LedgerSettings(kind="postgres", url=SecretStr(place))
    return LedgerSettings(path=Path(place))


def main(place: str, prefix: str, count: str) -> None:
    """Work until all keys are done."""
    asyncio.run(_work(place, iter([f"{prefix}/{number}" for number in range(int(count))])))


async def _work(place: str, keys: Iterator[str]) -> None:
    async with open_ledger(settings(place)) as ledger:
        await asyncio.gather(*(_slot(ledger, keys) for _ in range(IN_FLIGHT)))


async def _slot(ledger: Ledger, keys: Iterator[str]) -> None:
    for key in keys:
        decision = await ledger.begin(key, "hash", 3600)
        if not isinstance(decision, Granted):
            continue
        _say("granted", key)
        await ledger.committing(decision.attempt, MARK)
        _say("committing", key)
        await ledger.settle(decision.attempt, Sent(f'"{key}"'))
        _say("sent", key)


def _say(word: str, key: str) -> None:
    # One write for a line, so that a line is whole or not there when this process is killed.
    os.write(sys.stdout.fileno(), f"{word} {key}\n".encode())


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    main(*sys.argv[1:])
