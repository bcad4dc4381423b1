"""The secret providers that the settings name; those of this machine, environment variables and files."""

from __future__ import annotations

import asyncio
import os
import re
import stat
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Protocol

from connector.net.outbound import DIRECT, Outbound
from connector.secrets.cache import CachedSecrets
from connector.secrets.port import SecretProvider, UnusableSecretError, usable
from connector.secrets.resolve import SecretResolver
from connector.settings.secrets import SecretSettings

_NOT_IN_VARIABLES = re.compile(r"[/.-]")
# Seconds after which an empty file is read again: a program that writes into one in place empties it first,
# and the jobs of that moment must not fail for good.
_WHILE_WRITTEN = (0.05, 0.2)
_MOST_LISTED = 1000
_MORE_THAN_ANY = 64 * 1024 + 1
# O_NONBLOCK: without it, opening a FIFO waits for a writer.
_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class _RemoteProvider(SecretProvider, Protocol):
    async def aclose(self) -> None: ...


@asynccontextmanager
async def open_secrets(
    settings: SecretSettings,
    environ: Mapping[str, str],
    remember: Callable[[str], None],
    way: Outbound = DIRECT,
) -> AsyncIterator[SecretResolver]:
    """Open the providers that the settings name, and close them at the end.

    The environment comes first, then the directory, then Vault, AWS, Azure and Google, each behind a cache
    of its own.

    Args:
        settings: Providers, fields and bindings.
        environ: The environment, read when a secret is resolved.
        remember: Called with every resolved value, and with the tokens that providers are asked with.
        way: Which proxy is for which provider.
    """
    async with AsyncExitStack() as stack:
        providers: list[SecretProvider] = [EnvironmentSecrets(environ, settings.prefix)]
        if settings.directory is not None:
            providers.append(FileSecrets(settings.directory))
        for remote in _remote_providers(settings, remember, way):
            stack.push_async_callback(remote.aclose)
            cached = CachedSecrets(remote, settings)
            stack.push_async_callback(cached.aclose)
            providers.append(cached)
        yield SecretResolver(providers, settings, remember)


def _remote_providers(
    settings: SecretSettings, remember: Callable[[str], None], way: Outbound
) -> Iterator[_RemoteProvider]:
    """Make the configured ones; their libraries are extras, and slow to load."""
    timeout = settings.timeout.total_seconds()
    if settings.vault.address is not None:
        from connector.secrets.vault import VaultSecrets  # noqa: PLC0415 - loaded where it is used

        yield VaultSecrets(settings.vault, timeout, remember, way)
    if settings.aws.region is not None:
        from connector.secrets.aws import AwsSecrets  # noqa: PLC0415 - an extra

        yield AwsSecrets(settings.aws, timeout, way)
    if settings.azure.vault_url is not None:
        from connector.secrets.azure import AzureSecrets  # noqa: PLC0415 - an extra

        yield AzureSecrets(settings.azure, timeout, way=way)
    if settings.gcp.project is not None:
        from connector.secrets.gcp import GcpSecrets  # noqa: PLC0415 - an extra

        yield GcpSecrets(settings.gcp, timeout, remember, way=way)


class EnvironmentSecrets:
    """Looks up ``TOKEN`` as the environment variable ``SECRET_TOKEN``, in exactly this spelling.

    A name that shells do not allow has a second spelling, tried after the exact one: upper case, with ``_``
    for ``/``, ``.`` and ``-``. So ``mail/relay.password`` is found as ``SECRET_MAIL_RELAY_PASSWORD``.

    Args:
        environ: The environment.
        prefix: Without it a task could name any variable of the worker, its own credentials included.
    """

    def __init__(self, environ: Mapping[str, str], prefix: str) -> None:
        self._environ = environ
        self._prefix = prefix

    @property
    def place(self) -> str:
        """The variables that are searched."""
        return f"environment variables {self._prefix}*"

    def where(self, name: str) -> str:
        """Name the variables that are searched."""
        return " or ".join(f"environment variable {variable}" for variable in self._variables(name))

    def names(self) -> Iterator[str]:
        """Give the names of the variables without their prefix."""
        return (name.removeprefix(self._prefix) for name in self._environ if name.startswith(self._prefix))

    def _variables(self, name: str) -> Iterable[str]:
        return dict.fromkeys(
            self._prefix + spelling for spelling in (name, _NOT_IN_VARIABLES.sub("_", name).upper())
        )

    async def get(self, name: str) -> str | None:
        """Return the value of the first spelling that is set."""
        for variable in self._variables(name):
            if (value := self._environ.get(variable)) is not None:
                return usable(value, f"the environment variable {variable}")
        return None


class FileSecrets:
    """Looks up ``TOKEN`` as the file ``TOKEN``, and ``mail/TOKEN`` in the sub-directory ``mail``.

    Docker and Kubernetes mount secrets in this form. Files are read at every look-up, so that a rotated
    secret is used without a restart. One line break at the end, as editors and ``echo`` leave it, is not part
    of the value. Links are followed as long as they stay below the directory: Kubernetes mounts ``TOKEN ->
    ..data/TOKEN`` and swaps ``..data`` when a secret changes. Anyone who can write to the directory can set
    secrets anyway, so this guards against mistakes and odd names, not against races.

    Args:
        directory: ``secrets.directory``; it may be empty.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @property
    def place(self) -> str:
        """The directory."""
        return f"files below {self._directory} (secrets.directory)"

    def where(self, name: str) -> str:
        """Name the file."""
        return f"file {self._directory / name}"

    def names(self) -> Iterator[str]:
        """Give the names of the files, those of the first sub-directories among them."""
        for pattern in ("*", "*/*"):
            for path in islice(self._directory.glob(pattern), _MOST_LISTED):
                if not path.name.startswith(".") and path.is_file():
                    yield path.relative_to(self._directory).as_posix()

    async def get(self, name: str) -> str | None:
        """Return the file's text, without its last line break."""
        octets = await asyncio.to_thread(self._read, name)
        for pause in _WHILE_WRITTEN:
            if octets != b"":
                break
            await asyncio.sleep(pause)
            octets = await asyncio.to_thread(self._read, name)
        return None if octets is None else usable(octets, self.where(name))

    def _read(self, name: str) -> bytes | None:
        if ".." in PurePosixPath(name).parts:
            reason = "a name must not lead out of the directory by '..'"
            raise UnusableSecretError(reason)
        try:
            return self._octets(name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, RuntimeError) as error:  # RuntimeError: a loop of links
            cause = getattr(error, "strerror", None) or "its links form a loop"
            reason = f"{self.where(name)} cannot be read: {cause}{_remedy(error)}"
            raise UnusableSecretError(reason) from None

    def _octets(self, name: str) -> bytes | None:
        path = (self._directory / name).resolve()
        if not path.is_relative_to(self._directory.resolve()):
            reason = "its file is a link that leads out of the directory"
            raise UnusableSecretError(reason)
        descriptor = os.open(path, _FLAGS)
        try:
            status = os.fstat(descriptor)
            if stat.S_ISDIR(status.st_mode):  # `mail` beside `mail/TOKEN` is no secret
                return None
            if not stat.S_ISREG(status.st_mode):
                reason = "it is not a regular file"
                raise UnusableSecretError(reason)
            return os.read(descriptor, _MORE_THAN_ANY)
        finally:
            os.close(descriptor)


def _remedy(error: Exception) -> str:
    if isinstance(error, PermissionError):
        return f"; let the worker's user (uid {os.geteuid()}) read it"
    return ""
