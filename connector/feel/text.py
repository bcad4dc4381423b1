"""Values as text: what ``string()`` and ``to json()`` give.

The two differ in more than quotes: a context is ``{a:1}`` in FEEL and ``{"a":1}`` in JSON, and a moment in a
zone is ``…@Europe/Berlin`` in FEEL and ``…+02:00[Europe/Berlin]`` in JSON.
"""

from __future__ import annotations

import json
from decimal import Decimal

from connector.feel.limits import Run
from connector.feel.temporal import TEMPORAL
from connector.feel.temporal_text import iso_text, text_of
from connector.feel.values import Lambda, Range, Value


def number_text(number: Decimal) -> str:
    """Write a number with the digits it has, ``1.0`` and ``1E+40`` included; there is no negative zero."""
    return str(number if number else number.copy_abs())


def feel_text(value: Value, run: Run) -> str:
    """Write a value as ``string()`` does; a string stays what it is."""
    return value if isinstance(value, str) else _feel(value, run)


def _feel(value: Value, run: Run) -> str:
    run.charge(1)
    if isinstance(value, str):
        run.charge_text(len(value))
        return f'"{value}"'
    if isinstance(value, list):
        return f"[{', '.join(_feel(item, run) for item in value)}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{key}:{_feel(item, run)}' for key, item in value.items())}}}"
    if isinstance(value, TEMPORAL):
        return text_of(value)
    if isinstance(value, Range):
        return _range(value, run)
    return _plain(value)


def json_text(value: Value, run: Run) -> str:
    """Write a value as ``to json()`` does, without blanks."""
    run.charge(1)
    if isinstance(value, str):
        run.charge_text(len(value))
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, list):
        return f"[{','.join(json_text(item, run) for item in value)}]"
    if isinstance(value, dict):
        items = (
            f"{json.dumps(key, ensure_ascii=False)}:{json_text(item, run)}" for key, item in value.items()
        )
        return f"{{{','.join(items)}}}"
    if isinstance(value, TEMPORAL):
        return f'"{iso_text(value)}"'
    return f'"{_range(value, run)}"' if isinstance(value, Range) else _plain(value)


def _plain(value: bool | Decimal | Lambda | None) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return number_text(value)
    return f"function({', '.join(value.parameters)})"


def _range(value: Range, run: Run) -> str:
    opening, closing = "[" if value.start_closed else "(", "]" if value.end_closed else ")"
    return f"{opening}{_feel(value.start, run)}..{_feel(value.end, run)}{closing}"
