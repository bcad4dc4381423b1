"""The upkeep goes on after a fault of ours, as it does after an outage."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from connector.ledger.ledger import Ledger
from connector.ledger.memory import MemoryStore
from connector.ledger.port import (
    Acknowledged,
    Answer,
    Attempt,
    Granted,
    LedgerUnavailableError,
    Operation,
    Sent,
    Unanswered,
)
from connector.ledger.progress import Mark
from connector.ledger.upkeep import Upkeep, WatchedStore
from connector.model import outage
from connector.model.backoff import Backoff


class Faulty(MemoryStore):
    """A store that fails once at each operation when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: dict[str, Exception] = {}
        self.applied = asyncio.Event()
        self.pruned = asyncio.Event()

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        self._fail("apply")
        self.applied.set()
        return await super().apply(operations)

    async def prune(self, older_than: float, *, doubtful: bool) -> int:
        self._fail("prune")
        self.pruned.set()
        return await super().prune(older_than, doubtful=doubtful)

    def _fail(self, operation: str) -> None:
        if operation in self.faults:
            raise self.faults.pop(operation)


@asynccontextmanager
async def held(ledger: Ledger) -> AsyncIterator[tuple[Upkeep, Attempt]]:
    """An attempt whose last octets may be on their way."""
    async with Upkeep(ledger, timedelta(seconds=60), timedelta(days=1)).running() as upkeep:
        decision = await ledger.begin("k", "h", 60)
        assert isinstance(decision, Granted)
        await ledger.committing(decision.attempt, Mark(("ann@example.test",)))
        yield upkeep, decision.attempt


FAULTS = pytest.mark.parametrize("fault", [LedgerUnavailableError("the disk is full"), RuntimeError("ours")])


@FAULTS
async def test_mails_under_way_are_held_again_after_a_failure(fault: Exception) -> None:
    store = Faulty()
    ledger = Ledger(store)
    async with Upkeep(ledger, timedelta(seconds=0.03), timedelta(days=1)).running() as upkeep:
        decision = await ledger.begin("k", "h", 60)
        assert isinstance(decision, Granted)
        store.faults["apply"] = fault
        store.applied.clear()
        upkeep.hold(decision.attempt)
        await asyncio.wait_for(store.applied.wait(), 10)
    assert not store.faults


@FAULTS
async def test_what_is_old_is_forgotten_after_a_failure(
    monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr("connector.ledger.upkeep._PRUNE_EVERY", 0.01)
    store = Faulty()
    store.faults["prune"] = fault
    async with Upkeep(Ledger(store), timedelta(seconds=60), timedelta(days=1)).running():
        await asyncio.wait_for(store.pruned.wait(), 10)


async def test_a_record_is_tried_again_with_longer_and_longer_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []
    drawn = Backoff.next

    def noted(backoff: Backoff) -> float:
        pauses.append(drawn(backoff))
        store.faults = {} if len(pauses) == 5 else {"apply": LedgerUnavailableError("away")}
        return 0.0

    store = Faulty()
    ledger = Ledger(store)
    async with held(ledger) as (upkeep, attempt):
        monkeypatch.setattr(Backoff, "next", noted)
        store.faults["apply"] = LedgerUnavailableError("away")
        await upkeep.recorded(attempt, Sent("{}"))
    assert [entry.state for entry in await ledger.entries()] == ["sent"]
    assert len(pauses) == 5
    assert all(0.05 * 2**n <= pause <= 0.1 * 2**n for n, pause in enumerate(pauses))


@FAULTS
async def test_what_follows_a_record_that_fails_is_written_after_it(fault: Exception) -> None:
    store = Faulty()
    ledger = Ledger(store)
    async with held(ledger) as (upkeep, attempt):
        store.faults["apply"] = fault
        upkeep.record(attempt, Unanswered())
        await upkeep.recorded(attempt, Acknowledged(task="t"))  # refused unless the doubt is recorded
    assert [entry.state for entry in await ledger.entries()] == ["acknowledged"]


async def test_a_worker_that_ends_waits_for_what_nobody_waits_for() -> None:
    store = Faulty()
    ledger = Ledger(store)
    async with held(ledger) as (upkeep, attempt):
        store.faults["apply"] = LedgerUnavailableError("away")
        upkeep.record(attempt, Sent("{}"))
    assert [entry.state for entry in await ledger.entries()] == ["sent"]


async def test_what_the_end_of_a_worker_leaves_unwritten_is_an_error_in_the_log(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("connector.ledger.upkeep._RECORD_SECONDS", 0.0)
    store = Faulty()
    with capture_logs() as logs:
        async with held(Ledger(store)) as (upkeep, attempt):
            store.faults["apply"] = LedgerUnavailableError("away")
            upkeep.record(attempt, Sent("{}"))
    told = [(entry["event"], entry["key"]) for entry in logs if entry["log_level"] == "error"]
    assert told == [("the outcome of a mail was not recorded in the ledger", "k")]


async def test_an_outage_is_told_at_once_every_five_minutes_and_at_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    monkeypatch.setattr(outage, "monotonic", lambda: now)
    faulty = Faulty()
    ledger = Ledger(WatchedStore(faulty))
    with capture_logs() as logs:
        await ledger.begin("first", "h", 60)
        for _ in range(11):
            faulty.faults["apply"] = LedgerUnavailableError("the disk is full")
            with pytest.raises(LedgerUnavailableError):
                await ledger.begin("k", "h", 60)
            faulty.faults["prune"] = LedgerUnavailableError("the disk is full")
            with pytest.raises(LedgerUnavailableError):
                await ledger.prune(0)
            now += 60
        await ledger.check()
        await ledger.begin("k", "h", 60)
    assert [(entry["event"], entry["seconds"]) for entry in logs] == [
        *(("ledger not available, waiting for it", seconds) for seconds in (0, 300, 600)),
        ("ledger available again", 660),
    ]
    assert logs[0]["reason"] == "the disk is full"


async def test_a_record_that_is_tried_again_tells_the_log_nothing_more() -> None:
    faulty = Faulty()
    ledger = Ledger(WatchedStore(faulty))
    async with held(ledger) as (upkeep, attempt):
        faulty.faults["apply"] = LedgerUnavailableError("away")
        with capture_logs() as logs:
            await upkeep.recorded(attempt, Sent("{}"))
    told = [entry["event"] for entry in logs if entry["log_level"] != "debug"]
    assert told == ["ledger not available, waiting for it", "ledger available again"]
