"""Where secrets are named in the variables of a task, and what stands there afterwards.

JSON values and a look-up enter; the same values leave, with every reference replaced that stands in a place
where secrets are meant. Apart from the look-up, so that only one place decides where process data may turn
into a credential.

Two spellings, as Camunda's runtime knows them: ``{{secrets.NAME}}``, blanks allowed inside the braces, is
replaced anywhere in a text; bare ``secrets.NAME`` only where it is the whole text, blanks around it aside.
Camunda's runtime also replaced the bare form in the middle of a text, and stumbled over prose such as
"see secrets.Contact us". A value that was put in is never looked at again: a secret whose text says
``secrets.OTHER`` is that text.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from connector.errors import ErrorCode, InputError, SecretError

AUTHENTICATION = "authentication"

_NAME = r"[A-Za-z0-9][A-Za-z0-9/._-]*"
_LONGEST_NAME = 512  # AWS Secrets Manager's; errors and logs repeat a name
_VALID_NAME = re.compile(_NAME)
_BARE = re.compile(rf"\s*secrets\.({_NAME})\s*")
# Any name, so that a misspelt one is refused instead of sent to a mail server.
_BRACED = re.compile(r"\{\{\s*secrets\.([^{}]*)\}\}")

LookUp = Callable[[str, str], Awaitable[str]]
"""Gives the value of a secret, by its name and the field that names it."""


@dataclass(frozen=True, slots=True)
class _Spot:
    """A place in the variables.

    Attributes:
        field: As errors name it: ``smtpEmailAttachments[2].url``.
        path: As ``secrets.fields`` names it, the same for every item of a list: ``smtpEmailAttachments.url``.
        open: Whether secrets resolve here.
    """

    field: str
    path: str
    open: bool


async def replaced_in_text(text: str, field: str, look_up: LookUp) -> str:
    """Return a text with its references replaced.

    Raises:
        SecretError: A reference is no name, or the look-up fails.
    """
    if "secrets." not in text:
        return text
    if bare := _BARE.fullmatch(text):
        return await look_up(_checked(bare[1], field), field)
    # split() gives literal text and names in turn.
    pieces = _BRACED.split(text)
    for index in range(1, len(pieces), 2):
        pieces[index] = await look_up(_checked(pieces[index].strip(), field), field)
    return "".join(pieces)


def _checked(name: str, field: str) -> str:
    if len(name) > _LONGEST_NAME or not _VALID_NAME.fullmatch(name):
        message = f"{field}: what stands behind secrets. is no name of a secret"
        raise SecretError(ErrorCode.SECRET_NOT_FOUND, message, field=field)
    return name


def _mentions_secrets(value: Any) -> bool:
    """Whether there may be a reference in it: in most jobs there is none, and this is soon seen."""
    if isinstance(value, str):
        return "secrets." in value
    if isinstance(value, dict):
        return any(map(_mentions_secrets, value.values()))
    return isinstance(value, list) and any(map(_mentions_secrets, value))


class References:
    """Replaces the references in the variables of a task.

    Args:
        fields: The fields, beside ``authentication.*``, in which secrets resolve, with everything inside
            them.
        look_up: Gives a secret's value.
    """

    def __init__(self, fields: frozenset[str], look_up: LookUp) -> None:
        self._fields = fields
        self._variables = {AUTHENTICATION, *(field.partition(".")[0] for field in fields)}
        self._look_up = look_up

    async def replaced(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the variables with their secrets in place; what was given is left as it was.

        Only texts are looked at, at any depth, never keys. ``authentication`` given as one text (JSON, or a
        mistake) is left alone: a secret belongs to a key below it.

        Raises:
            SecretError: From the look-up.
            InputError: Hundreds of contexts within each other.
        """
        try:
            return {name: await self._variable(name, value) for name, value in variables.items()}
        except RecursionError:
            message = "a variable in which secrets resolve is nested too deeply; make it flat"
            raise InputError(AUTHENTICATION, message) from None

    async def _variable(self, name: str, value: Any) -> Any:
        if name not in self._variables or not _mentions_secrets(value):
            return value
        if name == AUTHENTICATION and not isinstance(value, str):
            return await self._resolved(value, _Spot(name, name, open=True))
        return await self._resolved(value, _Spot(name, name, open=name in self._fields))

    async def _resolved(self, value: Any, spot: _Spot) -> Any:
        match value:
            case str() if spot.open:
                return await replaced_in_text(value, spot.field, self._look_up)
            case dict():
                return {
                    key: await self._resolved(item, self._below(spot, key)) for key, item in value.items()
                }
            case list():
                return [
                    await self._resolved(item, _Spot(f"{spot.field}[{index}]", spot.path, spot.open))
                    for index, item in enumerate(value, 1)  # as the task readers count
                ]
            case _:
                return value

    def _below(self, spot: _Spot, key: str) -> _Spot:
        path = f"{spot.path}.{key}"
        return _Spot(f"{spot.field}.{key}", path, spot.open or path in self._fields)
