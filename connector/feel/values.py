"""The values of FEEL, and their way from and to JSON.

A value is None, a bool, a `Decimal`, a str, a list, a dict (a *context* in FEEL's words), a temporal
value, a range or a function. JSON comes in with a process variable and is converted where an expression
touches it; nothing but JSON and FEEL's own types is let in, so an expression never holds a host object.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import TYPE_CHECKING, TypeAlias

from connector.feel.errors import FeelError, FeelLimitError
from connector.feel.temporal import (
    TEMPORAL,
    Date,
    DateTime,
    DayTimeDuration,
    Temporal,
    Time,
    YearMonthDuration,
)
from connector.feel.temporal_text import result_text

if TYPE_CHECKING:
    from connector.feel.limits import Run

# IEEE 754 decimal128, as Camunda's engine calculates. Overflow is an error here, and null in FEEL.
NUMBERS = Context(
    prec=34,
    rounding=ROUND_HALF_EVEN,
    Emin=-6143,
    Emax=6144,
    traps=[InvalidOperation, DivisionByZero, Overflow],
)
# JSON has no such limits, but its readers have: a double ends there.
_LARGEST_EXPONENT = 308
_LARGEST_BITS = 1_024
# A number as written may have more digits than one that is calculated, but not any number of them.
MOST_DIGITS = 400


class Scope:
    """The names that an expression sees; the outermost scope holds the variables as the JSON they are."""

    __slots__ = ("names", "parent", "run")

    def __init__(self, names: dict[str, Value], parent: Scope | None, run: Run) -> None:
        self.names = names
        self.parent = parent
        self.run = run


@dataclass(frozen=True, slots=True)
class Range:
    """An interval; a bound belongs to it if it is closed."""

    start: Value
    end: Value
    start_closed: bool
    end_closed: bool


@dataclass(frozen=True, slots=True, eq=False)
class Lambda:
    """A function that the expression defines; ``weight`` is what a call is charged for."""

    parameters: tuple[str, ...]
    body: Node
    scope: Scope
    weight: int


Value: TypeAlias = "bool | Decimal | str | list[Value] | dict[str, Value] | Temporal | Range | Lambda | None"
Node: TypeAlias = Callable[[Scope], Value]

TYPE_NAMES: dict[type, str] = {
    type(None): "null",
    bool: "boolean",
    Decimal: "number",
    str: "string",
    list: "list",
    dict: "context",
    Date: "date",
    Time: "time",
    DateTime: "date and time",
    DayTimeDuration: "days and time duration",
    YearMonthDuration: "years and months duration",
    Range: "range",
    Lambda: "function",
}
_AS_IS = frozenset({type(None), bool, str, Decimal, *TEMPORAL})


def type_name(value: object) -> str:
    """Return what FEEL calls the type of a value."""
    return TYPE_NAMES[type(value)]


def from_json(value: object, run: Run) -> Value:
    """Convert what a process variable holds, whole; the work is charged, and done once for each container.

    Raises:
        FeelError: It is not JSON.
        FeelLimitError: It is larger than the budget allows.
    """
    kind = type(value)
    if kind in _AS_IS:
        return value  # type: ignore[return-value]
    if isinstance(value, dict | list | tuple):
        known = run.converted.get(id(value))
        if known is None:
            known = run.converted[id(value)] = _container(value, run)
        return known  # type: ignore[return-value]
    if isinstance(value, int):
        return _whole(value)
    if isinstance(value, float):
        # repr() is the shortest text that reads back as the same double: the number as it was written.
        return Decimal(float.__repr__(value)) if math.isfinite(value) else None
    if isinstance(value, str):
        return str.__str__(value)
    raise FeelError(f"A variable holds a value of the Python type {kind.__name__}, which is not JSON")


def _whole(value: int) -> Decimal:
    if value.bit_length() > _LARGEST_BITS:
        raise FeelError("A variable holds a number that is too large")
    return Decimal(value)


def _container(value: dict[object, object] | list[object] | tuple[object, ...], run: Run) -> Value:
    run.charge(len(value) + 1)
    if isinstance(value, dict):
        return {str(key): from_json(item, run) for key, item in value.items()}
    return [from_json(item, run) for item in value]


def to_json(value: Value, run: Run) -> object:
    """Convert a result to JSON: a number to int if whole, else float; a temporal value to ISO 8601 text.

    A function becomes what the engine makes of one, and a range null, as there.

    Raises:
        FeelLimitError: It is larger than the budget allows, or a number too large for JSON's readers.
    """
    kind = type(value)
    if kind is Decimal:
        return _json_number(value)  # type: ignore[arg-type]
    if kind is dict:
        run.charge(len(value))  # type: ignore[arg-type]
        return {key: to_json(item, run) for key, item in value.items()}  # type: ignore[union-attr]
    if kind is list:
        run.charge(len(value))  # type: ignore[arg-type]
        return [to_json(item, run) for item in value]  # type: ignore[union-attr]
    if isinstance(value, TEMPORAL):
        run.charge(1)
        return result_text(value)
    if isinstance(value, Lambda):
        names = list(value.parameters)
        shape = {"params": names, "paramSet": names, "invoke": {}, "properties": {}}
        return {**shape, "hasVarArgs": False, "comparable": False}
    return None if kind is Range else value


def _json_number(number: Decimal) -> int | float:
    if number and number.adjusted() > _LARGEST_EXPONENT:
        raise FeelLimitError(f"The number {number:.5E} is too large for a result")
    whole = int(number)
    return whole if whole == number else float(number)
