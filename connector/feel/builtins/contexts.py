"""Functions over contexts, ranges, booleans and values of any type.

The relations between ranges are written for two intervals; a point is the closed interval from itself to
itself. Values that cannot be compared give null. A relation that reverses another one is derived from it.
"""

from __future__ import annotations

from collections.abc import Callable

from connector.feel.comparison import order
from connector.feel.errors import FeelError
from connector.feel.functions import builtin
from connector.feel.values import Range, Run, Value

Context = dict[str, Value]


@builtin("get value(context: context, key: string)", "get value(m: context, key: string)")
def get_value(context: Context, key: str) -> Value:
    """Return the entry with this key, or null."""
    return context.get(key)


@builtin("get value(context: context, keys: list)")
def get_value_at(context: Context, keys: list[Value]) -> Value:
    """Return the nested entry that a path of keys leads to, or null."""
    value: Value = context if keys else None
    for key in keys:
        if not isinstance(key, str) or not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


@builtin("get entries(context: context)", "get entries(m: context)")
def get_entries(run: Run, context: Context) -> list[Value]:
    """Return the entries as contexts of ``key`` and ``value``."""
    run.charge(len(context))
    return [{"key": key, "value": value} for key, value in context.items()]


@builtin(
    "context put(context: context, key: string, value: Any)", "put(context: context, key: string, value: Any)"
)
def put(run: Run, context: Context, key: str, value: Value) -> Context:
    """Return the context with an entry added or replaced."""
    run.charge(len(context))
    return {**context, key: value}


@builtin("context put(context: context, keys: list, value: Any)")
def put_at(run: Run, context: Context, keys: list[Value], value: Value) -> Context | None:
    """Return the context with a nested entry added or replaced; what is no context on the way becomes one."""
    run.charge(len(context) + len(keys))
    if not keys or not all(isinstance(key, str) for key in keys):
        return None
    outermost = level = dict(context)
    for key in keys[:-1]:
        nested = level.get(str(key))
        inner = dict(nested) if isinstance(nested, dict) else {}
        run.charge(len(inner))
        level[str(key)] = inner
        level = inner
    level[str(keys[-1])] = value
    return outermost


@builtin("context merge(*contexts: list)", "put all(*contexts: list)")
def merge(run: Run, contexts: list[Value]) -> Context | None:
    """Return one context of several; of entries with the same key the last one counts."""
    if len(contexts) == 1 and isinstance(contexts[0], list):
        contexts = contexts[0]
    merged: Context = {}
    for context in contexts:
        if not isinstance(context, dict):
            return None
        run.charge(len(context) + 1)
        merged.update(context)
    return merged


@builtin("context(entries: list)")
def from_entries(run: Run, entries: list[Value]) -> Context | None:
    """Return a context of ``key`` and ``value`` pairs: the reverse of ``get entries``."""
    run.charge(len(entries))
    built: Context = {}
    for entry in entries:
        if not isinstance(entry, dict) or "value" not in entry:
            return None
        key = entry.get("key")
        if not isinstance(key, str):
            return None
        built[key] = entry["value"]
    return built


@builtin("not(negand: boolean)")
def negated(negand: bool) -> bool:
    """Return the opposite."""
    return not negand


@builtin("is defined(value: Any)")
def is_defined(value: Value) -> bool:
    """Tell whether there is a value; null is none."""
    return value is not None


@builtin("get or else(value: Any, default: Any)")
def get_or_else(value: Value, default: Value) -> Value:
    """Return the value, or the default where it is null."""
    return default if value is None else value


@builtin("assert(value: Any, condition: Any)", "assert(value: Any, condition: Any, cause: string)")
def asserted(value: Value, condition: Value, cause: str = "The condition is not true") -> Value:
    """Return the value if the condition is true; else fail the evaluation, as nothing else in FEEL does."""
    if condition is True:
        return value
    raise FeelError(f"The assertion failed: {cause}")


@builtin(
    "fromAi(value: Any)",
    "fromAi(value: Any, description: string?)",
    "fromAi(value: Any, description: string?, type: string?)",
    "fromAi(value: Any, description: string?, type: string?, schema: context?)",
    "fromAi(value: Any, description: string?, type: string?, schema: context?, options: context?)",
)
def from_ai(value: Value, *_: Value) -> Value:
    """Return the value as it is; the function only marks it for other tools."""
    return value


