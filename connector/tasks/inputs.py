"""Looking up what was given: aliases, blanks, and names that do not exist.

A job's variables, or one context of them, enter together with their definitions; :class:`Value` objects
leave, each with the name that the modeler wrote.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from connector.errors import InputError
from connector.tasks.definitions import Definitions
from connector.tasks.values import Value, as_boolean, is_blank, kind, shown

_MAX_NAME = 60


class Inputs:
    """The variables of a job, or the keys of a context, as their definitions name them.

    Args:
        data: The JSON values by name.
        definitions: What may be asked for.
        path: The name of the context, empty for the variables of a job.
    """

    __slots__ = ("_data", "_definitions", "_path", "_table")

    def __init__(self, data: Mapping[str, Any], definitions: Definitions, path: str = "") -> None:
        self._data = data
        self._table = definitions
        self._definitions = definitions.by_name
        self._path = path

    def get(self, name: str) -> Value | None:
        """The value, or None when it is absent or blank.

        Raises:
            InputError: It is given under two names, differently.
        """
        value = self._written(name)
        for alias in self._definitions[name].aliases:
            other = self._written(alias)
            if value and other and value.data != other.data:
                raise value.error(f"{alias} says something else; it is another name for it, give one")
            value = value or other
        return value

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
        return any(self.get(name) is not None for name in names)

    def requires(self, name: str) -> bool:
        """Whether the definition says that it cannot be left out."""
        return self._definitions[name].required

    def null(self, name: str) -> bool:
        """Whether a null was handed over, which FEEL makes of an expression that fails."""
        return any(
            written in self._data and self._data[written] is None for written in self._definitions[name].names
        )

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
            raise InputError(self._path, f"{shown(key)} is no key of it; {advice}", allowed=known)

    def _written(self, name: str) -> Value | None:
        data = self._data.get(name)
        # Most inputs are not given, and this is asked for each of them.
        return None if data is None or is_blank(data) else Value(self._field(name), data)

    def _missing(self, name: str, advice: str) -> Value:
        if self.null(name):
            reason = "is null: its FEEL expression probably names a variable that does not exist"
        elif any(written in self._data for written in self._definitions[name].names):
            reason = "is empty"
        else:
            reason = "is missing"
        raise InputError(self._field(name), f"{reason}; {advice}")

    def _field(self, name: str) -> str:
        return f"{self._path}.{name}" if self._path else name
