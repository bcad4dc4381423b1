"""One mail over an open session: MAIL, RCPT, DATA, content, dot (RFC 5321 section 3.3).

A finished message enters, a receipt leaves. The envelope goes in groups of commands where the server offers
PIPELINING (RFC 2920). The final dot is written on its own, after everything before it has left this
process: what fails until then was certainly not delivered, and only between the dot and its reply is
the outcome uncertain (RFC 1047). It also keeps back the dot from a server that refuses the content before its
turn: with a dot behind it the content may be taken all the same, and the next attempt would be a second mail.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from collections.abc import Awaitable, Iterator

from connector.errors import ErrorCode, Phase, Rejection, Reply, TransportError
from connector.model.envelope import Message
from connector.model.receipt import Delivery, Receipt
from connector.transport.port import Deliveries
from connector.transport.smtp import failures
from connector.transport.smtp.conversation import Conversation
from connector.transport.smtp.replies import Capabilities

CHUNK_SIZE = 65_536
_CHECKED_AT_ONCE = 250_000
# Commands written at a time: few enough that no reply ever waits for room in a buffer, or is taken for a
# flood, and enough that round trips do not count.
GROUP_SIZE = 200

# "Too many recipients" (RFC 3463 section 3.6); RFC 5321 section 4.5.3.1.10 tells of servers that say 552.
_NO_ROOM = frozenset({"4.5.3", "5.5.3"})

_NOT_XTEXT = re.compile(r"[^!-*,-<>-~]")
_QUOTED_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_UNQUOTED_UNSAFE = re.compile(r"[<>\s]")


def cuts(data: bytes, size: int) -> Iterator[tuple[int, int]]:
    """Cut a message at line ends into pieces of about this size; gives where each begins and ends."""
    start = 0
    while start < len(data):
        end = data.find(b"\r\n", start + size - 2) + 2
        end = end if end > 1 else len(data)
        yield start, end
        start = end


def stuffed_chunks(data: bytes) -> Iterator[bytes | memoryview]:
    """Cut a message and double the dots that lines begin with (RFC 5321 section 4.5.2).

    A message without such dots, the usual one, is not copied.
    """
    view = memoryview(data)
    for start, end in cuts(data, CHUNK_SIZE):
        if data[start] == 0x2E or data.find(b"\r\n.", start, end) >= 0:
            stuffed = data[start:end].replace(b"\r\n.", b"\r\n..")
            yield b"." + stuffed if data[start] == 0x2E else stuffed
        else:
            yield view[start:end]


async def check_line_ends(data: bytes) -> None:
    """Refuse octets that servers could disagree about where the message ends ("SMTP smuggling").

    Raises:
        ValueError: A CR or LF stands alone, or the last line has no end. The message builder never makes
            such bytes; this is the last line of defence.
    """
    good = data.endswith(b"\r\n")
    for start, end in cuts(data, _CHECKED_AT_ONCE):
        lines = data.count(b"\r\n", start, end)
        good = good and lines == data.count(b"\r", start, end) == data.count(b"\n", start, end)
        if end < len(data):
            await asyncio.sleep(0)  # the loop is for others too: this takes half a millisecond
    if not good:
        raise ValueError("a message must consist of lines that end with CRLF, and have no other CR or LF")


def path(address: str) -> str:
    """The address in angle brackets, for MAIL and RCPT.

    Raises:
        ValueError: It could end the path early and add parameters of its own.
    """
    unquoted = _QUOTED_STRING.sub("", address, count=1) if '"' in address else address
    if _UNQUOTED_UNSAFE.search(unquoted):
        raise ValueError("an address in a command must not hold blanks or angle brackets")
    return f"<{address}>"


class Transaction:
    """The hand-over of one message.

    Args:
        talk: A conversation that waits for MAIL.
        capabilities: What the server offers.
        message: What to send.
        deliveries: Hears of the delivery before the final dot is let go; what it raises breaks the connection
            off.
        warnings: What the receipt tells of the session.
    """

    def __init__(
        self,
        talk: Conversation,
        capabilities: Capabilities,
        message: Message,
        deliveries: Deliveries,
        warnings: tuple[str, ...] = (),
    ) -> None:
        self._talk = talk
        self._capabilities = capabilities
        self._message = message
        self._data, self._eight_bit, changed = message.form(eight_bit=capabilities.eight_bit)
        self._warnings = warnings + changed
        self._deliveries = deliveries
        self._envelope = message.envelope
        self._unsent: deque[str] = deque()
        self._accepted: list[str] = []
        self._rejected: list[Rejection] = []
        self._first_final: tuple[str, Reply] | None = None
        self._first_passing: tuple[str, Reply] | None = None
        self._no_room: list[str] = []

    async def run(self) -> Receipt:
        """Hand the message over.

        A recipient refused for now (4xx) while others are accepted is reported in the receipt like one
        refused for good: a second attempt would send the mail again to those who have it.

        Raises:
            TransportError: Nothing was delivered, except under ``DELIVERY_UNCERTAIN``.
            ValueError: The message breaks a promise of :class:`~connector.model.envelope.Message`.
        """
        await check_line_ends(self._data)
        self._check_capabilities()
        # Every command is made, and thereby checked, before the first goes out.
        self._unsent.extend((self._mail(), *map(self._rcpt, self._envelope.recipients)))
        # With DATA in the group a server asks for content (354) as soon as it takes one recipient, and then
        # only closing the connection can stop it: so where one refusal stops it all, DATA waits.
        hasty = len(self._envelope.recipients) == 1 or not self._message.require_all_recipients
        if hasty:
            self._unsent.append("DATA")
        try:
            self._talk.send(Phase.MAIL, *self._next_group())
            self._talk.mail_begun = True
            self._demand(Phase.MAIL, await self._talk.receive(Phase.MAIL))
            await self._hand_over_recipients()
            self._check_recipients()
            if not hasty:
                self._unsent.append("DATA")
            self._demand(Phase.DATA, await self._next_reply(Phase.DATA), 354)
            for chunk in stuffed_chunks(self._data):
                await self._talk.push(chunk)
            return self._receipt(await self._release_dot())
        except TransportError as error:
            error.rejected = tuple(self._rejected)
            raise

    def _check_capabilities(self) -> None:
        limit, size = self._capabilities.size_limit, len(self._data)
        if limit is not None and size > limit:
            message = (
                f"The message has {size} octets and {self._talk.server} takes {limit}: send fewer or smaller "
                "attachments."
            )
            raise self._unsendable(ErrorCode.MESSAGE_TOO_LARGE, message)
        if self._envelope.smtputf8 and not self._capabilities.smtputf8:
            raise self._unsendable(*self._not_international())

    def _not_international(self) -> tuple[ErrorCode, str]:
        needs = "needs a server with SMTPUTF8, and this one has none: use an ASCII address"
        for address in self._envelope.recipients:
            if not address.isascii():
                return ErrorCode.RECIPIENT_REJECTED, f"The recipient {address} {needs}."
        if not self._envelope.sender.isascii():
            return ErrorCode.SENDER_REJECTED, f"The sender {self._envelope.sender} {needs}."
        return ErrorCode.MESSAGE_REJECTED, f"An address in the message {needs}."

    def _unsendable(self, code: ErrorCode, message: str) -> TransportError:
        return TransportError(code, message, phase=Phase.MAIL, server=self._talk.server)

    async def _hand_over_recipients(self) -> None:
        recipients = self._envelope.recipients
        for number, address in enumerate(recipients, start=1):
            reply = await self._next_reply(Phase.RCPT)
            self._note(address, reply)
            if self._has_no_room(reply) and not self._talk.unanswered:
                # What the server said last it would say to all others, and count as so many errors.
                for unasked in recipients[number:]:
                    self._note(unasked, reply)
                    self._unsent.popleft()
                return

    def _next_reply(self, phase: Phase) -> Awaitable[Reply]:
        """The reply to the next command; where none is owed, the next group of commands goes out first."""
        if not self._talk.unanswered:
            self._talk.send(phase, *self._next_group())
        return self._talk.receive(phase)

    def _next_group(self) -> list[str]:
        size = min(GROUP_SIZE if self._capabilities.pipelining else 1, len(self._unsent))
        return [self._unsent.popleft() for _ in range(size)]

    def _mail(self) -> str:
        dsn = self._capabilities.dsn and bool(self._envelope.notify)
        words = [
            f"MAIL FROM:{path(self._envelope.sender)}",
            f"SIZE={len(self._data)}" if self._capabilities.size else "",
            "BODY=8BITMIME" if self._eight_bit else "",
            "SMTPUTF8" if self._envelope.smtputf8 else "",
            "RET=HDRS" if dsn else "",
            f"ENVID={xtext(self._envelope.envelope_id)}" if dsn and self._envelope.envelope_id else "",
        ]
        return " ".join(filter(None, words))

    def _rcpt(self, address: str) -> str:
        notify = ",".join(map(str.upper, self._envelope.notify))
        return f"RCPT TO:{path(address)}" + (f" NOTIFY={notify}" if notify and self._capabilities.dsn else "")

    def _demand(self, phase: Phase, reply: Reply, code: int | None = None) -> None:
        """Let only a positive reply pass: this code, or any 2xx."""
        if reply.code != code if code else not _positive(reply):
            raise self._refused(phase, reply)

    def _note(self, address: str, reply: Reply) -> None:
        if _positive(reply):
            self._accepted.append(address)
        elif reply.code < 400 or reply.code == 421:
            raise self._refused(Phase.RCPT, reply, address)
        elif self._has_no_room(reply):
            self._no_room.append(address)
        else:
            self._rejected.append(Rejection(address, self._talk.concealment.shown(reply)))
            if reply.transient:
                self._first_passing = self._first_passing or (address, reply)
            else:
                self._first_final = self._first_final or (address, reply)

    def _has_no_room(self, reply: Reply) -> bool:
        """Whether the server has taken all that it takes in one transaction, and another may have the rest.

        A 452 with another enhanced code is about this recipient, such as Gmail's "452 4.2.2 The recipient's
        inbox is out of storage space".
        """
        if not self._accepted or self._message.require_all_recipients:
            return False
        return _is_full(reply) or (reply.code == 452 and reply.enhanced is None)

    def _refused(self, phase: Phase, reply: Reply, recipient: str = "") -> TransportError:
        if 200 <= reply.code < 400:
            self._talk.abort()  # replies out of step: the next would be misread
        return self._talk.refusal(phase, reply, recipient)

    def _check_recipients(self) -> None:
        if self._accepted and not self._message.require_all_recipients:
            return
        final, passing = self._first_final, self._first_passing
        if self._accepted and passing and not final and _is_full(passing[1]):
            taken, all_of_them = len(self._accepted), len(self._envelope.recipients)
            shown = self._talk.concealment.shown(passing[1])
            raise failures.too_many(self._talk.server, taken, all_of_them, shown)
        # One that may be taken later is worth an attempt; where all must be, one final refusal decides.
        decisive = final or passing if self._message.require_all_recipients else passing or final
        if decisive is not None:
            raise self._refused(Phase.RCPT, decisive[1], decisive[0])

    async def _release_dot(self) -> Reply:
        try:
            self._talk.recording = True
            await self._deliveries.committing(Delivery(tuple(self._accepted)))
        except BaseException:
            self._talk.abort()  # the next command would be taken for content
            raise
        finally:
            self._talk.recording = False
        reply = await self._talk.release(b".\r\n")
        self._talk.mail_begun = False
        if reply.code >= 400:
            if other := await self._talk.other_word(reply):
                raise self._unclear(f"{self._shown(reply)}, and then {self._shown(other)}")
            raise self._refused(Phase.DOT, reply)
        if not _positive(reply):
            self._talk.abort()
            raise self._unclear(self._shown(reply))
        return reply

    def _shown(self, reply: Reply) -> str:
        return str(self._talk.concealment.shown(reply))

    def _unclear(self, replied: str) -> TransportError:
        return failures.uncertain(self._talk.server, f"it replied {replied}")

    def _receipt(self, reply: Reply) -> Receipt:
        warnings = self._warnings
        if self._envelope.notify and not self._capabilities.dsn:
            warnings = (
                *warnings,
                f"{self._talk.server} does not offer delivery receipts (DSN): none was requested.",
            )
        shown = self._talk.concealment.shown(reply)
        return Receipt(
            shown, tuple(self._accepted), tuple(self._rejected), warnings, left=tuple(self._no_room)
        )


def xtext(text: str) -> str:
    """Encode a parameter's value (RFC 3461 section 4)."""
    return _NOT_XTEXT.sub(lambda match: "".join(f"+{octet:02X}" for octet in match[0].encode()), text)


def _is_full(reply: Reply) -> bool:
    """Whether a transaction has as many recipients as the server takes; its enhanced code says so."""
    return reply.code in (452, 552) and reply.enhanced in _NO_ROOM


def _positive(reply: Reply) -> bool:
    return 200 <= reply.code < 300
