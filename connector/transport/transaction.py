"""One mail over an open session: MAIL, RCPT, DATA, content, dot (RFC 5321 section 3.3).

A finished message enters, a receipt leaves. The envelope goes in one write where the server offers
PIPELINING (RFC 2920). The final dot is written on its own, after everything before it has left this
process: whatever fails until then was certainly not delivered, and only between the dot and its reply is
the outcome uncertain (RFC 1047).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from connector.errors import ErrorCode, Phase, Rejection, Reply, TransportError
from connector.message.envelope import Message
from connector.transport import failures
from connector.transport.capabilities import Capabilities
from connector.transport.conversation import Conversation
from connector.transport.port import Receipt
from connector.transport.replies import shortened

CHUNK_SIZE = 65_536

_NOT_XTEXT = re.compile(r"[^!-*,-<>-~]")
_QUOTED_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_UNQUOTED_UNSAFE = re.compile(r"[<>\s]")


def stuffed_chunks(data: bytes) -> Iterator[bytes | memoryview]:
    """Cut a message at line ends and double the dots that lines begin with (RFC 5321 section 4.5.2).

    A message without such dots, the usual one, is not copied.
    """
    view = memoryview(data)
    start = 0
    while start < len(data):
        end = data.find(b"\r\n", start + CHUNK_SIZE - 2) + 2
        end = end if end > 1 else len(data)
        if data[start] == 0x2E or data.find(b"\r\n.", start, end) >= 0:
            stuffed = data[start:end].replace(b"\r\n.", b"\r\n..")
            yield b"." + stuffed if data[start] == 0x2E else stuffed
        else:
            yield view[start:end]
        start = end


def check_line_ends(data: bytes) -> None:
    """Refuse octets that servers could disagree about where the message ends ("SMTP smuggling").

    Raises:
        ValueError: A CR or LF stands alone, or the last line has no end. The message builder never makes
            such bytes; this is the last line of defence.
    """
    line_ends = data.count(b"\r\n")
    if not data.endswith(b"\r\n") or data.count(b"\r") != line_ends or data.count(b"\n") != line_ends:
        raise ValueError("a message must consist of lines that end with CRLF, and have no other CR or LF")


def path(address: str) -> str:
    """The address in angle brackets, for MAIL and RCPT.

    Raises:
        ValueError: It could end the path early and add parameters of its own.
    """
    if _UNQUOTED_UNSAFE.search(_QUOTED_STRING.sub("", address, count=1)):
        raise ValueError("an address in a command must not hold blanks or angle brackets")
    return f"<{address}>"


class Transaction:
    """The hand-over of one message.

    Args:
        talk: A conversation that waits for MAIL.
        capabilities: What the server offers.
        message: What to send.
    """

    def __init__(self, talk: Conversation, capabilities: Capabilities, message: Message) -> None:
        self._talk = talk
        self._capabilities = capabilities
        self._message = message
        self._envelope = message.envelope
        self._accepted: list[str] = []
        self._rejected: list[Rejection] = []

    async def run(self) -> Receipt:
        """Hand the message over.

        A recipient refused for now (4xx) while others are accepted is reported in the receipt like one
        refused for good: a second attempt would send the mail again to those who have it.

        Raises:
            TransportError: Nothing was delivered, except under ``DELIVERY_UNCERTAIN``.
            ValueError: The message breaks a promise of :class:`~connector.message.envelope.Message`.
        """
        check_line_ends(self._message.data)
        self._check_capabilities()
        await self._hand_over_envelope()
        for chunk in stuffed_chunks(self._message.data):
            await self._talk.push(chunk)
        return self._receipt(await self._release_dot())

    def _check_capabilities(self) -> None:
        limit, size = self._capabilities.size_limit, len(self._message.data)
        if limit is not None and size > limit:
            message = f"The message has {size} octets and {self._talk.server} takes {limit}: send less."
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

    async def _hand_over_envelope(self) -> None:
        commands = [self._mail(), *map(self._rcpt, self._envelope.recipients)]
        # With DATA in the group a server asks for content (354) as soon as it takes one recipient, and
        # then only closing the connection can stop it: so where one refusal stops it all, DATA waits.
        hasty = len(commands) == 2 or not self._message.require_all_recipients
        group = [*commands, "DATA"] if hasty else commands
        if self._capabilities.pipelining:
            self._talk.send(Phase.MAIL, *group)
        self._demand(Phase.MAIL, await self._reply(Phase.MAIL, commands[0]))
        for address, command in zip(self._envelope.recipients, commands[1:], strict=True):
            self._note(address, await self._reply(Phase.RCPT, command))
        self._check_recipients()
        if self._capabilities.pipelining and not hasty:
            self._talk.send(Phase.DATA, "DATA")
        self._demand(Phase.DATA, await self._reply(Phase.DATA, "DATA"), 354)

    async def _reply(self, phase: Phase, command: str) -> Reply:
        """The reply to a command, which is sent now unless the whole group was."""
        if not self._capabilities.pipelining:
            self._talk.send(phase, command)
        try:
            return await self._talk.receive(phase)
        except TransportError as error:
            error.rejected = tuple(self._rejected)
            raise

    def _mail(self) -> str:
        dsn = self._capabilities.dsn and bool(self._envelope.notify)
        words = [
            f"MAIL FROM:{path(self._envelope.sender)}",
            f"SIZE={len(self._message.data)}" if self._capabilities.size else "",
            "SMTPUTF8" if self._envelope.smtputf8 else "",
            "RET=HDRS" if dsn else "",
            f"ENVID={xtext(self._envelope.envelope_id)}" if dsn and self._envelope.envelope_id else "",
        ]
        return " ".join(filter(None, words))

    def _rcpt(self, address: str) -> str:
        notify = ",".join(value.upper() for value in self._envelope.notify)
        return f"RCPT TO:{path(address)}" + (f" NOTIFY={notify}" if notify and self._capabilities.dsn else "")

    def _demand(self, phase: Phase, reply: Reply, code: int | None = None) -> None:
        """Let only a positive reply pass: this code, or any 2xx."""
        if reply.code != code if code else not _positive(reply):
            raise self._refused(phase, reply)

    def _note(self, address: str, reply: Reply) -> None:
        if _positive(reply):
            self._accepted.append(address)
        elif reply.code >= 400 and reply.code != 421:
            self._rejected.append(Rejection(address, shortened(reply)))
        else:
            raise self._refused(Phase.RCPT, reply)

    def _refused(self, phase: Phase, reply: Reply) -> TransportError:
        if 200 <= reply.code < 400:
            self._talk.link.abort()  # replies out of step: whatever comes next would be misread
        return failures.refused(phase, self._talk.server, reply, tuple(self._rejected))

    def _check_recipients(self) -> None:
        if not self._rejected or (self._accepted and not self._message.require_all_recipients):
            return
        final = [rejection.reply for rejection in self._rejected if not rejection.reply.transient]
        passing = [rejection.reply for rejection in self._rejected if rejection.reply.transient]
        # One that may be taken later is worth an attempt; where all must be, one final refusal decides.
        decisive = final if self._message.require_all_recipients else passing
        raise self._refused(Phase.RCPT, (decisive or final or passing)[0])

    async def _release_dot(self) -> Reply:
        reply = await self._talk.release(b".\r\n")
        if reply.code >= 400:
            raise self._refused(Phase.DOT, reply)
        if not _positive(reply):
            self._talk.link.abort()
            raise failures.uncertain(self._talk.server, f"it replied {shortened(reply)}")
        return reply

    def _receipt(self, reply: Reply) -> Receipt:
        warnings: tuple[str, ...] = ()
        if self._envelope.notify and not self._capabilities.dsn:
            warnings = (f"{self._talk.server} offers no delivery receipts (DSN): none was asked for.",)
        return Receipt(shortened(reply), tuple(self._accepted), tuple(self._rejected), warnings)


def xtext(text: str) -> str:
    """Encode a parameter's value (RFC 3461 section 4)."""
    return _NOT_XTEXT.sub(lambda match: "".join(f"+{octet:02X}" for octet in match[0].encode()), text)


def _positive(reply: Reply) -> bool:
    return 200 <= reply.code < 300
