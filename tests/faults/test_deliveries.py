"""A worker is killed at each point between the deliveries of one mail, and another one goes on.

No recipient may get the mail twice, but those of a delivery in doubt under ``resend``; none may be lost.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connector.testing.behaviour import Behaviour, Hold, Say, Verb
from connector.testing.smtp import Offer, SmtpServer
from tests.faults.delivering import POINTS
from tests.faults.verdicts import Row, Table
from tests.servers.postgres import Postgres

RECIPIENTS = 3
# The long form kills 208 times on each kind of ledger.
ROUNDS = [1, pytest.param(8, marks=[pytest.mark.long, pytest.mark.timeout(3600)])]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty ledger."""
    if request.param == "sqlite":
        return str(tmp_path / "ledger.db")
    server: Postgres = request.getfixturevalue("postgres")
    return server.create_database()


class Workers:
    """Workers for one mail at a time, forked by a process that has everything loaded."""

    def __init__(self, process: Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._asked, self._told = process.stdin, process.stdout

    async def start(self, place: str, server: SmtpServer, key: str, policy: str, *trap: str | int) -> int:
        """Start a worker for the mail; its process id."""
        self._asked.write(json.dumps([place, server.port, key, policy, RECIPIENTS, *trap]).encode() + b"\n")
        return int(await self._told.readline())

    async def end(self) -> tuple[int, str]:
        """Wait for its end; its exit code and what it printed."""
        code, printed = json.loads(await self._told.readline())
        return code, printed

    async def run(
        self, place: str, server: SmtpServer, key: str, policy: str, *trap: str | int
    ) -> list[Any] | None:
        """Run a worker for the mail; the outcome, or None when it died."""
        await self.start(place, server, key, policy, *trap)
        code, printed = await self.end()
        if code != 0:
            assert code == -signal.SIGKILL, printed
            return None
        found: list[Any] = json.loads(printed.splitlines()[-1])  # logs come before
        return found

    async def finish(self, place: str, server: SmtpServer, key: str, policy: str) -> list[Any]:
        """Let workers come until the job is over; a lease that a dead one left has to end first."""
        async with asyncio.timeout(300):  # against a hang
            while True:
                outcome = await self.run(place, server, key, policy)
                assert outcome is not None
                if not (outcome[0] == "Fail" and outcome[2].startswith("CANCELLED")):
                    return outcome


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.delivering"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=1 << 20,
    )
    yield Workers(process)
    process.kill()
    await process.wait()


def copies(server: SmtpServer, key: str) -> Counter[str]:
    return Counter(
        address for mail in server.received for address in mail.recipients if f"-{key}@" in address
    )


def everyone(key: str) -> Counter[str]:
    return Counter(f"r{one}-{key}@x.example" for one in range(RECIPIENTS))


def count(row: Row, server: SmtpServer, key: str, doubtful: tuple[Counter[str], Counter[str]]) -> None:
    """Add a kill to the table: who is in doubt counts neither as lost nor as served twice."""
    extra, missing = copies(server, key) - everyone(key), everyone(key) - copies(server, key)
    more, less = doubtful
    row.runs += 1
    row.twice += (extra - more).total()
    row.lost += (missing - less).total()
    row.uncertain += (more + less).total()
    assert (extra, missing) == doubtful


def kind(place: str) -> str:
    return "PostgreSQL" if "://" in place else "SQLite"


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("number", [2, *(pytest.param(number, marks=pytest.mark.long) for number in (1, 3))])
@pytest.mark.parametrize("point", POINTS)
async def test_a_kill_between_deliveries(  # noqa: PLR0917 - what pytest hands in
    place: str, point: str, number: int, rounds: int, table: Table, workers: Workers
) -> None:
    async with SmtpServer(offer=Offer(recipients=1)) as server:
        with table.row(f"killed {point} of a delivery ({kind(place)})") as row:
            for turn in range(rounds):
                for policy in ("resend", "assume-sent"):
                    key = f"k{turn}{policy}"
                    assert await workers.run(place, server, key, policy, point, number) is None
                    outcome = await workers.finish(place, server, key, policy)
                    assert outcome[0] == "Complete", outcome
                    in_doubt = Counter([f"r{number - 1}-{key}@x.example"])
                    # In doubt are a mark whose dot may be out, and a reply that was not recorded.
                    again = (point, policy) == ("before the reply is recorded", "resend")
                    never = (point, policy) == ("after the commit", "assume-sent")
                    doubtful = (in_doubt if again else Counter[str](), in_doubt if never else Counter[str]())
                    count(row, server, key, doubtful)


@pytest.mark.parametrize("rounds", ROUNDS)
@pytest.mark.parametrize("verb", [Verb.MAIL, Verb.DATA])
async def test_a_kill_on_the_wire_of_a_later_delivery(
    place: str, verb: Verb, rounds: int, table: Table, workers: Workers
) -> None:
    good = Say(354, "Go on") if verb is Verb.DATA else Say(250, "2.0.0 Ok")
    with table.row(f"killed at {verb} of a later delivery ({kind(place)})") as row:
        for turn in range(rounds):
            key, hold = f"w{turn}", Hold()
            behaviour = Behaviour().on(verb, good, times=1).on(verb, hold, times=1)
            async with SmtpServer(offer=Offer(recipients=1), behaviour=behaviour) as server:
                worker = await workers.start(place, server, key, "incident")
                async with asyncio.timeout(120):
                    await hold.reached.wait()
                os.kill(worker, signal.SIGKILL)
                assert (await workers.end())[0] == -signal.SIGKILL
                outcome = await workers.finish(place, server, key, "incident")
                assert outcome[0] == "Complete", outcome
                count(row, server, key, (Counter(), Counter()))
