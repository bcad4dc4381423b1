"""Functions that give one value for the elements of a list: the least, the sum, whether all are true.

Each takes a list, or its elements as arguments.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from decimal import Decimal

from connector.feel.arithmetic import from_double
from connector.feel.comparison import order
from connector.feel.errors import FeelError
from connector.feel.functions import builtin
from connector.feel.limits import Run
from connector.feel.values import NUMBERS, Value


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
