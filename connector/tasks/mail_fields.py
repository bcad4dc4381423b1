"""What a task gives for the fields of a mail: mailboxes, message ids, and extra fields."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import Any

from connector.accounts.accounts import Account
from connector.errors import InputError
from connector.message.header import checked_message_id
from connector.model.addresses import Mailbox, concealed, parse_mailbox, split_list
from connector.model.mail import SentFolder
from connector.model.text import check_header, check_text, header_text
from connector.settings.participants import ROLE
from connector.tasks.inputs import Value, choice, is_blank, items, kind, mapping, shown, text
from connector.tasks.send_inputs import COPIES

_SENT_FOLDER = "sent-folder"
_COPIES_TO_COME = frozenset({"directory", "document"})

_BARE_ID = re.compile(r"[^\s,;]+")
_BRACKETED_ID = re.compile(r"<[^<>]*+>|[^\s,;<>]+|[<>]")  # within the brackets a comma belongs to the id
_MOST_SHOWN = 20
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


def read_mailboxes(
    value: Value, *, allow_local: bool = False, roles: Mapping[str, tuple[Mailbox, ...]] | None = None
) -> tuple[Mailbox, ...]:
    """Read a list of addresses in any of a list's forms.

    Args:
        value: The list; a null or blank item in it is no address and is left out.
        allow_local: Accept bare local parts.
        roles: Who stands behind an item ``role:NAME``; None where no roles can be named.

    Raises:
        InputError: An item that is not one address or known role, named by its place.
    """
    listed = items(value, lambda written: split_list(check_text(written, value.field)))
    if isinstance(value.data, str) and not allow_local:
        _refuse_split_name(listed)
    boxes: list[Mailbox] = []
    for item in listed:
        role = _role(item) if roles is not None else None
        if roles is None or role is None:
            boxes.append(_listed(item, allow_local=allow_local))
        else:
            boxes += _behind(item, role, roles)
    return tuple(boxes)


def _refuse_split_name(listed: Sequence[Value]) -> None:
    """Refuse ``Doe, Jane <jane@x>`` by what is wrong with it: the comma was taken for the list's.

    Where bare local parts are accepted, ``Doe`` may be one.
    """
    for item, following in pairwise(listed):
        first, second = str(item.data).strip(), str(following.data).strip()
        if second.endswith(">") and not second.startswith("<") and not any(sign in first for sign in "@<:"):
            raise item.error('a name with a comma needs double quotes, as "Doe, Jane" <jane@example.com>')


def read_participants(value: Value, *, allow_local: bool = False) -> dict[str, tuple[Mailbox, ...]]:
    """Read a map of roles to addresses; a role may stand for several people, or for none at the moment.

    Raises:
        InputError: A name that is no role's, or an address that is none.
    """
    given = mapping(value)
    if len(given) > _MOST:
        raise value.error(f"has more than {_MOST} roles; leave some out")
    if wrong := [name for name in given if not ROLE.fullmatch(name)]:
        raise value.error(f"{shown(wrong[0])} is no name of a role; use letters, digits, blanks, . _ and -")
    return {
        name: ()
        if is_blank(data)
        else read_mailboxes(Value(f"{value.field}.{name}", data), allow_local=allow_local)
        for name, data in given.items()
    }


def configured_participants(roles: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[Mailbox, ...]]:
    """Read the roles of the settings, whose addresses were checked there."""
    return {name: _configured(addresses) for name, addresses in roles.items()}


@lru_cache(1_000)
def _configured(addresses: tuple[str, ...]) -> tuple[Mailbox, ...]:
    # Cached, since every mail needs them, and each record of a bulk task is one.
    return tuple(parse_mailbox(address, "participants") for address in addresses)


def _role(item: Value) -> str | None:
    if not isinstance(item.data, str):
        return None
    prefix, found, name = item.data.strip().partition(":")
    return name.strip() if found and prefix.lower() == "role" else None


def _behind(item: Value, role: str, roles: Mapping[str, tuple[Mailbox, ...]]) -> tuple[Mailbox, ...]:
    boxes = roles.get(role)
    if boxes is None:
        known = tuple(roles)[:_MOST_SHOWN]
        there = (
            f"there are: {', '.join(known)}" if known else "smtpEmailParticipants and the settings name none"
        )
        raise item.error(f"there is no role {shown(role)}; {there}", allowed=known)
    if not boxes:
        raise item.error(f"the role {shown(role)} has no address; give it one")
    return boxes


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


def read_copy(value: Value | None, account: Account | None) -> SentFolder | None:
    """Read where a copy of the mail goes, as the task or else its account says.

    Raises:
        InputError: No such copy can be made.
    """
    if value is None:
        return account.sent_folder if account is not None and account.copies.to == _SENT_FOLDER else None
    if text(value).strip().lower() in _COPIES_TO_COME:
        raise value.error(f"{text(value)[:20]} is not available in this version; write sent-folder or none")
    if choice(value, dict(zip(COPIES, COPIES, strict=True))) != _SENT_FOLDER:
        return None
    if account is None or (account.sent_folder is None and not account.files_sent):
        raise value.error(
            "sent-folder needs an account with a mailbox over IMAP; an operator adds its incoming"
        )
    return account.sent_folder
