"""What a search asks the service for, and what is left to look at here.

A criterion enters; ``$filter`` or ``$search`` leaves, which finds all that is wanted and perhaps more, and
the criterion by which each mail that comes is looked at. ``$search`` takes words from an index, the newest
thousand hits, and no ``$filter`` beside it; so it serves only where text, a part of an address, or recipients
are asked for, of which ``$filter`` knows nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from connector.graph.api import message_id_is, quoted
from connector.mailbox.criteria import (
    All,
    Contains,
    Criterion,
    Has,
    HeaderContains,
    Since,
    Some,
    State,
    Word,
)

_ADDRESS = re.compile(r"[^\s@\"'<>]+@[^\s@\"'<>]+\.[A-Za-z]{2,}")
_SEARCHED = {Word.FROM: "from", Word.TO: "to", Word.TEXT: "body"}


@dataclass(frozen=True, slots=True)
class Query:
    """One search, as the service is asked.

    Attributes:
        filter: Conditions of ``$filter``, to be joined by ``and``.
        search: Terms of ``$search``; where there are any, the filter is left out.
        left: What each mail is looked at for; None where the service has done all.
    """

    filter: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    left: Criterion | None = None


def query_of(criterion: Criterion | None) -> Query:
    """Divide a criterion between the service and us."""
    parts = criterion.criteria if isinstance(criterion, All) else (criterion,) if criterion else ()
    terms = tuple(term for part in parts if (term := _term(part)) is not None)
    # The index finds a text; what its hits must be beside that is looked at here.
    left = tuple(part for part in parts if not (isinstance(part, Contains) and part.place is Word.TEXT))
    conditions = tuple(found for part in parts if (found := _condition(part)) is not None)
    return Query(() if terms else conditions, terms, All(left) if left else None)


def moment_text(moment: datetime) -> str:
    """A moment of ``$filter``."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _term(criterion: Criterion) -> str | None:
    """A term of ``$search``, for what ``$filter`` cannot say."""
    if not isinstance(criterion, Contains) or criterion.place not in _SEARCHED:
        return None
    if criterion.place is Word.FROM and _ADDRESS.fullmatch(criterion.text):
        return None
    words = criterion.text.replace("\\", " ").replace('"', " ").strip()
    return f'{_SEARCHED[criterion.place]}:\\"{words}\\"' if words else None


def _condition(criterion: Criterion) -> str | None:
    """A condition that every wanted mail meets; None where there is none."""
    match criterion:
        case Has(state, wanted):
            unread = f"isRead eq {'false' if wanted else 'true'}"
            return (
                unread if state is State.UNREAD else f"flag/flagStatus {'eq' if wanted else 'ne'} 'flagged'"
            )
        case Since(moment):
            return f"receivedDateTime ge {moment_text(moment)}"
        case Contains(Word.SUBJECT, text):
            return f"contains(subject,{quoted(text)})"
        case Contains(Word.FROM, text) if _ADDRESS.fullmatch(text):
            return f"from/emailAddress/address eq {quoted(text)}"
        case HeaderContains(name, text) if name.lower() == "message-id" and text.startswith("<"):
            return message_id_is(text)
    return _together(criterion)


def _together(criterion: Criterion) -> str | None:
    """A condition of several; of alternatives only where there is one of each."""
    if not isinstance(criterion, All | Some):
        return None
    found = [_condition(part) for part in criterion.criteria]
    known = [one for one in found if one is not None]
    if isinstance(criterion, Some):
        return f"({' or '.join(known)})" if len(known) == len(found) else None
    return f"({' and '.join(known)})" if known else None
