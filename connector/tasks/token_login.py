"""An application's OAuth credentials that a task brings along: ``authentication.oauth`` (client credentials).

The keys of the context enter, a credential leaves. None of their values is ever quoted in an error: secrets
resolve here, and a diagram may put one into the wrong field.
"""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

from pydantic import SecretStr

from connector.errors import InputError
from connector.model.credential import Credential, Endpoints, Grant
from connector.model.hosts import HostList, canonical_host
from connector.model.server import Server
from connector.settings.providers import (
    ANY_TENANT,
    CLOUDS,
    Service,
    microsoft_scope_faults,
    microsoft_scopes,
    microsoft_service_fault,
)
from connector.tasks.inputs import Inputs, Value, items, mapping, text

PLACE = "authentication.oauth"
# How the keys are spelt here, for errors that speak of settings.
NAMES = (
    ("client_id", "clientId"),
    ("client_secret", "clientSecret"),
    ("token_url", "tokenUrl"),
)
PROVIDERS = ("microsoft", "custom")
HTTPS_PORT = 443

_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,252}")
# A client secret has some forty characters, Google's longest scope a hundred.
_LONGEST = 2_048
_FILL_IN = "fill it in, best as secrets.NAME"


def with_token(server: Server, authentication: Inputs, hosts: HostList | None) -> Server:
    """Let a server be logged in to with an application's access tokens, where a task says so.

    Args:
        server: As the other keys describe it.
        authentication: The keys of ``authentication``.
        hosts: Where a task may ask for tokens; None for any host, by https.

    Raises:
        InputError: A key that is missing, unknown, or no valid value; or a host that is not listed.
    """
    oauth = authentication.inside("oauth")
    return server if oauth is None else replace(server, credential=_credential(oauth, hosts))


def _credential(inputs: Inputs, hosts: HostList | None) -> Credential:
    inputs.refuse_unknown()
    client_id, secret = inputs.require("clientId", _FILL_IN), inputs.require("clientSecret", _FILL_IN)
    microsoft = _is_microsoft(inputs.get("provider"))
    scopes = _scopes(inputs.get("scopes"))
    url, scopes = _microsoft(inputs, scopes) if microsoft else (_custom(inputs), scopes)
    _check_listed(inputs, url, hosts)
    return Credential(
        PLACE,
        "microsoft" if microsoft else "custom",
        Grant.CLIENT_CREDENTIALS,
        Endpoints(url),
        _short(client_id),
        client_secret=SecretStr(_short(secret)),
        scopes=scopes,
        extra=_extra(inputs.get("parameters")),
        names=NAMES,
    )


def _is_microsoft(provider: Value | None) -> bool:
    if provider is None:
        return False
    word = text(provider).strip().lower()
    if word not in PROVIDERS:
        raise provider.error(f"must be one of {', '.join(PROVIDERS)}", allowed=PROVIDERS)
    return word == "microsoft"


def _microsoft(inputs: Inputs, scopes: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    tenant = inputs.require("tenant", "fill in Microsoft's tenant: its id, or a domain of it")
    name = text(tenant).strip()
    if not _TENANT.fullmatch(name):
        raise tenant.error("is no tenant: it is an id, or a domain such as contoso.onmicrosoft.com")
    if name.lower() in ANY_TENANT:
        raise tenant.error("must be the application's own tenant, not one for persons")
    if (unfit := inputs.get("tokenUrl")) is not None:
        raise unfit.error("is known for provider microsoft; remove it")
    cloud, grant = CLOUDS["global"], Grant.CLIENT_CREDENTIALS
    other = microsoft_service_fault(scopes, cloud, grant, Service.MAIL)
    for fault in (*microsoft_scope_faults(scopes, cloud, grant), *filter(None, (other,))):
        # Never quoted: it may be a secret in the wrong field.
        raise InputError(f"{PLACE}.scopes", f"{'one of them ' if fault.scope else ''}{fault.says}")
    return cloud.tenant(name).token, microsoft_scopes(scopes, cloud, grant)


def _custom(inputs: Inputs) -> str:
    given = inputs.require("tokenUrl", "fill in the address of the provider's token endpoint")
    if (unfit := inputs.get("tenant")) is not None:
        raise unfit.error("is for provider microsoft; remove it, or set provider")
    url = _short(given).strip()
    parts = _parts(url)
    if parts is None or parts[0] not in {"https", "http"}:
        raise given.error("is no URL; write it as https://login.example.com/oauth2/token")
    return url


def _parts(url: str) -> tuple[str, str, int] | None:
    """Scheme, host in its one spelling, and port; None for what is no URL, or holds a login."""
    try:
        parts = urlsplit(url)
        port = parts.port or (HTTPS_PORT if parts.scheme == "https" else 80)
    except ValueError:
        return None
    host = canonical_host(parts.hostname or "")
    return None if host is None or "@" in parts.netloc or parts.fragment else (parts.scheme, host, port)


def token_server(credential: Credential) -> tuple[str, int]:
    """Host and port to which the secrets of a credential go."""
    parts = _parts(credential.endpoints.token)
    assert parts is not None  # noqa: S101 - checked when it was read
    return parts[1], parts[2]


def _check_listed(inputs: Inputs, url: str, hosts: HostList | None) -> None:
    """Refuse a host that the operator does not list; never quoting it, since it may hold a secret."""
    parts = _parts(url)
    assert parts is not None  # noqa: S101 - checked by the caller
    scheme, host, port = parts
    place = Value(f"{PLACE}.tokenUrl", url) if inputs.given("tokenUrl") else Value(f"{PLACE}.tenant", url)
    if hosts is None and scheme != "https":
        raise place.error("must start with https://, unless the operator lists the host in tokens.hosts")
    if hosts is not None and not hosts.lists(host, port, (HTTPS_PORT,)):
        raise place.error(
            f"is at none of the hosts that tasks may ask for tokens: {', '.join(hosts.entries)}; take one of "
            "them, or have it added to the setting tokens.hosts",
            allowed=hosts.entries,
        )


def _scopes(value: Value | None) -> tuple[str, ...]:
    if value is None:
        return ()
    given = items(value, lambda words: re.split(r"[\s,]+", words))
    return tuple(scope for item in given for scope in _short(item).split())


def _extra(value: Value | None) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    given = mapping(value)
    return tuple((str(name), _short(Value(f"{value.field}.{name}", data))) for name, data in given.items())


def _short(value: Value) -> str:
    given = text(value)
    if len(given) > _LONGEST:
        raise value.error(f"is longer than {_LONGEST} characters")
    return given
