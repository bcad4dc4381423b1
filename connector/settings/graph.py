"""The settings of an account that sends through Microsoft Graph, and what contradicts them.

Settings of a mail server mean nothing to such an account; each that is set is a fault, since the operator
would take it for one that works.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from connector.model.incoming import MailProtocol
from connector.settings.providers import CLOUDS, Service
from connector.settings.services import is_of_service, of_servers
from connector.settings.values import Section, form, text_schema

if TYPE_CHECKING:
    from connector.settings.accounts import AccountSettings

_VERSION = "/v1.0"
_USER = r"[^/?#\s]+"
_HOSTS = tuple(urlsplit(cloud.graph).hostname for cloud in CLOUDS.values())


def _base_url(url: str) -> str:
    if is_of_service(url, lambda host: host in _HOSTS):
        return url.rstrip("/")
    raise ValueError(
        "tokens of the mailbox go there: expected https:// with one of "
        f"{', '.join(map(str, _HOSTS))}, and {_VERSION} behind it"
    )


BaseUrl = Annotated[str, AfterValidator(_base_url), text_schema(r"https?://\S+")]
User = Annotated[str, form(_USER, "a user principal name or an id, as sales@example.com"), text_schema(_USER)]


class GraphSettings(Section):
    """How an account uses Microsoft Graph; see the how-to."""

    mode: Literal["exact", "fast"] = Field(
        "exact",
        description="`exact`: by a draft, so that a mail can be found again after a lost answer; needs "
        "Mail.ReadWrite beside Mail.Send. `fast`: one request.",
    )
    user: User | None = Field(
        None,
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
    yield from of_servers(account, frozenset({"custom", "office365", "outlook"}))
    if account.incoming.protocol not in {None, MailProtocol.GRAPH}:
        yield "incoming.protocol must be graph: a token is good for one of the two services"
    if account.signing.dkim.keys:
        yield "signing.dkim is for transport smtp: Exchange writes mails anew, and signs them itself"
    if account.defaults.delivery_receipt:
        yield "defaults.delivery_receipt is for transport smtp: Microsoft Graph takes no such requests"
