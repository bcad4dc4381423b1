"""Puts the values of secrets where a task or an account names them, and decides where those values may go.

Variables or one text enter. They leave with their secrets in place and with the list of secrets that were
used, which :meth:`SecretResolver.permit` checks against the server once it is known. Only this module decides
where process data may turn into a credential. A secret that no provider has fails the job; the reference is
never used as if it were a password.

There are two spellings, as in Camunda's runtime. ``{{secrets.NAME}}``, blanks allowed inside the braces, is
replaced anywhere in a text. Bare ``secrets.NAME`` is replaced only where it is the whole text, apart from
blanks around it: Camunda's runtime replaces it in the middle of a text too, and stumbles over prose such as
"see secrets.Contact us". A value that was put in is never read again, so a secret whose text is
``secrets.OTHER`` is that text.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Any, Generic, TypeVar

from connector.errors import ErrorCode, InputError, SecretError
from connector.model.hosts import MAIL_PORTS, HostList
from connector.secrets.cache import CachedSecrets
from connector.secrets.lookalikes import GUARDED, refuse_near_reference, refuse_reference
from connector.secrets.port import (
    LocalProvider,
    ProviderUnavailableError,
    SecretProvider,
    UnusableSecretError,
)
from connector.settings.secrets import SecretSettings

_AUTHENTICATION = "authentication"
# What goes to the mail server and nowhere else. Not all of authentication: a token endpoint is another host.
_TO_THE_SERVER = frozenset(f"{_AUTHENTICATION}.{key}" for key in ("hostname", "port", "username", "password"))
_CREDENTIALS = tuple(f"{_AUTHENTICATION}.{key}" for key in ("username", "password", "oauth"))
_TO_THE_TOKEN_ENDPOINT = f"{_AUTHENTICATION}.oauth."
_USUAL_PORTS = (*MAIL_PORTS, 443)
# In one task: a megabyte of references would be a hundred thousand look-ups, each value up to 64 KB.
_MOST_REFERENCES = 100

_NAME = r"[A-Za-z0-9][A-Za-z0-9/._-]*"
_LONGEST_NAME = 512  # AWS Secrets Manager's; errors and logs repeat a name
_VALID_NAME = re.compile(_NAME)
_BARE = re.compile(rf"\s*secrets\.({_NAME})\s*")
# Any name, so that a misspelt one is refused instead of sent to a mail server.
_BRACED = re.compile(r"\{\{\s*secrets\.([^{}]*)\}\}")
_SEPARATORS = re.compile(r"[/._-]+")

LookUp = Callable[[str, str], Awaitable[str]]
"""Gives the value of a secret, by its name and the field that names it."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Use:
    """One secret that was put into one field."""

    name: str
    field: str


@dataclass(frozen=True, slots=True)
class Resolved(Generic[T]):
    """A value with its secrets in place.

    Attributes:
        uses: The secrets that are in it.
    """

    value: T
    uses: tuple[Use, ...]


