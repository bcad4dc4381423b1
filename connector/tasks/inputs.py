"""Looking up what was given, and the forms in which a diagram writes a value: one small reader for each.

A JSON value and the name of its variable enter; a typed value leaves, or an
:class:`~connector.errors.InputError` that names the variable. What a modeler means by a value is decided by
the caller; here is only how it may be written, the same for every variable of every task type.
:class:`Inputs` knows aliases, blanks, and names that do not exist.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from typing import Any, TypeVar

from connector.errors import InputError
from connector.tasks.definitions import Definitions

T = TypeVar("T")

# `${true}` and `${false}` are what the drop-downs of the Infosys template write, as text.
_BOOLEANS = {"true": True, "${true}": True, "false": False, "${false}": False}
_MAX_SHOWN = 60
_MAX_NUMBER = 10**15
_MAX_ITEMS = 10_000  # a hundred times the recipients that every server must take (RFC 5321 section 4.5.3.1.8)
_PIECE = re.compile(r'((?:[^",;]++|"[^"]*+(?:"|\Z))*+)([,;]|\Z)')
_MAX_NAME = 60


@dataclass(frozen=True, slots=True)
class Value:
    """A value that was given.

    Attributes:
        field: Its name as the modeler wrote it; dots lead into a context, ``[1]`` is a list's first item, as
            in FEEL.
        data: The JSON value, not blank.
    """

    field: str
    data: Any

    def error(self, message: str, *, allowed: tuple[str, ...] = ()) -> InputError:
        """An error about this value."""
        return InputError(self.field, message, allowed=allowed)


def is_blank(data: object) -> bool:
    """Whether a value stands for "not given": null, text of nothing but blanks, an empty list or context."""
    if isinstance(data, str):
        return not data or data.isspace()
    return data is None or (isinstance(data, list | dict) and not data)


def shown(data: object) -> str:
    """A value as an error message quotes it: short, on one line, without control characters."""
    if isinstance(data, bool):
        return str(data).lower()
    if isinstance(data, str):
        return repr(data[:_MAX_SHOWN]) + ("…" if len(data) > _MAX_SHOWN else "")
    if isinstance(data, int | float) and -_MAX_NUMBER < data < _MAX_NUMBER:
        return str(data)
    return kind(data)


def kind(data: object) -> str:
    """What a JSON value is, in FEEL's words."""
    if data is None:
        return "null"
    names = {bool: "a boolean", str: "text", list: "a list", dict: "a context"}
    return names.get(type(data), "a number")


def not_whole(data: object) -> str:
    """What a value is that should be a whole number; nothing where it is another number."""
    is_number = isinstance(data, int | float) and not isinstance(data, bool)
    return "" if is_number else f", not {kind(data)}"


def unquoted(text: str) -> str:
    """Text without the blanks around it and without one pair of quotes, as ``"today"`` typed with its own."""
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1].strip()
    return text


def text(value: Value) -> str:
    """Text as it was given.

    Raises:
        InputError: Not text, or half of a surrogate pair in it, which no encoding can carry.
    """
    data = value.data
    if not isinstance(data, str):
        advice = "; write string(…) around it" if isinstance(data, int | float) else ""
        raise value.error(f"must be text, not {kind(data)}{advice}")
    try:
        data.encode()
    except UnicodeEncodeError:
        # The cause holds the whole text.
        raise value.error("holds half of a surrogate pair, which is not a character; remove it") from None
    return data


def as_boolean(data: object) -> bool | None:
    """What a value says as a boolean, in any of the forms a diagram writes one; None when it says nothing."""
    if isinstance(data, bool):
        return data
    return _BOOLEANS.get(unquoted(data).lower()) if isinstance(data, str) else None


def boolean(value: Value) -> bool:
    """A boolean: true, false, the same as text in any case, or ``${true}`` and ``${false}``.

    Raises:
        InputError: Anything else.
    """
    data = as_boolean(value.data)
    if data is None:
        raise value.error(
            f"{shown(value.data)} is not a boolean; use true or false", allowed=("true", "false")
        )
    return data


def choice(value: Value, choices: Mapping[str, T]) -> T:
    """One of a set of words, in any case, with or without quotes.

    Args:
        value: What was given.
        choices: The words in lower case, and what each means.

    Raises:
        InputError: Not one of them; the error lists them.
    """
    word = unquoted(value.data).lower() if isinstance(value.data, str) else None
    if word is None or word not in choices:
        allowed = tuple(choices)
        message = f"{shown(value.data)} is not allowed; use one of {', '.join(allowed)}"
        raise value.error(message, allowed=allowed)
    return choices[word]


def split_text(text: str) -> Iterator[str]:
    """Split at commas and semicolons outside double quotes; quotes around a whole item are taken off."""
    for piece in _PIECE.finditer(text):
        yield unquoted(piece[1])
        if not piece[2]:
            return


def items(
    value: Value, split: Callable[[str], Iterable[str]] = split_text, *, most: int = _MAX_ITEMS
) -> list[Value]:
    """The items of a list that came as a list, as one text, as a separated text, or in brackets in a text.

    In brackets may stand JSON, or the items without quotes, as Infosys's documentation writes them. Blank
    items are left out; the others keep their place in their name.

    Args:
        value: What was given.
        split: How a text that is no JSON is taken apart.
        most: How many items there may be, blank ones included.

    Raises:
        InputError: Neither a list nor text, too many items, or text in brackets that is no JSON list.
    """
    data = _listed(value)
    if isinstance(data, str):
        data = list(islice(split(text(Value(value.field, data))), most + 1))
        if len(data) == 1:
            return [] if is_blank(data[0]) else [Value(value.field, data[0])]
    if not isinstance(data, list):
        raise value.error(f'must be a list, as ["a", "b"], or text, not {kind(data)}')
    if len(data) > most:
        raise value.error(f"has more than {most:,} items; spread them over several mails")
    return [
        Value(f"{value.field}[{number}]", item) for number, item in enumerate(data, 1) if not is_blank(item)
    ]


