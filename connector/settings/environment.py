"""The environment variables of the settings, and those of Camunda's clients, with their meaning here.

Camunda's clients and its console write the same fact under several names and in several spellings. Two names
with the same meaning are fine; two that differ are an error (``sources`` compares the results of
:func:`interpret`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from connector.settings.accounts import environment_form

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


def environment_names(path: str) -> tuple[str, ...]:
    """Return the environment variables that set ``path``: ours first, then those of Camunda's clients."""
    own = PREFIX + environment_form(path)
    return own, *(alias.name for alias in ALIASES if alias.path == path)


_OPPOSITE = {"true": "false", "false": "true"}
_SCHEMES = {"grpc": "false", "http": "false", "grpcs": "true", "https": "true"}

# Kubernetes describes a service called smtp-connector to every pod in variables that look like ours:
# SMTP_CONNECTOR_PORT=tcp://10.0.0.1:80, SMTP_CONNECTOR_SERVICE_HOST, SMTP_CONNECTOR_PORT_80_TCP_ADDR, …
_KUBERNETES_SERVICE = re.compile(
    rf"{PREFIX}(\w+_)?(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)"
)

# An operator writes a number to SMTP_CONNECTOR_ACCOUNTS_SALES_PORT; Kubernetes writes tcp://… there.
_PORT_OF_AN_ACCOUNT = re.compile(rf"{PREFIX}ACCOUNTS_\w+(?<!_SERVICE)_PORT")


def kubernetes_wrote(name: str, value: str) -> bool:
    """Whether a variable that looks like ours describes a Kubernetes service."""
    if _PORT_OF_AN_ACCOUNT.fullmatch(name) and value.isdigit():
        return False
    return _KUBERNETES_SERVICE.fullmatch(name) is not None


def interpret(alias: Alias, text: str) -> dict[str, str]:
    """Return the settings that one variable sets, in one spelling, by dotted path.

    An address may have a scheme (``grpcs://host:443``), which also decides whether to encrypt.
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
