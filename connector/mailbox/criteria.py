"""What mails a search wants, and whether one that was read is among them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from connector.mailbox.reading.addresses import Address
from connector.mailbox.reading.summary import Summary


class Word(StrEnum):
    """Where a text is looked for."""

    FROM = "from"
    TO = "to"
    SUBJECT = "subject"
    TEXT = "text"


class State(StrEnum):
    """A flag that a mail has."""

    UNREAD = "unread"
    FLAGGED = "flagged"


@dataclass(frozen=True, slots=True)
class Contains:
    """The text stands somewhere in that place, in any case."""

    place: Word
    text: str


@dataclass(frozen=True, slots=True)
class HeaderContains:
    """A header field contains the text; an empty text asks whether there is such a field."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Has:
    """The flag is set, or is not."""

    state: State
    wanted: bool


@dataclass(frozen=True, slots=True)
class Since:
    """Came at this moment or later."""

    moment: datetime


@dataclass(frozen=True, slots=True)
class Before:
    """Came earlier than this moment."""

    moment: datetime


@dataclass(frozen=True, slots=True)
class All:
    """Every one of these."""

    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """At least one of these."""

    criteria: tuple[Criterion, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The opposite."""

    criterion: Criterion


Criterion = Contains | HeaderContains | Has | Since | Before | All | Some | Not


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mail that was read, for :func:`matches`.

    Attributes:
        values: Its header, names in lower case.
        text: Its texts; empty where they were not asked for.
    """

    summary: Summary
    values: Mapping[str, str]
    text: str = ""


def matches(criterion: Criterion, candidate: Candidate) -> bool:
    """Whether a mail is what a search wants."""
    match criterion:
        case All(criteria):
            return all(matches(one, candidate) for one in criteria)
        case Some(criteria):
            return any(matches(one, candidate) for one in criteria)
        case Not(one):
            return not matches(one, candidate)
    return _holds(criterion, candidate)


def _holds(criterion: Contains | HeaderContains | Has | Since | Before, candidate: Candidate) -> bool:
    match criterion:
        case Contains(place, text):
            return text.casefold() in _words(place, candidate).casefold()
        case HeaderContains(name, text):
            value = candidate.values.get(name.lower())
            return value is not None and text.casefold() in value.casefold()
        case Has(state, wanted):
            found = candidate.summary.unread if state is State.UNREAD else candidate.summary.flagged
            return found is wanted
    date = candidate.summary.date
    return date is not None and (date >= criterion.moment) is isinstance(criterion, Since)


def _words(place: Word, candidate: Candidate) -> str:
    summary = candidate.summary
    match place:
        case Word.FROM:
            return _written(*filter(None, (summary.sender,)))
        case Word.TO:
            return _written(*summary.to)
        case Word.SUBJECT:
            return summary.subject
        case Word.TEXT:
            return f"{summary.subject}\n{candidate.text}"


def _written(*addresses: Address) -> str:
    return ", ".join(f"{one.name} <{one.address}>" for one in addresses)


def leaves(criterion: Criterion) -> Iterator[Criterion]:
    """Every condition of a search that is not put together of others."""
    match criterion:
        case All(criteria) | Some(criteria):
            for one in criteria:
                yield from leaves(one)
        case Not(one):
            yield from leaves(one)
        case _:
            yield criterion


def mentions(criterion: Criterion, kind: type[Criterion]) -> bool:
    """Whether a condition of that kind is anywhere in a search."""
    return any(isinstance(leaf, kind) for leaf in leaves(criterion))


def needs_text(criterion: Criterion) -> bool:
    """Whether the texts of mails have to be read."""
    return any(isinstance(leaf, Contains) and leaf.place is Word.TEXT for leaf in leaves(criterion))


def bounds(criterion: Criterion | None) -> tuple[datetime | None, datetime | None]:
    """The moments between which every wanted mail came, as far as the criterion says so outright."""
    match criterion:
        case Since(moment):
            return moment, None
        case Before(moment):
            return None, moment
        case All(criteria):
            found = [bounds(one) for one in criteria]
            sinces = [since for since, _ in found if since]
            befores = [before for _, before in found if before]
            return max(sinces, default=None), min(befores, default=None)
    return None, None
