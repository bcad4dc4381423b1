"""Put the values of secrets where a task or an account names them, and say where those values may go.

Variables or one text enter; they leave with their secrets in place and with the list of secrets that were
used, which :meth:`SecretResolver.permit` holds against the server once it is known. Where nobody has a
secret, the job fails; the reference is never used as if it were a password.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from connector.errors import ErrorCode, InputError, SecretError
from connector.secrets.bindings import Bindings
from connector.secrets.cache import CachedSecrets
from connector.secrets.port import ProviderUnavailableError, SecretProvider, UnusableSecretError
from connector.secrets.references import AUTHENTICATION, References, replaced_in_text
from connector.settings.secrets import SecretSettings

# What goes to the mail server and nowhere else. Not all of authentication: a token endpoint is another host.
_TO_THE_SERVER = frozenset(f"{AUTHENTICATION}.{key}" for key in ("hostname", "port", "username", "password"))

# In one task: a megabyte of references would be a hundred thousand look-ups, each value up to 64 KB.
_MOST_REFERENCES = 100

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
        remember: Told every value before it goes anywhere, so that logs and results can mask it.
    """

    def __init__(
        self, providers: Sequence[SecretProvider], settings: SecretSettings, remember: Callable[[str], None]
    ) -> None:
        self._providers = tuple(providers)
        self._fields = frozenset(settings.fields)
        self._bindings = Bindings(settings.bind)
        self._remember = remember

    async def resolve(self, variables: Mapping[str, Any]) -> Resolved[dict[str, Any]]:
        """Resolve the variables of a task; before anything is sent, :meth:`permit` must be asked.

        Args:
            variables: JSON values.

        Raises:
            SecretError: ``SECRET_NOT_FOUND``, naming field, secret and where it was looked for;
                ``SECRET_NOT_ALLOWED`` for a bound secret in a field that does not go to the mail server;
                ``SECRETS_UNAVAILABLE`` where a provider is down.
            InputError: Hundreds of contexts within each other, or of references.
        """
        uses: list[Use] = []

        async def look_up(name: str, field: str) -> str:
            if field not in _TO_THE_SERVER and self._bindings.binds(name):
                message = (
                    f"{field}: the secret {name} is bound to mail servers (secrets.bind) and resolves only "
                    "in authentication.username and authentication.password"
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
            uses: What :meth:`resolve` used.
            host: The host that will be dialled, as :func:`~connector.model.hosts.canonical_host` gives it.
            port: The port that will be dialled.

        Raises:
            SecretError: ``SECRET_NOT_ALLOWED``; neither host nor value is quoted, either may be a secret.
        """
        for use in uses:
            if use.field in _TO_THE_SERVER:
                self._permit(use.name, use.field, host, port)

    async def resolve_text(self, text: str, field: str, host: str, port: int) -> Resolved[str]:
        """Resolve a text that goes to a known server, such as the password of an account.

        The bindings are asked before the secret is looked up.

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

        return Resolved(await replaced_in_text(text, field, look_up), tuple(uses))

    def forget(self, uses: Iterable[Use], since: float) -> None:
        """Ask the providers anew for these secrets next time, because a server refused them.

        Args:
            uses: What was refused.
            since: When it had been looked up, on the monotonic clock; what was asked for since then is kept.
        """
        for name in {use.name for use in uses}:
            for provider in self._providers:
                if isinstance(provider, CachedSecrets):
                    provider.forget(name, since)

    def _permit(self, name: str, field: str, host: str, port: int) -> None:
        if not self._bindings.permits(name, host, port):
            message = (
                f"{field}: the secret {name} is bound to other mail servers than this host and port "
                "(secrets.bind); use one of those, or have this one added there"
            )
            raise SecretError(ErrorCode.SECRET_NOT_ALLOWED, message, field=field)

    async def _look_up(self, name: str, field: str) -> str:
        for provider in self._providers:
            if (value := await _asked(provider, name, field)) is not None:
                self._remember(value)
                return value
        places = ", ".join(provider.place for provider in self._providers) or "no place: none is configured"
        message = f"{field}: there is no secret {name}; looked for in {places}"
        raise SecretError(ErrorCode.SECRET_NOT_FOUND, message, field=field)


async def _asked(provider: SecretProvider, name: str, field: str) -> str | None:
    try:
        return await provider.get(name)
    except UnusableSecretError as error:
        message = f"{field}: the secret {name} cannot be used ({provider.place}): {error}"
        raise SecretError(ErrorCode.SECRET_NOT_FOUND, message, field=field) from error
    except ProviderUnavailableError as error:
        message = f"{field}: the secret {name} cannot be looked up now ({provider.place}): {error}"
        raise SecretError(ErrorCode.SECRETS_UNAVAILABLE, message, field=field) from error