class SecretResolver:
    """Resolves the secrets of tasks and accounts.

    Args:
        providers: Where secrets are looked up; the first that has one wins.
        settings: The fields in which secrets resolve, and the hosts to which they are bound.
        remember: Called with every value before it goes anywhere, so that logs and results can mask it.
    """

    def __init__(
        self, providers: Sequence[SecretProvider], settings: SecretSettings, remember: Callable[[str], None]
    ) -> None:
        self._providers = tuple(providers)
        self._fields = frozenset(settings.fields)
        self._bindings = Bindings(settings.bind)
        self._remember = remember

    async def resolve(self, variables: Mapping[str, Any]) -> Resolved[dict[str, Any]]:
        """Resolve the variables of a task; call :meth:`permit` before anything is sent.

        Args:
            variables: JSON values.

        Raises:
            SecretError: ``SECRET_NOT_FOUND``, with field, secret and the places that were searched;
                ``SECRET_NOT_ALLOWED`` for a bound secret in a field that goes to no server that is checked;
                ``SECRETS_UNAVAILABLE`` where a provider is down.
            InputError: The variables are nested hundreds of levels deep, or hold too many references.
        """
        uses: list[Use] = []

        async def look_up(name: str, field: str) -> str:
            if not _goes_to_a_server(field) and self._bindings.binds(name):
                message = (
                    f"{field}: the secret {name} is bound to servers (secrets.bind) and resolves only in "
                    "authentication.username, authentication.password and authentication.oauth"
                )
                raise SecretError(ErrorCode.SECRET_NOT_ALLOWED, message, field=field)
            if len(uses) >= _MOST_REFERENCES:
                raise InputError(field, f"names more than {_MOST_REFERENCES} secrets in one task; name fewer")
            uses.append(Use(name, field))
            return await self._look_up(name, field)

        return Resolved(await References(self._fields, look_up).replaced(variables), tuple(uses))

    def permit(self, uses: Iterable[Use], host: str, port: int) -> None:
        """Check that the secrets of a task may go to the server that it names.

        Args:
            uses: The secrets that :meth:`resolve` used.
            host: The host that will be dialled, as :func:`~connector.model.hosts.canonical_host` gives it.
            port: The port that will be dialled.

        Raises:
            SecretError: ``SECRET_NOT_ALLOWED``; neither host nor value is quoted, as either may be a secret.
        """
        for use in uses:
            if use.field in _TO_THE_SERVER:
                self._permit(use.name, use.field, host, port)

    def permit_tokens(self, uses: Iterable[Use], host: str, port: int) -> None:
        """Check that the secrets of a task's ``authentication.oauth`` may go where it asks for tokens.

        Args:
            uses: What :meth:`resolve` used.
            host: The host that will be asked, as :func:`~connector.model.hosts.canonical_host` gives it.
            port: Its port.

        Raises:
            SecretError: ``SECRET_NOT_ALLOWED``; neither host nor value is quoted, as either may be a secret.
        """
        for use in uses:
            if use.field.startswith(_TO_THE_TOKEN_ENDPOINT):
                self._permit(use.name, use.field, host, port)

    async def resolve_text(self, text: str, field: str, host: str, port: int) -> Resolved[str]:
        """Resolve a text that goes to a known server, such as the password of an account.

        The bindings are checked before the secret is looked up.

        Args:
            text: As an operator wrote it; without a reference it stays as it is.
            field: The setting, to name it in errors.
            host: The server, as :func:`~connector.model.hosts.canonical_host` gives it.
            port: Its port.

        Raises:
            SecretError: As :meth:`resolve` and :meth:`permit`.
        """
        uses: list[Use] = []

        async def look_up(name: str, field: str) -> str:
            self._permit(name, field, host, port)
            uses.append(Use(name, field))
            return await self._look_up(name, field)

        replaced = await _replaced_in_text(text, field, look_up)
        if replaced == text:
            refuse_near_reference(text, field)
        return Resolved(replaced, tuple(uses))

    async def resolve_here(self, text: str, field: str) -> str:
        """Resolve a text that leaves this worker for no host, such as a key that encrypts a file.

        Raises:
            SecretError: As :meth:`resolve`.
        """
        return await _replaced_in_text(text, field, self._look_up)

    def forget(self, uses: Iterable[Use], since: float) -> None:
        """Look these secrets up anew next time, because a server refused them.

        Args:
            uses: The refused secrets.
            since: When they had been looked up, on the monotonic clock; later answers are kept.
        """
        for name in {use.name for use in uses}:
            for provider in self._providers:
                if isinstance(provider, CachedSecrets):
                    provider.forget(name, since)

    def _permit(self, name: str, field: str, host: str, port: int) -> None:
        if not self._bindings.permits(name, host, port):
            message = (
                f"{field}: the secret {name} is bound to other servers than this host and port "
                "(secrets.bind); use one of those, or ask the operator to add this one there"
            )
            raise SecretError(ErrorCode.SECRET_NOT_ALLOWED, message, field=field)

    async def _look_up(self, name: str, field: str) -> str:
        for provider in self._providers:
            if (value := await _asked(provider, name, field)) is not None:
                self._remember(value)
                return value
        message = f"{field}: {await asyncio.to_thread(_absence, name, self._providers)}"
        raise SecretError(ErrorCode.SECRET_NOT_FOUND, message, field=field)


def _goes_to_a_server(field: str) -> bool:
    """Whether a field of a task leaves the worker for one server only, which is checked before it does."""
    return field in _TO_THE_SERVER or field.startswith(_TO_THE_TOKEN_ENDPOINT)


def _absence(name: str, providers: Sequence[SecretProvider]) -> str:
    """Say where a secret was looked for, and which one may be meant."""
    local = [provider for provider in providers if isinstance(provider, LocalProvider)]
    places = [item.where(name) if isinstance(item, LocalProvider) else item.place for item in providers]
    known = {_folded(other): other for provider in local for other in provider.names()}
    matches = get_close_matches(_folded(name), known, n=1)
    nearest = f"; did you mean secrets.{known[matches[0]]}?" if matches else ""
    searched = ", ".join(places) or "no place: none is configured"
    return f"there is no secret {name}; looked for in {searched}{nearest}"


async def _asked(provider: SecretProvider, name: str, field: str) -> str | None:
    try:
        return await provider.get(name)
    except UnusableSecretError as error:
        message = f"{field}: the secret {name} cannot be used ({provider.place}): {error}"
        raise SecretError(ErrorCode.SECRET_NOT_FOUND, message, field=field) from error
    except ProviderUnavailableError as error:
        message = f"{field}: the secret {name} cannot be looked up now ({provider.place}): {error}"
        raise SecretError(ErrorCode.SECRETS_UNAVAILABLE, message, field=field) from error


