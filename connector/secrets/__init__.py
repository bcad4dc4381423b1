"""Secrets by name, resolved only where the contract says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

from connector.secrets.cache import CachedSecrets
from connector.secrets.environment import EnvironmentSecrets
from connector.secrets.files import FileSecrets
from connector.secrets.port import SecretProvider
from connector.secrets.resolve import Resolved, SecretResolver, Use
from connector.settings.secrets import SecretSettings

__all__ = ["Resolved", "SecretResolver", "Use", "open_secrets"]


class _RemoteProvider(SecretProvider, Protocol):
    async def aclose(self) -> None: ...


@asynccontextmanager
async def open_secrets(
    settings: SecretSettings, environ: Mapping[str, str], remember: Callable[[str], None]
) -> AsyncIterator[SecretResolver]:
    """Put the providers together as the settings say, and close them at the end.

    The environment comes first, then the directory, then Vault, AWS, Azure and Google, each behind a cache
    of its own.

    Args:
        settings: Providers, fields and bindings.
        environ: The environment, looked at when a secret is resolved.
        remember: Told every value that is resolved, and the tokens that providers are asked with.
    """
    async with AsyncExitStack() as stack:
        providers: list[SecretProvider] = [EnvironmentSecrets(environ, settings.prefix)]
        if settings.directory is not None:
            providers.append(FileSecrets(settings.directory))
        for remote in _remote_providers(settings, remember):
            stack.push_async_callback(remote.aclose)
            cached = CachedSecrets(remote, settings)
            stack.push_async_callback(cached.aclose)
            providers.append(cached)
        yield SecretResolver(providers, settings, remember)


def _remote_providers(settings: SecretSettings, remember: Callable[[str], None]) -> Iterator[_RemoteProvider]:
    """Make those that are set up; their libraries are extras, and slow to load."""
    timeout = settings.timeout.total_seconds()
    if settings.vault.address is not None:
        from connector.secrets.vault import VaultSecrets  # noqa: PLC0415 - loaded where it is used

        yield VaultSecrets(settings.vault, timeout, remember)
    if settings.aws.region is not None:
        from connector.secrets.aws import AwsSecrets  # noqa: PLC0415 - an extra

        yield AwsSecrets(settings.aws, timeout)
    if settings.azure.vault_url is not None:
        from connector.secrets.azure import AzureSecrets  # noqa: PLC0415 - an extra

        yield AzureSecrets(settings.azure, timeout)
    if settings.gcp.project is not None:
        from connector.secrets.gcp import GcpSecrets  # noqa: PLC0415 - an extra

        yield GcpSecrets(settings.gcp, timeout, remember)
