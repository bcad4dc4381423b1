"""What tests of Azure Communication Services hand over: a resource, a mail, limits, a worker's settings."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from connector.acs.resources import AcsResources
from connector.model.addresses import Mailbox
from connector.model.credential import Credential, Endpoints, Grant
from connector.model.envelope import Message
from connector.model.server import AcsRoute, Quota
from connector.net.outbound import DIRECT
from connector.settings.model import Settings
from connector.transport.acs.acs_transport import AcsTransport
from connector.webapi.api import Limits
from tests.servers.acs import Acs
from tests.wire.graph_submission import LIMITS, USER, FixedTokens
from tests.wire.graph_submission import message as graph_message

CREDENTIAL = Credential(
    "accounts.sales.oauth", "custom", Grant.CLIENT_CREDENTIALS, Endpoints("http://localhost"), "connector"
)


def settings(acs: Acs, directory: Path, own: Mapping[str, Any] | None = None, **changes: Any) -> Settings:
    """A worker's settings with one account, sales, that asks the double with its access key."""
    usual = {"endpoint": acs.endpoint, "access_key": acs.key, "poll_interval": 0.01}
    account = {"transport": "acs", "address": USER, "acs": {**usual, **(own or {})}, **changes}
    return Settings.model_validate(
        {"accounts": {"sales": account}, "ledger": {"path": str(directory / "ledger.db")}}
    )


def route(acs: Acs, **changes: Any) -> AcsRoute:
    """The route of an account called sales."""
    resource = AcsRoute(
        acs.endpoint,
        "sales",
        "2025-09-01",
        SecretStr(acs.key),
        poll_interval=0.01,
        quota=Quota(max_wait=1.0, max_recipients=50),
    )
    return replace(resource, **changes)


def message(*arguments: Any, **changes: Any) -> Message:
    """A message as the stages before the transport write it; its sender has no name beside the address."""
    return graph_message(*arguments, **{"sender": Mailbox(USER), **changes})


@asynccontextmanager
async def transport(
    limits: Limits = LIMITS, tokens: FixedTokens | None = None
) -> AsyncIterator[AcsTransport]:
    """A transport for one test."""
    resources = AcsResources(lambda _: tokens or FixedTokens("none"), DIRECT, limits=limits)
    try:
        yield AcsTransport(resources)
    finally:
        await resources.aclose()
