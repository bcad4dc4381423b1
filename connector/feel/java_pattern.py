"""From a regular expression as Java writes it to the dialect of the ``regex`` package.

The two are close. What differs is translated: a union in a class (``[a-z[0-9]]``), the number of a group that
does not exist, blanks inside a class with the flag ``x``, classes and anchors that mean something else. What
is special to the package (fuzzy matching, recursion, set operations by ``--`` and ``||``) must not come
through.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from connector.feel.errors import FeelLimitError

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