def _listed(value: Value) -> Any:
    """A list from JSON, or what stands in the brackets of a text that is none: ``[a@x, b@x]``."""
    try:
        return from_json(value, "[]")
    except InputError:
        inner = value.data.strip()[1:-1].strip()
        if inner.startswith(('"', "[", "{")):  # JSON was meant
            raise
        return inner


def mapping(value: Value) -> Mapping[str, Any]:
    """A context, or a JSON object in a text.

    Raises:
        InputError: Anything else.
    """
    data = from_json(value, "{}")
    if not isinstance(data, dict):
        raise value.error(f"must be a context, as {{key: value}}, not {kind(data)}")
    return data


def from_json(value: Value, brackets: str) -> Any:
    """The JSON list or object that a text in these brackets holds; any other value as it is.

    Raises:
        InputError: The text has the brackets and is no JSON.
    """
    if not isinstance(value.data, str):
        return value.data
    data = value.data.strip()
    if not (data.startswith(brackets[0]) and data.endswith(brackets[1])):
        return value.data
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        # The cause may quote the text, which may be a body or hold a secret.
        message = f"the text in {brackets[0]} {brackets[1]} is not JSON; check its quotes and commas"
        raise value.error(message) from None


class Inputs:
    """The variables of a job, or the keys of a context, as their definitions name them.

    Args:
        data: The JSON values by name.
        definitions: What may be asked for.
        path: The name of the context, empty for the variables of a job.

    Attributes:
        get: Gives the value of a name, or None when it is absent or blank. Most inputs are not given, and all
            are asked for: so it is a look-up and nothing else.
        nulls: The names for which a null was handed over, which FEEL makes of an expression that fails.

    Raises:
        InputError: An input is given under two names, differently.
    """

    __slots__ = ("_data", "_definitions", "_path", "_prefix", "_table", "get", "nulls")

    def __init__(self, data: Mapping[str, Any], definitions: Definitions, path: str = "") -> None:
        self._data = data
        self._table = definitions
        self._definitions = definitions.by_name
        self._path = path
        self._prefix = f"{path}." if path else ""
        self.nulls: set[str] = set()
        self.get: Callable[[str], Value | None] = self._given().__getitem__

    def _given(self) -> dict[str, Value | None]:
        """Each input's value by name; None for what is absent or blank."""
        given: dict[str, Value | None] = dict.fromkeys(self._definitions)
        for name in self._definitions.keys() & self._data.keys():
            if self._data[name] is None:
                self.nulls.add(name)
            elif not is_blank(self._data[name]):
                given[name] = Value(self._prefix + name, self._data[name])
        for alias in sorted(self._table.aliases.keys() & self._data.keys()):
            name = self._table.aliases[alias]
            if self._data[alias] is None:
                self.nulls.add(name)
            if is_blank(self._data[alias]):
                continue
            own, other = given[name], Value(self._prefix + alias, self._data[alias])
            if own is not None and own.data != other.data:
                raise own.error(
                    f"{alias} is another name for it and has another value; give only one of them"
                )
            given[name] = own or other
        return given

    def require(self, name: str, advice: str = "fill it in") -> Value:
        """The value of what cannot be left out.

        Raises:
            InputError: It is absent or blank. A null is told apart: it comes from an expression.
        """
        return self.get(name) or self._missing(name, advice)

    def inside(self, name: str) -> Inputs | None:
        """The keys of a context, or None when it is absent or blank.

        Raises:
            InputError: It is no context; what it is instead is not quoted.
        """
        value = self.get(name)
        if value is None:
            return None
        members = self._definitions[name].members
        if not isinstance(value.data, dict):
            keys = ", ".join(member.name for member in members if member.available)
            raise value.error(f"must be a context with {keys}, not {kind(value.data)}")
        return Inputs(value.data, members, value.field)

    def given(self, *names: str) -> bool:
        """Whether any of these is neither absent nor blank."""
        return any(map(self.get, names))

    def requires(self, name: str) -> bool:
        """Whether the definition says that it cannot be left out."""
        return self._definitions[name].required

    def refuse_unavailable(self) -> None:
        """Refuse what this version cannot honour; false and blank ask for nothing.

        Raises:
            InputError: One of them is given.
        """
        for name in self._table.unavailable:
            value = self.get(name)
            if value is not None and as_boolean(value.data) is not False:
                raise value.error("is not available in this version; remove it")

    def refuse_unknown(self) -> None:
        """Refuse keys that no definition names; for contexts, where a wrong key is always a mistake.

        Raises:
            InputError: The first of them, with the nearest real one.
        """
        for key in self._data:
            if key in self._definitions:
                continue
            known = tuple(self._definitions)
            near = get_close_matches(key[:_MAX_NAME], known, n=1, cutoff=0.5)
            advice = f"did you mean {near[0]}?" if near else f"use {', '.join(known)}"
            raise InputError(self._path, f"{shown(key)} is not one of its keys; {advice}", allowed=known)

    def _missing(self, name: str, advice: str) -> Value:
        if name in self.nulls:
            reason = "is null: its FEEL expression probably names a variable that does not exist"
        elif any(written in self._data for written in self._definitions[name].names):
            reason = "is empty"
        else:
            reason = "is missing"
        raise InputError(self._prefix + name, f"{reason}; {advice}")
