"""A search in IMAP's words (RFC 9051 section 6.4.4)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from connector.mailbox.criteria import (
    All,
    Before,
    Contains,
    Criterion,
    Has,
    HeaderContains,
    Not,
    Since,
    Some,
    State,
    Word,
)
from connector.mailbox.imap.client import quoted

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FLAGS = {
    (State.UNREAD, True): b"UNSEEN",
    (State.UNREAD, False): b"SEEN",
    (State.FLAGGED, True): b"FLAGGED",
    (State.FLAGGED, False): b"UNFLAGGED",
}
_DAY = timedelta(days=1)


def search_words(criterion: Criterion) -> list[bytes]:
    """Write a search; its outermost dates are wide by a day, since servers compare days in zones of theirs.

    :func:`~connector.mailbox.criteria.bounds` has the moments themselves.
    """
    match criterion:
        case All(criteria):
            return [word for one in criteria for word in search_words(one)]
        case Since(moment):
            return [b"SINCE", imap_day(moment - _DAY)]
        case Before(moment):
            return [b"BEFORE", imap_day(moment + 2 * _DAY)]
    return _key(criterion)


def _key(criterion: Criterion) -> list[bytes]:
    """Write one search key. No parentheses, since not every server takes a literal beside one."""
    match criterion:
        case Some(criteria):
            return _either(map(_key, criteria))
        case All(criteria):  # both is: not (not one or not the other)
            return [b"NOT", *_either([b"NOT", *_key(one)] for one in criteria)]
        case Not(one):
            return [b"NOT", *_key(one)]
        case Has(state, wanted):
            return [_FLAGS[state, wanted]]
        case Since() | Before():
            return [type(criterion).__name__.upper().encode(), imap_day(criterion.moment)]
    return _words(criterion)


def _words(criterion: Contains | HeaderContains) -> list[bytes]:
    text = _string(criterion.text)
    if isinstance(criterion, HeaderContains):
        return [b"HEADER", _string(criterion.name), text]
    if criterion.place is Word.TEXT:
        return [b"OR", b"SUBJECT", text, b"BODY", text]
    return [criterion.place.value.upper().encode(), text]


def _either(keys: Iterable[list[bytes]]) -> list[bytes]:
    *others, last = keys
    return [word for key in others for word in (b"OR", *key)] + last


def _string(text: str) -> bytes:
    return quoted(text.encode())


def imap_day(moment: datetime) -> bytes:
    """Write the day of a moment."""
    return f"{moment.day}-{_MONTHS[moment.month - 1]}-{moment.year:04}".encode()


def uid_set(uids: Iterable[int]) -> str:
    """Write numbers as IMAP does: ``1:3,7``."""
    ranges: list[list[int]] = []
    for uid in sorted(uids):
        if ranges and uid == ranges[-1][1] + 1:
            ranges[-1][1] = uid
        else:
            ranges.append([uid, uid])
    return ",".join(str(first) if first == last else f"{first}:{last}" for first, last in ranges)