Relation = Callable[[Range, Range], bool]


class _IncomparableError(ValueError):
    """Two bounds cannot be compared."""


def _sign(left: Value, right: Value) -> int:
    verdict = order(left, right)
    if verdict is None:
        raise _IncomparableError
    return verdict


def _before(first: Range, second: Range) -> bool:
    apart = _sign(first.end, second.start)
    return apart < 0 or (apart == 0 and not (first.end_closed and second.start_closed))


def _meets(first: Range, second: Range) -> bool:
    return _sign(first.end, second.start) == 0 and first.end_closed and second.start_closed


def _overlaps(first: Range, second: Range) -> bool:
    return not _before(first, second) and not _before(second, first)


def _starts_earlier(first: Range, second: Range) -> bool:
    apart = _sign(first.start, second.start)
    return apart < 0 or (apart == 0 and first.start_closed and not second.start_closed)


def _ends_later(first: Range, second: Range) -> bool:
    apart = _sign(first.end, second.end)
    return apart > 0 or (apart == 0 and first.end_closed and not second.end_closed)


def _overlaps_before(first: Range, second: Range) -> bool:
    return _starts_earlier(first, second) and not _before(first, second) and not _ends_later(first, second)


def _same_end(first: Range, second: Range) -> bool:
    return _sign(first.end, second.end) == 0 and first.end_closed == second.end_closed


def _same_start(first: Range, second: Range) -> bool:
    return _sign(first.start, second.start) == 0 and first.start_closed == second.start_closed


def _finishes(first: Range, second: Range) -> bool:
    return _same_end(first, second) and not _starts_earlier(first, second)


def _starts(first: Range, second: Range) -> bool:
    return _same_start(first, second) and not _ends_later(first, second)


def _includes(first: Range, second: Range) -> bool:
    return not _starts_earlier(second, first) and not _ends_later(second, first)


def _coincides(first: Range, second: Range) -> bool:
    return _same_start(first, second) and _same_end(first, second)


def _reversed(relation: Relation) -> Relation:
    return lambda first, second: relation(second, first)


_POINTS = "(point1: point, point2: point)"
_POINT_IN_RANGE = "(point: point, range: range)"
_RANGE_WITH_POINT = "(range: range, point: point)"
_RANGES = "(range1: range, range2: range)"

_RELATIONS: dict[str, tuple[Relation, tuple[str, ...]]] = {
    "before": (_before, (_POINTS, _POINT_IN_RANGE, _RANGE_WITH_POINT, _RANGES)),
    "after": (_reversed(_before), (_POINTS, _POINT_IN_RANGE, _RANGE_WITH_POINT, _RANGES)),
    "meets": (_meets, (_RANGES,)),
    "met by": (_reversed(_meets), (_RANGES,)),
    "overlaps": (_overlaps, (_RANGES,)),
    "overlaps before": (_overlaps_before, (_RANGES,)),
    "overlaps after": (_reversed(_overlaps_before), (_RANGES,)),
    "finishes": (_finishes, (_POINT_IN_RANGE, _RANGES)),
    "finished by": (_reversed(_finishes), (_RANGE_WITH_POINT, _RANGES)),
    "includes": (_includes, (_RANGE_WITH_POINT, _RANGES)),
    "during": (_reversed(_includes), (_POINT_IN_RANGE, _RANGES)),
    "starts": (_starts, (_POINT_IN_RANGE, _RANGES)),
    "started by": (_reversed(_starts), (_RANGE_WITH_POINT, _RANGES)),
    "coincides": (_coincides, (_POINTS, _RANGES)),
}


def _interval(value: Value) -> Range:
    return value if isinstance(value, Range) else Range(value, value, start_closed=True, end_closed=True)


def _answering(relation: Relation) -> Callable[[Value, Value], bool | None]:
    def answer(first: Value, second: Value) -> bool | None:
        try:
            return relation(_interval(first), _interval(second))
        except _IncomparableError:
            return None

    return answer


for _name, (_relation, _signatures) in _RELATIONS.items():
    builtin(*(_name + signature for signature in _signatures))(_answering(_relation))
