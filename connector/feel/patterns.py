"""Regular expressions in Java's dialect, within the time that is left to the evaluation.

The ``regex`` package runs them, because it can be stopped. Its dialect is close to Java's. What differs is
translated: a union in a class (``[a-z[0-9]]``), the number of a group that does not exist, blanks inside a
class with the flag ``x``, classes and anchors that mean something else. The package's own features (fuzzy
matching, recursion, set operations by ``--`` and ``||``) are closed to an expression. A pattern that Java
refuses gives null.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

import regex

from connector.feel.errors import FeelLimitError, shortened
from connector.feel.values import Run, Value

_LONGEST_PATTERN = 2_000
# Seconds for one search. The package counts the processor's time, not that of the clock on the wall, so this
# stays well below what an evaluation may take.
_LONGEST_SEARCH = 0.3
# Flags that are unknown are passed over, as the engine does; "s" and "x" are resolved in the pattern.
_FLAGS = {"m": regex.MULTILINE, "i": regex.IGNORECASE | regex.ASCII}


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
    """Replace all matches; in the replacement, dollar and backslash mean what they mean in Java."""
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
    """Split a text at the matches; empty parts are kept, except before a match of nothing at the start."""
    compiled = _compiled(run, text, pattern, "")
    if compiled is None:
        return None
    parts: list[Value] = []
    begin = 0
    try:
        for match in compiled.finditer(text, timeout=_time(run)):
            run.charge(1)
            if match.end() == 0:
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
    return max(min(run.seconds_left(), _LONGEST_SEARCH), 0.001)


def _too_slow(pattern: str) -> FeelLimitError:
    return FeelLimitError(f"The regular expression '{shortened(pattern)}' takes too long")


@lru_cache(maxsize=256)
def _compile(pattern: str, flags: str) -> regex.Pattern[str] | None:
    chosen = regex.VERSION1
    for flag in flags:
        chosen |= _FLAGS.get(flag, 0)
    if "s" in flags:
        chosen |= regex.DOTALL
    try:
        return regex.compile(translate(pattern, flags), chosen)
    except (regex.error, JavaPatternError, ValueError, OverflowError, RecursionError):
        return None


def _template(replacement: str, groups: int) -> list[str | int] | None:
    """Split a replacement into texts and numbers of groups; None if it names one that is not there."""
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
    r"\((?:\?(?:[:=!>]|<[=!]|<(?P<name>[A-Za-z][A-Za-z0-9]*)>|(?P<flags>[ims]*)(?:-[ims]+)?[:)])|(?P<capturing>(?!\?)))"
)
_REPEAT = re.compile(r"\{(?P<least>\d{1,4})(?:,(?P<most>\d{0,4}))?\}", re.ASCII)


# Counted repetitions are written out when a pattern is compiled; more than this takes too long.
_LARGEST = 20_000


class JavaPatternError(ValueError):
    """Java would refuse this pattern."""


def translate(pattern: str, flags: str) -> str:
    """Return a pattern in the other dialect; the flags ``s`` and ``x`` are resolved in it.

    Raises:
        JavaPatternError: Java would refuse it.
        FeelLimitError: It is too large once its counted repetitions are written out.
    """
    return _Translator(pattern, flags).translate()


class _Translator:
    """Walks through a pattern from left to right."""

    def __init__(self, pattern: str, flags: str) -> None:
        self._pattern = pattern
        self._verbose = "x" in flags
        self._dot = "." if "s" in flags else r"[^\n\r\x85\u2028\u2029]"
        self._at = 0
        self._groups = 0
        # The size of each open group and, last, of what stands right before the place.
        self._sizes = [0]
        self._last = 0
        self._special: dict[str, Callable[[], str]] = {
            "\\": self._escape,
            "[": self._class,
            "(": self._group,
            "{": self._repeat,
            ".": self._any,
            ")": self._close,
        }

    def translate(self) -> str:
        out: list[str] = []
        while self._at < len(self._pattern):
            char = self._pattern[self._at]
            if self._verbose and (char.isspace() or char == "#"):
                self._skip(char)
            else:
                out.append(self._special[char]() if char in self._special else self._plain())
                if char not in "({":
                    self._grow(self._last if char == ")" else 1)
        return "".join(out)

    def _grow(self, size: int) -> None:
        self._last = size
        self._sizes[-1] += size
        if self._sizes[-1] > _LARGEST:
            raise FeelLimitError("A regular expression repeats more than can be handled")

    def _skip(self, char: str) -> None:
        end = self._pattern.find("\n", self._at) if char == "#" else self._at
        self._at = len(self._pattern) if end < 0 else end + 1

    def _plain(self) -> str:
        self._at += 1
        return self._pattern[self._at - 1]

    def _close(self) -> str:
        if len(self._sizes) == 1:
            raise JavaPatternError("a group that is closed but not opened")
        self._last = self._sizes.pop()
        return self._plain()

    def _any(self) -> str:
        self._at += 1
        return self._dot

    def _group(self) -> str:
        match = _GROUP.match(self._pattern, self._at)
        if match is None:
            raise JavaPatternError("a kind of group that Java does not know")
        if match["capturing"] is not None or match["name"]:
            self._groups += 1
        if "s" in (match["flags"] or ""):
            self._dot = "."
        if not match[0].endswith(")"):
            self._sizes.append(0)
        self._at = match.end()
        return f"(?P<{match['name']}>" if match["name"] else match[0]

    def _repeat(self) -> str:
        match = _REPEAT.match(self._pattern, self._at)
        if match is None:
            raise JavaPatternError("a brace that holds no number")
        self._at = match.end()
        last = self._last
        self._grow(last * max(int(match["most"] or match["least"]) - 1, 0))
        self._last += last
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
        raise JavaPatternError("an escape that Java does not know")

    def _number(self, digit: str, *, in_class: bool) -> str:
        if in_class or digit == "0":
            raise JavaPatternError("a group's number in a class, or an octal number without digits")
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
        raise JavaPatternError("a class that is not closed")

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
