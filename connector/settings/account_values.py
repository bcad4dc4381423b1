"""The kinds of values that only accounts have, and what is valid for each.

They are the same that a task may write, so the checks are those of a task's variables; here their errors
become the :class:`ValueError` that pydantic reports with the setting's name.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from connector.errors import InputError
from connector.model.addresses import parse_mailbox
from connector.settings.values import from_json
from connector.tasks.extra_headers import read_headers
from connector.tasks.server import read_hostname
from connector.tasks.values import Value

_MOST_SHOWN = 60


def _hostname(text: str) -> str:
    try:
        return read_hostname(Value("host", text))
    except InputError as error:
        raise ValueError(_without_field(error)) from None


def _address(text: str) -> str:
    try:
        mailbox = parse_mailbox(text, "address")
    except InputError as error:
        raise ValueError(_without_field(error)) from None
    if mailbox.name:
        raise ValueError("expected the address alone; its name belongs in display_name")
    return mailbox.address


def _headers(given: object) -> dict[str, str]:
    """Take a map, or JSON from the environment."""
    given = from_json(given)
    if not isinstance(given, dict):
        # ValueError, as pydantic reports only that one.
        raise ValueError("expected header names with values, as {X-Team: sales}")  # noqa: TRY004
    return dict(item for name, data in given.items() for item in _header(str(name), data))


def _header(name: str, data: object) -> tuple[tuple[str, str], ...]:
    try:
        return read_headers(Value("headers", {name: data}))
    except InputError as error:
        raise ValueError(f"{name[:_MOST_SHOWN]!r}: {_without_field(error)}") from None


def _version(given: object) -> object:
    # YAML reads 1.2 as a number.
    return str(given) if isinstance(given, float) else given


def _without_field(error: InputError) -> str:
    return error.message.removeprefix(f"{error.field}: ")


HostName = Annotated[str, AfterValidator(_hostname)]
Address = Annotated[str, AfterValidator(_address)]
Headers = Annotated[
    dict[str, str],
    BeforeValidator(_headers),
    WithJsonSchema(
        {
            "type": "object",
            "maxProperties": 200,
            "additionalProperties": {"type": ["string", "number", "boolean", "null"]},
        }
    ),
]
TlsVersion = Annotated[
    Literal["1.2", "1.3"], BeforeValidator(_version), WithJsonSchema({"enum": ["1.2", "1.3", 1.2, 1.3]})
]
