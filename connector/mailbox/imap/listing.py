"""Pages of mails out of one folder or several, newest or oldest first, without reading all of them.

Within a folder the order is that of arrival there. Out of several folders mails are merged by their dates:
first the dates of as many mails of each folder as a page has, then the summaries of those that are on it.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from connector.errors import InputError
from connector.mailbox.criteria import bounds
from connector.mailbox.imap.fetching import Row
from connector.mailbox.imap.searching import search_words, uid_set
from connector.mailbox.imap.session import ImapSession, Opened, name_of
from connector.mailbox.paging import FIELD, read_page, write_page
from connector.mailbox.port import Folder, Listing, Page
from connector.mailbox.reading.fields import values_of
from connector.mailbox.reading.mail import read_mail
from connector.mailbox.reading.mime import read_message
from connector.mailbox.reading.summary import (
    SUMMARY_FIELDS,
    Summary,
    first_message_id,
    summarize,
    with_preview,
)

_DATES = "UID FLAGS INTERNALDATE RFC822.SIZE"
SUMMARIES = f"{_DATES} BODYSTRUCTURE BODY.PEEK[HEADER.FIELDS ({' '.join(SUMMARY_FIELDS)})]"
_PREVIEWED = 16_384  # octets of a mail, in which its text begins
_PREVIEWS_AT_ONCE = 200
_LEAST_CHUNK = 100
_EPOCH = datetime.fromtimestamp(0, UTC)

Place = tuple[int, int, int]
"""Where a folder goes on: UIDVALIDITY, the UID and the sequence number of the last mail that was listed."""


def find(session: ImapSession, listing: Listing) -> Page:
    """A page of mails."""
    folders, places = session.chosen(listing), read_page(listing)
    if len(folders) == 1:
        return _of_one(session, folders[0], listing, places)
    return _merged(session, folders, listing, places)


def _of_one(session: ImapSession, folder: Folder, listing: Listing, places: dict[str, object]) -> Page:
    source = _Source(session, session.open(folder), listing, _place(places, folder))
    rows = source.take(listing.limit, SUMMARIES)
    summaries = summaries_of(session, source.opened, rows, preview=listing.preview)
    more = write_page(listing, {folder.path: source.place(rows[-1])}) if rows and source.more else None
    return Page(tuple(summaries), more)


@dataclass(frozen=True, slots=True)
class _Entry:
    """A mail of one folder, in the merged order."""

    source: _Source
    row: Row


def _merged(
    session: ImapSession, folders: Iterable[Folder], listing: Listing, places: dict[str, object]
) -> Page:
    runs: list[list[_Entry]] = []
    for folder in folders:
        source = _Source(session, session.open(folder), listing, _place(places, folder))
        runs.append([_Entry(source, row) for row in source.take(listing.limit, _DATES)])
    merged = list(heapq.merge(*runs, key=_date, reverse=listing.newest_first))
    shown = merged[: listing.limit]
    places = {**places, **{entry.source.path: entry.source.place(entry.row) for entry in shown}}
    more = len(merged) > len(shown) or any(run and run[0].source.more for run in runs)
    summaries = _summaries(session, shown, preview=listing.preview)
    return Page(summaries, write_page(listing, places) if more and shown else None)


def _date(entry: _Entry) -> datetime:
    return entry.row.received_at or _EPOCH


def _summaries(session: ImapSession, shown: list[_Entry], *, preview: bool) -> tuple[Summary, ...]:
    """The summaries of mails of several folders, in the order given."""
    wanted: defaultdict[_Source, list[int]] = defaultdict(list)
    for entry in shown:
        wanted[entry.source].append(entry.row.uid)
    found: dict[tuple[str, int], Summary] = {}
    for source, uids in wanted.items():
        opened = session.open(source.opened.folder)
        rows = session.rows(uid_set(uids), SUMMARIES)
        for row, summary in zip(rows, summaries_of(session, opened, rows, preview=preview), strict=True):
            found[source.path, row.uid] = summary
    keys = ((entry.source.path, entry.row.uid) for entry in shown)
    return tuple(found[key] for key in keys if key in found)


def _place(places: dict[str, object], folder: Folder) -> Place | None:
    match places.get(folder.path):
        case None:
            return None
        case [int(validity), int(uid), int(sequence)]:
            return validity, uid, sequence
    raise InputError(FIELD, "is not the nextPage of an earlier result; leave it out for the first page")


class _Source:
    """The mails of one folder in order, from where the page before ended.

    Attributes:
        opened: The folder.
        more: Whether there are mails after those that were taken.
    """

    def __init__(self, session: ImapSession, opened: Opened, listing: Listing, place: Place | None) -> None:
        if place is not None and place[0] != opened.validity:
            text = f"is no longer valid: the folder {opened.folder.path} was made anew"
            raise InputError(FIELD, f"{text}; start with the first page")
        self.opened = opened
        self.more = False
        self._session = session
        self._newest_first = listing.newest_first
        self._since, self._before = bounds(listing.criterion)
        self._chunks = self._searched(listing, place) if listing.criterion else self._all(place)

    @property
    def path(self) -> str:
        """The folder's path."""
        return self.opened.folder.path

    def place(self, row: Row) -> Place:
        """Where the folder goes on after a mail."""
        return self.opened.validity, row.uid, row.sequence

    def take(self, limit: int, items: str) -> list[Row]:
        """The next mails, in order."""
        taken: list[Row] = []
        for chunk, uid in self._chunks_of(limit):
            rows = [row for row in self._session.rows(chunk, items, uid=uid) if self._within(row)]
            rows.sort(key=lambda row: row.uid, reverse=self._newest_first)
            taken += rows
            if len(taken) >= limit:
                break
        else:
            self.more = False
        if len(taken) > limit:
            self.more = True
        return taken[:limit]

    def _within(self, row: Row) -> bool:
        received = row.received_at or _EPOCH
        return (self._since is None or received >= self._since) and (
            self._before is None or received < self._before
        )

    def _chunks_of(self, limit: int) -> Iterator[tuple[str, bool]]:
        """Sets of messages to fetch, and whether they are UIDs; tells in ``more`` whether any are left."""
        numbers, uid = self._chunks
        # Where some are left out afterwards, not one by one.
        step = limit if self._since is self._before is None else max(limit, _LEAST_CHUNK)
        while numbers:
            chunk = numbers[-step:] if self._newest_first else numbers[:step]
            numbers = numbers[:-step] if self._newest_first else numbers[step:]
            self.more = bool(numbers)
            yield uid_set(chunk), uid

    def _searched(self, listing: Listing, place: Place | None) -> tuple[range | list[int], bool]:
        words = search_words(listing.criterion) if listing.criterion else []
        uids = self._session.search(words) if self.opened.exists else []
        if place is not None:
            uids = [uid for uid in uids if (uid < place[1] if self._newest_first else uid > place[1])]
        return uids, True

    def _all(self, place: Place | None) -> tuple[range | list[int], bool]:
        """Sequence numbers, which a server may not change while it is asked for them (RFC 9051 7.5.1)."""
        last = self.opened.exists
        if place is None:
            return range(1, last + 1), False
        below = self._below(place[1], place[2], last)
        if self._newest_first:
            return range(1, below + 1), False
        there = (
            next((row for row in self._uids(below + 1) if row.uid == place[1]), None)
            if below < last
            else None
        )
        return range(below + 2 if there else below + 1, last + 1), False

    def _below(self, uid: int, sequence: int, last: int) -> int:
        """How many mails of the folder have a lower UID; the last known place is tried first."""
        if sequence <= last and any(row.uid == uid for row in self._uids(sequence)):
            return sequence - 1
        if uid <= 1:
            return 0
        with self._session.watch.step("search"):
            found = self._session.client.search_raw([b"UID", f"1:{uid - 1}".encode()], uid=False)
        return found[-1] if found else 0

    def _uids(self, sequence: int) -> list[Row]:
        return self._session.rows(str(sequence), "UID", uid=False)


def summaries_of(session: ImapSession, opened: Opened, rows: list[Row], *, preview: bool) -> list[Summary]:
    """The summaries of mails of the folder that is selected."""
    folder = opened.folder.path
    found = []
    for row in rows:
        values = values_of(row.body)
        name = name_of(opened, row, first_message_id(values.get("message-id")))
        found.append(summarize(values, str(name), folder, row))
    return _previewed(session, rows, found) if preview else found


def _previewed(session: ImapSession, rows: list[Row], summaries: list[Summary]) -> list[Summary]:
    texts: dict[int, str] = {}
    uids = [row.uid for row in rows]
    for start in range(0, len(uids), _PREVIEWS_AT_ONCE):
        chunk = uid_set(uids[start : start + _PREVIEWS_AT_ONCE])
        for row in session.rows(chunk, f"UID BODY.PEEK[]<0.{_PREVIEWED}>"):
            texts[row.uid] = read_mail(read_message(row.body)).text
    return [
        with_preview(summary, texts.get(row.uid, "")) for row, summary in zip(rows, summaries, strict=True)
    ]
