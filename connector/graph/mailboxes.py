"""Requests to any mailbox behind Microsoft Graph: the connections, tokens and limits that they share.

A route enters, a :class:`~connector.graph.api.GraphApi` for its mailbox leaves. Sending, reading and checks
use the same, since the service counts their requests together.
"""

from __future__ import annotations

from collections.abc import Callable

from connector.auth.port import TokenSource
from connector.graph.api import GraphApi
from connector.model.credential import Credential
from connector.model.server import GraphRoute
from connector.net.outbound import Outbound
from connector.webapi.allowance import Allowances, Ceiling
from connector.webapi.api import Limits
from connector.webapi.clients import ServiceClients

# "Outlook service limits" of the documentation, for one application and mailbox.
_CEILING = Ceiling(
    "The mailbox behind Microsoft Graph",
    at_a_time=4,
    requests=10_000,
    seconds=600.0,
    octets=150_000_000,
    upload_seconds=300.0,
)

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
        self._allowances = allowances or Allowances()
        self.limits = limits or Limits()
        self._clients = ServiceClients(way, self.limits)
        self._known: dict[tuple[str, str], dict[str, str]] = {}

    async def api(self, route: GraphRoute) -> GraphApi:
        """Requests to the mailbox of a route.

        Raises:
            TransportError: ``TLS_FAILED``, for a file of certificates that cannot be used.
        """
        client = await self._clients.of(route)
        mailbox = route.base_url, route.user or route.credential.place
        known = self._known.setdefault(mailbox, {})
        tokens, allowance = self._tokens(route.credential), self._allowances.of(mailbox, _CEILING)
        return GraphApi(route, client, tokens, allowance, known)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._clients.aclose()
