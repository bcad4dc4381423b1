"""The deployed processes and their versions."""

from __future__ import annotations

from collections.abc import Iterable

from connector.devengine.model import Definition


class Definitions:
    """Finds a process by its key, or by its id and version."""

    def __init__(self) -> None:
        self._by_key: dict[int, Definition] = {}
        self._versions: dict[str, dict[int, Definition]] = {}

    def add(self, definition: Definition) -> None:
        """Make a definition the latest version of its process."""
        self._by_key[definition.key] = definition
        self._versions.setdefault(definition.process.id, {})[definition.version] = definition

    def all(self) -> Iterable[Definition]:
        """Return all definitions, oldest first."""
        return self._by_key.values()

    def by_key(self, key: int) -> Definition | None:
        """Return the definition with a key."""
        return self._by_key.get(key)

    def latest(self, process_id: str) -> Definition | None:
        """Return the latest version of a process."""
        versions = self._versions.get(process_id)
        return versions[len(versions)] if versions else None

    def version(self, process_id: str, version: int) -> Definition | None:
        """Return a version of a process; -1 is the latest."""
        if version == -1:
            return self.latest(process_id)
        return self._versions.get(process_id, {}).get(version)
