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
# UIDs among which is searched at first, and how many times as many the next time: an answer lists each mail.
_SEARCHED, _WIDER = 2_000, 4
_HIGHEST = 2**32 - 1  # of all numbers and UIDs (RFC 9051 section 9)
_EPOCH = datetime.fromtimestamp(0, UTC)

Numbers = range | list[int]
"""Sequence numbers or UIDs, ascending."""

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
        self._by_uid = listing.criterion is not None
        self._portions: Iterator[Numbers]
        if listing.criterion is None:
            self._portions = iter([self._all(place)])
        else:
            self._portions = self._searched(search_words(listing.criterion), place)

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
        for chunk in self._chunks_of(limit):
            rows = [row for row in self._session.rows(chunk, items, uid=self._by_uid) if self._within(row)]
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

    def _chunks_of(self, limit: int) -> Iterator[str]:
        """Sets of messages to fetch; tells in ``more`` whether any are left."""
        # Where some are left out afterwards, not one by one.
        step = limit if self._since is self._before is None else max(limit, _LEAST_CHUNK)
        numbers: Numbers = []
        while numbers := self._filled(numbers, step):
            chunk = numbers[-step:] if self._newest_first else numbers[:step]
            numbers = numbers[:-step] if self._newest_first else numbers[step:]
            numbers = self._filled(numbers, 0)
            self.more = bool(numbers)
            yield uid_set(chunk)

    def _filled(self, numbers: Numbers, step: int) -> Numbers:
        """Add portions until there are more than ``step``, or no portions any more."""
        while len(numbers) <= step and (portion := next(self._portions, None)) is not None:
            if not numbers:
                numbers = portion
            elif portion:
                numbers = [*portion, *numbers] if self._newest_first else [*numbers, *portion]
        return numbers

    def _searched(self, words: list[bytes], place: Place | None) -> Iterator[Numbers]:
        """The UIDs of mails that are wanted, out of more and more mails: most lists end with the first."""
        if not self.opened.exists:
            return
        known = 0 < self.opened.next_uid <= _HIGHEST
        first, last = 1, self.opened.next_uid - 1 if known else _HIGHEST
        if place is not None:
            first, last = (1, min(place[1] - 1, last)) if self._newest_first else (place[1] + 1, last)
        # Few mails may have high UIDs, where others were moved away.
        width = _SEARCHED if known and self.opened.exists > _SEARCHED else _HIGHEST
        while first <= last:
            low, high = first, min(first + width - 1, last)
            if self._newest_first:
                low, high = max(last - width + 1, first), last
            yield self._session.search([b"UID", f"{low}:{high}".encode(), *words])
            first, last = (first, low - 1) if self._newest_first else (high + 1, last)
            width *= _WIDER

    def _all(self, place: Place | None) -> range:
        """Sequence numbers, which a server may not change while it is asked for them (RFC 9051 7.5.1)."""
        last = min(self.opened.exists, _HIGHEST)
        if place is None:
            return range(1, last + 1)
        _, uid, sequence = place
        if self._newest_first:
            return range(1, self._below(uid, sequence, last) + 1)
        return range(self._below(uid + 1, sequence + 1, last) + 1, last + 1)

    def _below(self, uid: int, sequence: int, last: int) -> int:
        """How many mails of the folder have a lower UID.

        The last known place is tried first; it holds unless mails before it went meanwhile. Otherwise the
        number is found by halves, since a search would answer with every one of them.
        """
        low, high = 0, last if uid > 1 else 0
        asked = f"{max(sequence - 1, 1)}:{sequence}" if 0 < sequence <= last else str(last)
        while low < high:
            before = low, high
            for row in self._session.rows(asked, "UID", uid=False):
                if low < row.sequence <= high:
                    low, high = (row.sequence, high) if row.uid < uid else (low, row.sequence - 1)
            if (low, high) == before:  # a server that leaves mails out of its answers
                return self._searched_below(uid)
            asked = str((low + high + 1) // 2)
        return low

    def _searched_below(self, uid: int) -> int:
        with self._session.watch.step("search"):
            found = self._session.client.search_raw([b"UID", f"1:{uid - 1}".encode()], uid=False)
        return found[-1] if found else 0


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
