"""The settings of an account that sends through Microsoft Graph, and what contradicts them.

Settings of a mail server mean nothing to such an account; each that is set is a fault, since the operator
would take it for one that works.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema

from connector.model.hosts import THIS_MACHINE
from connector.model.incoming import MailProtocol
from connector.settings.providers import CLOUDS, Service
from connector.settings.values import Section, from_json, text_schema

if TYPE_CHECKING:
    from connector.settings.accounts import AccountSettings

TransportName = Literal["smtp", "graph"]

_VERSION = "/v1.0"
_HOSTS = tuple(urlsplit(cloud.graph).hostname for cloud in CLOUDS.values())
# What a mail server has, and an HTTP API has not.
_OF_SERVERS = ("host", "port", "security", "username", "password", "helo_name", "max_connections", "region")
_OWN_HEADERS = frozenset(
    {"authorization", "host", "prefer", "accept", "user-agent", "connection", "transfer-encoding", "expect"}
)
_HEADER_NAME = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"


def _base_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.hostname in THIS_MACHINE and parts.scheme in {"http", "https"}:
        return url.rstrip("/")
    if parts.scheme != "https" or parts.hostname not in _HOSTS or parts.netloc != parts.hostname:
        raise ValueError(
            "tokens of the mailbox go there: expected https:// with one of "
            f"{', '.join(map(str, _HOSTS))}, and {_VERSION} behind it"
        )
    return url.rstrip("/")


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


BaseUrl = Annotated[str, AfterValidator(_base_url), text_schema(r"https?://\S+")]
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


class GraphSettings(Section):
    """How an account uses Microsoft Graph; see the how-to."""

    mode: Literal["exact", "fast"] = Field(
        "exact",
        description="`exact`: by a draft, so that a mail can be found again after a lost answer; needs "
        "Mail.ReadWrite beside Mail.Send. `fast`: one request.",
    )
    user: str | None = Field(
        None,
        min_length=1,
        pattern=r"^[^/?#\s]+$",
        description="The mailbox: a user principal name or an id. Default: that of the person who consented; "
        "for an application the address.",
    )
    save_to_sent_items: bool = Field(
        True, description="Keep a copy in Sent Items. Without one the mode must be `fast`."
    )
    base_url: BaseUrl | None = Field(
        None,
        description="Address of the API with its version, on one of Microsoft's hosts or on this machine. "
        "Default: that of oauth.cloud.",
    )


def effective_base_url(account: AccountSettings) -> str:
    """The API: as set, or that of the account's cloud."""
    return account.graph.base_url or f"{CLOUDS[account.oauth.cloud].graph}{_VERSION}"


def graph_faults(account: AccountSettings) -> Iterator[str]:
    """Yield a line for what contradicts `transport: graph`, or for what needs it."""
    if account.transport != "graph":
        if "graph" in account.model_fields_set:
            yield "graph needs transport graph"
        if account.http_headers:
            yield "http_headers needs transport graph"
        if account.incoming.protocol is MailProtocol.GRAPH:
            yield "incoming.protocol graph needs transport graph"
        return
    yield from _superfluous(account)
    if not account.oauth.given:
        yield "transport graph needs oauth"
        return
    consent = account.oauth.grant is not None and account.oauth.grant.needs_consent
    named = account.oauth.credential is not None
    if not (consent or named or account.graph.user or account.address):
        yield "transport graph needs graph.user, the mailbox that the application uses, or address"
    if not account.graph.save_to_sent_items and account.graph.mode == "exact":
        yield "graph.save_to_sent_items false needs graph.mode fast: exact mode finds mails in Sent Items"
    if fault := account.oauth.service_fault(Service.GRAPH):
        yield f"oauth: {fault}"


def _superfluous(account: AccountSettings) -> Iterator[str]:
    for key in _OF_SERVERS:
        if getattr(account, key) is not None:
            yield f"{key} is for transport smtp: remove it"
    if account.preset not in {"custom", "office365", "outlook"}:
        yield f"preset {account.preset} is for transport smtp: remove it"
    if account.incoming.protocol not in {None, MailProtocol.GRAPH}:
        yield "incoming.protocol must be graph: a token is good for one of the two services"
    if account.signing.dkim.keys:
        yield "signing.dkim is for transport smtp: Exchange writes mails anew, and signs them itself"
    if account.defaults.delivery_receipt:
        yield "defaults.delivery_receipt is for transport smtp: Microsoft Graph takes no such requests"
