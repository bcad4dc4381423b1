"""Drafts that dead attempts left in a mailbox are deleted after a day, and no other draft ever is."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Iterator, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog

from connector.graph.mailboxes import GraphMailboxes
from connector.ledger import open_upkeep
from connector.ledger.ledger import Ledger
from connector.ledger.memory import MemoryStore
from connector.ledger.port import Acknowledged, Attempt, Released, Sent, Unanswered
from connector.ledger.sqlite import SqliteStore
from connector.message.build import name_of
from connector.secrets.masker import Masker
from connector.send import draft_sweep
from connector.send.assembly import Shared, open_pipeline
from connector.send.draft_sweep import DraftSweep
from connector.webapi.allowance import Allowances
from tests.contract.attempts import MARK, begun
from tests.servers.graph import graph_server
from tests.servers.graph_state import Item, stamp
from tests.servers.graph_world import Graph
from tests.wire.graph_submission import USER, FixedTokens, graph_mailboxes, route, settings

# When the attempts of these tests are made, and their drafts; the double's own clock begins then.
MADE = datetime(2026, 3, 1, 8, tzinfo=UTC)
KEY = "<default>/instance:7"
MINUTE = timedelta(minutes=1)


@pytest.fixture(autouse=True)
def every_line_is_logged() -> Iterator[None]:
    """A test before may have set the level at which structlog drops a line before it is captured."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG))
    yield
    structlog.configure(**before)


@pytest.fixture
def graph() -> Iterator[Graph]:
    with graph_server(USER) as running:
        yield running


class World:
    """A ledger and a mailbox at one moment, which a test moves.

    Attributes:
        now: On the clock of worker and ledger.
    """

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.now = MADE
        self.ledger = Ledger(MemoryStore(self.time))
        self.logs: list[MutableMapping[str, Any]] = []

    def time(self) -> float:
        return self.now.timestamp()

    def draft(self, key: str = KEY, made: datetime = MADE, **fields: Any) -> Item:
        """Let a worker make a draft and die."""
        moment = {"createdDateTime": stamp(made), "lastModifiedDateTime": stamp(made)}
        name = {"internetMessageId": f"<{name_of(key)}@example.test>", "isDraft": True}
        return self.graph.mailbox(USER).add({**name, **moment, **fields}, None, "drafts")

    def left(self, folder: str = "drafts") -> list[str]:
        return [item.id for item in self.graph.mailbox(USER).inside(folder)]

    async def swept(
        self,
        after: timedelta = timedelta(days=1, minutes=1),
        ledger: Ledger | None = None,
        mailboxes: GraphMailboxes | None = None,
    ) -> list[str]:
        """Look through the drafts so long after they were made; the events of the log."""
        self.now = MADE + after
        async with AsyncExitStack() as stack:
            if mailboxes is None:
                mailboxes = await stack.enter_async_context(graph_mailboxes(self.graph))
            sweep = DraftSweep([route(self.graph)], mailboxes, ledger or self.ledger, lambda: self.now)
            with structlog.testing.capture_logs() as logs:
                await sweep.sweep()
        self.logs = logs
        return [line["event"] for line in logs]


@pytest.fixture
def world(graph: Graph) -> World:
    return World(graph)


async def dead(ledger: Ledger, key: str = KEY) -> Attempt:
    """An attempt whose worker died at once; its lease has ended a day later."""
    return await begun(ledger, 60.0, key)


async def test_a_draft_of_a_dead_attempt_goes_to_deleted_items_after_a_day(world: World) -> None:
    await dead(world.ledger)
    draft = world.draft()
    assert await world.swept() == ["left-over draft deleted"]
    (line,) = world.logs
    assert (line["account"], line["key"], line["made"]) == ("sales", KEY, "2026-03-01T08:00:00+00:00")
    assert (world.left(), world.left("deleteditems")) == ([], [draft.id])


async def test_a_draft_is_left_for_a_day(world: World) -> None:
    await dead(world.ledger)
    world.draft()
    assert await world.swept(timedelta(hours=23, minutes=59)) == []
    assert len(world.left()) == 1


async def test_the_age_of_a_draft_is_counted_by_the_services_clock(world: World) -> None:
    world.now = datetime.now(UTC)
    await dead(world.ledger)
    # The worker's clock is years ahead; the double gives its own in the header Date.
    world.draft(made=world.now)
    assert await world.swept(timedelta(days=5_000)) == []
    assert len(world.left()) == 1


async def test_an_entry_that_changed_within_the_day_keeps_its_draft(world: World) -> None:
    attempt = await dead(world.ledger)
    world.draft()
    world.now = MADE + timedelta(hours=3)
    await world.ledger.settle(attempt, Released())
    assert await world.swept() == []
    assert await world.swept(timedelta(days=1, hours=4)) == ["left-over draft deleted"]


