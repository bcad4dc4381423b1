"""The upkeep goes on after a fault of ours, as it does after an outage."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from connector.ledger.ledger import Ledger
from connector.ledger.memory import MemoryStore
from connector.ledger.port import Answer, Granted, LedgerUnavailableError, Operation, Sent
from connector.ledger.upkeep import Upkeep, WatchedStore
from connector.model import outage


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
    sleep = asyncio.sleep

    async def noted(seconds: float) -> None:
        if seconds < 10:  # the timers' own pauses are longer
            pauses.append(seconds)
            store.faults = {} if len(pauses) == 5 else {"apply": LedgerUnavailableError("away")}
        await sleep(0 if seconds < 10 else seconds)

    store = Faulty()
    ledger = Ledger(store)
    async with Upkeep(ledger, timedelta(seconds=60), timedelta(days=1)).running() as upkeep:
        decision = await ledger.begin("k", "h", 60)
        assert isinstance(decision, Granted)
        monkeypatch.setattr("connector.ledger.upkeep.asyncio.sleep", noted)
        store.faults["apply"] = LedgerUnavailableError("away")
        await upkeep.recorded(decision.attempt, Sent("{}"))
    assert [entry.state for entry in await ledger.entries()] == ["sent"]
    assert len(pauses) == 5
    assert all(0.05 * 2**n <= pause <= 0.1 * 2**n for n, pause in enumerate(pauses))


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
    async with Upkeep(ledger, timedelta(seconds=60), timedelta(days=1)).running() as upkeep:
        decision = await ledger.begin("k", "h", 60)
        assert isinstance(decision, Granted)
        faulty.faults["apply"] = LedgerUnavailableError("away")
        with capture_logs() as logs:
            await upkeep.recorded(decision.attempt, Sent("{}"))
    told = [entry["event"] for entry in logs if entry["log_level"] != "debug"]
    assert told == ["ledger not available, waiting for it", "ledger available again"]
