"""An open session: one message after the other, each in one delivery or several, and the end.

A finished message enters, one receipt for all its transactions leaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from dataclasses import replace

from connector.errors import ErrorCode, Phase, Rejection, Reply, TransportError
from connector.model.envelope import Message
from connector.model.receipt import Receipt
from connector.transport.port import Committing, nothing_to_record
from connector.transport.smtp import failures
from connector.transport.smtp.conversation import Conversation
from connector.transport.smtp.replies import Capabilities, shortened
from connector.transport.smtp.transaction import Transaction, path

_FAREWELL_SECONDS = 2.0
# RFC 3463 sections 3.5 and 3.4; in the place of words that the server did not say.
_BROKEN = "4.4.2"
_STOPPED = Reply(451, "4.3.2 This worker was stopped before the mail went to this recipient.")


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
    def tls(self) -> ssl.SSLObject | None:
        """The TLS connection; None in clear."""
        return self._talk.tls

    @property
    def ready(self) -> bool:
        """Whether it waits for MAIL and has said nothing since, as a server does that wants to end it."""
        return not (self._talk.mail_begun or self._talk.unanswered) and self._talk.quiet

    async def submit(self, message: Message, committing: Committing = nothing_to_record) -> Receipt:
        """Hand one message over, in several deliveries where the server limits recipients.

        RFC 5321 section 4.5.3.1.10: a recipient that is answered 452 for being one too many goes into a
        further transaction. From the first one that the server accepts there is no way back: what becomes of
        a later one is told in the receipt, because an error would mean that none has the mail, and the next
        attempt would send it again to all who have. It ends when all recipients are settled, or with a
        transaction in which none is accepted, or that fails; the session is not usable after such a failure.

        Args:
            message: What to send, and to whom.
            committing: See :class:`~connector.transport.port.Transport`.

        Raises:
            TransportError: Nothing was delivered, except under ``DELIVERY_UNCERTAIN``.
        """
        recipients = message.envelope.recipients
        first = Transaction(self._talk, self._capabilities, message, committing)
        try:
            receipt = await first.run()
        except TransportError as error:
            failures.name_refused(error, len(recipients))
            raise
        left = first.no_room
        while left:
            further, remaining = await self._go_on(message, left, committing)
            receipt, left = _joined(receipt, left, further), remaining
        warnings = self._warnings
        if receipt.rejected:
            warnings = (*warnings, _partial(receipt, len(recipients)))
        return replace(receipt, warnings=warnings + receipt.warnings) if warnings else receipt

    async def _go_on(
        self, message: Message, recipients: tuple[str, ...], committing: Committing
    ) -> tuple[Receipt, tuple[str, ...]]:
        """Send the same message to these; what became of it, and those left for one more transaction."""
        envelope = replace(message.envelope, recipients=recipients)
        transaction = Transaction(
            self._talk, self._capabilities, replace(message, envelope=envelope), committing
        )
        try:
            return await transaction.run(), transaction.no_room
        except TransportError as error:
            self._talk.farewell()
            return _failed(recipients, error), ()
        except asyncio.CancelledError:
            # Not passed on: to the task that cancels it would mean that none has the mail.
            return Receipt(_STOPPED, (), tuple(Rejection(address, _STOPPED) for address in recipients)), ()

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


def _failed(recipients: tuple[str, ...], error: TransportError) -> Receipt:
    """What a later transaction's error means for each: the server's words, or else what happened."""
    reply = error.reply or Reply(451, shortened(f"{_BROKEN} {error.message}"))
    words = {rejection.address: rejection.reply for rejection in error.rejected}
    rejected = tuple(Rejection(address, words.get(address, reply)) for address in recipients)
    warnings: tuple[str, ...] = ()
    if error.code is ErrorCode.DELIVERY_UNCERTAIN:
        unknown = len(recipients) - len(words)
        warnings = (f"uncertain: {unknown} of those in rejected may have got the mail. {error.message}",)
    return Receipt(reply, (), rejected, warnings)


def _joined(so_far: Receipt, asked_again: tuple[str, ...], further: Receipt) -> Receipt:
    """One receipt for both: the later word counts for those who were asked again."""
    again = frozenset(asked_again)
    settled = tuple(rejection for rejection in so_far.rejected if rejection.address not in again)
    return replace(
        so_far,
        accepted=so_far.accepted + further.accepted,
        rejected=settled + further.rejected,
        warnings=tuple(dict.fromkeys(so_far.warnings + further.warnings)),
    )


def _partial(receipt: Receipt, recipients: int) -> str:
    refused = len(receipt.rejected)
    were = "was" if refused == 1 else "were"
    return f"partial: {refused} of {recipients} recipients {were} refused; see rejected"