async def test_a_mail_under_way_keeps_its_draft(world: World) -> None:
    await begun(world.ledger, timedelta(days=3).total_seconds(), KEY)
    world.draft()
    assert await world.swept(timedelta(days=2)) == []
    assert len(world.left()) == 1


@pytest.mark.parametrize("ending", ["committing", "uncertain", "acknowledged", "released", "sent"])
async def test_a_mail_in_doubt_keeps_its_draft(world: World, ending: str) -> None:
    attempt = await dead(world.ledger)
    if ending != "released":
        await world.ledger.committing(attempt, replace(MARK, reference="graph:1"))
    if ending in {"uncertain", "acknowledged"}:
        await world.ledger.settle(attempt, Unanswered())
    if ending == "acknowledged":
        await world.ledger.settle(attempt, Acknowledged(0.0, "task"))
    if ending == "released":
        await world.ledger.settle(attempt, Released())
    if ending == "sent":
        await world.ledger.settle(attempt, Sent("{}"))
    world.draft()
    await world.swept(timedelta(days=40))
    assert bool(world.left()) == (ending not in {"released", "sent"})


async def test_a_draft_that_is_not_ours_stays(world: World) -> None:
    await dead(world.ledger)
    world.draft(internetMessageId="<AM0PR01MB1234.eurprd01.prod.outlook.com>")
    world.draft(internetMessageId=f"<{name_of(KEY)}x@example.test>")
    world.draft("another ledger's")
    assert await world.swept() == []
    assert len(world.left()) == 3


async def test_a_draft_that_a_person_has_changed_stays(world: World) -> None:
    await dead(world.ledger)
    world.draft(lastModifiedDateTime=stamp(MADE + 6 * MINUTE))
    uploaded = world.draft(lastModifiedDateTime=stamp(MADE + 4 * MINUTE))
    await world.swept(timedelta(days=2))
    assert uploaded.id not in world.left()
    assert len(world.left()) == 1


@pytest.mark.parametrize("change", ["sent", "moved", "changed", "gone"])
async def test_what_happens_to_a_draft_after_it_was_listed_is_heeded(world: World, change: str) -> None:
    await dead(world.ledger)
    draft, mailbox = world.draft(), world.graph.mailbox(USER)

    def changed(operation: str) -> None:
        if operation != "getMessage":
            return
        if change == "sent":
            draft.fields["isDraft"] = False
        elif change == "moved":
            mailbox.move(draft, mailbox.folder_id("archive"))
        elif change == "changed":
            draft.fields["lastModifiedDateTime"] = stamp(MADE + timedelta(days=1))
        else:
            del mailbox.items[draft.id]

    world.graph.before = changed
    assert await world.swept() == []
    assert world.left("deleteditems") == []
    assert "moveMessage" not in world.graph.asked


async def test_two_ledgers_on_one_mailbox_delete_their_own_drafts_only(world: World) -> None:
    other = Ledger(MemoryStore(world.time))
    ours, theirs = world.draft("a/instance:1"), world.draft("b/instance:1")
    await dead(world.ledger, "a/instance:1")
    await dead(other, "b/instance:1")
    await world.swept()
    assert world.left() == [theirs.id]
    await world.swept(ledger=other)
    assert world.left("deleteditems") == [ours.id, theirs.id]


async def test_two_workers_with_one_ledger_do_not_disturb_each_other(world: World) -> None:
    await dead(world.ledger)
    world.draft()
    world.now = MADE + timedelta(days=2)
    async with graph_mailboxes(world.graph) as one, graph_mailboxes(world.graph) as other:
        sweeps = [
            DraftSweep([route(world.graph)], mailboxes, world.ledger, lambda: world.now)
            for mailboxes in (one, other)
        ]
        with structlog.testing.capture_logs() as logs:
            await asyncio.gather(*(sweep.sweep() for sweep in sweeps))
    assert {line["event"] for line in logs} == {"left-over draft deleted"}
    assert len(world.left("deleteditems")) == 1


async def test_a_ledger_in_memory_knows_only_what_its_process_made(world: World) -> None:
    await dead(world.ledger)
    world.draft()
    assert await world.swept(ledger=Ledger(MemoryStore(world.time))) == []
    assert len(world.left()) == 1


