"""Read secrets from AWS Secrets Manager with botocore.

botocore finds credentials in all of AWS's sources (environment, profile, web identity, container, instance)
and signs requests; boto3 would only add a layer. It blocks, so it runs in threads, which its clients support.
"""

from __future__ import annotations

import asyncio
import json

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from connector.model.causes import reason_of
from connector.net.outbound import DIRECT, Outbound
from connector.secrets.port import (
    ProviderUnavailableError,
    UnusableSecretError,
    refuse_detours,
    text_in,
    usable,
)
from connector.settings.secrets import AwsSettings

# Errors with a 4xx status that say nothing about this secret. The credentials are the worker's own;
# botocore renews them when they expire.
_LATER = frozenset(
    {
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "RequestExpired",
        "RequestTimeout",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "UnrecognizedClientException",
    }
)


class AwsSecrets:
    """Looks up ``prefix + name`` in one region.

    Args:
        settings: With a region.
        timeout: Seconds for connecting, and for an answer.
        way: Which proxy is for which address.
    """

    def __init__(self, settings: AwsSettings, timeout: float, way: Outbound = DIRECT) -> None:
        self._settings = settings
        session = botocore.session.get_session()
        address = settings.endpoint or f"https://secretsmanager.{settings.region}.amazonaws.com"
        proxy = way.proxy_for(address)
        # An empty map, not None, which would stand for the environment's. For the session: it asks for
        # credentials elsewhere.
        proxies = {"http": proxy.with_login, "https": proxy.with_login} if proxy else {}
        session.set_default_client_config(Config(proxies=proxies))
        self._client = session.create_client(
            "secretsmanager",
            region_name=settings.region,
            endpoint_url=settings.endpoint,
            config=Config(
                connect_timeout=timeout,
                read_timeout=timeout,
                retries={"mode": "standard", "total_max_attempts": 2},
                max_pool_connections=32,
            ),
        )

    @property
    def place(self) -> str:
        """Name the region and the prefix of names."""
        return f"AWS Secrets Manager in {self._settings.region}, {self._settings.prefix}*"

    async def get(self, name: str) -> str | None:
        """Return the secret's current version, or a key in it."""
        refuse_detours(name)
        secret_id, key = self._settings.prefix + name, None
        if self._settings.json_keys:
            secret_id, _, key = secret_id.rpartition("/")
            if not secret_id:  # a key without a secret
                return None
        value = await asyncio.to_thread(self._read, secret_id)
        return value if value is None or key is None else _key(value, key)

    async def aclose(self) -> None:
        """Close the connections."""
        await asyncio.to_thread(self._client.close)

    def _read(self, secret_id: str) -> str | None:
        try:
            answer = self._client.get_secret_value(SecretId=secret_id)
        except ClientError as error:
            _raise_unless_absent(error, secret_id)
            return None
        except BotoCoreError as error:  # no connection or no credentials
            reason = f"it cannot be queried: {reason_of(error)}; check network, region and credentials"
            raise ProviderUnavailableError(reason) from None
        return usable(answer.get("SecretString") or answer.get("SecretBinary") or "", "its value")


def _raise_unless_absent(error: ClientError, secret_id: str) -> None:
    """Distinguish "no such secret" from other errors of AWS."""
    code = str(error.response.get("Error", {}).get("Code", "unknown error"))
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 500)
    if code == "ResourceNotFoundException":
        return
    if status >= 500 or code in _LATER:
        reason = f"it answered {code}"
        raise ProviderUnavailableError(reason) from None
    # AWS's message names the worker's role, which the readers of incidents need not know.
    reason = f"it answered {code}; the worker needs secretsmanager:GetSecretValue on {secret_id}"
    raise UnusableSecretError(reason) from None


def _key(value: str, key: str) -> str | None:
    try:
        content = json.loads(value)
    except (ValueError, RecursionError):  # its text quotes the value
        content = None
    if not isinstance(content, dict):
        reason = "it is not a JSON object, which secrets.aws.json_keys requires"
        raise UnusableSecretError(reason)
    return text_in(content, key, f"its key {key}")
