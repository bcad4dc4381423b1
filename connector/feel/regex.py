r"""Regular expressions as Java writes them, run by the ``regex`` package within the time that is left.

The two dialects are close. What differs is translated here: a union in a class (``[a-z[0-9]]``), a group's
number that does not exist, blanks inside a class with the flag ``x``, ``\h``, ``\Z`` and possessive forms that need
nothing. A pattern that Java refuses gives null.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import regex

from connector.feel.errors import FeelLimitError
from connector.feel.limits import Run
from connector.feel.values import Value

_LONGEST_PATTERN = 2_000
# Flags that are unknown are passed over, as the engine does; "s" and "x" are resolved in the pattern.
_FLAGS = {"m": regex.MULTILINE, "i": regex.IGNORECASE | regex.ASCII}
_CLASSES = {
    "d": "0-9",
    "w": "a-zA-Z_0-9",
    "s": r" \t\n\x0b\f\r",
    "h": r" \t\xa0\u1680\u180e\u2000-\u200a\u202f\u205f\u3000",
}
_ANCHORS = {"Z": r"(?=\n?\Z)", "z": r"\Z", "R": r"(?:\r\n|[\n\x0b\f\r\x85\u2028\u2029])", "e": r"\x1b"}
_ESCAPE = re.compile(
    r"\\(?:[pP]\{[A-Za-z_]+(?:=[A-Za-z_]+)?\}|[pP][A-Z]|x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|[tnrfabBAG]|[^A-Za-z0-9])",
    re.DOTALL,
)
_GROUP = re.compile(
    r"\((?:\?(?:[:=!>]|<[=!]|<(?P<name>[A-Za-z][A-Za-z0-9]*)>|[ims]*(?:-[ims]+)?[:)])|(?P<capturing>(?!\?)))"
)
_REPEAT = re.compile(r"\{\d{1,4}(?:,\d{0,4})?\}", re.ASCII)


class _PatternError(ValueError):
    """Java would refuse this pattern."""


def find(run: Run, text: str, pattern: str, flags: str) -> bool | None:
    """Tell whether a pattern is found anywhere in a text; None if it is no pattern."""
    compiled = _compiled(run, text, pattern, flags)
    if compiled is None:
        return None
    try:
        return compiled.search(text, timeout=_time(run)) is not None
    except TimeoutError:
        raise _too_slow(pattern) from None


def replace_all(run: Run, text: str, pattern: str, flags: str, replacement: str) -> str | None:
    """Replace all matches; ``$1`` and ``\\`` in the replacement mean what they mean in Java."""
    compiled = _compiled(run, text, pattern, flags)
    parts = None if compiled is None else _template(replacement, compiled.groups)
    if compiled is None or parts is None:
        return None

    def expand(match: regex.Match[str]) -> str:
        found = "".join(part if isinstance(part, str) else match[part] or "" for part in parts)
        run.charge_text(len(found))
        return found

    try:
        return compiled.sub(expand, text, timeout=_time(run))
    except TimeoutError:
        raise _too_slow(pattern) from None


def split_at(run: Run, text: str, pattern: str) -> Value:
    """Split a text at the matches; parts that are empty are kept, except before a match of nothing at the start."""
    compiled = _compiled(run, text, pattern, "")
    if compiled is None:
        return None
    parts: list[Value] = []
    begin = 0
    try:
        for match in compiled.finditer(text, timeout=_time(run)):
            run.charge(1)
            if match.end() == 0 or match.start() == match.end() == len(text):
                continue
            parts.append(text[begin : match.start()])
            begin = match.end()
    except TimeoutError:
        raise _too_slow(pattern) from None
    return [*parts, text[begin:]]


def extract_all(run: Run, text: str, pattern: str) -> Value:
    """Return all matches, whole."""
    compiled = _compiled(run, text, pattern, "")
    if compiled is None:
        return None
    found: list[Value] = []
    try:
        for match in compiled.finditer(text, timeout=_time(run)):
            run.charge(1)
            found.append(match[0])
    except TimeoutError:
        raise _too_slow(pattern) from None
    return found


def _compiled(run: Run, text: str, pattern: str, flags: str) -> regex.Pattern[str] | None:
    run.charge_text(len(text))
    if len(pattern) > _LONGEST_PATTERN:
        raise FeelLimitError(f"A regular expression is longer than {_LONGEST_PATTERN} characters")
    compiled = _compile(pattern, "".join(sorted(set(flags))))
    if compiled is None:
        run.warn(f"'{pattern[:100]}' is no regular expression")
    return compiled


def _time(run: Run) -> float:
    return max(run.seconds_left(), 0.001)


def _too_slow(pattern: str) -> FeelLimitError:
    return FeelLimitError(f"The regular expression '{pattern[:100]}' takes too long")


@lru_cache(maxsize=256)
def _compile(pattern: str, flags: str) -> regex.Pattern[str] | None:
    chosen = regex.VERSION1
    for flag in flags:
        chosen |= _FLAGS.get(flag, 0)
    if "s" in flags:
        chosen |= regex.DOTALL
    try:
        return regex.compile(_Translator(pattern, flags).translate(), chosen)
    except (regex.error, _PatternError, ValueError, OverflowError, RecursionError):
        return None


class _Translator:
    """Walks through a Java pattern and writes it for the ``regex`` package.

    What is special to that package (fuzzy matching, recursion, set operations by ``--`` and ``||``) is none of
    Java's and must not come through.
    """

    def __init__(self, pattern: str, flags: str) -> None:
        self._pattern = pattern
        self._verbose = "x" in flags
        self._dot = "." if "s" in flags else r"[^\n\r\x85\u2028\u2029]"
        self._at = 0
        self._groups = 0

    def translate(self) -> str:
        """Return the pattern in the other dialect.

        Raises:
            _PatternError: Java would refuse it.
        """
        out: list[str] = []
        while self._at < len(self._pattern):
            char = self._pattern[self._at]
            if self._verbose and (char.isspace() or char == "#"):
                self._skip(char)
            elif char in _SPECIAL:
                out.append(_SPECIAL[char](self))
            else:
                out.append(char)
                self._at += 1
        return "".join(out)

    def _skip(self, char: str) -> None:
        end = self._pattern.find("\n", self._at) if char == "#" else self._at
        self._at = len(self._pattern) if end < 0 else end + 1

    def _any(self) -> str:
        self._at += 1
        return self._dot

    def _group(self) -> str:
        match = _GROUP.match(self._pattern, self._at)
        if match is None:
            raise _PatternError("a kind of group that Java does not know")
        if match["capturing"] is not None or match["name"]:
            self._groups += 1
        self._at = match.end()
        return f"(?P<{match['name']}>" if match["name"] else match[0]

    def _repeat(self) -> str:
        match = _REPEAT.match(self._pattern, self._at)
        if match is None:
            raise _PatternError("a brace that holds no number")
        self._at = match.end()
        return match[0]

    def _escape(self, *, in_class: bool = False) -> str:
        start, char = self._at, self._pattern[self._at + 1 : self._at + 2]
        self._at += 2
        if char.isdigit():
            return self._number(char, in_class=in_class)
        if members := _CLASSES.get(char.lower()):
            return f"[^{members}]" if char.isupper() else members if in_class else f"[{members}]"
        if char in _ANCHORS:
            return _ANCHORS[char]
        if match := _ESCAPE.match(self._pattern, start):
            self._at = match.end()
            return match[0]
        raise _PatternError("an escape that Java does not know")

    def _number(self, digit: str, *, in_class: bool) -> str:
        if in_class or digit == "0":
            raise _PatternError("a group's number in a class, or an octal number without digits")
        # A group that does not exist never matches in Java; to the regex package it is an error.
        return f"\\{digit}" if int(digit) <= self._groups else "(?!)"

    def _class(self) -> str:
        """Translate ``[…]``, with the unions and intersections that Java nests in it."""
        self._at += 1
        opening = "[^" if self._pattern.startswith("^", self._at) else "["
        self._at += len(opening) - 1
        members: list[str] = []
        while self._at < len(self._pattern):
            char = self._pattern[self._at]
            if char == "]" and members:
                self._at += 1
                return f"{opening}{''.join(members)}]"
            if member := self._member(char, first=not members):
                members.append(member)
        raise _PatternError("a class that is not closed")

    def _member(self, char: str, *, first: bool) -> str:
        if char == "\\":
            return self._escape(in_class=True)
        if char == "[":
            return self._class()
        self._at += 1
        if self._verbose and char.isspace():
            return ""
        if char == "&" and self._pattern.startswith("&", self._at):
            self._at += 1
            return "&&"
        if char == "-" and not first and self._pattern[self._at : self._at + 1] not in ("]", "["):
            return char
        # What joins sets in the regex package stands for itself in Java.
        return f"\\{char}" if char in "-|~&]" else char


_SPECIAL: dict[str, Callable[[_Translator], str]] = {
    "\\": _Translator._escape,
    "[": _Translator._class,
    "(": _Translator._group,
    "{": _Translator._repeat,
    ".": _Translator._any,
}


def _template(replacement: str, groups: int) -> list[str | int] | None:
    """Split a replacement into texts and numbers of groups, or return None if it names one that is not there."""
    parts: list[str | int] = []
    at = 0
    while at < len(replacement):
        char = replacement[at]
        following = replacement[at + 1 : at + 2]
        if char not in "\\$":
            parts.append(char)
            at += 1
            continue
        if char == "\\" and following:
            parts.append(following)
        elif char == "$" and following.isdigit() and int(following) <= groups:
            parts.append(int(following))
        else:
            return None
        at += 2
    return parts
