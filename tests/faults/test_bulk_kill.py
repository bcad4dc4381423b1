"""A worker is killed while it sends a bulk task, again and again, and another one finds what is missing.

No record's mail may arrive twice, and none may be lost: one that is in doubt, because its final dot was out
when the worker died, is an incident that a person decides about.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from asyncio.subprocess import PIPE, Process
from collections import Counter
from pathlib import Path

import pytest

from connector.ledger.ledger import Ledger
from connector.ledger.port import State
from connector.ledger.sqlite import SqliteStore
from connector.testing.smtp import SmtpServer

FORMS = [
    (100, 1),
    pytest.param(5_000, 20, marks=[pytest.mark.long, pytest.mark.timeout(1800)]),
]


async def started(ledger: Path, server: SmtpServer, records: int) -> Process:
    command = [sys.executable, "-m", "tests.faults.bulk_job", str(ledger), str(server.port), str(records)]
    return await asyncio.create_subprocess_exec(*command, stdout=PIPE)


async def in_doubt(ledger: Path) -> set[str]:
    """The records whose mails may or may not have been delivered."""
    opened = Ledger(SqliteStore(ledger))
    try:
        entries = await opened.entries(state=State.UNCERTAIN, limit=10_000)
    finally:
        await opened.aclose()
    return {entry.key.rpartition("/record:")[2] for entry in entries}


@pytest.mark.parametrize(("records", "kills"), FORMS)
async def test_each_record_is_sent_once(tmp_path: Path, records: int, kills: int) -> None:
    ledger, chance = tmp_path / "ledger.db", random.Random(records)
    async with SmtpServer() as server:
        for _ in range(kills):
            worker = await started(ledger, server, records)
            progress = chance.randint(1, records // (kills + 1))
            await server.wait_for(len(server.received) + progress, timeout=120)
            worker.kill()
            await worker.communicate()
            assert worker.returncode == -9
        worker = await started(ledger, server, records)
        output, _ = await worker.communicate()
        copies = Counter(address for mail in server.received for address in mail.recipients)
    kind, _, message = json.loads(output.splitlines()[-1])  # logs come before
    doubtful = {f"r{key[1:]}@x.example" for key in await in_doubt(ledger)}
    everyone = {f"r{number}@x.example" for number in range(records)}
    print(f"{kills} kills, {records} records: {len(doubtful)} in doubt")  # noqa: T201
    assert copies.keys() <= everyone
    assert {address for address in everyone if copies[address] != 1} <= doubtful
    assert max(copies.values()) == 1
    if doubtful:
        assert (kind, message[:18]) == ("Fail", "DELIVERY_UNCERTAIN")
        assert f"{records - len(doubtful):,} of {records:,} mails were sent" in message
    else:
        assert kind == "Complete"
