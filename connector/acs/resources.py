"""Requests to any resource of Azure Communication Services: the connections and logins that they share.

A route enters, an :class:`~connector.acs.api.AcsApi` for its resource leaves. Sending and checks use it.
"""

from __future__ import annotations

from collections.abc import Callable

from connector.acs.api import NAME, AcsApi, AcsFaultError
from connector.acs.signature import KeyLogin, UnusableKeyError
from connector.auth.port import TokenSource
from connector.errors import ErrorCode, Phase, TransportError
from connector.model.credential import Credential
from connector.model.server import AcsRoute
from connector.net.outbound import Outbound
from connector.webapi.allowance import Allowances, Ceiling
from connector.webapi.api import Limits
from connector.webapi.asking import Asking, BearerLogin, Login
from connector.webapi.clients import ServiceClients

# The documented 250 connections are for all workers of a subscription. How many mails it takes in a minute
# differs from one subscription to another: accounts have `rate` for it, and Retry-After tells the rest.
_CEILING = Ceiling(NAME, at_a_time=20)


class AcsResources:
    """Gives requests to resources; close it with :meth:`aclose`.

    Args:
        tokens: Gives the source of a credential's access tokens.
        way: Which proxy requests go through.
        allowances: What is left of each resource's limits; outlives this where settings change.
        limits: How long things may take.
    """

    def __init__(
        self,
        tokens: Callable[[Credential], TokenSource],
        way: Outbound,
        allowances: Allowances | None = None,
        limits: Limits | None = None,
    ) -> None:
        self._tokens = tokens
        self._allowances = allowances or Allowances()
        self.limits = limits or Limits()
        self._clients = ServiceClients(way, self.limits)

    async def api(self, route: AcsRoute) -> AcsApi:
        """Requests to the resource of a route.

        Raises:
            TransportError: ``TLS_FAILED``, for a file of certificates that cannot be used; ``AUTH_FAILED``,
                for an access key that is none.
        """
        client, patience = await self._clients.of(route), route.quota.max_wait
        sending, looking = (
            Asking(client, self._allowances.of((route.endpoint, what), _CEILING), patience, AcsFaultError)
            for what in ("send", "state")
        )
        return AcsApi(route, sending, looking, self._login(route))

    async def aclose(self) -> None:
        """Close the connections."""
        await self._clients.aclose()

    def _login(self, route: AcsRoute) -> Login:
        if route.credential is not None:
            return BearerLogin(self._tokens(route.credential))
        try:
            if route.password is not None:
                return KeyLogin(route.password)
        except UnusableKeyError:
            pass
        raise TransportError(
            ErrorCode.AUTH_FAILED,
            f"accounts.{route.account}.acs.access_key is no access key: it must be base64, as the portal "
            "shows it under Keys; what follows accesskey= in a connection string. Nothing was sent.",
            phase=Phase.AUTH,
            server=str(route),
        )
