"""Ledgers that several processes share: killed, started together, and of different versions."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from connector.ledger import open_ledger
from connector.ledger.ledger import Ledger
from connector.ledger.port import AlreadySent, HeldElsewhere, LedgerUnavailableError, State
from tests.contract import ledger_worker
from tests.contract.conftest import database, store
from tests.servers.postgres import Postgres

ROOT = Path(__file__).parents[2]


def start_worker(place: str, prefix: str, count: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.contract.ledger_worker", place, prefix, str(count)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("acknowledged", [1, 20, 100])
async def test_what_was_acknowledged_survives_kill_9(place: str, acknowledged: int) -> None:
    worker = start_worker(place, "k", 100_000)
    assert worker.stdout is not None
    lines = [worker.stdout.readline() for _ in range(acknowledged)]
    worker.send_signal(signal.SIGKILL)
    lines += worker.communicate()[0].splitlines(keepends=True)
    last: dict[str, str] = {}
    for line in lines:
        said, key = line.split()
        last[key] = said
    rank = {"granted": 0, "committing": 1, "sent": 2}
    async with open_ledger(ledger_worker.settings(place)) as ledger:
        entries = {entry.key: entry for entry in await ledger.entries(limit=200_000)}
        for key, said in last.items():
            kept = "granted" if entries[key].state is State.ATTEMPTING else entries[key].state.value
            assert rank[kept] >= rank[said], key
            decision = await ledger.begin(key, "hash", 60)
            assert isinstance(decision, AlreadySent if said == "sent" else HeldElsewhere | AlreadySent)
    assert len(last) >= acknowledged // 3


async def test_processes_that_start_together_send_each_mail_once(place: str) -> None:
    workers = [start_worker(place, "k", 150) for _ in range(3)]
    lines = [line for worker in workers for line in worker.communicate()[0].splitlines()]
    assert [worker.returncode for worker in workers] == [0, 0, 0]
    expected = [f"{word} k/{number}" for word in ("granted", "committing", "sent") for number in range(150)]
    assert Counter(lines) == Counter(expected)


# --- any ledger that is from a later version --------------------------------------------------------


async def test_a_schema_from_the_future_is_left_alone(place: str, request: pytest.FixtureRequest) -> None:
    ledger = Ledger(store(place))
    await ledger.check()
    await ledger.aclose()
    if place.startswith("postgresql://"):
        server: Postgres = request.getfixturevalue("postgres")
        server.sql("INSERT INTO smtp_connector_schema VALUES (99)", database(place))
    else:
        with sqlite3.connect(place) as file:
            file.execute("PRAGMA user_version = 99")
        file.close()
    ledger = Ledger(store(place))
    for operation in (ledger.check(), ledger.begin("k", "h", 60), ledger.prune(0), ledger.entries()):
        with pytest.raises(LedgerUnavailableError, match=r"schema 99.* knows . at most: upgrade the worker"):
            await operation
    await ledger.aclose()
