"""Mask secrets in whatever leaves the worker: log lines, incidents, error variables, results.

Values that must not be seen enter once, when they are resolved; texts enter with or without them, and leave
without. Apart from logging, because what goes to the engine passes here too.

What is looked for are the shapes in which a secret turns up: as it is, escaped, percent-encoded, in base64.
Not found is what was encrypted, compressed, hashed or cut in pieces.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from connector.secrets.search import ShapeSearch
from connector.secrets.shapes import SHORTEST, Shape, login_shapes, shapes_of

MASK = "***"

_DEEPEST = 16
# Names of fields, loggers and BPMN elements come again with every line; a longer text hardly does.
_LONGEST_KEPT = 64
_MOST_KEPT = 1024

_Known = OrderedDict[str, tuple[Shape, ...]]


class Redactor:
    """Knows the secrets in use and masks them; safe to use from several threads.

    A value of fewer than 4 characters is masked only where it is the whole text. The others are masked
    wherever they turn up, also inside a longer word.

    Args:
        capacity: Secrets to know at once, and as many logins; beyond it, the one that was not used for the
            longest time is forgotten. It bounds memory (a plain secret has about six shapes, each of half a
            kilobyte); the time that a log line takes hardly depends on it.
    """

    def __init__(self, capacity: int = 512) -> None:
        self._capacity = capacity
        # Apart, so that logins, of which diagrams may bring any number, do not push secrets out.
        self._secrets: _Known = OrderedDict()
        self._logins: _Known = OrderedDict()
        self._search = ShapeSearch()
        # Short texts without a secret. Each new secret begins another set: a thread that has searched without
        # it notes its text in the former one, where nobody looks any longer.
        self._clean: set[str] = set()
        self._lock = threading.Lock()

    def remember(self, value: str) -> None:
        """Mask this value from now on; what was remembered before costs nothing to remember again."""
        if value:
            self._learn(self._secrets, value, shapes_of)

    def remember_login(self, username: str, password: str) -> None:
        """Mask a password, even a short one where AUTH PLAIN or HTTP Basic encode it with the user name."""
        self._learn(self._logins, f"{username}\0{password}", login_shapes)
        if password:
            self._learn(self._logins, password, shapes_of)

    def _learn(self, known: _Known, value: str, as_shapes: Callable[[str], Iterable[Shape]]) -> None:
        with self._lock:
            if value in known:
                known.move_to_end(value)
                return
            known[value] = shapes = tuple(as_shapes(value))
            self._search.add(shapes)
            self._clean = set()
            if len(known) > self._capacity:
                _, forgotten = known.popitem(last=False)
                self._search.remove(forgotten)

    def _knows(self, text: str) -> bool:
        return text in self._secrets or text in self._logins

    def redact(self, text: str) -> str:
        """Return the text with every secret masked; the same object when there is none in it."""
        clean = self._clean
        plain = type(text) is str  # what hashes and compares as it looks
        if plain and text in clean:
            return text
        if found := self._search.found_in(text):
            return _masked(text, found)
        if len(text) < SHORTEST and self._knows(text):
            return MASK
        if plain and len(text) <= _LONGEST_KEPT:
            if len(clean) >= _MOST_KEPT:
                clean.clear()
            clean.add(text)
        return text

    def redact_value(self, value: Any) -> Any:
        """Return a value with every secret in it masked, keys of contexts included.

        Args:
            value: A JSON value, which keeps its type. Of anything else, its ``repr`` is taken; bytes are
                looked at as text, and a number is masked when it is the whole of a secret. What is nested
                deeply becomes text, because what somebody logs may be endless.
        """
        return self._redacted(value, _DEEPEST)

    def _redacted(self, value: Any, depth: int) -> Any:
        match value:
            case str():
                return self.redact(value)
            case None | bool():
                return value
            case int() | float():
                return MASK if len(text := str(value)) >= SHORTEST and self._knows(text) else value
            case list() | tuple() | set() | frozenset() if depth > 0:
                return [self._redacted(item, depth - 1) for item in value]
            # The check for a Mapping that is no dict costs more than all the others: it comes last.
            case dict() | Mapping() if depth > 0:
                return {
                    self.redact(key if isinstance(key, str) else _text(key)): self._redacted(item, depth - 1)
                    for key, item in value.items()
                }
            case _:
                return self.redact(_text(value))


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "backslashreplace")
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - what a stranger's __repr__ raises must not cost the log line
        return f"<{type(value).__name__}>"


def _masked(text: str, found: Iterable[Shape]) -> str:
    """Mask every place of every shape; where two overlap, both go."""
    pieces: list[str] = []
    end = 0
    for start, stop in sorted(span for shape in found for span in _spans(text, shape)):
        if start >= end:
            pieces += (text[end:start], MASK)
        end = max(end, stop)
    return "".join((*pieces, text[end:]))


def _spans(text: str, shape: Shape) -> Iterator[tuple[int, int]]:
    at = text.find(shape.text)
    while at >= 0:
        yield max(at - shape.before, 0), at + len(shape.text) + shape.after
        at = text.find(shape.text, at + 1)
