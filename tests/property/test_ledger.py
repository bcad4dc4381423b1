"""Any history that two owners can make: every store agrees with the one in memory; sent stays sent."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, multiple, rule, run_state_machine_as_test

from connector.ledger.ledger import Ledger
from connector.ledger.memory import MemoryStore
from connector.ledger.port import (
    Acknowledged,
    AlreadySent,
    Assumed,
    Attempt,
    Granted,
    HeldElsewhere,
    OvertakenError,
    Released,
    Sent,
    Settlement,
    State,
    Store,
    Unanswered,
    Uncertain,
)
from connector.ledger.postgres import PostgresStore
from connector.ledger.progress import Delivered, Mark, Progress
from connector.ledger.sqlite import SqliteStore
from tests.servers.postgres import Postgres

T = TypeVar("T")
KEYS = st.sampled_from(["a", "b"])
OWNERS = st.sampled_from([0, 1])
# No time passes: a lease that ends in the past has ended, also by the clock of another owner, which may be a
# little behind (each estimates the clock of PostgreSQL).
LONG_AGO = -3600.0
LEASES = st.sampled_from([LONG_AGO, 3600.0])
MAIL = ("ada", "bob", "cyd")
RECIPIENTS = st.lists(st.sampled_from(MAIL), min_size=1, unique=True).map(tuple)
SETTLEMENTS = st.one_of(
    st.sampled_from(
        [
            *(Sent('"first"'), Sent('"second"'), Released(), Unanswered(), Assumed()),
            *(Acknowledged(hold=LONG_AGO), Acknowledged(hold=3600)),
        ]
    ),
    st.sampled_from(MAIL).map(lambda address: Released(({"address": address, "code": 550, "text": "no"},))),
    RECIPIENTS.map(lambda recipients: Delivered(recipients, "250 2.0.0 Ok", "2026-11-27T08:00:01Z")),
)


class Histories(RuleBasedStateMachine):
    """Does the same to the store under test and to one in memory, operation by operation."""

    attempts: Bundle[Attempt] = Bundle("attempts")

    def __init__(self, place: str) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.prefix = uuid4().hex
        memory = MemoryStore()
        directory = Path(mkdtemp()) if not place else None
        self.pairs = []
        for name in ("one", "other"):
            store: Store = SqliteStore(directory / "ledger.db") if directory else PostgresStore(place)
            self.pairs.append((Ledger(store, name), Ledger(memory, name)))
            self.run(self.pairs[-1][0].check())  # makes the file
        self.sent: set[tuple[str, str]] = set()
        self.delivered: dict[tuple[str, str], set[str]] = {}

    def teardown(self) -> None:
        for pair in self.pairs:
            for ledger in pair:
                self.run(ledger.aclose())
        self.runner.close()

    def run(self, operation: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(operation)

    @rule(
        target=attempts,
        key=KEYS,
        owner=OWNERS,
        content=st.sampled_from("xy"),
        lease=LEASES,
        resend=st.booleans(),
    )
    def begin(self, key: str, owner: int, content: str, lease: float, resend: bool) -> Any:
        key = f"{self.prefix}/{key}"
        real, model = (
            self.run(ledger.begin(key, content, lease, resend=resend)) for ledger in self.pairs[owner]
        )
        assert _timeless(real) == _timeless(model)
        if (key, content) in self.sent:
            assert isinstance(real, AlreadySent)
        return real.attempt if isinstance(real, Granted | Uncertain) else multiple()

    @rule(attempt=attempts, owner=OWNERS, lease=LEASES, recipients=RECIPIENTS)
    def commit(self, attempt: Attempt, owner: int, lease: float, recipients: tuple[str, ...]) -> None:
        attempt = replace(attempt, lease=lease)
        mark = Mark(recipients, mail=MAIL, built="2026-11-27T08:00:00+01:00", digest="d1")
        real, model = (self.run(_lost(ledger.committing(attempt, mark))) for ledger in self.pairs[owner])
        assert real == model
        served = self.delivered.get((attempt.key, attempt.request_hash), set())
        assert real or served.isdisjoint(recipients), "a recipient would get the mail twice"

    @rule(attempt=attempts, owner=OWNERS, settlement=SETTLEMENTS)
    def settle(self, attempt: Attempt, owner: int, settlement: Settlement) -> None:
        for ledger in self.pairs[owner]:
            self.run(_settled(ledger, attempt, settlement))
        entries = self.run(self.pairs[0][0].entries(key=attempt.key))
        if isinstance(settlement, Sent):
            self.sent.add((attempt.key, entries[0].request_hash))
        if isinstance(settlement, Delivered) and entries and entries[0].state != State.SENT:
            progress = Progress.read(entries[0].progress)
            if entries[0].request_hash == attempt.request_hash:
                self.delivered.setdefault((attempt.key, attempt.request_hash), set()).update(
                    settlement.recipients
                )
                assert set(settlement.recipients) <= set(progress.delivered)

    @rule(attempt=attempts, owner=OWNERS, lease=LEASES)
    def extend(self, attempt: Attempt, owner: int, lease: float) -> None:
        for ledger in self.pairs[owner]:
            self.run(ledger.extend([replace(attempt, lease=lease)]))

    @rule(owner=OWNERS, doubtful=st.booleans())
    def prune(self, owner: int, doubtful: bool) -> None:
        for ledger in self.pairs[owner]:
            self.run(ledger.prune(0, doubtful=doubtful))
        self.sent.clear()
        self.delivered.clear()

    @rule(key=KEYS)
    def compare(self, key: str) -> None:
        kept = [self.run(ledger.entries(key=f"{self.prefix}/{key}")) for ledger in self.pairs[0]]
        real, model = ([e._replace(changed=0, held_until=e.held_until > 1e9) for e in es] for es in kept)
        assert real == model


async def _settled(ledger: Ledger, attempt: Attempt, settlement: Settlement) -> None:
    await ledger.settle(attempt, settlement)


async def _lost(operation: Coroutine[Any, Any, None]) -> bool:
    try:
        await operation
    except OvertakenError:
        return True
    return False


def _timeless(decision: object) -> object:
    if isinstance(decision, HeldElsewhere):
        return HeldElsewhere
    return replace(decision, since=0) if isinstance(decision, Uncertain) else decision


def _run(place: str, examples: int) -> None:
    class HistoriesThere(Histories):
        def __init__(self) -> None:
            super().__init__(place)

    run_state_machine_as_test(
        HistoriesThere,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_any_history_in_sqlite() -> None:
    _run("", 30)


def test_any_history_in_postgres(postgres: Postgres) -> None:
    _run(postgres.create_database(), 15)


@pytest.mark.long
def test_a_great_many_histories(postgres: Postgres) -> None:
    _run("", 500)
    _run(postgres.create_database(), 500)
