"""The deliveries of one mail over all its attempts: the transport tells of them, the ledger hears.

What earlier attempts have achieved enters; who has the mail, who is left and what the response says of them
leaves. A recipient who has the mail never gets it again, and one who is refused for now is served by the next
attempt (contract section 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from connector.errors import ConnectorError, ErrorCode, Rejection, Reply, TransportError
from connector.ledger.progress import Delivered, Mark, Progress
from connector.model.envelope import Message
from connector.model.receipt import Delivery, Receipt

_ASSUMED = (
    "uncertain: the server's reply is not known, the mail may not have been delivered; taken for sent, as "
    "smtpEmailWhenUncertain, the account's uncertain or ledger.uncertain says"
)
_CHANGED = (
    "changed: this attempt's message differs from the one that some recipients have or may have: a file, a "
    "template or a setting was changed in the meantime"
)


class Record(Protocol):
    """What hears of each delivery, durably."""

    @property
    def repeated(self) -> bool:
        """Whether this is not the first attempt at the mail."""
        ...

    async def committing(self, mark: Mark) -> None:
        """Hear of a delivery before its last octets leave; what this raises stops them."""
        ...

    async def delivered(self, delivery: Delivered) -> None:
        """Hear of the reply to a delivery that is not the last."""
        ...


class Deliveries:
    """Implements :class:`connector.transport.port.Deliveries` for one attempt at one mail.

    Args:
        progress: What earlier attempts have achieved.
        record: Hears of each delivery.
        clock: Gives the present.

    Attributes:
        accepted: Those who have the mail.
        message_id: What names the message, once it was taken up; the same at every attempt.
    """

    def __init__(self, progress: Progress, record: Record, clock: Callable[[], datetime]) -> None:
        self._progress = progress
        self._record = record
        self._clock = clock
        self._mail = Mark()
        self._differs = False
        self._last: Delivery | None = None
        self.accepted = progress.delivered
        self.message_id = ""

    @property
    def repeated(self) -> bool:
        """See :class:`~connector.transport.port.Deliveries`."""
        return self._record.repeated

    @property
    def recipients(self) -> int:
        """How many recipients the mail has: those of its first delivery."""
        return len(self._progress.recipients or self._mail.mail)

    @property
    def idle(self) -> bool:
        """Whether no recipient has got the mail by this attempt."""
        return self.accepted == self._progress.delivered

    def begin(self, message: Message, digest: str, moment: datetime) -> Message:
        """Take a message up.

        Args:
            message: For all recipients that the task names.
            digest: Of its unsigned octets.
            moment: For which it was built.

        Returns:
            The message for those who are left.
        """
        self.message_id = message.message_id
        self._mail = Mark(mail=message.envelope.recipients, built=moment.isoformat(), digest=digest)
        if self._progress.ended:
            message = replace(message, ended=self._progress.ended)
        if not self._progress.built:
            return message
        self._differs = digest != self._progress.digest
        return replace(message, envelope=replace(message.envelope, recipients=self._progress.left))

    async def committing(self, delivery: Delivery) -> None:
        """See :class:`~connector.transport.port.Deliveries`."""
        mail = self._mail
        mark = Mark(delivery.recipients, delivery.reference, mail.mail, mail.built, mail.digest)
        await self._record.committing(mark)
        self._last = delivery

    async def delivered(self, delivery: Delivery, reply: Reply) -> None:
        """See :class:`~connector.transport.port.Deliveries`."""
        now = self._clock().astimezone(UTC).isoformat()
        await self._record.delivered(Delivered(delivery.recipients, str(reply), now))
        self.accepted += delivery.recipients
        self._last = None

    async def end(self, receipt: Receipt) -> None:
        """Record the reply to the last delivery of an attempt after which the mail is not done."""
        if self._last is not None and receipt.reply is not None:
            await self.delivered(self._last, receipt.reply)

    def refused(self, error: ConnectorError, *, last: bool) -> Receipt | None:
        """Say what is left of a mail when a server refuses all who were left.

        Args:
            error: The refusal.
            last: There is no further attempt for those who are refused for now.

        Returns:
            A receipt that rejects them, where others have the mail. None where the attempt failed.
        """
        final = {ErrorCode.RECIPIENT_REJECTED, *((ErrorCode.TEMPORARILY_REJECTED,) if last else ())}
        if not (self.accepted and isinstance(error, TransportError) and error.code in final):
            return None
        return Receipt(None, (), error.rejected)

    def joined(self, receipt: Receipt, warnings: tuple[str, ...], account: str | None) -> Receipt:
        """Put what all attempts have achieved into one receipt; its reply is that of the last delivery.

        Args:
            receipt: Of the last delivery.
            warnings: What there was to say of the mail before that.
            account: What it went through.
        """
        earlier = tuple(map(_rejection, self._progress.refused))
        accepted = tuple(dict.fromkeys((*self.accepted, *receipt.accepted)))
        warnings += receipt.warnings
        warnings += (_ASSUMED,) if self._progress.assumed else ()
        warnings += (_CHANGED,) if self._differs else ()
        return replace(
            receipt,
            reply=receipt.reply or self._earlier_reply,
            accepted=accepted,
            rejected=(*earlier, *receipt.rejected),
            warnings=warnings,
            account=account,
        )

    @property
    def _earlier_reply(self) -> Reply | None:
        if self._progress.reply is None:
            return None
        code, _, text = self._progress.reply.partition(" ")
        return Reply(int(code), text)


def _rejection(refused: Mapping[str, Any]) -> Rejection:
    return Rejection(str(refused["address"]), Reply(int(refused["code"]), str(refused["text"])))
