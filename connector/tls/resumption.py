"""TLS sessions that outlive their connection, so that the next one costs a fraction of a handshake.

A connection that stands is remembered by its host, and the next handshake with that host offers its session
(RFC 8446 section 2.2, RFC 5077). A server that does not want it does a full handshake instead.

It stands apart from trust because a resumed session shows no certificate: it carries the verdict of the first
handshake on. So a session is for one context only, which stands for one policy, and for one host name; a
changed file of authorities makes a new context, which has no sessions.
"""

from __future__ import annotations

import ssl
from collections import OrderedDict

# A session has some kilobytes, with the server's certificate.
_MOST_HOSTS = 256


class Sessions:
    """The latest session with each host, offered at the handshakes of one context.

    Args:
        context: A client's; from now on it offers them.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self._latest: OrderedDict[str, ssl.SSLSession] = OrderedDict()
        self._wrap_bio = context.wrap_bio
        # asyncio takes no session for a handshake, but asks its context for the TLS object.
        context.wrap_bio = self._resuming  # type: ignore[assignment, method-assign]

    def remember(self, connection: ssl.SSLObject) -> None:
        """Keep the session of a connection on which something was read: TLS 1.3 sends tickets late."""
        host, session = connection.server_hostname, connection.session
        if host is None or session is None:
            return
        self._latest[host] = session
        self._latest.move_to_end(host)
        if len(self._latest) > _MOST_HOSTS:
            self._latest.popitem(last=False)

    def forget(self) -> None:
        """Let the next handshakes be full ones, as after one that failed."""
        self._latest.clear()

    def _resuming(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        *,
        server_side: bool,
        server_hostname: str,
    ) -> ssl.SSLObject:
        session = self._latest.get(server_hostname)
        return self._wrap_bio(incoming, outgoing, server_side, server_hostname, session)
