"""Send one JSON request to a secret store, such as Vault's or Google's HTTP interface.

Every failure that says nothing about the secret is a :class:`ProviderUnavailableError`: no connection, TLS,
overload, and answers of a different service. Redirects are not followed, because the request contains a
token, which must not go to another host.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from connector.model.causes import reason_of
from connector.net.answers import TooLongError, octets_of, redirect_of
from connector.secrets.port import ProviderUnavailableError

# 412: Vault's standby has not yet seen the token; 472, 473: it is a standby of another cluster.
_LATER = frozenset({408, 412, 425, 429, 472, 473})
# Several times the size of a secret of 64 KB with its escapes and the other fields of the answer.
_LONGEST_ANSWER = 2_000_000


@dataclass(frozen=True, slots=True)
class JsonReply:
    """Status and body; the body may be empty."""

    status: int
    body: Mapping[str, Any]

    def context(self, *path: str) -> Mapping[str, Any]:
        """Return the object at a path within the body, or an empty one."""
        node: Any = self.body
        for key in path:
            node = node.get(key) if isinstance(node, Mapping) else None
        return node if isinstance(node, Mapping) else {}


async def ask(
    client: httpx2.AsyncClient,
    path: str,
    *,
    headers: Mapping[str, str],
    send: Mapping[str, str] | None = None,
) -> JsonReply:
    """Send a GET, or a POST if there is JSON to send.

    Raises:
        ProviderUnavailableError: The service is unreachable or overloaded, or is not the expected one.
    """
    method = "GET" if send is None else "POST"
    try:
        async with client.stream(method, path, headers=dict(headers), json=send) as reply:
            body = await octets_of(reply, _LONGEST_ANSWER)
    except TooLongError as error:
        reason = f"{error}, which no secret has; check the address"
        raise ProviderUnavailableError(reason) from None
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        reason = f"it cannot be reached: {reason_of(error)}"
        raise ProviderUnavailableError(reason) from None
    if reply.status_code >= 500 or reply.status_code in _LATER:
        reason = f"it answered {reply.status_code}"
        raise ProviderUnavailableError(reason)
    if redirect := redirect_of(reply):
        raise ProviderUnavailableError(f"{redirect}; set its final address")
    return JsonReply(reply.status_code, _json(body, reply.status_code))


def _json(octets: bytes, status: int) -> Mapping[str, Any]:
    if not octets:
        return {}
    try:
        body = json.loads(octets)
    except (ValueError, RecursionError):  # its text may quote the answer
        body = None
    if not isinstance(body, dict):
        reason = f"its answer ({status}) is not JSON; check the address"
        raise ProviderUnavailableError(reason)
    return body
