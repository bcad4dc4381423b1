"""The file of a token store: its rights, its faults, and what a disk that is full costs."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from connector.auth import file_store as module
from connector.auth.entry import Entry
from connector.auth.file_store import FileStore
from connector.auth.store import StoreUnavailableError
from tests.oauth import file_store, new_key

NAME = "accounts.sales.oauth"
CANARY = "refresh-token-canary-77a1"


def entry(refresh: str = CANARY) -> Entry:
    return Entry("print", refresh=SecretStr(refresh), refreshed=1.0)


async def put(store: FileStore, kept: Entry) -> None:
    async with store.turn(NAME) as turn:
        await turn.keep(kept)


async def test_only_its_owner_may_read_it_and_it_tells_nothing(tmp_path: Path) -> None:
    store = file_store(tmp_path / "deep" / "tokens.json", new_key())
    async with store.turn(NAME) as turn:
        await turn.note(entry())
        names = {path.name for path in (tmp_path / "deep").iterdir()}
        assert "tokens.json.accounts.sales.oauth.journal" in names
        for path in (tmp_path / "deep").iterdir():
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert CANARY.encode() not in path.read_bytes()
        await turn.keep(entry())
    for path in (tmp_path / "deep").iterdir():
        assert CANARY.encode() not in path.read_bytes()
    assert "tokens.json.accounts.sales.oauth.journal" not in {
        path.name for path in (tmp_path / "deep").iterdir()
    }


@pytest.mark.parametrize("content", ["", "{", "[]", '{"credentials": []}', "\xff"])
async def test_a_file_that_is_no_store_is_left_alone(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(content, "latin-1")
    store = file_store(path, new_key())
    with pytest.raises(StoreUnavailableError, match=r"tokens\.path"):
        await store.read(NAME)
    with pytest.raises(StoreUnavailableError, match=r"tokens\.path"):
        await put(store, entry())
    assert path.read_text("latin-1") == content


async def test_a_place_that_cannot_be_written_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailableError, match=r"Check tokens\.path"):
        await put(file_store(tmp_path / "file" / "tokens", new_key()), entry())


async def test_a_torn_line_of_a_journal_counts_as_none(tmp_path: Path) -> None:
    keys = new_key()
    store = file_store(tmp_path / "tokens", keys)
    async with store.turn(NAME) as turn:
        await turn.note(entry())
        journal = store.journal(NAME)
        whole = journal.read_bytes().rstrip(b"\0")
    journal.write_bytes(whole + whole[: len(whole) // 2])
    kept = (await file_store(tmp_path / "tokens", keys).read(NAME)).entry
    assert kept is not None
    assert kept.asked is not None


class FullDisk:
    """``os`` on a disk that has no room from a call on."""

    def __init__(self, writes: int) -> None:
        self.writes = writes

    def __getattr__(self, name: str) -> Any:
        return getattr(os, name)

    def write(self, descriptor: int, octets: bytes) -> int:
        if self.writes <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.writes -= 1
        return os.write(descriptor, octets)


async def test_a_disk_that_is_full_before_the_request_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = file_store(tmp_path / "tokens", new_key())
    await put(store, entry())
    monkeypatch.setattr(module, "os", FullDisk(0))
    async with store.turn(NAME) as turn:
        with pytest.raises(StoreUnavailableError, match="No space left"):
            await turn.note(entry())


async def test_the_journal_is_enough_when_the_file_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = new_key()
    store = file_store(tmp_path / "tokens", keys)
    await put(store, entry())
    disk = FullDisk(2)  # the note and the answer
    with monkeypatch.context() as patch:
        patch.setattr(module, "os", disk)
        async with store.turn(NAME) as turn:
            await turn.note(entry())
            await turn.keep(entry("new"))
    other = file_store(tmp_path / "tokens", keys)
    assert (await other.read(NAME)).entry == entry("new")
    async with other.turn(NAME):
        pass
    assert not store.journal(NAME).exists()
    assert (await other.read(NAME)).entry == entry("new")
    assert list(json.loads((tmp_path / "tokens").read_text())["credentials"]) == [NAME]


async def test_an_answer_that_cannot_be_written_is_known_to_this_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = new_key()
    store = file_store(tmp_path / "tokens", keys)
    await put(store, entry())
    with monkeypatch.context() as patch:
        patch.setattr(module, "os", FullDisk(1))
        async with store.turn(NAME) as turn:
            await turn.note(entry())
            with pytest.raises(StoreUnavailableError):
                await turn.keep(entry("new"))
    assert (await store.read(NAME)).entry == entry("new")
    async with store.turn(NAME) as turn:
        assert turn.kept.entry == entry("new")
    assert (await file_store(tmp_path / "tokens", keys).read(NAME)).entry == entry("new")
