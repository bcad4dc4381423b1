"""What every store of tokens promises: memory, a file, PostgreSQL."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr

from connector.auth.entry import AccessToken, Consent, Entry
from connector.auth.memory_store import MemoryStore
from connector.auth.postgres_store import PostgresStore
from connector.auth.sealing import Seal
from connector.auth.store import TokenStore
from tests.oauth import file_store, new_key

NAME = "accounts.sales.oauth"
CANARY = "refresh-token-canary-1b7e"

Opening = Callable[[str], TokenStore]
"""Opens the store that the test is about, with these keys; as another worker would."""


def entry(refresh: str = CANARY, refreshed: float = 1.0) -> Entry:
    access = AccessToken(SecretStr("access-token"), 1.0, 3600.0, ("mail",))
    consent = Consent("ada@example.com", 1.0, ("mail",))
    return Entry("print", access, SecretStr(refresh), refreshed, consent)


@pytest.fixture(params=["memory", "file", "postgres"])
async def opening(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Opening]:
    stack = AsyncExitStack()
    memory = MemoryStore()
    url = request.getfixturevalue("postgres").create_database() if request.param == "postgres" else ""

    def opened(keys: str) -> TokenStore:
        async def seal() -> Seal:
            return Seal(keys)

        if request.param == "memory":
            return memory
        store: TokenStore = PostgresStore(url, seal) if url else file_store(tmp_path / "tokens.json", keys)
        stack.push_async_callback(store.aclose)
        return store

    async with stack:
        yield opened


durable = pytest.mark.parametrize("opening", ["file", "postgres"], indirect=True)
"""Only stores whose entries outlive the process, and so are encrypted."""


async def put(store: TokenStore, kept: Entry | None, name: str = NAME) -> None:
    async with store.turn(name) as turn:
        await turn.keep(kept)


async def test_what_is_kept_is_read_by_another_worker(opening: Opening) -> None:
    keys = new_key()
    await put(opening(keys), entry())
    kept = await opening(keys).read(NAME)
    assert kept.entry == entry()
    assert not kept.locked


async def test_names_do_not_mix(opening: Opening) -> None:
    store = opening(new_key())
    await put(store, entry("one"), "credentials.one")
    await put(store, entry("two"), "credentials.two")
    await put(store, None, "credentials.one")
    assert (await store.read("credentials.one")).entry is None
    assert (await store.read("credentials.two")).entry == entry("two")
    assert (await store.read("credentials.three")).entry is None


async def test_one_turn_at_a_time(opening: Opening) -> None:
    keys, order = new_key(), []
    entered = asyncio.Event()

    async def worker(store: TokenStore, number: int) -> None:
        async with store.turn(NAME) as turn:
            entered.set()
            order.append(("begins", number, turn.kept.entry and turn.kept.entry.refreshed))
            await asyncio.sleep(0)
            await turn.keep(entry(refreshed=float(number)))
            order.append(("ends", number, None))

    first = asyncio.create_task(worker(opening(keys), 1))
    await entered.wait()
    others = [asyncio.create_task(worker(opening(keys), number)) for number in (2, 3)]
    await asyncio.gather(first, *others)
    assert [event[0] for event in order] == ["begins", "ends"] * 3
    # Each has read again, and found what the one before it had kept.
    assert [event[2] for event in order if event[0] == "begins"] == [
        None,
        *(float(n) for n in (1, order[2][1])),
    ]


async def test_turns_at_other_credentials_do_not_wait(opening: Opening) -> None:
    store = opening(new_key())
    async with store.turn("credentials.one"), store.turn("credentials.two") as turn:
        await turn.keep(entry())


async def test_a_note_without_an_answer_is_found(opening: Opening) -> None:
    keys = new_key()
    await put(opening(keys), entry())
    async with opening(keys).turn(NAME) as turn:
        await turn.note(entry())
        noted = turn.kept.now
    kept = await opening(keys).read(NAME)
    assert kept.entry is not None
    assert kept.entry.refresh == entry().refresh
    assert kept.entry.asked == pytest.approx(noted, abs=60)


async def test_the_first_note_without_an_answer_counts(opening: Opening) -> None:
    keys = new_key()
    await put(opening(keys), entry().asking(5.0))
    async with opening(keys).turn(NAME) as turn:
        assert turn.kept.entry is not None
        await turn.note(turn.kept.entry)
    kept = await opening(keys).read(NAME)
    assert kept.entry is not None
    assert kept.entry.asked == 5.0


async def test_an_answer_takes_the_place_of_the_note(opening: Opening) -> None:
    keys = new_key()
    async with opening(keys).turn(NAME) as turn:
        await turn.note(entry())
        await turn.keep(entry("new"))
    assert (await opening(keys).read(NAME)).entry == entry("new")


@durable
async def test_another_key_opens_nothing(opening: Opening) -> None:
    await put(opening(new_key()), entry())
    other = opening(new_key())
    kept = await other.read(NAME)
    assert (kept.entry, kept.locked) == (None, True)
    await put(other, entry("new"))
    assert (await other.read(NAME)).entry == entry("new")


@durable
async def test_a_key_is_changed_without_losing_anything(opening: Opening) -> None:
    old, new = new_key(), new_key()
    await put(opening(old), entry())
    both = opening(f"{new}, {old}")
    assert (await both.read(NAME)).entry == entry()
    assert await both.reseal() == 1
    assert await both.reseal() == 0
    assert (await opening(new).read(NAME)).entry == entry()
    assert (await opening(old).read(NAME)).locked


async def test_the_time_is_told(opening: Opening) -> None:
    store = opening(new_key())
    first = await store.read(NAME)
    async with store.turn(NAME) as turn:
        assert turn.kept.now >= first.now > 1_700_000_000
