"""List functions: those that give a list, and those that give one value for its elements.

Positions count from 1, and from the end if negative; a position outside the list counts as its end or start.
The functions that give one value, such as ``sum``, take a list, or its elements as arguments.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable
from decimal import Decimal
from functools import cmp_to_key

from connector.feel.arithmetic import from_double
from connector.feel.calls import apply
from connector.feel.comparison import identity, order, same
from connector.feel.errors import FeelError
from connector.feel.functions import builtin
from connector.feel.values import NUMBERS, Lambda, Run, Value

Items = list[Value]


@builtin("list contains(list: list, element: Any)")
def list_contains(run: Run, items: Items, element: Value) -> bool:
    """Tell whether an element is in a list."""
    run.charge(len(items))
    return any(same(item, element, run) for item in items)


@builtin("count(list: list)")
def count(items: Items) -> Decimal:
    """Return how many elements a list has."""
    return Decimal(len(items))


@builtin("is empty(list: list)")
def is_empty(items: Items) -> bool:
    """Tell whether a list has no elements."""
    return not items


@builtin("sublist(list: list, start position: number)")
def sublist(run: Run, items: Items, start: Decimal) -> Items | None:
    """Return the rest of a list from a position."""
    run.charge(len(items))
    at = _place(items, start)
    return None if at is None else items[max(at, 0) :]


@builtin("sublist(list: list, start position: number, length: number)")
def sublist_of_length(run: Run, items: Items, start: Decimal, length: Decimal) -> Items | None:
    """Return so many elements of a list from a position."""
    run.charge(len(items))
    at = _place(items, start)
    if at is None:
        return None
    end = at + int(min(length, Decimal(2 * len(items) + 2)))
    return items[max(at, 0) : max(end, 0)]


def _place(items: Items, position: Decimal) -> int | None:
    """Return a position counted from 0, before or behind the list if it is outside; 0 is no position."""
    whole = int(max(min(position, Decimal(len(items) + 1)), Decimal(-len(items) - 1)))
    if whole == 0:
        return None
    return whole - 1 if whole > 0 else len(items) + whole


@builtin("append(list: list, *items: Any)")
def append(run: Run, items: Items, added: Items) -> Items:
    """Return the list with elements added at its end."""
    run.charge(len(items) + len(added))
    return items + added


@builtin("concatenate(*lists: list)")
def concatenate(run: Run, lists: Items) -> Items:
    """Return the elements of several lists in one; what is no list counts as an element."""
    joined: Items = []
    for each in _lists(lists):
        found = each if isinstance(each, list) else [each]
        run.charge(len(found) + 1)
        joined.extend(found)
    return joined


def _lists(given: Items) -> Items:
    """Return the lists that were given as arguments, or as one list of lists."""
    only = given[0] if len(given) == 1 else None
    if isinstance(only, list) and only and all(isinstance(item, list) for item in only):
        return only
    return given


@builtin("insert before(list: list, position: number, newItem: Any)")
def insert_before(run: Run, items: Items, position: Decimal, added: Value) -> Items | None:
    """Return the list with an element inserted before a position."""
    run.charge(len(items))
    at = _place(items, position)
    return None if at is None else [*items[: max(at, 0)], added, *items[max(at, 0) :]]


@builtin("remove(list: list, position: number)")
def remove(run: Run, items: Items, position: Decimal) -> Items | None:
    """Return the list without the element at a position."""
    run.charge(len(items))
    at = _place(items, position)
    return None if at is None else items[: max(at, 0)] + items[max(at + 1, 0) :]


@builtin("reverse(list: list)")
def reverse(run: Run, items: Items) -> Items:
    """Return the list in the opposite order."""
    run.charge(len(items))
    return items[::-1]


@builtin("index of(list: list, match: Any)")
def index_of(run: Run, items: Items, match: Value) -> Items:
    """Return the positions of an element."""
    run.charge(len(items))
    return [Decimal(at) for at, item in enumerate(items, 1) if same(item, match, run)]


@builtin("union(*lists: list)")
def union(run: Run, lists: Items) -> Items:
    """Return the elements of several lists in one, each once."""
    return distinct_values(run, concatenate(run, lists))


@builtin("distinct values(list: list)")
def distinct_values(run: Run, items: Items) -> Items:
    """Return each element once, in the order in which they come first."""
    run.charge(len(items))
    first: dict[Hashable, Value] = {}
    for item in items:
        first.setdefault(identity(item, run), item)
    return list(first.values())


@builtin("duplicate values(list: list)")
def duplicate_values(run: Run, items: Items) -> Items:
    """Return the elements that are there more than once, in the order in which they come first."""
    run.charge(len(items))
    times: dict[Hashable, int] = {}
    keys = [identity(item, run) for item in items]
    for key in keys:
        times[key] = times.get(key, 0) + 1
    first = dict(zip(reversed(keys), reversed(items), strict=True))
    return [first[key] for key, number in times.items() if number > 1]


@builtin("flatten(list: list)")
def flatten(run: Run, items: Items) -> Items:
    """Return all elements without the lists they are nested in."""
    flat: Items = []
    waiting = [iter(items)]
    while waiting:
        for item in waiting[-1]:
            run.charge(1)
            if isinstance(item, list):
                waiting.append(iter(item))
                break
            flat.append(item)
        else:
            waiting.pop()
    return flat


class _UndecidedError(Exception):
    """A function that should tell which element comes first told nothing."""


@builtin("sort(list: list, precedes: function)")
def sort(run: Run, items: Items, precedes: Lambda) -> Items | None:
    """Return the list in the order of a function that tells which of two comes first; null if it cannot."""
    run.charge(len(items))

    def before(left: Value, right: Value) -> bool:
        verdict = apply(precedes, (left, right), precedes.scope)
        if not isinstance(verdict, bool):
            raise _UndecidedError
        return verdict

    def compare(left: Value, right: Value) -> int:
        return -1 if before(left, right) else 1 if before(right, left) else 0

    try:
        return sorted(items, key=cmp_to_key(compare))
    except _UndecidedError:
        return None


@builtin("partition(list: list, size: number)")
def partition(run: Run, items: Items, size: Decimal) -> Items | None:
    """Return the elements in lists of a size; the last one may be shorter."""
    run.charge(len(items))
    step = int(min(size, Decimal(len(items) + 1)))
    return [items[at : at + step] for at in range(0, len(items), step)] if step > 0 else None


def _elements(run: Run, given: list[Value]) -> list[Value]:
    found = given[0] if len(given) == 1 and isinstance(given[0], list) else given
    run.charge(len(found) + 1)
    return found


def _numbers(run: Run, given: list[Value]) -> list[Decimal] | None:
    """Return the elements if there are any and all are numbers."""
    found = [element for element in _elements(run, given) if isinstance(element, Decimal)]
    return found if found and len(found) == len(_elements(run, given)) else None


def _sum(numbers: list[Decimal]) -> Decimal:
    total = numbers[0]
    for number in numbers[1:]:
        total = NUMBERS.add(total, number)
    return total


@builtin("min(*list: list)")
def least(run: Run, given: list[Value]) -> Value:
    """Return the least element; null if they cannot be compared."""
    return _extreme(_elements(run, given), lambda verdict: verdict < 0)


@builtin("max(*list: list)")
def greatest(run: Run, given: list[Value]) -> Value:
    """Return the greatest element; null if they cannot be compared."""
    return _extreme(_elements(run, given), lambda verdict: verdict > 0)


def _extreme(elements: list[Value], wins: Callable[[int], bool]) -> Value:
    if not elements or order(elements[0], elements[0]) is None:
        return None
    best = elements[0]
    for element in elements[1:]:
        verdict = order(element, best)
        if verdict is None:
            return None
        if wins(verdict):
            best = element
    return best


@builtin("sum(*list: list)")
def total(run: Run, given: list[Value]) -> Decimal | None:
    """Return the sum; null for no numbers."""
    numbers = _numbers(run, given)
    return _sum(numbers) if numbers else None


@builtin("product(*list: list)")
def product(run: Run, given: list[Value]) -> Decimal | None:
    """Return the product; null for no numbers."""
    numbers = _numbers(run, given)
    if not numbers:
        return None
    result = numbers[0]
    try:
        for number in numbers[1:]:
            result = NUMBERS.multiply(result, number)
    except ArithmeticError:
        return None
    return result


@builtin("mean(*list: list)")
def mean(run: Run, given: list[Value]) -> Decimal | None:
    """Return the arithmetic mean; null for no numbers."""
    numbers = _numbers(run, given)
    return NUMBERS.divide(_sum(numbers), Decimal(len(numbers))) if numbers else None


@builtin("median(*list: list)")
def median(run: Run, given: list[Value]) -> Decimal | None:
    """Return the middle number, or the mean of the two in the middle; null for no numbers."""
    numbers = _numbers(run, given)
    if not numbers:
        return None
    numbers = sorted(numbers)
    upper = numbers[len(numbers) // 2]
    if len(numbers) % 2:
        return upper
    return NUMBERS.divide(NUMBERS.add(numbers[len(numbers) // 2 - 1], upper), Decimal(2))


@builtin("stddev(*list: list)")
def standard_deviation(run: Run, given: list[Value]) -> Decimal | None:
    """Return the standard deviation of a sample; the engine fails for a single number, so this does."""
    numbers = _numbers(run, given)
    if not numbers:
        return None
    if len(numbers) == 1:
        raise FeelError("A single number has no standard deviation")
    middle = NUMBERS.divide(_sum(numbers), Decimal(len(numbers)))
    squares = [NUMBERS.power(NUMBERS.subtract(number, middle), 2) for number in numbers]
    return from_double(math.sqrt(NUMBERS.divide(_sum(squares), Decimal(len(numbers) - 1))))


@builtin("mode(*list: list)")
def mode(run: Run, given: list[Value]) -> Value:
    """Return the numbers that are there most often, the least first; nothing for an empty list."""
    if given == [[]]:
        return []
    numbers = _numbers(run, given)
    if not numbers:
        return None
    counts = Counter(numbers)
    most = max(counts.values())
    return [*sorted(number for number, count in counts.items() if count == most)]


@builtin("all(*list: list)", "and(*list: list)")
def all_true(run: Run, given: list[Value]) -> bool | None:
    """Tell whether all elements are true; null if one is no boolean and none is false."""
    return _ternary(_elements(run, given), decisive=False)


@builtin("any(*list: list)", "or(*list: list)")
def any_true(run: Run, given: list[Value]) -> bool | None:
    """Tell whether an element is true; null if one is no boolean and none is true."""
    return _ternary(_elements(run, given), decisive=True)


def _ternary(elements: list[Value], *, decisive: bool) -> bool | None:
    if any(element is decisive for element in elements):
        return decisive
    return not decisive if all(type(element) is bool for element in elements) else None
