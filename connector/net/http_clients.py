"""The one place that makes HTTP clients: each goes the way that the operator says, and no other.

Neither the environment's proxies nor a ``.netrc`` are ever looked at here; no redirect is followed.
"""

from __future__ import annotations

import ssl

import httpx2

from connector.net.outbound import Outbound, Proxy


class OutboundTransport(httpx2.AsyncBaseTransport):
    """Sends each request through the proxy for its URL, or straight to its server.

    Args:
        trust: Whom to trust.
        way: Which proxy is for which URL.
        limits: How many connections are kept.
    """

    def __init__(self, trust: ssl.SSLContext, way: Outbound, limits: httpx2.Limits | None = None) -> None:
        self._trust = trust
        self._way = way
        self._limits = limits or httpx2.Limits(max_connections=100, max_keepalive_connections=20)
        self._transports: dict[Proxy | None, httpx2.AsyncHTTPTransport] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request."""
        return await self.towards(str(request.url)).handle_async_request(request)

    def towards(self, url: str) -> httpx2.AsyncHTTPTransport:
        """Give the connections for a URL, also for a request that names its host by an address."""
        proxy = self._way.proxy_for(url)
        if proxy not in self._transports:
            self._transports[proxy] = httpx2.AsyncHTTPTransport(
                verify=self._trust,
                trust_env=False,
                limits=self._limits,
                proxy=_as_proxy(proxy) if proxy else None,
            )
        return self._transports[proxy]

    async def aclose(self) -> None:
        """Close every connection."""
        for transport in self._transports.values():
            await transport.aclose()
        self._transports.clear()


def open_client(
    trust: ssl.SSLContext, way: Outbound, timeout: httpx2.Timeout | float, base_url: str = ""
) -> httpx2.AsyncClient:
    """Create a client; the caller closes it.

    Args:
        trust: Whom to trust.
        way: Which proxy is for which URL.
        timeout: Seconds for each of connecting, sending and waiting for an answer.
        base_url: The prefix of all paths.
    """
    transport = OutboundTransport(trust, way)
    return httpx2.AsyncClient(base_url=base_url, timeout=timeout, transport=transport, trust_env=False)


def _as_proxy(proxy: Proxy) -> httpx2.Proxy:
    auth = (proxy.login[0], proxy.login[1].get_secret_value()) if proxy.login else None
    return httpx2.Proxy(proxy.url, auth=auth)
