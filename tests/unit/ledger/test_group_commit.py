"""How operations are gathered into groups, and who hears what became of them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from connector.ledger.ledger import Ledger
from connector.ledger.memory import MemoryStore
from connector.ledger.port import (
    Answer,
    Granted,
    HeldElsewhere,
    LedgerUnavailableError,
    Operation,
    Sent,
    State,
)
from tests.contract.attempts import MARK


class Gate(MemoryStore):
    """A store whose writes wait to be let through, and may be made to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[list[str]] = []
        self.open = asyncio.Event()
        self.entered = asyncio.Event()
        self.error: Exception | None = None

    async def apply(self, operations: Sequence[Operation]) -> list[Answer]:
        self.groups.append([operation.key for operation in operations])
        self.entered.set()
        await self.open.wait()
        if self.error is not None:
            raise self.error
        return await super().apply(operations)


async def test_what_comes_while_a_group_is_written_is_the_next_group() -> None:
    gate = Gate()
    ledger = Ledger(gate)
    first = asyncio.create_task(ledger.begin("a", "h", 60))
    await gate.entered.wait()
    others = [asyncio.create_task(ledger.begin(key, "h", 60)) for key in "bcd"]
    await asyncio.sleep(0)  # they have asked
    gate.open.set()
    await asyncio.gather(first, *others)
    assert gate.groups == [["a"], ["b", "c", "d"]]


async def test_a_group_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connector.ledger.ledger._GROUP", 4)
    gate = Gate()
    gate.open.set()
    ledger = Ledger(gate)
    await asyncio.gather(*(ledger.begin(str(number), "h", 60) for number in range(10)))
    assert [len(group) for group in gate.groups] == [4, 4, 2]


@pytest.mark.parametrize(
    "error", [LedgerUnavailableError("the disk is full"), RuntimeError("a fault of ours")]
)
async def test_a_failure_reaches_everyone_in_the_group_and_nobody_after(error: Exception) -> None:
    gate = Gate()
    gate.open.set()
    gate.error = error
    ledger = Ledger(gate)
    results = await asyncio.gather(*(ledger.begin(key, "h", 60) for key in "abc"), return_exceptions=True)
    assert [(type(result), str(result)) for result in results] == [(type(error), str(error))] * 3
    gate.error = None
    assert isinstance(await ledger.begin("a", "h", 60), Granted)


async def test_a_begin_whose_caller_left_is_given_back() -> None:
    gate = Gate()
    ledger = Ledger(gate)
    beginning = asyncio.create_task(ledger.begin("a", "h", 3600))
    await gate.entered.wait()
    beginning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beginning
    gate.open.set()
    await ledger.aclose()
    (entry,) = await gate.entries(key="a", state=None, limit=1)
    assert entry.state is State.RELEASED


async def test_a_begin_that_was_not_granted_gives_nothing_back() -> None:
    gate = Gate()
    gate.open.set()
    ledger = Ledger(gate)
    held = await ledger.begin("a", "h", 3600)
    assert isinstance(held, Granted)
    gate.open.clear()
    beginning = asyncio.create_task(ledger.begin("a", "h", 3600))
    await asyncio.sleep(0)
    beginning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beginning
    gate.open.set()
    assert isinstance(await ledger.begin("a", "h", 3600), HeldElsewhere)
    await ledger.committing(held.attempt, MARK)
    await ledger.settle(held.attempt, Sent("{}"))


async def test_a_begin_that_fails_after_its_caller_left_is_nobodys() -> None:
    gate = Gate()
    gate.error = LedgerUnavailableError("the disk is full")
    ledger = Ledger(gate)
    beginning = asyncio.create_task(ledger.begin("a", "h", 3600))
    await gate.entered.wait()
    beginning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await beginning
    gate.open.set()
    await ledger.aclose()
    assert gate.groups == [["a"]]


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ledger that waits for company for ever, so that a test sees for whom it does not wait."""
    monkeypatch.setattr("connector.ledger.ledger._COMPANY_SECONDS", 3600)
    monkeypatch.setattr("connector.ledger.ledger.min", lambda _took, most: most, raising=False)


@pytest.mark.usefixtures("patient")
async def test_a_mail_that_is_alone_waits_for_no_company() -> None:
    gate = Gate()
    gate.open.set()
    ledger = Ledger(gate)
    for key in "abc":
        decision = await ledger.begin(key, "h", 60)
        assert isinstance(decision, Granted)
        await ledger.committing(decision.attempt, MARK)
        await ledger.settle(decision.attempt, Sent("{}"))
    assert {len(group) for group in gate.groups} == {1}


@pytest.mark.usefixtures("patient")
async def test_a_group_waits_until_it_is_as_large_as_the_last_one() -> None:
    gate = Gate()
    gate.open.set()
    ledger = Ledger(gate)
    await asyncio.gather(*(ledger.begin(key, "h", 60) for key in "abc"))
    two = [asyncio.create_task(ledger.begin(key, "h", 60)) for key in "de"]
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(gate.groups) == 1
    await asyncio.gather(*two, ledger.begin("f", "h", 60))
    assert gate.groups == [["a", "b", "c"], ["d", "e", "f"]]


async def test_a_group_that_gets_no_company_is_written_all_the_same() -> None:
    gate = Gate()
    gate.open.set()
    ledger = Ledger(gate)
    await asyncio.gather(*(ledger.begin(key, "h", 60) for key in "abc"))
    await ledger.begin("d", "h", 60)
    await ledger.begin("e", "h", 60)
    assert gate.groups == [["a", "b", "c"], ["d"], ["e"]]


async def test_a_begin_whose_caller_leaves_as_it_is_answered_is_given_back() -> None:
    gate = Gate()
    gate.open.set()
    ledger = Ledger(gate)
    answered = asyncio.Event()
    resolve = ledger._resolve

    def resolved(future: asyncio.Future[Answer], answer: Answer | Exception) -> None:
        resolve(future, answer)
        beginning.cancel()
        answered.set()

    ledger._resolve = resolved  # type: ignore[method-assign]
    beginning = asyncio.create_task(ledger.begin("a", "h", 3600))
    await answered.wait()
    with pytest.raises(asyncio.CancelledError):
        await beginning
    await ledger.aclose()
    (entry,) = await gate.entries(key="a", state=None, limit=1)
    assert entry.state is State.RELEASED
