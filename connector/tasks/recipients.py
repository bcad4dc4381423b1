"""Who a mail is from, who it goes to, and which mails it answers."""

from __future__ import annotations

import re
from collections.abc import Iterator

from connector.message.headers import message_id
from connector.model.addresses import Mailbox, parse_mailbox, split_list
from connector.model.text import check_text
from connector.tasks.values import Value, items, text

_BARE_ID = re.compile(r"[^\s,;]+")
_BRACKETED_ID = re.compile(r"<[^<>]*+>|[^\s,;<>]+|[<>]")  # within the brackets a comma belongs to the id


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
    return tuple(read_mailbox(item, allow_local=allow_local) for item in listed)


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
    return tuple(message_id(text(item), item.field) for item in listed)


def _split_ids(written: str) -> Iterator[str]:
    pattern = _BRACKETED_ID if "<" in written else _BARE_ID
    return (found[0] for found in pattern.finditer(written))