class Bindings:
    """The mail servers to which secrets are bound: the rule that keeps a diagram from mailing them elsewhere.

    Names are compared as the least careful provider reads them. The environment upper-cases them and has
    ``_`` for ``/``, ``.`` and ``-``; Azure has ``-`` for all of them; a file system takes ``a//b`` and
    ``a/./b`` for ``a/b``. Otherwise ``MAIL_PASSWORD`` would be bound and ``mail-password``, the same secret,
    would not.

    Args:
        bind: Mail servers by name; ``*`` in a name stands for anything. Where several names fit a secret, a
            host must be in the list of each.

    Raises:
        ValueError: An entry is no mail server.
    """

    def __init__(self, bind: Mapping[str, Sequence[str]]) -> None:
        self._entries = tuple((_folded(pattern), HostList(hosts)) for pattern, hosts in bind.items())

    def binds(self, name: str) -> bool:
        """Whether the secret is bound to any hosts."""
        return any(True for _ in self._lists(name))

    def permits(self, name: str, host: str, port: int) -> bool:
        """Whether the secret, as the task wrote it, may go to this server.

        A host without a port stands for the ports of mail, and for https, as token endpoints have it.
        """
        return all(hosts.lists(host, port, _USUAL_PORTS) for hosts in self._lists(name))

    def _lists(self, name: str) -> Iterator[HostList]:
        folded = _folded(name)
        return (hosts for pattern, hosts in self._entries if fnmatchcase(folded, pattern))


def _folded(name: str) -> str:
    return _SEPARATORS.sub("_", name).strip("_").upper()


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


class References:
    """Replaces the references in the variables of a task.

    Args:
        fields: The fields, beside ``authentication.*``, in which secrets resolve, with everything inside
            them.
        look_up: Gives a secret's value.
    """

    def __init__(self, fields: frozenset[str], look_up: LookUp) -> None:
        self._fields = fields
        self._variables = {_AUTHENTICATION, *(field.partition(".")[0] for field in fields)}
        self._look_up = look_up

    async def replaced(self, variables: Mapping[str, Any]) -> dict[str, Any]:
        """Return the variables with their secrets in place; the given ones stay as they are.

        References are replaced in texts at any depth, never in keys. ``authentication`` given as one text
        (JSON, or a mistake) stays as it is: a secret belongs to a key below it.

        Raises:
            SecretError: From the look-up.
            InputError: The variables are nested hundreds of levels deep.
        """
        try:
            return {name: await self._variable(name, value) for name, value in variables.items()}
        except RecursionError:
            message = "a variable in which secrets resolve is nested too deeply; make it flat"
            raise InputError(_AUTHENTICATION, message) from None

    async def _variable(self, name: str, value: Any) -> Any:
        if name == _AUTHENTICATION and not isinstance(value, str):
            return await self._resolved(value, _Spot(name, name, open=True))
        if name in GUARDED and name not in self._variables:
            refuse_reference(name, value)
        if name not in self._variables or not _mentions_secrets(value):
            return value
        return await self._resolved(value, _Spot(name, name, open=name in self._fields))

    async def _resolved(self, value: Any, spot: _Spot) -> Any:
        match value:
            case str() if spot.open:
                replaced = await _replaced_in_text(value, spot.field, self._look_up)
                if replaced == value and spot.path.startswith(_CREDENTIALS):
                    refuse_near_reference(value, spot.field)
                return replaced
            case dict():
                resolved = {}
                for key, item in value.items():
                    path = f"{spot.path}.{key}"
                    below = _Spot(f"{spot.field}.{key}", path, spot.open or path in self._fields)
                    resolved[key] = await self._resolved(item, below)
                return resolved
            case list():
                return [
                    await self._resolved(item, _Spot(f"{spot.field}[{index}]", spot.path, spot.open))
                    for index, item in enumerate(value, 1)  # as the task readers count
                ]
            case _:
                return value


async def _replaced_in_text(text: str, field: str, look_up: LookUp) -> str:
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
        message = (
            f"{field}: the text behind secrets. is not the name of a secret; a name has letters, digits, "
            "'/', '.', '_' and '-'"
        )
        raise SecretError(ErrorCode.SECRET_NOT_FOUND, message, field=field)
    return name


def _mentions_secrets(value: Any) -> bool:
    """Whether there may be a reference in the value; most jobs have none, which is quick to see."""
    if isinstance(value, str):
        return "secrets." in value
    if isinstance(value, dict):
        return any(map(_mentions_secrets, value.values()))
    return isinstance(value, list) and any(map(_mentions_secrets, value))
