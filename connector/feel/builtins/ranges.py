"""Range functions: how points and intervals lie to each other.

Each relation is written for two intervals; a point is the closed interval from itself to itself. What cannot
be compared gives null. A relation that is the reverse of another has no definition of its own.
"""

from __future__ import annotations

from collections.abc import Callable

from connector.feel.comparison import order
from connector.feel.functions import builtin
from connector.feel.values import Range, Value

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
