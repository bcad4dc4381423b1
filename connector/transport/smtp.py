"""The SMTP transport: a message and a server in, a receipt out.

It stands at the border: it holds what outlives a mail (the trust, our name, connections that take their
leave) and leaves the protocol to :mod:`~connector.transport.session`. One connection carries one mail.
"""

from __future__ import annotations

import asyncio
import re
import socket
from dataclasses import replace

from connector.errors import ErrorCode, Phase, TransportError
from connector.message.envelope import Message
from connector.settings.model import SmtpSettings
from connector.task.request import Server, TlsPolicy
from connector.transport.port import Committing, Receipt, nothing_to_record
from connector.transport.session import Client, Session, open_session
from connector.transport.trust import Contexts, UnusableTrustError

_QUALIFIED_NAME = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_NAME_LOOKUP_SECONDS = 5.0


class SmtpTransport:
    """Submits mails over SMTP (RFC 5321, RFC 6409).

    Safe to use from many tasks of one event loop at a time. Make it once, close it with :meth:`aclose`.

    Args:
        settings: Time limits, our name, and whom to trust, where the server's account does not say.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._contexts = Contexts()
        self._name: str | None = None  # not looked for yet; empty when there is none
        self._naming = asyncio.Lock()
        self._leaving: set[asyncio.Task[None]] = set()

    async def submit(
        self, message: Message, server: Server, committing: Committing = nothing_to_record
    ) -> Receipt:
        """Hand the message over, once, on a connection of its own.

        Cancelling it closes the connection: before the final dot nothing was delivered and
        ``CancelledError`` goes on; after it the outcome is ``DELIVERY_UNCERTAIN``.

        Returns:
            The receipt. Recipients that were refused, also those refused for now, are in ``rejected``
            unless the message requires all of them.

        Raises:
            TransportError: Nothing was delivered, except under ``DELIVERY_UNCERTAIN``.
        """
        session = await open_session(server, await self._prepared(server))
        try:
            return await session.submit(message, committing)
        finally:
            self._leave(session)

    async def aclose(self) -> None:
        """Wait until every connection has taken its leave, two seconds at most."""
        await asyncio.gather(*self._leaving, return_exceptions=True)

    def _leave(self, session: Session) -> None:
        """Say QUIT behind the caller's back: no outcome may wait for it or be lost through it."""
        if session.usable:
            task = asyncio.create_task(session.quit())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _prepared(self, server: Server) -> Client:
        """What an account says, and where it says nothing the general settings."""
        policy = server.tls
        if policy.ca_file is None and policy.trust_store is None:
            policy = replace(policy, ca_file=self._settings.ca_file)
        try:
            context = await self._contexts.get(policy)
        except UnusableTrustError as error:
            raise _unusable(policy, error, server) from error
        name = server.helo_name or self._settings.helo_name or await self._own_name()
        return Client(server.timeouts or self._settings.timeouts, context, name)

    async def _own_name(self) -> str | None:
        """Find our name, once."""
        async with self._naming:
            if self._name is None:
                self._name = await _qualified_name() or ""
        return self._name or None


def _unusable(policy: TlsPolicy, error: UnusableTrustError, server: Server) -> TransportError:
    source = "The system's bundle of authorities"
    if error.key:
        own = server.account is not None and getattr(server.tls, error.key) is not None
        section = f"accounts.{server.account}" if own else "smtp"
        source = f"{section}.{error.key} {getattr(policy, error.key)}"
    return TransportError(
        ErrorCode.TLS_FAILED,
        f"{source} cannot be used: {error}. Nothing was sent.",
        phase=Phase.TLS,
        server=str(server),
    )


async def _qualified_name() -> str | None:
    """This host's name in DNS; ``None`` when it has none, or DNS does not answer in five seconds."""
    try:
        name = await asyncio.wait_for(asyncio.to_thread(socket.getfqdn), _NAME_LOOKUP_SECONDS)
    except TimeoutError:
        return None
    return name if _QUALIFIED_NAME.fullmatch(name) else None
