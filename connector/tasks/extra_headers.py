"""Header fields that a task adds to its mail beyond those the connector writes."""

from __future__ import annotations

from typing import Any

from connector.errors import InputError
from connector.model.text import check_header, header_text
from connector.tasks.values import Value, is_blank, kind, mapping, text

_MOST = 200  # several times what any system adds


def read_headers(value: Value) -> tuple[tuple[str, str], ...]:
    """Read a map of header fields.

    Args:
        value: A context, or a JSON object in a text: name to text, number or boolean. A blank value
            leaves the field out.

    Returns:
        Names and values in the order of the map.

    Raises:
        InputError: A field that is not a task's to set, no value for a header, or more than 200 of them.
    """
    given = mapping(value)
    if len(given) > _MOST:
        raise value.error(f"has more than {_MOST} headers; leave some out")
    return tuple((name, _checked(value, name, data)) for name, data in given.items() if not is_blank(data))


def _checked(value: Value, name: str, data: Any) -> str:
    # The name is checked first, with a harmless value, since errors about the value will quote it.
    check_header(name, "", value.field)
    field = f"{value.field}.{name}"
    written = text(Value(field, data)) if isinstance(data, str) else header_text(data)
    if written is None:
        raise InputError(field, f"must be text, not {kind(data)}")
    check_header(name, written, field)
    return written
