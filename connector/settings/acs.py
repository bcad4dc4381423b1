"""The settings of an account that sends through Azure Communication Services, and what contradicts them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, SecretStr

from connector.settings.providers import CLOUDS, Service
from connector.settings.services import is_of_service, of_servers
from connector.settings.values import Seconds, Section, form, text_schema

if TYPE_CHECKING:
    from connector.settings.accounts import AccountSettings

# The service's limits; support raises those of size and rate, not that of recipients.
MOST_RECIPIENTS = 50
_LARGEST_REQUEST = 10 * 1024 * 1024
_HOSTS = (".communication.azure.com", ".communication.azure.us")


def _endpoint(url: str) -> str:
    if "accesskey=" in url.lower():
        raise ValueError(
            "this is a connection string: give endpoint what stands behind endpoint=, and access_key what "
            "stands behind accesskey="
        )
    bare = url.rstrip("/")
    if is_of_service(bare, lambda host: host.endswith(_HOSTS)) and bare.count("/") == 2 and "?" not in bare:
        return bare
    raise ValueError(
        "mails and the login go there: expected the resource's endpoint, as "
        "https://contoso.communication.azure.com"
    )


Endpoint = Annotated[str, AfterValidator(_endpoint), text_schema(r"https?://\S+")]

_API_VERSION = r"\d{4}-\d{2}-\d{2}(-preview)?"
ApiVersion = Annotated[
    str, form(_API_VERSION, "a version of the API, as 2025-09-01"), text_schema(_API_VERSION)
]


class AcsSettings(Section):
    """How an account uses Azure Communication Services; see the how-to."""

    endpoint: Endpoint | None = Field(
        None, description="The resource's endpoint, as https://contoso.communication.azure.com."
    )
    access_key: SecretStr | None = Field(
        None, description="One of the resource's access keys, or secrets.NAME; or use `oauth` instead."
    )
    api_version: ApiVersion = Field(
        "2025-09-01",
        description="Version of the API; inline images need 2025-09-01.",
    )
    sent_when: Literal["succeeded", "accepted"] = Field(
        "succeeded",
        description="When a mail counts as sent: `succeeded`, when the service has sent it on, or reports "
        "why not; `accepted`, as soon as it has taken it, and no end is waited for.",
    )
    poll_interval: Seconds = Field(
        timedelta(seconds=5),
        description="How often the state of a send is asked for where the service names no pause itself.",
    )
    poll_limit: Seconds = Field(
        timedelta(minutes=2),
        description="How long the end of a send is waited for; then the mail counts as sent, with a warning.",
    )
    repeat_within: Seconds = Field(
        timedelta(hours=1),
        description="How long after a lost answer a send that the service does not know may be repeated "
        "under its id. Later, `uncertain` decides.",
    )
    max_size: int = Field(
        _LARGEST_REQUEST,
        ge=1024,
        description="Bytes of the largest request, attachments in base64 included; support raises it.",
    )


def acs_faults(account: AccountSettings) -> Iterator[str]:
    """Yield a line for what contradicts `transport: acs`, or for what needs it."""
    if account.transport != "acs":
        if "acs" in account.model_fields_set:
            yield "acs needs transport acs"
        return
    yield from _superfluous(account)
    if account.acs.endpoint is None:
        yield "transport acs needs acs.endpoint"
    if account.address is None:
        yield "transport acs needs address, a sender of one of the resource's domains"
    if account.oauth.given == (account.acs.access_key is not None):
        yield "transport acs needs one of acs.access_key and oauth"
    if account.oauth.cloud is not None and not CLOUDS[account.oauth.cloud].communication:
        yield f"oauth.cloud {account.oauth.cloud} has no Azure Communication Services"
    if fault := account.oauth.service_fault(Service.ACS):
        yield f"oauth: {fault}"


def _superfluous(account: AccountSettings) -> Iterator[str]:
    yield from of_servers(account, frozenset({"custom"}))
    service = "Azure Communication Services"
    if account.incoming.protocol is not None:
        yield f"incoming is for other transports: {service} has no mailboxes; make an account for it"
    if account.display_name:
        yield "display_name is for other transports: set the name of the sender in Azure, and remove it here"
    signing = account.signing
    if signing.dkim.keys or signing.keys or signing.certificates:
        yield f"signing is for other transports: {service} writes mails anew, and signs for the domain itself"
    if account.defaults.delivery_receipt:
        yield f"defaults.delivery_receipt is for transport smtp: {service} takes no such requests"
    if (account.max_recipients or 0) > MOST_RECIPIENTS:
        yield f"max_recipients must not be above {MOST_RECIPIENTS}, the limit of {service}"


def is_inline_capable(api_version: str) -> bool:
    """Whether a version of the API knows inline images (`contentId`)."""
    return re.sub("-preview$", "", api_version) >= "2024-07-01"
