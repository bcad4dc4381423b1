"""Put the values of secrets where a task names them, and nowhere else.

The variables of a job enter, and leave with every reference resolved that stands in a place where secrets
are meant. Apart from the reading of a task, so that only one place decides where process data may turn into
a credential.

Two spellings, as Camunda's runtime knows them: ``{{secrets.NAME}}``, blanks allowed inside the braces, is
replaced anywhere in a text; bare ``secrets.NAME`` only where it is the whole text, blanks around it aside.
Camunda's runtime also replaced the bare form in the middle of a text, and stumbled over prose such as
"see secrets.Contact us". A value that was put in is never looked at again: a secret whose text says
``secrets.OTHER`` is that text. Where nobody has the secret, the job fails; the reference is never used as if
it were a password.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.errors import ErrorCode, InputError, SecretError
from connector.secrets.port import SecretProvider, UnusableSecretError
from connector.settings.model import SecretSettings

_NAME = r"[A-Za-z0-9][A-Za-z0-9/._-]*"
_VALID_NAME = re.compile(_NAME)
_BARE = re.compile(rf"\s*secrets\.({_NAME})\s*")
# Any name, so that a misspelt one is refused instead of sent to a mail server.
_BRACED = re.compile(r"\{\{\s*secrets\.([^{}]*)\}\}")
_ALWAYS = "authentication"


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


class SecretResolver:
    """Resolves the secrets of tasks.

    Args:
        providers: Where secrets are looked up; the first that has one wins.
        settings: ``secrets.fields`` names the fields, beside ``authentication.*``, in which secrets
            resolve, with everything inside them.
        remember: Told every value before it goes anywhere, so that logs and results can mask it.
    """

    def __init__(
        self, providers: Sequence[SecretProvider], settings: SecretSettings, remember: Callable[[str], None]
    ) -> None:
        self._providers = tuple(providers)
        self._fields = frozenset(settings.fields)
        self._remember = remember

    async def resolve(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the variables with their secrets in place; what was given is left as it was.

        Only texts are looked at, at any depth, never keys. ``authentication`` given as one text (JSON, or a
        mistake) is left alone: a secret belongs to a key below it.

        Args:
            variables: JSON values.

        Raises:
            SecretError: ``SECRET_NOT_FOUND``, naming field, secret and where it was looked for.
            InputError: Hundreds of contexts within each other.
        """
        try:
            return {name: await self._variable(name, value) for name, value in variables.items()}
        except RecursionError:
            message = "a variable in which secrets resolve is nested too deeply; make it flat"
            raise InputError(_ALWAYS, message) from None

    async def _variable(self, name: str, value: Any) -> Any:
        if name == _ALWAYS and not isinstance(value, str):
            return await self._resolved(value, _Spot(name, name, open=True))
        if any(field == name or field.startswith(f"{name}.") for field in self._fields):
            return await self._resolved(value, _Spot(name, name, open=name in self._fields))
        return value

    async def _resolved(self, value: Any, spot: _Spot) -> Any:
        match value:
            case str() if spot.open and "secrets." in value:
                return await self._text(value, spot.field)
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

    async def _text(self, text: str, field: str) -> str:
        if bare := _BARE.fullmatch(text):
            return await self._look_up(bare[1], field)
        # split() gives literal text and names in turn.
        pieces = _BRACED.split(text)
        for index in range(1, len(pieces), 2):
            pieces[index] = await self._look_up(pieces[index].strip(), field)
        return "".join(pieces)

    async def _look_up(self, name: str, field: str) -> str:
        if not _VALID_NAME.fullmatch(name):
            message = f"{field}: what stands between {{{{secrets. and }}}} is no name of a secret"
            raise SecretError(ErrorCode.SECRET_NOT_FOUND, message, field=field)
        for provider in self._providers:
            try:
                value = await provider.get(name)
            except UnusableSecretError as error:
                message = f"{field}: the secret {name} cannot be used ({provider.place}): {error}"
                raise SecretError(ErrorCode.SECRET_NOT_FOUND, message, field=field) from error
            if value is not None:
                self._remember(value)
                return value
        places = ", ".join(provider.place for provider in self._providers) or "no place: none is configured"
        message = f"{field}: there is no secret {name}; looked for in {places}"
        raise SecretError(ErrorCode.SECRET_NOT_FOUND, message, field=field)
