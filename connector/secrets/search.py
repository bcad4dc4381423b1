"""Which of many shapes are in a text, in a time that hardly depends on how many there are.

Shapes enter and go one by one; a text enters, and those of them that are in it leave. Apart from the
redaction because it is about speed alone: asking for each shape whether it is in the text would say the same,
but with the hundreds of shapes of a hundred secrets that cost half of what a mail costs, for each log line.

Texts are compared as UTF-8, four octets at a time. A shape of seven octets or more covers, wherever it
stands, four that begin at a multiple of four; so it is enough to look each such window of the text up among
the windows of all shapes. What is found that way is then looked for itself: shapes may share a window.
"""

from __future__ import annotations

import sys
from collections.abc import Collection

from connector.secrets.shapes import Shape

_WINDOW = 4
_SHORTEST = 2 * _WINDOW - 1  # octets that cover an aligned window wherever they stand


class ShapeSearch:
    """The shapes that are looked for.

    Any thread may search at any time. Whoever adds or removes must keep others from doing so meanwhile; a
    search beside it finds what was there throughout.
    """

    def __init__(self) -> None:
        # The tuples are replaced, never changed: a search goes through them while others add and remove.
        self._by_window: dict[int, tuple[Shape, ...]] = {}
        self._short: tuple[Shape, ...] = ()

    def add(self, shapes: Collection[Shape]) -> None:
        """Look for these too; one that was added twice must be removed twice."""
        for shape in shapes:
            windows = _all_windows(shape)
            if not windows:
                self._short += (shape,)
            for window in windows:
                self._by_window[window] = (*self._by_window.get(window, ()), shape)

    def remove(self, shapes: Collection[Shape]) -> None:
        """Look no longer for these, which have been added."""
        for shape in shapes:
            windows = _all_windows(shape)
            if not windows:
                self._short = _without(self._short, shape)
            for window in windows:
                self._by_window[window] = _without(self._by_window[window], shape)
                if not self._by_window[window]:
                    del self._by_window[window]

    def found_in(self, text: str) -> set[Shape]:
        """Those that are in the text."""
        windows = _aligned_windows(text)
        possible = self._short
        if not self._by_window.keys().isdisjoint(windows):
            possible += tuple(shape for window in windows for shape in self._by_window.get(window, ()))
        return {shape for shape in possible if shape.text in text}


def _aligned_windows(text: str) -> memoryview[int] | tuple[()]:
    octets = _octets(text)
    if len(octets) < _SHORTEST:
        return ()
    whole = len(octets) // _WINDOW * _WINDOW
    return memoryview(octets)[:whole].cast("I")


def _all_windows(shape: Shape) -> set[int]:
    """What may stand at a multiple of four where the shape stands; nothing where it may cover none."""
    octets = _octets(shape.text)
    if len(octets) < _SHORTEST:
        return set()
    return {int.from_bytes(octets[at : at + _WINDOW], sys.byteorder) for at in range(_WINDOW)}


def _octets(text: str) -> bytes:
    # Each character for itself, half a surrogate pair too: a shape in the text is in its octets.
    return text.encode("utf-8", "surrogatepass")


def _without(shapes: tuple[Shape, ...], gone: Shape) -> tuple[Shape, ...]:
    at = shapes.index(gone)
    return shapes[:at] + shapes[at + 1 :]
