"""Where a folder goes on after a page, while mails come and go: against the truth, and in few questions."""

from __future__ import annotations

import random
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import pytest

from connector.mailbox.criteria import Has, State
from connector.mailbox.imap import listing
from connector.mailbox.imap.fetching import Row
from connector.mailbox.imap.listing import _Source
from connector.mailbox.imap.session import ImapSession, Opened
from connector.mailbox.port import Folder, Listing

INBOX = Folder("INBOX", "INBOX", None, None, None, ("INBOX",))
UNREAD = Has(State.UNREAD, wanted=True)


class Server:
    """A folder; every mail of an even UID is unread.

    Attributes:
        asked: How often it was asked.
        silent: It answers no question for a UID.
    """

    def __init__(self, uids: list[int], *, silent: bool = False, next_uid: int | None = None) -> None:
        self.uids = uids
        self.asked = 0
        self.silent = silent
        self.next_uid = max(uids, default=0) + 1 if next_uid is None else next_uid
        self.watch = SimpleNamespace(step=lambda _: nullcontext())
        self.client = SimpleNamespace(search_raw=self.search_raw)

    def rows(self, messages: str, items: str, *, uid: bool = True) -> list[Row]:
        self.asked += 1
        if items == "UID" and self.silent:
            return []
        wanted = {
            number
            for part in messages.split(",")
            for number in range(int(part.split(":")[0]), int(part.split(":")[-1]) + 1)
        }
        numbered = enumerate(self.uids, 1)
        return [Row(sequence, one) for sequence, one in numbered if (one if uid else sequence) in wanted]

    def search(self, words: list[bytes]) -> list[int]:
        return self.search_raw(words)

    def search_raw(self, words: list[bytes], *, uid: bool = True) -> list[int]:
        self.asked += 1
        low, high = map(int, words[1].split(b":"))
        unread = b"UNSEEN" in words
        return [
            one if uid else sequence
            for sequence, one in enumerate(self.uids, 1)
            if low <= one <= high and not (unread and one % 2)
        ]


def source(server: Server, place: tuple[int, int, int] | None, **wanted: Any) -> _Source:
    opened = Opened(INBOX, 1, server.next_uid, len(server.uids))
    return _Source(cast("ImapSession", server), opened, Listing(**wanted), place)


@pytest.mark.parametrize("silent", [False, True], ids=["", "a server that leaves mails out"])
@pytest.mark.parametrize("criterion", [None, UNREAD], ids=["all", "unread"])
@pytest.mark.parametrize("newest_first", [True, False])
def test_the_next_page_begins_where_the_last_one_ended(
    newest_first: bool, criterion: Has | None, silent: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "_SEARCHED", 50)
    chance = random.Random(18)
    for _ in range(200):
        uids = sorted(chance.sample(range(1, 9_000), chance.randint(1, 400)))
        server = Server(uids, silent=silent)
        first = source(server, None, newest_first=newest_first, criterion=criterion)
        page = first.take(chance.randint(1, 60), "UID FLAGS")
        if not page:
            continue
        uid = page[-1].uid
        gone = set(chance.sample(uids, chance.randint(0, len(uids))))
        server.uids = [one for one in uids if one not in gone] + list(
            range(9_000, 9_000 + chance.randint(0, 9))
        )
        server.next_uid, server.asked = 9_100, 0
        second = source(server, first.place(page[-1]), newest_first=newest_first, criterion=criterion)
        found = [row.uid for row in second.take(500, "UID FLAGS")]
        wanted = [one for one in server.uids if criterion is None or one % 2 == 0]
        after = [one for one in wanted if (one < uid if newest_first else one > uid)]
        assert found == (after[::-1] if newest_first else after)
        assert not second.more
        assert server.asked <= 14


@pytest.mark.parametrize("newest_first", [True, False])
def test_a_server_that_tells_no_next_uid_is_searched_at_once(newest_first: bool) -> None:
    server = Server([5, 6, 8, 4_000, 7_000_000], next_uid=0)
    first = source(server, None, newest_first=newest_first, criterion=UNREAD)
    page = first.take(2, "UID FLAGS")
    assert (first.more, server.asked) == (True, 2)
    second = source(server, first.place(page[-1]), newest_first=newest_first, criterion=UNREAD)
    found = [row.uid for row in (*page, *second.take(9, "UID FLAGS"))]
    assert found == sorted([6, 8, 4_000, 7_000_000], reverse=newest_first)
    assert not second.more


def test_a_few_mails_with_high_uids_are_searched_at_once() -> None:
    server = Server([8_000_000, 8_000_002, 9_000_000])
    listed = source(server, None, criterion=UNREAD)
    assert [row.uid for row in listed.take(5, "UID FLAGS")] == [9_000_000, 8_000_002, 8_000_000]
    assert server.asked == 2


def test_no_more_is_told_where_the_rest_holds_nothing_that_is_wanted() -> None:
    server = Server([*range(1, 50_000, 2), 50_002, 50_004])
    listed = source(server, None, criterion=UNREAD)
    assert [row.uid for row in listed.take(2, "UID FLAGS")] == [50_004, 50_002]
    assert not listed.more
