"""What a task gives for the fields of a mail: mailboxes, message ids, and extra fields."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from connector.errors import InputError
from connector.message.header import checked_message_id
from connector.model.addresses import Mailbox, concealed, parse_mailbox, split_list
from connector.model.text import check_header, check_text, header_text
from connector.tasks.inputs import Value, is_blank, items, kind, mapping, text

_BARE_ID = re.compile(r"[^\s,;]+")
_BRACKETED_ID = re.compile(r"<[^<>]*+>|[^\s,;<>]+|[<>]")  # within the brackets a comma belongs to the id
_MOST = 200  # several times what any system adds


def read_mailbox(value: Value, *, allow_local: bool = False) -> Mailbox:
    """Read one address, with or without a display name.

    Args:
        value: Text.
        allow_local: Accept a bare local part.

    Raises:
        InputError: Not one address.
    """
    return parse_mailbox(text(value), value.field, allow_local=allow_local)


def read_mailboxes(value: Value, *, allow_local: bool = False) -> tuple[Mailbox, ...]:
    """Read a list of addresses in any of a list's forms.

    Args:
        value: The list; a null or blank item in it is no address and is left out.
        allow_local: Accept bare local parts.

    Raises:
        InputError: An item that is not one address, named by its place.
    """
    listed = items(value, lambda written: split_list(check_text(written, value.field)))
    return tuple(_listed(item, allow_local=allow_local) for item in listed)


def _listed(item: Value, *, allow_local: bool) -> Mailbox:
    """Read one address of a list, and show enough of a wrong one to find it there."""
    try:
        return parse_mailbox(text(item), item.field, allow_local=allow_local)
    except InputError as error:
        if not isinstance(item.data, str):
            raise
        reason = error.message.removeprefix(f"{item.field}: ")
        raise item.error(f"{concealed(item.data)} {reason}") from error.__cause__


def read_message_ids(value: Value) -> tuple[str, ...]:
    """Read Message-IDs, each with or without its angle brackets, separated by blanks, commas or semicolons.

    Args:
        value: A list or text.

    Returns:
        The ids with angle brackets.

    Raises:
        InputError: An item that is no Message-ID.
    """
    listed = items(value, lambda written: _split_ids(check_text(written, value.field)))
    return tuple(checked_message_id(text(item), item.field) for item in listed)


def _split_ids(written: str) -> Iterator[str]:
    pattern = _BRACKETED_ID if "<" in written else _BARE_ID
    return (found[0] for found in pattern.finditer(written))


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
