"""Mask secrets in whatever leaves the worker: log lines, incidents, error variables, results.

Values that must not be seen enter once, when they are resolved; texts enter with or without them, and leave
without. Apart from logging, because what goes to the engine passes here too.

What is looked for are the shapes in which a secret turns up: as it is; escaped as in ``repr`` or JSON;
percent-encoded; and in base64 wherever it starts within what was encoded, so that it is found in SASL PLAIN
(RFC 4616) and in ``Authorization: Basic`` next to a user name that nobody told us. Not found is what was
encrypted, compressed, hashed or cut in pieces.
"""

from __future__ import annotations

import base64
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

import idna

MASK = "***"

# A shorter value is in every other word: to mask it there would shred the logs and tell where it is not.
_SHORTEST = 4
_DEEPEST = 16
_LONGEST_DOMAIN = 253  # RFC 1035 section 2.3.4
_URL_SAFE = str.maketrans("+/", "-_")


@dataclass(frozen=True, slots=True)
class _Shape:
    """A text that gives a secret away.

    Attributes:
        before: Characters ahead of it that hold some of its bits.
        after: The same behind it.
    """

    text: str
    before: int = 0
    after: int = 0


_Known = OrderedDict[str, tuple[_Shape, ...]]


class Redactor:
    """Knows the secrets in use and masks them; safe to use from several threads.

    A value of fewer than 4 characters is masked only where it is the whole text. The others are masked
    wherever they turn up, also inside a longer word.

    Args:
        capacity: Secrets to know at once, and as many logins; beyond it, the one that was not used for the
            longest time is forgotten. It bounds memory and the time a log line takes (about 0.2 µs for each
            kilobyte and shape, four shapes for a plain secret).
    """

    def __init__(self, capacity: int = 512) -> None:
        self._capacity = capacity
        # Apart, so that logins, of which diagrams may bring any number, do not push secrets out.
        self._secrets: _Known = OrderedDict()
        self._logins: _Known = OrderedDict()
        # Replaced as a whole, never changed: a thread that is reading keeps its own.
        self._shapes: dict[str, _Shape] = {}
        self._lock = threading.Lock()

    def remember(self, value: str) -> None:
        """Mask this value from now on; what was remembered before costs nothing to remember again."""
        if value:
            self._learn(self._secrets, value, _shapes_of)

    def remember_login(self, username: str, password: str) -> None:
        """Mask a password, even a short one where AUTH PLAIN or HTTP Basic encode it with the user name."""
        self._learn(self._logins, f"{username}\0{password}", _login_shapes)
        if password:
            self._learn(self._logins, password, _shapes_of)

    def _learn(self, known: _Known, value: str, shapes_of: Callable[[str], Iterable[_Shape]]) -> None:
        with self._lock:
            if value in known:
                known.move_to_end(value)
                return
            known[value] = tuple(shapes_of(value))
            if len(known) > self._capacity:
                known.popitem(last=False)
            everything = (*self._secrets.values(), *self._logins.values())
            self._shapes = {shape.text: shape for shapes in everything for shape in shapes}

    def _knows(self, text: str) -> bool:
        return text in self._secrets or text in self._logins

    def redact(self, text: str) -> str:
        """Return the text with every secret masked; the same object when there is none in it."""
        shapes = self._shapes
        found = [shape for shape in shapes if shape in text]
        if found:
            return _masked(text, [shapes[shape] for shape in found])
        return MASK if len(text) < _SHORTEST and self._knows(text) else text

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
                return MASK if len(text := str(value)) >= _SHORTEST and self._knows(text) else value
            case Mapping() if depth > 0:
                return {
                    self.redact(_text(key)): self._redacted(item, depth - 1) for key, item in value.items()
                }
            case list() | tuple() | set() | frozenset() if depth > 0:
                return [self._redacted(item, depth - 1) for item in value]
            case _:
                return self.redact(_text(value))


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "backslashreplace")
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - what a stranger's __repr__ raises must not cost the log line
        return f"<{type(value).__name__}>"


def _masked(text: str, found: Iterable[_Shape]) -> str:
    """Mask every place of every shape; where two overlap, both go."""
    pieces: list[str] = []
    end = 0
    for start, stop in sorted(span for shape in found for span in _spans(text, shape)):
        if start >= end:
            pieces += (text[end:start], MASK)
        end = max(end, stop)
    return "".join((*pieces, text[end:]))


def _spans(text: str, shape: _Shape) -> Iterator[tuple[int, int]]:
    at = text.find(shape.text)
    while at >= 0:
        yield max(at - shape.before, 0), at + len(shape.text) + shape.after
        at = text.find(shape.text, at + 1)


def _shapes_of(value: str) -> Iterator[_Shape]:
    if len(value) < _SHORTEST:
        return
    octets = value.encode("utf-8", "surrogatepass")
    yield from map(_Shape, {value, *_normalised(value), *_escaped(value, octets)})
    for offset in range(3):
        yield from _base64_shapes(octets, offset)
    stripped = value.strip()
    if stripped != value:  # as a parser or a line-wise log may show it
        yield from _shapes_of(stripped)


def _login_shapes(login: str) -> Iterator[_Shape]:
    for credentials in (f"\0{login}", login.replace("\0", ":", 1)):  # RFC 4616, RFC 7617
        yield _Shape(base64.b64encode(credentials.encode("utf-8", "surrogatepass")).decode("ascii"))


def _normalised(value: str) -> Iterator[str]:
    """Give the forms in which a host name or an address goes out: domain in lower case, or punycode."""
    local, at, domain = value.rpartition("@")
    yield f"{local}{at}{domain.lower()}"
    if len(domain) > _LONGEST_DOMAIN:
        return
    with suppress(idna.IDNAError):
        yield f"{local}{at}{idna.encode(domain, uts46=True).decode('ascii')}"


def _escaped(value: str, octets: bytes) -> Iterator[str]:
    yield repr(value)[1:-1]
    yield repr(octets)[2:-1]
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(octets, safe="")
    yield quote(octets)
    yield quote_plus(octets)


def _base64_shapes(octets: bytes, offset: int) -> Iterator[_Shape]:
    """What is sure to appear when the octets are encoded behind others, ``offset`` of them modulo 3.

    The characters at either end that hold bits of the neighbours as well are not known; they are masked as
    part of the surroundings.
    """
    encoded = base64.b64encode(bytes(offset) + octets).decode("ascii").rstrip("=")
    shared_before = 1 if offset else 0
    shared_after = 1 if (offset + len(octets)) % 3 else 0
    certain = encoded[(offset * 8 + 5) // 6 : len(encoded) - shared_after]
    if len(certain) >= _SHORTEST:
        for text in {certain, certain.translate(_URL_SAFE)}:
            yield _Shape(text, shared_before, shared_after)
