"""Read secrets from Azure Key Vault with Azure's library.

The library answers the vault's challenge for a token; ``azure-identity`` finds the worker's credentials
(environment, workload identity, managed identity). It runs in threads, because its asynchronous variant
needs a second HTTP library.
"""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient

from connector.net.outbound import DIRECT, Outbound
from connector.secrets.port import ProviderUnavailableError, UnusableSecretError, usable
from connector.settings.secrets import AzureSettings

_NOT_IN_NAMES = re.compile(r"[/._]")
_LOGIN = "https://login.microsoftonline.com"
_LONGEST = 127  # characters of a name


class AzureSecrets:
    """Looks up ``prefix + name`` with ``-`` for ``/``, ``.`` and ``_``, not allowed in Key Vault.

    Args:
        settings: With a vault.
        timeout: Seconds for connecting, and for an answer.
        credential: The worker's identity; if None, the one that ``azure-identity`` finds.
        way: Which proxy is for which address.
    """

    def __init__(
        self,
        settings: AzureSettings,
        timeout: float,
        credential: TokenCredential | None = None,
        way: Outbound = DIRECT,
    ) -> None:
        if settings.vault_url is None:
            message = "secrets.azure.vault_url is not set"
            raise ValueError(message)
        self._settings = settings
        self._credential = credential or DefaultAzureCredential(**_way_to(_LOGIN, way))
        self._client = SecretClient(
            settings.vault_url,
            self._credential,
            connection_timeout=timeout,
            read_timeout=timeout,
            retry_total=1,
            **_way_to(settings.vault_url, way),
        )

    @property
    def place(self) -> str:
        """Name the vault."""
        return f"Azure Key Vault {self._settings.vault_url}"

    async def get(self, name: str) -> str | None:
        """Return the secret's current version."""
        secret = _NOT_IN_NAMES.sub("-", self._settings.prefix + name)
        if len(secret) > _LONGEST:
            reason = f"its name has more than {_LONGEST} characters"
            raise UnusableSecretError(reason)
        return await asyncio.to_thread(self._read, secret)

    async def aclose(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._client.close)

    def _read(self, secret: str) -> str | None:
        try:
            value = self._client.get_secret(secret).value
        except ResourceNotFoundError:
            return None
        except ClientAuthenticationError:
            reason = "the worker's identity is refused, or none was found; check its credentials"
            raise ProviderUnavailableError(reason) from None
        except HttpResponseError as error:
            raise _refusal(error, secret) from None
        except AzureError:  # its words may quote what was sent
            reason = "it cannot be reached; check secrets.azure.vault_url and the network"
            raise ProviderUnavailableError(reason) from None
        return usable(value or "", "its value")


def _way_to(url: str, way: Outbound) -> dict[str, Any]:
    """Options of Azure's clients; a managed identity is asked over http, on this machine's network.

    ``no_proxy`` keeps the environment's proxies out, and lets it name authorities (REQUESTS_CA_BUNDLE).
    """
    proxy = way.proxy_for(url)
    own = {urlsplit(url).scheme: proxy.with_login} if proxy else {}
    return {"proxies": {**own, "no_proxy": "*"}}


def _refusal(error: HttpResponseError, secret: str) -> Exception:
    status = error.status_code
    if status is None or status >= 500 or status in {408, 429}:
        return ProviderUnavailableError(f"it answered {status or 'nothing'}")
    return UnusableSecretError(
        f"it answered {status} for {secret}: it is disabled, or the worker lacks the role "
        "Key Vault Secrets User"
    )
