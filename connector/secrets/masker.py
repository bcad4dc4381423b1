"""Masks secrets in everything that leaves the worker: log lines, incidents, error variables, results.

A secret is found in the shapes in which it turns up: as it is; escaped as in ``repr`` or JSON;
percent-encoded; and in base64 wherever it starts within the encoded octets, so that it is found in SASL PLAIN
(RFC 4616) and in ``Authorization: Basic`` beside any user name. It is not found where it was encrypted,
compressed, hashed or cut in pieces.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, quote_plus

import idna

from connector.errors import ConnectorError

MASK = "***"

# A shorter secret is part of every other word. Masking it there would shred the logs and give it away.
_SHORTEST = 4
_DEEPEST = 16
# Names of fields, loggers and BPMN elements come again with every line; a longer text hardly does.
_LONGEST_KEPT = 64
_MOST_KEPT = 1024
_LONGEST_DOMAIN = 253  # RFC 1035 section 2.3.4
_URL_SAFE = str.maketrans("+/", "-_")


class MaskedError(ConnectorError):
    """Another error as a process may see it: the same code and type, its words without secrets.

    Args:
        error: The error as it was raised.
        mask: Masks the secrets in a text.
    """

    def __init__(self, error: ConnectorError, mask: Callable[[str], str]) -> None:
        super().__init__(error.code, mask(error.message))
        self.retryable = error.retryable
        self.spends_retry = error.spends_retry
        self.retry_after = error.retry_after
        self.cancel_reason = error.cancel_reason
        self._type = error.type
        self._variables = {
            name: value if name == "accepted" else masked(value, mask)
            for name, value in error.variables.items()
        }

    @property
    def type(self) -> str:
        """The kind of the original error."""
        return self._type

    @property
    def variables(self) -> dict[str, Any]:
        """The variables of the original error, masked."""
        return self._variables


def masked(value: Any, mask: Callable[[str], str]) -> Any:
    """Mask the texts in a JSON value of ours; its keys and its numbers, such as reply codes, stay."""
    match value:
        case str():
            return mask(value)
        case list():
            return [masked(item, mask) for item in value]
        case dict():
            return {key: masked(item, mask) for key, item in value.items()}
    return value


@dataclass(frozen=True, slots=True)
class Shape:
    """A text that gives a secret away.

    Attributes:
        text: The text to look for; not empty.
        before: Characters before it that hold some of its bits.
        after: Characters after it that hold some of its bits.
    """

    text: str
    before: int = 0
    after: int = 0


_Known = OrderedDict[str, tuple[Shape, ...]]


class Masker:
    """Knows the secrets in use and masks them; safe to use from several threads.

    A secret of fewer than 4 characters is masked only where it is the whole text. A longer one is masked
    everywhere, even inside a longer word.

    Args:
        capacity: How many secrets to know, and as many logins. Beyond it, the one that was used least
            recently is forgotten. The capacity bounds memory (a plain secret has about six shapes of half a
            kilobyte each); the time for a log line hardly depends on it.
    """

    def __init__(self, capacity: int = 512) -> None:
        self._capacity = capacity
        # Apart, because diagrams may bring any number of logins, which must not push secrets out.
        self._secrets: _Known = OrderedDict()
        self._logins: _Known = OrderedDict()
        self._search = ShapeSearch()
        # Short texts without a secret. Each new secret begins another set: a thread that has searched without
        # it notes its text in the former set, which is no longer read.
        self._clean: set[str] = set()
        self._lock = threading.Lock()

    def remember(self, secret: str) -> None:
        """Mask this secret from now on; to remember a known one again costs nothing."""
        if secret:
            self._learn(self._secrets, secret, shapes_of)

    def remember_login(self, username: str, password: str) -> None:
        """Mask a password, even a short one where AUTH PLAIN or HTTP Basic encode it with the user name."""
        self._learn(self._logins, f"{username}\0{password}", _login_shapes)
        if password:
            self._learn(self._logins, password, shapes_of)

    def _learn(self, known: _Known, secret: str, as_shapes: Callable[[str], Iterable[Shape]]) -> None:
        with self._lock:
            if secret in known:
                known.move_to_end(secret)
                return
            known[secret] = shapes = tuple(as_shapes(secret))
            self._search.add(shapes)
            self._clean = set()
            if len(known) > self._capacity:
                _, forgotten = known.popitem(last=False)
                self._search.remove(forgotten)

    def mask(self, text: str) -> str:
        """Return the text with every secret masked; the same object when there is none in it."""
        clean = self._clean
        plain = type(text) is str  # a subclass may hash and compare as another text
        if plain and text in clean:
            return text
        if found := self._search.found_in(text):
            return _without(text, found)
        if len(text) < _SHORTEST and self._knows(text):
            return MASK
        if plain and len(text) <= _LONGEST_KEPT:
            if len(clean) >= _MOST_KEPT:
                clean.clear()
            clean.add(text)
        return text

    def mask_value(self, value: Any) -> Any:
        """Return a value of any origin with every secret in it masked, keys of contexts included.

        Args:
            value: A JSON value, which keeps its type; anything else is taken by its ``repr``. Bytes are read
                as text, and a number is masked when it is the whole of a secret. Deep nesting becomes text,
                because a logged value may contain itself.
        """
        return self._masked(value, _DEEPEST)

    def _masked(self, value: Any, depth: int) -> Any:
        match value:
            case str():
                return self.mask(value)
            case None | bool():
                return value
            case int() | float():
                return MASK if len(text := str(value)) >= _SHORTEST and self._knows(text) else value
            case list() | tuple() | set() | frozenset() if depth > 0:
                return [self._masked(item, depth - 1) for item in value]
            # The check for a Mapping that is no dict costs more than all the others: it comes last.
            case dict() | Mapping() if depth > 0:
                return {
                    self.mask(key if isinstance(key, str) else _text(key)): self._masked(item, depth - 1)
                    for key, item in value.items()
                }
            case _:
                return self.mask(_text(value))

    def _knows(self, text: str) -> bool:
        return text in self._secrets or text in self._logins


def _text(value: object) -> str:
    if isinstance(value, bytes | bytearray):
        return value.decode("utf-8", "backslashreplace")
    try:
        return repr(value)
    except Exception:  # noqa: BLE001 - an error in a foreign __repr__ must not cost the log line
        return f"<{type(value).__name__}>"


def _without(text: str, found: Iterable[Shape]) -> str:
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


# The shapes of a secret


def shapes_of(secret: str) -> Iterator[Shape]:
    """Give the shapes of a secret; none for one of fewer than 4 characters."""
    if len(secret) < _SHORTEST:
        return
    octets = _octets(secret)
    yield from map(Shape, {secret, *_normalised(secret), *_escaped(secret, octets)})
    for offset in range(3):
        yield from _base64_shapes(octets, offset)
    stripped = secret.strip()
    if stripped != secret:  # as a parser or a line-wise log may show it
        yield from shapes_of(stripped)


def _login_shapes(login: str) -> Iterator[Shape]:
    """Give what AUTH PLAIN and HTTP Basic send for a user name and a password with a NUL between them."""
    for credentials in (f"\0{login}", login.replace("\0", ":", 1)):  # RFC 4616, RFC 7617
        yield Shape(base64.b64encode(_octets(credentials)).decode("ascii"))


def _normalised(secret: str) -> Iterator[str]:
    """Give the forms in which a host name or an address goes out: domain in lower case, or punycode."""
    local, at, domain = secret.rpartition("@")
    yield f"{local}{at}{domain.lower()}"
    if len(domain) > _LONGEST_DOMAIN:
        return
    with suppress(idna.IDNAError):
        yield f"{local}{at}{idna.encode(domain, uts46=True).decode('ascii')}"


def _escaped(secret: str, octets: bytes) -> Iterator[str]:
    yield repr(secret)[1:-1]
    yield repr(octets)[2:-1]
    yield json.dumps(secret)[1:-1]
    yield json.dumps(secret, ensure_ascii=False)[1:-1]
    yield quote(octets, safe="")
    yield quote(octets)
    yield quote_plus(octets)


def _base64_shapes(octets: bytes, offset: int) -> Iterator[Shape]:
    """Give what is sure to appear when the octets are encoded behind others, ``offset`` of them modulo 3.

    The characters at either end that also hold bits of the neighbours are unknown; they are masked as part of
    the surroundings.
    """
    encoded = base64.b64encode(bytes(offset) + octets).decode("ascii").rstrip("=")
    shared_before = 1 if offset else 0
    shared_after = 1 if (offset + len(octets)) % 3 else 0
    certain = encoded[(offset * 8 + 5) // 6 : len(encoded) - shared_after]
    if len(certain) >= _SHORTEST:
        for text in {certain, certain.translate(_URL_SAFE)}:
            yield Shape(text, shared_before, shared_after)


# The search for all shapes at once

_WINDOW = 4
_COVERS_A_WINDOW = 2 * _WINDOW - 1  # octets that cover an aligned window, wherever they start


class ShapeSearch:
    """Finds the shapes in a text, in a time that hardly depends on how many there are.

    Texts are compared as UTF-8, four octets at a time. A shape of seven octets or more covers, wherever it
    starts, four octets that begin at a multiple of four. So each such window of the text is looked up among
    the windows of all shapes, and only the shapes found that way are searched for, as shapes may share one.

    Any thread may search at any time. Calls of ``add`` and ``remove`` need a lock of the caller's; a search
    beside them finds the shapes that are there throughout. ADR 11 compares this with libraries.
    """

    def __init__(self) -> None:
        # The tuples are replaced, never changed: a search goes through them while others add and remove.
        self._by_window: dict[int, tuple[Shape, ...]] = {}
        self._short: tuple[Shape, ...] = ()

    def add(self, shapes: Collection[Shape]) -> None:
        """Look for these too; a shape that was added twice must be removed twice."""
        for shape in shapes:
            windows = _all_windows(shape)
            if not windows:
                self._short += (shape,)
            for window in windows:
                self._by_window[window] = (*self._by_window.get(window, ()), shape)

    def remove(self, shapes: Collection[Shape]) -> None:
        """Stop looking for these, which have been added."""
        for shape in shapes:
            windows = _all_windows(shape)
            if not windows:
                self._short = _one_less(self._short, shape)
            for window in windows:
                self._by_window[window] = _one_less(self._by_window[window], shape)
                if not self._by_window[window]:
                    del self._by_window[window]

    def found_in(self, text: str) -> set[Shape]:
        """Give the shapes that are in the text."""
        windows = _aligned_windows(text)
        possible = self._short
        if not self._by_window.keys().isdisjoint(windows):
            possible += tuple(shape for window in windows for shape in self._by_window.get(window, ()))
        return {shape for shape in possible if shape.text in text}


def _aligned_windows(text: str) -> memoryview[int] | tuple[()]:
    octets = _octets(text)
    if len(octets) < _COVERS_A_WINDOW:
        return ()
    whole = len(octets) // _WINDOW * _WINDOW
    return memoryview(octets)[:whole].cast("I")


def _all_windows(shape: Shape) -> set[int]:
    """Give the windows one of which is in a text with the shape; none where the shape is too short."""
    octets = _octets(shape.text)
    if len(octets) < _COVERS_A_WINDOW:
        return set()
    return {int.from_bytes(octets[at : at + _WINDOW], sys.byteorder) for at in range(_WINDOW)}


def _octets(text: str) -> bytes:
    # Each character for itself, half a surrogate pair too: a shape in the text is in its octets.
    return text.encode("utf-8", "surrogatepass")


def _one_less(shapes: tuple[Shape, ...], gone: Shape) -> tuple[Shape, ...]:
    at = shapes.index(gone)
    return shapes[:at] + shapes[at + 1 :]
