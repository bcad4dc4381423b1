"""An open session: one delivery after the other, and the end."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable

from connector.errors import Phase, Reply, TransportError
from connector.model.envelope import Message
from connector.model.receipt import Receipt
from connector.transport.port import UNRECORDED, Deliveries
from connector.transport.smtp.conversation import Conversation
from connector.transport.smtp.replies import Capabilities
from connector.transport.smtp.transaction import Transaction, path

_FAREWELL_SECONDS = 2.0


class Session:
    """A connection that waits for MAIL; made by :func:`.opening.open_session`, used by one task at a time."""

    def __init__(
        self, talk: Conversation, capabilities: Capabilities, warnings: tuple[str, ...] = ()
    ) -> None:
        self._talk = talk
        self._capabilities = capabilities
        self._warnings = warnings

    @property
    def usable(self) -> bool:
        """Whether another message, or QUIT, can follow; :meth:`reset` comes first after a failure.

        Not after a reply that came unasked: the next command, RSET included, would get it for an answer, and
        every mail from then on the reply to something else.
        """
        return not self._talk.broken and (self._talk.unanswered > 0 or self._talk.quiet)

    @property
    def recording(self) -> bool:
        """Whether it waits for this worker to record a delivery, and not for the server."""
        return self._talk.recording

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS connection; None in clear."""
        return self._talk.tls

    @property
    def ready(self) -> bool:
        """Whether it waits for MAIL and has said nothing since, as a server does that wants to end it."""
        return not (self._talk.mail_begun or self._talk.unanswered) and self._talk.quiet

    def submit(self, message: Message, deliveries: Deliveries = UNRECORDED) -> Awaitable[Receipt]:
        """Make one delivery of a message.

        Args:
            message: What to send, and to whom.
            deliveries: Hears of it.

        Raises:
            TransportError: Nothing was delivered, except under ``DELIVERY_UNCERTAIN``.
        """
        return Transaction(self._talk, self._capabilities, message, deliveries, self._warnings).run()

    async def try_sender(self, address: str) -> Reply:
        """Ask whether mail from this address would be taken, and call the transaction off again.

        Some servers answer only at the first recipient: what they refuse there they accept here.

        Raises:
            TransportError: It would not, or the session is not usable any more.
        """
        international = "" if address.isascii() else " SMTPUTF8"
        reply = await self._talk.ask(Phase.MAIL, f"MAIL FROM:{path(address)}{international}")
        if reply.code != 250:
            raise self._talk.refusal(Phase.MAIL, reply)
        await self.reset()
        return self._talk.concealment.shown(reply)

    async def reset(self) -> None:
        """Forget a transaction that was refused, so that another can begin (RFC 5321 section 4.1.1.5).

        Raises:
            TransportError: The session is not usable any more.
        """
        await self._catch_up()
        reply = await self._talk.ask(Phase.MAIL, "RSET")
        if reply.code != 250:
            self.abort()
            raise self._talk.refusal(Phase.MAIL, reply)
        self._talk.mail_begun = False

    async def quit(self) -> None:
        """Take leave within two seconds; how that goes changes nothing for any mail."""
        with contextlib.suppress(TransportError, TimeoutError):
            try:
                async with asyncio.timeout(_FAREWELL_SECONDS):
                    await self._catch_up()
                    await self._talk.ask(Phase.MAIL, "QUIT")
                    await self._talk.close(_FAREWELL_SECONDS)
            finally:
                self.abort()

    def abort(self) -> None:
        """Close at once, without a word."""
        self._talk.abort()

    async def _catch_up(self) -> None:
        """Read the replies to what was pipelined behind a command that was refused."""
        while self._talk.unanswered:
            reply = await self._talk.receive(Phase.DATA)
            if reply.code == 354:  # it waits for content and would read the next command as such
                self.abort()
