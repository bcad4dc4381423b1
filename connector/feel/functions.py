"""Functions that are not written in FEEL: their signatures, and how a call finds the one that fits.

A built-in function is registered with its signature as the documentation writes it, for example
``substring(string: string, start position: number, length: number)``. Several may share a name: the
number or the names of the arguments choose first, their types last. No fitting function means null, and
a warning; that is FEEL's answer to a call that cannot be made.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

from connector.feel.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration
from connector.feel.values import Lambda, Range, Value

_POINTS: tuple[type, ...] = (Decimal, Date, Time, DateTime, DayTimeDuration, YearMonthDuration)
_TYPES: dict[str, frozenset[type]] = {
    "boolean": frozenset({bool}),
    "number": frozenset({Decimal}),
    "string": frozenset({str}),
    "list": frozenset({list}),
    "context": frozenset({dict}),
    "date": frozenset({Date}),
    "day": frozenset({Date, DateTime}),
    "time": frozenset({Time}),
    "date and time": frozenset({DateTime}),
    "days and time duration": frozenset({DayTimeDuration}),
    "years and months duration": frozenset({YearMonthDuration}),
    "range": frozenset({Range}),
    "point": frozenset(_POINTS),
    "function": frozenset({Lambda}),
}
_SIGNATURE = re.compile(r"(?P<name>[^(]+)\((?P<parameters>.*)\)")


@dataclass(frozen=True, slots=True)
class Function:
    """A function that the caller adds to an evaluation.

    Args:
        parameters: Their names, for calls with named arguments.
        call: Takes the arguments that were given, by position, as FEEL values (`Decimal` for numbers); an
            argument that a named call leaves out before another is None. Returns a FEEL value. It may raise
            `FeelError` with a message; that ends the evaluation, and the engine adds the place.
        required: How many arguments must be given; all by default.
    """

    parameters: tuple[str, ...]
    call: Callable[..., Value]
    required: int | None = None

    def takes(self, count: int) -> bool:
        """Tell whether a call with so many arguments can be made."""
        least = len(self.parameters) if self.required is None else self.required
        return least <= count <= len(self.parameters)


@dataclass(frozen=True, slots=True)
class Builtin:
    """A built-in function: the types its arguments must have (None: any), and whether it wants the `Run`."""

    name: str
    parameters: tuple[str, ...]
    types: tuple[frozenset[type] | None, ...]
    variadic: bool
    call: Callable[..., Value]
    wants_run: bool

    def fits(self, arguments: Sequence[Value]) -> bool:
        """Tell whether the arguments have the types of the signature."""
        for types, argument in zip(self.types, arguments, strict=False):
            if types is not None and type(argument) not in types:
                return False
        return True


REGISTRY: dict[str, list[Builtin]] = {}
_Call = TypeVar("_Call", bound=Callable[..., Value])


def builtin(*signatures: str) -> Callable[[_Call], _Call]:
    """Register a function under one or more signatures.

    A type followed by ``?`` takes null as well; a last parameter that starts with ``*`` takes the rest of the
    arguments as one list. A Python function whose first parameter is ``run`` gets the `Run`.
    """

    def register(call: _Call) -> _Call:
        wants_run = next(iter(inspect.signature(call).parameters), "") == "run"
        for signature in signatures:
            entry = _read(signature, call, wants_run=wants_run)
            REGISTRY.setdefault(entry.name, []).append(entry)
        return call

    return register


def _read(signature: str, call: Callable[..., Value], *, wants_run: bool) -> Builtin:
    match = _SIGNATURE.fullmatch(signature)
    if match is None:
        raise ValueError(signature)
    written = [part.strip() for part in match["parameters"].split(",") if part]
    variadic = bool(written) and written[-1].startswith("*")
    pairs = [part.lstrip("*").split(": ") for part in written]
    types = tuple(_types(kind) for _, kind in pairs)
    return Builtin(match["name"], tuple(name for name, _ in pairs), types, variadic, call, wants_run)


def _types(kind: str) -> frozenset[type] | None:
    if kind == "Any":
        return None
    types = _TYPES[kind.rstrip("?")]
    return types | {type(None)} if kind.endswith("?") else types


def by_position(name: str, count: int) -> tuple[Builtin, ...]:
    """Return the built-in functions of that name that take so many arguments."""
    return tuple(
        entry
        for entry in REGISTRY.get(name, ())
        if (entry.variadic and count >= len(entry.parameters)) or len(entry.parameters) == count
    )


def by_names(name: str, names: Sequence[str]) -> tuple[Builtin, ...]:
    """Return the built-in functions of that name that have all of these parameters."""
    return tuple(entry for entry in REGISTRY.get(name, ()) if set(names) <= set(entry.parameters))
