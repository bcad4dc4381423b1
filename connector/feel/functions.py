"""Functions that are not written in FEEL: the built-in ones, and those of Camunda's connectors.

A built-in function is registered with its signature as the documentation writes it, for example
``substring(string: string, start position: number, length: number)``. Several may share a name: the number or
the names of the arguments choose first, their types last. A call that fits none of them gives null and a
warning.

The connectors' functions (``bpmnError`` and the others) return a context that names the decision; the caller
acts on it. Names, parameters and shapes are those of Camunda's connector runtime. A wrong argument fails the
evaluation there and here: an error expression with a mistake must not end as "no error".
"""

from __future__ import annotations

import inspect
import math
import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import TypeVar

from connector.feel.errors import FeelError
from connector.feel.temporal import Date, DateTime, DayTimeDuration, Time, YearMonthDuration
from connector.feel.values import Function, Lambda, Range, Value, type_name

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


def asked(name: str, known: Iterable[str]) -> str:
    """Ask whether a function was meant that is called nearly so, or whose last word is."""
    whole = {other.lower(): other for other in known}
    folded = {other.rpartition(" ")[2]: spelt for other, spelt in whole.items()} | whole
    near = get_close_matches(name.lower(), folded, n=1, cutoff=0.75)
    return f"; did you mean {folded[near[0]]}?" if near else ""


def by_names(name: str, names: Sequence[str]) -> tuple[Builtin, ...]:
    """Return the built-in functions of that name that have all of these parameters."""
    return tuple(entry for entry in REGISTRY.get(name, ()) if set(names) <= set(entry.parameters))


_NO_TIME = DayTimeDuration(0)
_MILLISECOND = 1_000_000  # nanoseconds


def _bpmn_error(code: Value, *rest: Value) -> Value:
    """Throw a BPMN error; what is not given is not in the context either."""
    decided: dict[str, Value] = {
        "errorType": "bpmnError",
        "errorCode": _string("bpmnError", "errorCode", code),
    }
    if rest:
        decided["errorMessage"] = _string("bpmnError", "errorMessage", rest[0])
    if len(rest) > 1 and rest[1] is not None:
        decided["variables"] = _context("bpmnError", rest[1])
    return decided


def _job_error(
    message: Value, variables: Value = None, retries: Value = None, retry_backoff: Value = None
) -> Value:
    """Fail the job; without retries there is an incident at once."""
    if not isinstance(retries, Decimal | None):
        raise _wrong("jobError", "retries", "a number", retries)
    if not isinstance(retry_backoff, DayTimeDuration | None):
        raise _wrong("jobError", "retryBackoff", 'a duration such as @"PT30S"', retry_backoff)
    return {
        "errorType": "jobError",
        "errorMessage": _string("jobError", "errorMessage", message),
        "variables": {} if variables is None else _context("jobError", variables),
        "retries": Decimal(0) if retries is None else retries,
        "retryBackoff": retry_backoff or _NO_TIME,
    }


def _ignore_error(variables: Value = None) -> Value:
    """Complete the job in spite of the error."""
    if variables is None:
        return {"errorType": "ignoreError"}
    return {"errorType": "ignoreError", "variables": _context("ignoreError", variables)}


def _backoff(
    attempt: Value,
    min_delay: Value = None,
    factor: Value = None,
    max_delay: Value = None,
    jitter: Value = None,
) -> Value:
    """Give the pause behind an attempt: longer each time, up to a limit, and never quite the same."""
    least = _delay("minDelay", min_delay, 0.05)
    most = max(_delay("maxDelay", max_delay, 5.0), least)
    steps = max(_number("attempt", attempt, None), 1.0) - 1
    growth = max(_number("factor", factor, 1.6), 1.0)
    # Beyond the limit the exponent does not matter, and would only overflow.
    steps = min(steps, math.log(max(most / least, 1.0), growth) + 1) if growth > 1 else 0
    delay = min(least * growth**steps, most)
    share = min(_number("jitter", jitter, 0.1), 1.0)
    return DayTimeDuration(round(delay * (1 + random.uniform(-share, share)) * 1_000) * _MILLISECOND)  # noqa: S311


def _delay(parameter: str, value: Value, usual: float) -> float:
    """Read a duration as seconds."""
    if value is None:
        return usual
    if not isinstance(value, DayTimeDuration) or value.nanos <= 0:
        raise _wrong("backoff", parameter, 'a duration such as @"PT5S"', value)
    return value.nanos / 1_000_000_000


def _number(parameter: str, value: Value, usual: float | None) -> float:
    if value is None and usual is not None:
        return usual
    if not isinstance(value, Decimal) or value < 0:
        raise _wrong("backoff", parameter, "a number of 0 or more", value)
    return float(value)


def _string(function: str, parameter: str, value: Value) -> str:
    if not isinstance(value, str):
        raise _wrong(function, parameter, "a string", value)
    return value


def _context(function: str, value: Value) -> dict[str, Value]:
    if not isinstance(value, dict):
        raise _wrong(function, "variables", "a context such as {reason: error.code}", value)
    return value


def _wrong(function: str, parameter: str, wanted: str, value: Value) -> FeelError:
    advice = "; string(…) makes one of it" if wanted == "a string" and value is not None else ""
    return FeelError(f"{function} takes {wanted} as its {parameter}, not {_named(value)}{advice}")


def _named(value: Value) -> str:
    return "null" if value is None else f"a {type_name(value)}"


CONNECTOR_FUNCTIONS = {
    "bpmnError": Function(("errorCode", "errorMessage", "variables"), _bpmn_error, required=1),
    "jobError": Function(("errorMessage", "variables", "retries", "retryBackoff"), _job_error, required=1),
    "ignoreError": Function(("variables",), _ignore_error, required=0),
    "backoff": Function(("attempt", "minDelay", "factor", "maxDelay", "jitter"), _backoff, required=1),
}
