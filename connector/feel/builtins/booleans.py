"""Boolean functions, and those that only look whether there is a value."""

from __future__ import annotations

from connector.feel.errors import FeelError
from connector.feel.functions import builtin
from connector.feel.values import Value


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
