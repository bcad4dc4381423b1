"""One mail in as many transactions as the server's limit on recipients asks for.

RFC 5321 section 4.5.3.1.10: who is answered 452 for being one too many goes into a further transaction. A
message enters, one receipt for all its transactions leaves.

From the first one that the server accepts there is no way back: whatever becomes of a later one is told in
the receipt, because an error would mean that nobody has the mail, and the next attempt would send it again
to all who have.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace

from connector.errors import ErrorCode, Rejection, Reply, TransportError
from connector.model.envelope import Message
from connector.model.receipt import Receipt
from connector.transport.port import Committing
from connector.transport.smtp import failures
from connector.transport.smtp.capabilities import Capabilities
from connector.transport.smtp.concealment import shortened
from connector.transport.smtp.conversation import Conversation
from connector.transport.smtp.transaction import Transaction

# RFC 3463 sections 3.5 and 3.4; in the place of words that the server did not say.
_BROKEN = "4.4.2"
_STOPPED = Reply(451, "4.3.2 This worker was stopped before the mail went to this recipient.")


async def submit(
    talk: Conversation, capabilities: Capabilities, message: Message, committing: Committing
) -> Receipt:
    """Hand a message over, to those for whom a transaction has no room in the next one.

    It ends when nobody is left, or with a transaction in which nobody is accepted, or that fails. The
    conversation is over after such a failure.

    Raises:
        TransportError: Nothing was delivered, except under ``DELIVERY_UNCERTAIN``.
    """
    recipients = message.envelope.recipients
    first = Transaction(talk, capabilities, message, committing)
    try:
        receipt = await first.run()
    except TransportError as error:
        failures.name_refused(error, len(recipients))
        raise
    left = first.no_room
    while left:
        further, remaining = await _go_on(talk, capabilities, message, left, committing)
        receipt, left = _joined(receipt, left, further), remaining
    if not receipt.rejected:
        return receipt
    return replace(receipt, warnings=(_partial(receipt, len(recipients)), *receipt.warnings))


async def _go_on(
    talk: Conversation,
    capabilities: Capabilities,
    message: Message,
    recipients: tuple[str, ...],
    committing: Committing,
) -> tuple[Receipt, tuple[str, ...]]:
    """Send the same message to these; gives what became of it, and who is left for one more transaction."""
    envelope = replace(message.envelope, recipients=recipients)
    transaction = Transaction(talk, capabilities, replace(message, envelope=envelope), committing)
    try:
        return await transaction.run(), transaction.no_room
    except TransportError as error:
        talk.link.farewell()
        return _failed(recipients, error), ()
    except asyncio.CancelledError:
        # Not passed on: to whoever cancels it would mean that nobody has the mail.
        return Receipt(_STOPPED, (), tuple(Rejection(address, _STOPPED) for address in recipients)), ()


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
