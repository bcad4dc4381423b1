"""The filters and searches that our double of Microsoft Graph understands.

An expression and the members of a message enter; whether it matches leaves. ``$filter`` knows comparisons,
``contains``, ``startswith``, ``any`` over categories or recipients is not served, as in the service; ``not``,
``and``, ``or`` and brackets bind as OData says. ``$search`` knows words and ``property:value`` of KQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from tests.servers.graph_operations import RefusedError

_TOKEN = re.compile(
    r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[A-Za-z@][\w./]*)|(?P<value>\d[\w:.+-]*)|(?P<mark>[(),]))"
)
_FILTERABLE = frozenset(
    {
        *("receivedDateTime", "sentDateTime", "isRead", "isDraft", "hasAttachments", "importance", "subject"),
        *("from/emailAddress/address", "from/emailAddress/name", "internetMessageId", "flag/flagStatus"),
        *("createdDateTime", "parentFolderId", "conversationId"),
    }
)


class _Parser:
    """Reads one filter and evaluates it at once."""

    def __init__(self, text: str, members: Mapping[str, Any]) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text.rstrip()):
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise RefusedError(400, "BadRequest", f"Invalid filter clause at {at}.")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self._members = members

    def whole(self) -> bool:
        value = self._any()
        if self._tokens:
            raise RefusedError(400, "BadRequest", "Invalid filter clause.")
        return value

    def _any(self) -> bool:
        value = self._all()
        while self._take("or"):
            value = self._all() or value
        return value

    def _all(self) -> bool:
        value = self._one()
        while self._take("and"):
            value = self._one() and value
        return value

    def _one(self) -> bool:
        if self._take("not"):
            return not self._one()
        if self._take("("):
            value = self._any()
            self._expect(")")
            return value
        for name in ("contains", "startswith"):
            if self._take(name):
                self._expect("(")
                member = str(self._member()).lower()
                self._expect(",")
                wanted = str(self._value()).lower()
                self._expect(")")
                return wanted in member if name == "contains" else member.startswith(wanted)
        return self._comparison()

    def _comparison(self) -> bool:
        member, (_, operator), wanted = self._member(), self._tokens.pop(0), self._value()
        one, other = (str(value).lower() for value in (member, wanted))
        return {
            "eq": one == other,
            "ne": one != other,
            "ge": one >= other,
            "gt": one > other,
            "le": one <= other,
            "lt": one < other,
        }[operator]

    def _member(self) -> Any:
        name = self._tokens.pop(0)[1]
        if name not in _FILTERABLE:
            raise RefusedError(400, "ErrorInvalidUrlQueryFilter", f"The property {name} cannot be filtered.")
        value: Any = self._members
        for part in name.split("/"):
            value = (value or {}).get(part)
        return value

    def _value(self) -> Any:
        kind, text = self._tokens.pop(0)
        if kind == "text":
            return text[1:-1].replace("''", "'")
        return {"true": True, "false": False}.get(text, text)

    def _take(self, word: str) -> bool:
        if self._tokens and self._tokens[0][1] == word and self._tokens[0][0] != "text":
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, word: str) -> None:
        if not self._take(word):
            raise RefusedError(400, "BadRequest", f"Expected {word} in the filter.")


def matches(condition: str, members: Mapping[str, Any]) -> bool:
    """Whether a message matches a ``$filter``."""
    return _Parser(condition, members).whole()


_TERM = re.compile(r'(?:(\w+):)?(?:\\"((?:[^"\\]|\\.)*)\\"|"([^"]*)"|([^\s"]+))')


def searched(query: str, members: Mapping[str, Any]) -> bool:
    """Whether a message matches a ``$search``: every term of it, quotes around the whole."""
    if not (query.startswith('"') and query.endswith('"')):
        raise RefusedError(400, "BadRequest", "Syntax error: the search must be in double quotes.")
    terms = [
        (match[1] or "", next(filter(None, match.groups()[1:]), "")) for match in _TERM.finditer(query[1:-1])
    ]
    return all(_found(name.lower(), value.lower(), members) for name, value in terms if value != "AND")


def _found(name: str, value: str, members: Mapping[str, Any]) -> bool:
    texts = {
        "from": _people(members, "from"),
        "to": _people(members, "toRecipients"),
        "cc": _people(members, "ccRecipients"),
        "subject": members["subject"],
        "body": members["body"]["content"],
    }
    if name and name not in texts:
        raise RefusedError(400, "BadRequest", f"The property {name} cannot be searched.")
    places = [texts[name]] if name else list(texts.values())
    return any(value in str(place).lower() for place in places)


def _people(members: Mapping[str, Any], name: str) -> str:
    people = members[name] or []
    listed = people if isinstance(people, list) else [people]
    return " ".join(
        f"{one['emailAddress'].get('name', '')} {one['emailAddress']['address']}" for one in listed
    )
