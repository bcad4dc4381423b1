"""Secrets by name, resolved only where the contract says."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from connector.secrets.environment import EnvironmentSecrets
from connector.secrets.files import FileSecrets
from connector.secrets.port import SecretProvider
from connector.secrets.resolve import SecretResolver
from connector.settings.model import SecretSettings

__all__ = ["SecretResolver", "open_secrets"]


def open_secrets(
    settings: SecretSettings, environ: Mapping[str, str], remember: Callable[[str], None]
) -> SecretResolver:
    """Put the providers together as the settings say: environment first, then the directory.

    Args:
        settings: Prefix, directory and fields.
        environ: The environment, looked at when a secret is resolved.
        remember: Told every value that is resolved.
    """
    providers: list[SecretProvider] = [EnvironmentSecrets(environ, settings.prefix)]
    if settings.directory is not None:
        providers.append(FileSecrets(settings.directory))
    return SecretResolver(providers, settings, remember)
