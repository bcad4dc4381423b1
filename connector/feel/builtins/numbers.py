"""Numeric functions."""

from __future__ import annotations

import math
import random
from decimal import (
    ROUND_CEILING,
    ROUND_DOWN,
    ROUND_FLOOR,
    ROUND_HALF_DOWN,
    ROUND_HALF_EVEN,
    ROUND_HALF_UP,
    ROUND_UP,
    Context,
    Decimal,
)

from connector.feel.arithmetic import from_double
from connector.feel.errors import FeelError
from connector.feel.functions import builtin
from connector.feel.temporal import DayTimeDuration, YearMonthDuration
from connector.feel.values import NUMBERS

_MODES = {
    "UP": ROUND_UP,
    "DOWN": ROUND_DOWN,
    "CEILING": ROUND_CEILING,
    "FLOOR": ROUND_FLOOR,
    "HALF_UP": ROUND_HALF_UP,
    "HALF_DOWN": ROUND_HALF_DOWN,
    "HALF_EVEN": ROUND_HALF_EVEN,
}
# Rounding to more digits than this would only add zeros: a number never has so many.
_MOST_PLACES = 450
_ROOMY = Context(prec=3 * 6_200)
_ZERO = Decimal(0)


def _round(number: Decimal, scale: Decimal, mode: str) -> Decimal:
    if scale > _MOST_PLACES:
        return number
    places = int(max(scale, Decimal(-6_200)))
    return number.quantize(Decimal((0, (1,), -places)), rounding=mode, context=_ROOMY)


@builtin("decimal(n: number, scale: number)")
def decimal(number: Decimal, scale: Decimal) -> Decimal:
    """Round to so many digits behind the point, a half to the even digit."""
    return _round(number, scale, ROUND_HALF_EVEN)


@builtin("decimal(n: number, scale: number, mode: string)")
def decimal_by_mode(number: Decimal, scale: Decimal, mode: str) -> Decimal | None:
    """Round to so many digits in a mode, whose name may be written in any case."""
    mode = mode.upper()
    if mode == "UNNECESSARY":
        rounded = _round(number, scale, ROUND_DOWN)
        return rounded if rounded == number else None
    return _round(number, scale, _MODES[mode]) if mode in _MODES else None


@builtin("floor(n: number)", "floor(n: number, scale: number)")
def floor(number: Decimal, scale: Decimal = _ZERO) -> Decimal:
    """Round down, towards minus infinity."""
    return _round(number, scale, ROUND_FLOOR)


@builtin("ceiling(n: number)", "ceiling(n: number, scale: number)")
def ceiling(number: Decimal, scale: Decimal = _ZERO) -> Decimal:
    """Round up, towards infinity."""
    return _round(number, scale, ROUND_CEILING)


@builtin("round up(n: number, scale: number)")
def round_up(number: Decimal, scale: Decimal) -> Decimal:
    """Round away from zero."""
    return _round(number, scale, ROUND_UP)


@builtin("round down(n: number, scale: number)")
def round_down(number: Decimal, scale: Decimal) -> Decimal:
    """Round towards zero."""
    return _round(number, scale, ROUND_DOWN)


@builtin("round half up(n: number, scale: number)")
def round_half_up(number: Decimal, scale: Decimal) -> Decimal:
    """Round to the nearest, a half away from zero."""
    return _round(number, scale, ROUND_HALF_UP)


# The engine knows the parameter of this one by no name that the others have.
@builtin("round half down(number: number, scale: number)")
def round_half_down(number: Decimal, scale: Decimal) -> Decimal:
    """Round to the nearest, a half towards zero."""
    return _round(number, scale, ROUND_HALF_DOWN)


@builtin("abs(number: number)", "abs(n: number)")
def absolute(number: Decimal) -> Decimal:
    """Return the size of a number."""
    return number.copy_abs()


@builtin("abs(n: days and time duration)", "abs(n: years and months duration)")
def absolute_duration(duration: DayTimeDuration | YearMonthDuration) -> DayTimeDuration | YearMonthDuration:
    """Return the size of a duration."""
    if isinstance(duration, DayTimeDuration):
        return DayTimeDuration(abs(duration.nanos))
    return YearMonthDuration(abs(duration.months))


@builtin("modulo(dividend: number, divisor: number)")
def modulo(dividend: Decimal, divisor: Decimal) -> Decimal | None:
    """Return what a division leaves, with the sign of the divisor; it fails for zero, as the engine does."""
    if not divisor:
        raise FeelError("Nothing can be divided by zero")
    try:
        quotient = NUMBERS.divide(dividend, divisor).to_integral_value(ROUND_FLOOR)
        return NUMBERS.subtract(dividend, NUMBERS.multiply(divisor, quotient))
    except ArithmeticError:
        return None


@builtin("sqrt(number: number)")
def sqrt(number: Decimal) -> Decimal | None:
    """Return the square root, as a double; null for what is below zero."""
    return from_double(math.sqrt(number)) if number >= 0 else None


@builtin("log(number: number)")
def log(number: Decimal) -> Decimal:
    """Return the natural logarithm, as a double; it fails for what is not above zero, as the engine does."""
    return from_double(math.log(number) if number > 0 else math.nan)


@builtin("exp(number: number)")
def exp(number: Decimal) -> Decimal:
    """Return e to the power of a number, as a double; the engine fails if it is too large."""
    try:
        return from_double(math.exp(number))
    except OverflowError:
        return from_double(math.inf)


def _remainder_of_two(number: Decimal) -> Decimal | None:
    try:
        return NUMBERS.remainder(number, Decimal(2)).copy_abs()
    except ArithmeticError:
        return None


@builtin("odd(number: number)")
def odd(number: Decimal) -> bool:
    """Tell whether a number is odd."""
    return _remainder_of_two(number) == 1


@builtin("even(number: number)")
def even(number: Decimal) -> bool:
    """Tell whether a number is even."""
    return _remainder_of_two(number) == 0


@builtin("random number()")
def random_number() -> Decimal:
    """Return a random number from 0 to 1."""
    return from_double(random.random())  # noqa: S311 - for a process model, not for a secret