async def test_a_damaged_entry_keeps_its_draft(world: World, tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    async with ledger_in(path, world) as ledger:
        await dead(ledger)
        await dead(ledger, "other")
        world.draft("other")
        damaged = world.draft()
        with closing(sqlite3.connect(path)) as file, file:
            file.execute("UPDATE entries SET state = 'sen' WHERE key = ?", (KEY,))
        await world.swept(ledger=ledger)
    assert world.left() == [damaged.id]


async def test_a_ledger_that_was_replaced_deletes_nothing(world: World, tmp_path: Path) -> None:
    path, older = tmp_path / "ledger.db", tmp_path / "older.db"
    async with ledger_in(older, world) as ledger:
        await dead(ledger)
    world.draft()
    async with ledger_in(path, world) as ledger:
        await dead(ledger)
        put_in_its_place(older, path)
        assert await world.swept(ledger=ledger) == ["drafts not looked through"]
    assert len(world.left()) == 1
    assert world.graph.asked == []


async def test_a_pause_that_the_service_wants_is_kept(world: World) -> None:
    await dead(world.ledger)
    world.draft()
    world.graph.fail("listMessages", 429, retry_after="1")
    assert await world.swept() == ["drafts not looked through"]
    assert world.graph.asked == ["listMessages"]
    assert await world.swept() == ["left-over draft deleted"]


async def test_jobs_go_first(world: World) -> None:
    await dead(world.ledger)
    world.draft()
    tokens = FixedTokens(world.graph.token(None, "Mail.ReadWrite", "Mail.Send"))
    async with AsyncExitStack() as stack:
        mailboxes = await stack.enter_async_context(graph_mailboxes(world.graph, tokens))
        api = await mailboxes.api(route(world.graph))
        for _ in range(4):
            await stack.enter_async_context(api._asking.allowance.room(1.0))
        assert await world.swept(mailboxes=mailboxes) == ["drafts not looked through"]
    assert world.graph.asked == []


async def test_a_page_of_drafts_is_not_all(world: World) -> None:
    await dead(world.ledger)
    draft = world.draft()
    for number in range(101):
        world.draft(f"of another {number}", MADE + MINUTE)
    await world.swept(timedelta(days=2))
    assert world.left("deleteditems") == [draft.id]
    assert world.graph.asked.count("listMessages") == 2


async def test_what_is_known_to_be_anothers_is_not_looked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await dead(world.ledger)
    for number in range(5):
        await dead(world.ledger, f"more {number}")
    monkeypatch.setattr(draft_sweep, "_PORTION", 2)
    portions: list[str] = []
    keys = world.ledger.keys

    async def counted(*, after: str, since: float, limit: int) -> list[str]:
        portions.append(after)
        return await keys(after=after, since=since, limit=limit)

    monkeypatch.setattr(world.ledger, "keys", counted)
    world.draft("of another ledger")
    world.now = MADE + timedelta(days=2)
    async with graph_mailboxes(world.graph) as mailboxes:
        sweep = DraftSweep([route(world.graph)], mailboxes, world.ledger, lambda: world.now)
        await sweep.sweep()
        await sweep.sweep()
        assert len(portions) == 4
        world.draft()
        await sweep.sweep()
    assert len(portions) == 8
    assert len(world.left("deleteditems")) == 1


@pytest.mark.parametrize(
    "strange",
    [
        {"createdDateTime": "yesterday"},
        {"createdDateTime": "2026-03-01T08:00:00"},
        {"lastModifiedDateTime": None},
        {"isDraft": "yes"},
        {"internetMessageId": None},
    ],
)
async def test_a_draft_that_is_told_strangely_stays(world: World, strange: dict[str, Any]) -> None:
    await dead(world.ledger)
    world.draft(**strange)
    assert await world.swept() == []
    assert len(world.left()) == 1
    world.graph.violations.clear()  # of the schema, on purpose


async def test_a_worker_looks_by_itself(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()
    loop = asyncio.get_running_loop()

    def heard(operation: str) -> None:
        if operation == "listMessages":
            loop.call_soon_threadsafe(looked.set)

    graph.before = heard
    graph.token(None, "Mail.ReadWrite", "Mail.Send")
    monkeypatch.setattr(draft_sweep, "_HOUR", 0.0)
    configured = settings(graph, tmp_path)
    async with open_upkeep(configured.ledger, configured.worker.lease) as upkeep:
        shared = Shared(upkeep, allowances=Allowances())
        async with open_pipeline(configured, Masker(), {}, shared=shared):
            await asyncio.wait_for(looked.wait(), 60)


def put_in_its_place(older: Path, path: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    older.rename(path)


@asynccontextmanager
async def ledger_in(path: Path, world: World) -> AsyncIterator[Ledger]:
    ledger = Ledger(SqliteStore(path, world.time))
    try:
        await ledger.check()
        yield ledger
    finally:
        await ledger.aclose()
