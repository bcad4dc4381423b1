"""The environment names that operators of Camunda know, in one table, and what each means here.

Camunda's clients and its console write the same fact under several names and in several spellings. Two
names that say the same are fine; two that differ are an error (``sources`` compares what is left after
:func:`interpret`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

PREFIX = "SMTP_CONNECTOR_"


@dataclass(frozen=True, slots=True)
class Alias:
    """One environment variable for one setting.

    Attributes:
        negated: The variable says the opposite of the setting.
    """

    name: str
    path: str
    negated: bool = False


ALIASES = (
    Alias("ZEEBE_ADDRESS", "engine.address"),
    Alias("ZEEBE_GRPC_ADDRESS", "engine.address"),
    Alias("CAMUNDA_GRPC_ADDRESS", "engine.address"),
    Alias("ZEEBE_INSECURE_CONNECTION", "engine.tls", negated=True),
    Alias("CAMUNDA_INSECURE_CONNECTION", "engine.tls", negated=True),
    Alias("ZEEBE_CA_CERTIFICATE_PATH", "engine.ca_file"),
    Alias("CAMUNDA_CA_CERTIFICATE_PATH", "engine.ca_file"),
    Alias("ZEEBE_CLIENT_ID", "engine.client_id"),
    Alias("CAMUNDA_CLIENT_ID", "engine.client_id"),
    Alias("ZEEBE_CLIENT_SECRET", "engine.client_secret"),
    Alias("CAMUNDA_CLIENT_SECRET", "engine.client_secret"),
    Alias("ZEEBE_AUTHORIZATION_SERVER_URL", "engine.oauth_url"),
    Alias("CAMUNDA_AUTHORIZATION_SERVER_URL", "engine.oauth_url"),
    Alias("CAMUNDA_OAUTH_URL", "engine.oauth_url"),
    Alias("ZEEBE_TOKEN_AUDIENCE", "engine.audience"),
    Alias("CAMUNDA_TOKEN_AUDIENCE", "engine.audience"),
    Alias("ZEEBE_TOKEN_SCOPE", "engine.scope"),
    Alias("CAMUNDA_TOKEN_SCOPE", "engine.scope"),
    Alias("CAMUNDA_CLUSTER_ID", "engine.cluster_id"),
    Alias("CAMUNDA_CLUSTER_REGION", "engine.cluster_region"),
    Alias("ZEEBE_TENANT_ID", "engine.tenant_ids"),
    Alias("CAMUNDA_TENANT_ID", "engine.tenant_ids"),
)

_OPPOSITE = {"true": "false", "false": "true"}
_SCHEMES = {"grpc": "false", "http": "false", "grpcs": "true", "https": "true"}

# Kubernetes tells every pod about a service called smtp-connector in variables that look like ours:
# SMTP_CONNECTOR_PORT=tcp://10.0.0.1:80, SMTP_CONNECTOR_SERVICE_HOST, SMTP_CONNECTOR_PORT_80_TCP_ADDR, …
_KUBERNETES_SERVICE = re.compile(
    rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)

# A number in SMTP_CONNECTOR_ACCOUNTS_SALES_PORT is a person's; Kubernetes would write tcp://… there.
_PORT_OF_AN_ACCOUNT = re.compile(rf"{PREFIX}ACCOUNTS_\w+(?<!_SERVICE)_PORT")


def kubernetes_wrote(name: str, value: str) -> bool:
    """Whether a variable that looks like ours tells of a Kubernetes service."""
    if _PORT_OF_AN_ACCOUNT.fullmatch(name) and value.isdigit():
        return False
    return _KUBERNETES_SERVICE.fullmatch(name) is not None


def interpret(alias: Alias, text: str) -> dict[str, str]:
    """Say what one variable sets, in one spelling, by dotted path.

    An address may carry a scheme (``grpcs://host:443``), which says at once whether to encrypt.
    """
    if alias.path == "engine.address":
        scheme, found, address = text.rpartition("://")
        if not found:
            return {alias.path: text}
        tls = _SCHEMES.get(scheme.lower())
        return {alias.path: address.rstrip("/")} | ({"engine.tls": tls} if tls else {alias.path: text})
    if alias.path == "engine.tls":
        return {alias.path: _OPPOSITE.get(text.lower(), text) if alias.negated else text.lower()}
    return {alias.path: text}
