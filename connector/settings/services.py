"""What accounts share that send through a service with an HTTP API, and not through a mail server.

Settings of a mail server mean nothing to such an account; each that is set is a fault, since the operator
would take it for one that works.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import BeforeValidator, WithJsonSchema

from connector.model.hosts import THIS_MACHINE
from connector.settings.values import from_json

if TYPE_CHECKING:
    from connector.settings.accounts import AccountSettings

TransportName = Literal["smtp", "graph", "acs"]

# What a mail server has, and an HTTP API has not.
_OF_SERVERS = ("host", "port", "security", "username", "password", "helo_name", "max_connections", "region")
_OWN_HEADERS = frozenset(
    {"authorization", "host", "prefer", "accept", "user-agent", "connection", "transfer-encoding", "expect"}
)
_HEADER_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"


def _http_headers(given: object) -> dict[str, str]:
    given = from_json(given)
    if not isinstance(given, dict):
        # ValueError, as pydantic reports only that one.
        raise ValueError("expected headers with values, as {X-Gateway-Tenant: finance}")  # noqa: TRY004
    headers = {str(name): str(value) for name, value in given.items()}
    for name, value in headers.items():
        plain = name.lower()
        if plain in _OWN_HEADERS or plain.startswith("content-"):
            raise ValueError(f"{name} belongs to the connector: remove it")
        if not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
            raise ValueError(f"{name[:60]!r} is not a name of a header")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"{name} has a value with control characters or beyond ASCII")
    return headers


HttpHeaders = Annotated[
    dict[str, str],
    BeforeValidator(_http_headers),
    WithJsonSchema(
        {
            "type": "object",
            "propertyNames": {"pattern": f"^{_HEADER_NAME}$"},
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        }
    ),
]


def is_of_service(url: str, its: Callable[[str], bool]) -> bool:
    """Whether an address may get a service's credentials: it is protected, and leads to the service.

    Args:
        url: As an operator wrote it; this machine is always taken, for tests.
        its: Whether a host is one of the service's.
    """
    parts = urlsplit(url)
    if parts.hostname in THIS_MACHINE and parts.scheme in {"http", "https"}:
        return True
    host = parts.hostname or ""
    return parts.scheme == "https" and parts.netloc == host and its(host)


def of_servers(account: AccountSettings, presets: frozenset[str]) -> Iterator[str]:
    """Yield a line for each setting of a mail server.

    Args:
        account: One without a mail server.
        presets: Those that say nothing about a mail server which the account would miss.
    """
    for key in _OF_SERVERS:
        if getattr(account, key) is not None:
            yield f"{key} is for transport smtp: remove it"
    if account.preset not in presets:
        yield f"preset {account.preset} is for transport smtp: remove it"
