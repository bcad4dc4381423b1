"""The SMTP transport: a message and a server in, a receipt out.

It stands at the border: it holds what outlives a mail (the trust, our name, connections that take their
leave) and leaves the protocol to :mod:`~connector.transport.session`. One connection carries one mail.
"""

from __future__ import annotations

import asyncio
import re
import socket
from pathlib import Path

from connector.errors import ErrorCode, Phase, TransportError
from connector.message.envelope import Message
from connector.settings.model import SmtpSettings
from connector.task.request import Server
from connector.transport.port import Committing, Receipt, nothing_to_record
from connector.transport.session import Client, Session, open_session
from connector.transport.tls import build_context

_QUALIFIED_NAME = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+")
_NAME_LOOKUP_SECONDS = 5.0


class SmtpTransport:
    """Submits mails over SMTP (RFC 5321, RFC 6409).

    Safe to use from many tasks of one event loop at a time. Make it once, close it with :meth:`aclose`.

    Args:
        settings: Time limits, our name, and whom to trust.
    """

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._client: Client | None = None
        self._preparing = asyncio.Lock()
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
        async with self._preparing:
            if self._client is None:
                self._client = await self._prepare(server)
        return self._client

    async def _prepare(self, server: Server) -> Client:
        """Read the authorities and find our name, both off the event loop, once."""
        ca_file = self._settings.ca_file
        try:
            context = await asyncio.to_thread(build_context, ca_file)
        except OSError as error:
            raise _unusable_trust(ca_file, error, server) from error
        name = self._settings.helo_name or await _qualified_name()
        return Client(self._settings.timeouts, context, name)


def _unusable_trust(ca_file: Path | None, error: OSError, server: Server) -> TransportError:
    source = f"smtp.ca_file {ca_file}" if ca_file else "The system's bundle of authorities"
    reason = error.strerror or "it holds no certificate in PEM form"
    return TransportError(
        ErrorCode.TLS_FAILED,
        f"{source} cannot be used: {reason}. Nothing was sent.",
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
