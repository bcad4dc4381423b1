"""The HTTP clients of accounts that use a service: one for each trust, closed together.

A route enters, the client with which its service is asked leaves.
"""

from __future__ import annotations

import asyncio

import httpx2

from connector.errors import ErrorCode, Phase, TransportError
from connector.model.server import Route, TlsPolicy
from connector.net.http_clients import open_client
from connector.net.outbound import Outbound
from connector.tls.trust import UnusableTrustError, build_context
from connector.webapi.api import Limits


class ServiceClients:
    """Keeps connections; close them with :meth:`aclose`.

    Args:
        way: Which proxy requests go through.
        limits: How long things may take.
    """

    def __init__(self, way: Outbound, limits: Limits) -> None:
        self._way = way
        self._timeout = httpx2.Timeout(limits.answer, connect=limits.connect)
        self._clients: dict[TlsPolicy, httpx2.AsyncClient] = {}

    async def of(self, route: Route) -> httpx2.AsyncClient:
        """The client with the trust of a route.

        Raises:
            TransportError: ``TLS_FAILED``, for a file of certificates that cannot be used.
        """
        if route.tls not in self._clients:
            try:
                trust = await asyncio.to_thread(build_context, route.tls)
            except UnusableTrustError as error:
                raise _unusable(error, route) from error
            self._clients.setdefault(route.tls, open_client(trust, self._way, self._timeout))
        return self._clients[route.tls]

    async def aclose(self) -> None:
        """Close the connections."""
        for client in self._clients.values():
            await client.aclose()


def _unusable(error: UnusableTrustError, route: Route) -> TransportError:
    source = f"accounts.{route.account}.{error.key}" if error.key else "The system's bundle of authorities"
    return TransportError(
        ErrorCode.TLS_FAILED,
        f"{source} cannot be used: {error}. Nothing was sent.",
        phase=Phase.TLS,
        server=str(route),
    )
