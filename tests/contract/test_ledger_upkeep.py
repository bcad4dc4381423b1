"""Looking into a ledger and pruning it, in every kind."""

from __future__ import annotations

import asyncio

from connector.ledger.ledger import Ledger
from connector.ledger.port import Released, Sent, State, Unanswered
from tests.contract.attempts import LONG, OVER, begun, committed


async def test_pruning_forgets_what_is_old_and_settled(ledger: Ledger) -> None:
    await ledger.settle(await committed(ledger, key="sent"), Sent("{}"))
    await ledger.settle(await begun(ledger, key="released"), Released())
    await begun(ledger, OVER, key="crashed")
    await begun(ledger, key="held")
    await committed(ledger, key="committing")
    await committed(ledger, OVER, key="ended")
    await ledger.settle(await committed(ledger, key="uncertain"), Unanswered())
    assert await ledger.prune(LONG) == 0
    assert await ledger.prune(0) == 3
    assert {entry.key for entry in await ledger.entries()} == {"held", "committing", "ended", "uncertain"}
    assert await ledger.prune(0, doubtful=True) == 2
    assert {entry.key for entry in await ledger.entries()} == {"held", "committing"}


async def test_pruning_goes_through_any_number(ledger: Ledger) -> None:
    keys = [f"k{number}" for number in range(4500)]
    attempts = await asyncio.gather(*(begun(ledger, key=key) for key in keys))
    await asyncio.gather(*(ledger.settle(attempt, Released()) for attempt in attempts[1:]))
    assert await ledger.prune(0) == 4499
    assert [entry.key for entry in await ledger.entries()] == ["k0"]


async def test_entries_come_latest_first_and_can_be_chosen(ledger: Ledger) -> None:
    for key in ("first", "second", "third"):
        await ledger.settle(await begun(ledger, key=key), Released())
    await begun(ledger, key="fourth")
    assert [entry.key for entry in await ledger.entries(limit=3)] == ["fourth", "third", "second"]
    assert [entry.key for entry in await ledger.entries(state=State.RELEASED)] == ["third", "second", "first"]
    assert [entry.key for entry in await ledger.entries(key="second", limit=1)] == ["second"]
    assert await ledger.entries(key="fifth") == []
