"""Pages of mails, of one folder, several, or the whole mailbox, in the order in which they came.

A page goes on behind the moment of the last mail that was shown, leaving out those of that very moment that
were shown already. So nothing is shown twice or left out when mails come or go between two pages, and the
service may have pages of its own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from typing import Any
from urllib.parse import quote

from connector.errors import InputError
from connector.graph.api import GraphApi, GraphFaultError
from connector.mailbox.criteria import Candidate, bounds, matches, needs_text
from connector.mailbox.graph.faults import mailbox_error
from connector.mailbox.graph.members import SELECTED, candidate_of
from connector.mailbox.graph.query import Query, moment_text, query_of
from connector.mailbox.graph.tree import Tree, pages
from connector.mailbox.paging import FIELD, read_page, write_page
from connector.mailbox.port import WHOLE, Listing, Page

# Large pages may end in 504 (documentation of list messages).
_LARGEST_PAGE = 100
_LONG_AGO, _FAR_AHEAD = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)
_INEFFICIENT = "InefficientFilter"
_TEXT = 'outlook.body-content-type="text"'


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a list goes on: after this moment, without these mails of it."""

    moment: datetime
    shown: frozenset[str]


@dataclass(frozen=True, slots=True)
class _Found:
    """A mail in the order of its list."""

    source: str
    moment: datetime
    candidate: Candidate


async def find(api: GraphApi, tree: Tree, listing: Listing) -> Page:
    """Give a page of mails.

    Raises:
        MailboxError: It is not possible.
        InputError: The page is none of this list.
    """
    places = read_page(listing)
    query = query_of(listing.criterion)
    runs = []
    for source in tree.sources(listing):
        finding = _Finding(api, tree, listing, query, source, _place(places, source))
        runs.append(await finding.take(listing.limit + 1))
    newest = listing.newest_first
    merged = sorted(chain.from_iterable(runs), key=lambda found: found.moment, reverse=newest)
    shown, more = merged[: listing.limit], len(merged) > listing.limit
    for source in {found.source for found in shown}:
        places[source] = _after([found for found in shown if found.source == source], places.get(source))
    summaries = tuple(found.candidate.summary for found in shown)
    return Page(summaries, write_page(listing, places) if more and shown else None)


class _Finding:
    """The mails of one source that are wanted, in order."""

    def __init__(  # noqa: PLR0913, PLR0917 - what a list is made of
        self,
        api: GraphApi,
        tree: Tree,
        listing: Listing,
        query: Query,
        source: str,
        place: _Place | None,
    ) -> None:
        self._api = api
        self._tree = tree
        self._listing = listing
        self._query = query
        self._source = source
        self._place = place
        self._left_out = tree.left_out(listing) if source == WHOLE else frozenset()
        self._since, self._before = bounds(listing.criterion)

    async def take(self, most: int) -> list[_Found]:
        """The next mails, at most so many."""
        taken: list[_Found] = []
        try:
            await self._fill(taken, most)
        except GraphFaultError as fault:
            raise mailbox_error(fault, self._api.route, "list the mails") from fault
        taken.sort(key=lambda found: found.moment, reverse=self._listing.newest_first)
        return taken[:most]

    async def _fill(self, taken: list[_Found], most: int) -> None:
        try:
            async for message in self._messages():
                if (found := self._wanted(message)) is not None:
                    taken.append(found)
                if len(taken) == most and not self._query.search:
                    break
        except GraphFaultError as fault:
            if fault.error != _INEFFICIENT or not self._query.filter:
                raise
            # The service does not take these conditions with this order: each mail is looked at here.
            self._query = replace(self._query, filter=())
            taken.clear()
            await self._fill(taken, most)

    def _wanted(self, message: Any) -> _Found | None:
        folder = str(message.get("parentFolderId", ""))
        if folder in self._left_out:
            return None
        candidate = candidate_of(message, self._tree.path(folder), preview=self._listing.preview)
        moment = candidate.summary.received_at or candidate.summary.sent_at or _LONG_AGO
        if self._was_shown(moment, candidate.summary.id):
            return None
        within = (self._since is None or moment >= self._since) and (
            self._before is None or moment < self._before
        )
        if not within or (self._query.left is not None and not matches(self._query.left, candidate)):
            return None
        return _Found(self._source, moment, candidate)

    def _was_shown(self, moment: datetime, identifier: str) -> bool:
        place = self._place
        if place is None:
            return False
        later = moment > place.moment if self._listing.newest_first else moment < place.moment
        return later or (moment == place.moment and identifier in place.shown)

    def _messages(self) -> AsyncIterator[Any]:
        base = "/messages" if self._source == WHOLE else f"/mailFolders/{self._source}/messages"
        left = self._query.left
        texts = left is not None and needs_text(left)
        selected = SELECTED + (",bodyPreview" if self._listing.preview else "") + (",body" if texts else "")
        size = min(max(self._listing.limit + 1, 10), _LARGEST_PAGE)
        address = f"{base}?$select={selected}&$top={size}&{self._asked()}"
        found: AsyncIterator[Any] = pages(self._api, address, _TEXT if texts else "")
        return found

    def _asked(self) -> str:
        if self._query.search:
            return f"$search={_escaped(chr(34) + ' AND '.join(self._query.search) + chr(34))}"
        # What is ordered by must come first in the filter, or it is refused as InefficientFilter.
        conditions = " and ".join((self._range(), *self._query.filter))
        direction = "desc" if self._listing.newest_first else "asc"
        return f"$filter={_escaped(conditions)}&$orderby=receivedDateTime%20{direction}"

    def _range(self) -> str:
        newest = self._listing.newest_first
        edge = self._place.moment if self._place else _FAR_AHEAD if newest else _LONG_AGO
        return f"receivedDateTime {'le' if newest else 'ge'} {moment_text(edge)}"


def _place(places: dict[str, Any], source: str) -> _Place | None:
    match places.get(source):
        case None:
            return None
        case [str(moment), [*shown]]:
            try:
                return _Place(datetime.fromisoformat(moment), frozenset(map(str, shown)))
            except ValueError:
                pass
    raise InputError(FIELD, "is not the nextPage of an earlier result; leave it out for the first page")


def _after(shown: list[_Found], before: Any) -> list[Any]:
    """Where the next page of a source goes on."""
    last = shown[-1].moment
    told = last.isoformat()
    names = [found.candidate.summary.id for found in shown if found.moment == last]
    if isinstance(before, list) and before[0] == told:  # more mails of one moment than a page shows
        names = [*before[1], *names]
    return [told, names]


def _escaped(text: str) -> str:
    return quote(text, safe="/(),:'")
