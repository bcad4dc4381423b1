"""Requests to any mailbox behind Microsoft Graph: the connections, tokens and limits that they share.

A route enters, a :class:`~connector.graph.api.GraphApi` for its mailbox leaves. Sending, reading and checks
use the same, since the service counts their requests together.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx2

from connector.auth.port import TokenSource
from connector.errors import ErrorCode, Phase, TransportError
from connector.graph.allowance import Allowances
from connector.graph.api import GraphApi, Limits
from connector.model.credential import Credential
from connector.model.server import GraphRoute, TlsPolicy
from connector.net.http_clients import open_client
from connector.net.outbound import Outbound
from connector.tls.trust import UnusableTrustError, build_context

Sources = Callable[[Credential], TokenSource]
"""Gives the source of a credential's access tokens."""


class GraphMailboxes:
    """Gives requests to mailboxes; close it with :meth:`aclose`.

    Args:
        tokens: Gives the source of a credential's access tokens.
        way: Which proxy requests go through.
        allowances: What is left of each mailbox's limits; outlives this where settings change.
        limits: How long things may take.
    """

    def __init__(
        self,
        tokens: Sources,
        way: Outbound,
        allowances: Allowances | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._tokens = tokens
        self._way = way
        self._allowances = allowances or Allowances()
        self.limits = limits or Limits()
        self._clients: dict[TlsPolicy, httpx2.AsyncClient] = {}
        self._known: dict[tuple[str, str], dict[str, str]] = {}

    async def api(self, route: GraphRoute) -> GraphApi:
        """Requests to the mailbox of a route.

        Raises:
            TransportError: ``TLS_FAILED``, for a file of certificates that cannot be used.
        """
        client = await self._client(route)
        mailbox = route.base_url, route.user or route.credential.place
        known = self._known.setdefault(mailbox, {})
        tokens, allowance = self._tokens(route.credential), self._allowances.of(mailbox)
        return GraphApi(route, client, tokens, allowance, known)

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()

    async def _client(self, route: GraphRoute) -> httpx2.AsyncClient:
        if route.tls not in self._clients:
            try:
                trust = await asyncio.to_thread(build_context, route.tls)
            except UnusableTrustError as error:
                raise _unusable(error, route) from error
            timeout = httpx2.Timeout(self.limits.answer, connect=self.limits.connect)
            self._clients.setdefault(route.tls, open_client(trust, self._way, timeout))
        return self._clients[route.tls]


def _unusable(error: UnusableTrustError, route: GraphRoute) -> TransportError:
    source = f"accounts.{route.account}.{error.key}" if error.key else "The system's bundle of authorities"
    return TransportError(
        ErrorCode.TLS_FAILED,
        f"{source} cannot be used: {error}. Nothing was sent.",
        phase=Phase.TLS,
        server=str(route),
    )
