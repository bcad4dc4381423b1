"""Start events that wait for a name: of a message, or of a signal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial

from connector.devengine.model import Definition, Element
from connector.devengine.state import Opening


class Starts:
    """The open start events of one kind; a process, by its id, has at most one for each name."""

    def __init__(self) -> None:
        self._by_name: dict[str, dict[str, tuple[Definition, Element]]] = defaultdict(dict)

    def prepare(self, name: str, start: Element) -> Opening:
        """Return what opens a start event for a definition, and returns what closes it."""
        return partial(self._open, name, start)

    def waiting_for(self, name: str) -> list[tuple[Definition, Element]]:
        """Return the start events that wait for a name."""
        return list(self._by_name.get(name, {}).values())

    def of(self, process_id: str) -> Iterator[tuple[str, Definition, Element]]:
        """Return the start events of a process, each with the name that it waits for."""
        for name, starts in self._by_name.items():
            if process_id in starts:
                yield name, *starts[process_id]

    def _open(self, name: str, start: Element, definition: Definition) -> Callable[[], object]:
        self._by_name[name][definition.process.id] = (definition, start)
        return partial(self._by_name[name].pop, definition.process.id, None)
