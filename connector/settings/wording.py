"""The faults that pydantic finds in the settings, in the words of an operator.

Pydantic speaks of Python's types ("valid tuple", "Input should be"), which say nothing to the reader of a
YAML file. A fault never quotes the value, which may be a secret.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_WORDS = {
    "missing": "is required; set it",
    "extra_forbidden": "no such setting; remove it",
    "tuple_type": "expected a list, as [one, two]",
    "list_type": "expected a list, as [one, two]",
    "too_short": "is empty; give one value at least",
    "string_type": "expected text",
    "path_type": "expected the path of a file",
    "int_parsing": "expected a whole number",
    "int_type": "expected a whole number",
    "int_from_float": "expected a whole number",
    "int_parsing_size": "expected a smaller number",
    "float_parsing": "expected a number",
    "float_type": "expected a number",
    "finite_number": "expected a finite number",
    "bool_parsing": "expected true or false",
    "bool_type": "expected true or false",
    "dict_type": "expected names with values, as {NAME: value}",
    "model_type": "expected keys with values",
    "model_attributes_type": "expected keys with values",
    "time_delta_parsing": "expected seconds, as 30, or an ISO 8601 duration, as PT30S",
    "time_delta_type": "expected seconds, as 30, or an ISO 8601 duration, as PT30S",
    "greater_than_equal": "expected {ge} or more",
    "greater_than": "expected more than {gt}",
    "less_than_equal": "expected at most {le}",
    "less_than": "expected less than {lt}",
    "literal_error": "expected {expected}",
    "enum": "expected {expected}",
    "string_too_short": "is empty; give a value",
    "string_pattern_mismatch": "has a character or a form that is not allowed",
    "string_too_long": "expected at most {max_length} characters",
}


def wording(error: Mapping[str, Any]) -> str:
    """Say what is wrong with one value.

    Args:
        error: One of ``ValidationError.errors()``.
    """
    words = _WORDS.get(error["type"])
    if words is None:
        return str(error["msg"]).removeprefix("Value error, ")
    told = {name: str(limit).removesuffix(".0") for name, limit in error.get("ctx", {}).items()}
    return words.format(**told).replace("'", "")
