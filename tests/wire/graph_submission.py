"""What tests of the Graph transport hand over: a message, a mailbox, tokens and limits."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from connector.errors import Reply
from connector.graph.mailboxes import GraphMailboxes
from connector.message.build import build
from connector.model.addresses import Mailbox
from connector.model.credential import Credential, Endpoints, Grant
from connector.model.envelope import Message
from connector.model.mail import ContentType, InlineContent, LoadedAttachment, LoadedContent, SendRequest
from connector.model.receipt import Delivery
from connector.model.server import GraphRoute, Quota
from connector.net.outbound import DIRECT, Outbound
from connector.settings.model import MessageSettings, Settings
from connector.transport.graph.graph_transport import GraphTransport
from connector.webapi.api import Limits
from tests.servers.graph_world import Graph

USER = "flow@example.test"
LIMITS = Limits(connect=30, answer=30, look=30, interval=0.01)
SHORT_LOOK = Limits(connect=30, answer=30, look=0.1, interval=0.01)


def settings(graph: Graph, directory: Path, name: str = "sales", **changes: Any) -> Settings:
    """A worker's settings with one account that asks the double, as an application."""
    account = {
        "transport": "graph",
        "address": USER,
        "graph": {"base_url": graph.base_url},
        "oauth": {
            "grant": "client_credentials",
            "client_id": "connector",
            "client_secret": "s3cret-of-the-app",
            "token_url": graph.token_url,
        },
        **changes,
    }
    return Settings.model_validate(
        {"accounts": {name: account}, "ledger": {"path": str(directory / "ledger.db")}}
    )


class Recorded:
    """Deliveries as a ledger hears them."""

    def __init__(self, refusal: Exception | None = None) -> None:
        self.repeated = False
        self.committed: list[Delivery] = []
        self._refusal = refusal

    async def committing(self, delivery: Delivery) -> None:
        if self._refusal is not None:
            raise self._refusal
        self.committed.append(delivery)

    async def delivered(self, delivery: Delivery, reply: Reply) -> None:
        raise AssertionError("Graph takes a mail by one delivery")


class FixedTokens:
    """A source with tokens that are known."""

    def __init__(self, *tokens: str) -> None:
        self.tokens = list(tokens)
        self.refused: list[str] = []

    async def token(self, refused: SecretStr | None = None) -> SecretStr:
        if refused is not None:
            self.refused.append(refused.get_secret_value())
            self.tokens = self.tokens[1:] or self.tokens
        return SecretStr(self.tokens[0])


def route(graph: Graph, **changes: Any) -> GraphRoute:
    """The route of an account called sales, whose application uses the mailbox."""
    credential = Credential(
        "accounts.sales.oauth", "custom", Grant.CLIENT_CREDENTIALS, Endpoints(graph.token_url), "connector"
    )
    mailbox = GraphRoute(graph.base_url, "sales", credential, USER, quota=Quota(max_wait=1.0))
    return replace(mailbox, **changes)


def message(
    to: Sequence[str] = ("ada@example.com",),
    cc: Sequence[str] = (),
    bcc: Sequence[str] = (),
    *,
    files: Sequence[LoadedAttachment] = (),
    body: str = "Guten Tag, Ada Ä.",
    kind: ContentType = ContentType.TEXT,
    key: str = "k1",
    **changes: Any,
) -> Message:
    """A message as the stages before the transport write it."""
    request = replace(
        SendRequest(
            route=None,  # type: ignore[arg-type]
            sender=Mailbox(USER, "Flow"),
            to=tuple(map(Mailbox, to)),
            cc=tuple(map(Mailbox, cc)),
            bcc=tuple(map(Mailbox, bcc)),
            subject="Order 7 – größer",
            content_type=kind,
            content=InlineContent(body),
        ),
        **changes,
    )
    moment = datetime(2026, 3, 1, 8, tzinfo=UTC)
    return build(request, LoadedContent(body, tuple(files)), key, MessageSettings(), moment)


@asynccontextmanager
async def transport(
    graph: Graph, tokens: FixedTokens | None = None, limits: Limits = LIMITS, way: Outbound = DIRECT
) -> AsyncIterator[GraphTransport]:
    """A transport whose application may do all that it needs."""
    async with graph_mailboxes(graph, tokens, limits, way) as mailboxes:
        yield GraphTransport(mailboxes)


@asynccontextmanager
async def graph_mailboxes(
    graph: Graph, tokens: FixedTokens | None = None, limits: Limits = LIMITS, way: Outbound = DIRECT
) -> AsyncIterator[GraphMailboxes]:
    """Requests to the mailboxes, of an application that may do all."""
    source = tokens or FixedTokens(graph.token(None, "Mail.ReadWrite", "Mail.Send"))
    mailboxes = GraphMailboxes(lambda _: source, way, limits=limits)
    try:
        yield mailboxes
    finally:
        await mailboxes.aclose()
