"""The values of FEEL, and the state of an evaluation: its names, its budget and its warnings.

A value is None, a bool, a `Decimal`, a str, a list, a dict (a *context* in FEEL's words), a temporal value, a
range or a function. JSON comes in with a process variable and is converted where an expression touches it.
Only JSON and FEEL's own types are let in, so an expression never holds a host object.

An expression comes with a process model, so it is only half trusted. An endless loop, a huge range or a
catastrophic regular expression must end with an error, soon, and leave other jobs alone. Everything that can
repeat (an iteration, a filter, a call, a built-in function over a list or a string) is charged to a budget by
its size. That bounds memory too, because nothing is built without being charged for.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from time import monotonic, thread_time
from typing import TypeAlias

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
# Steps between two looks at the clock: a step is at most some microseconds of work.
_SLICE = 512
# Powers of two: a string is charged with a step for each 32 characters, a copied list for each 8 items.
_CHARACTERS_PER_STEP = 5
_ITEMS_PER_STEP = 3
_MOST_WARNINGS = 20


@dataclass(frozen=True, slots=True)
class Limits:
    """How much one expression may ask for.

    Args:
        steps: Elements of work: an iteration, a call, an item of a list, 32 characters of a string.
        seconds: CPU time of the thread that evaluates it: other expressions beside it take nothing away.
        wait: Time on the wall clock, for a machine that gives the thread no CPU.
        characters: Length of the expression.
        calls: Depth of calls of functions that the expression defines.
    """

    steps: int = 1_100_000
    seconds: float = 0.8
    wait: float = 30.0
    characters: int = 50_000
    calls: int = 40


DEFAULT_LIMITS = Limits()


class Run:
    """The state of one evaluation: what is left of its budget, and what it has to say.

    ``given`` has the contexts that functions of the caller gave, each with the function's name.
    ``fuel`` is what is left until the next look at the clock. Hot loops take from it directly and call
    `refuel` when it falls below zero, which costs a third of a call to `charge`.
    """

    __slots__ = (
        "_deadline",
        "_latest",
        "_left",
        "_warnings",
        "calls",
        "clock",
        "converted",
        "fuel",
        "functions",
        "given",
        "limits",
    )

    def __init__(
        self, limits: Limits, functions: Mapping[str, Function], clock: Callable[[], datetime]
    ) -> None:
        self.limits = limits
        self.functions = functions
        self.clock = clock
        self.fuel = 0
        self.calls = 0
        self.converted: dict[int, object] = {}
        self.given: list[tuple[str, object]] = []
        self._left = limits.steps
        self._deadline = thread_time() + limits.seconds
        self._latest = monotonic() + limits.wait
        self._warnings: dict[str, None] = {}

    def charge(self, steps: int) -> None:
        """Take work from the budget.

        Raises:
            FeelLimitError: The budget or the time is used up.
        """
        self.fuel -= steps
        if self.fuel < 0:
            self.refuel()

    def charge_text(self, length: int) -> None:
        """Take a string of ``length`` characters from the budget."""
        self.charge((length >> _CHARACTERS_PER_STEP) + 1)

    def charge_copy(self, length: int) -> None:
        """Take a copy of a list of ``length`` items from the budget."""
        self.charge((length >> _ITEMS_PER_STEP) + 1)

    def refuel(self) -> None:
        """Take the next slice from the budget.

        Raises:
            FeelLimitError: The budget or the time is used up.
        """
        left = self._left + self.fuel
        if left < 0:
            raise FeelLimitError(f"The expression takes more than {self.limits.steps} steps")
        if self.seconds_left() <= 0:
            raise FeelLimitError(f"The expression takes longer than {self.limits.seconds} seconds")
        if monotonic() > self._latest:
            raise FeelLimitError(f"The expression has no result after {self.limits.wait} seconds")
        self.fuel = min(left, _SLICE)
        self._left = left - self.fuel

    def seconds_left(self) -> float:
        """Return the CPU time that is left, in seconds; zero or less when it is over."""
        return self._deadline - thread_time()

    def warn(self, message: str) -> None:
        """Note why a value is null; each message is kept once, and only the first ones."""
        if len(self._warnings) < _MOST_WARNINGS:
            self._warnings[message] = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was noted, in order."""
        return tuple(self._warnings)


class Scope:
    """The names that an expression sees; the outermost scope holds the variables as the JSON they are."""

    __slots__ = ("names", "parent", "run")

    def __init__(self, names: dict[str, Value], parent: Scope | None, run: Run) -> None:
        self.names = names
        self.parent = parent
        self.run = run


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
