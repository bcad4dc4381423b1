"""Commands and replies with one server, each within its phase's time limit.

Between the :class:`~connector.transport.smtp.link.Link`, which knows octets, and the session, which knows
SMTP: here a time-out or a broken connection becomes a :class:`~connector.errors.TransportError` of its
phase. A conversation that lost its place, by a failure or by cancellation, is over: its link is aborted.
"""

from __future__ import annotations

import asyncio
import re
from types import TracebackType

from connector.errors import Phase, Reply, TransportError
from connector.model.server import TimeLimits
from connector.transport.smtp import failures
from connector.transport.smtp.concealment import Concealment
from connector.transport.smtp.link import Link
from connector.transport.smtp.replies import MalformedReplyError

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SETTING = {
    Phase.CONNECT: "connect",
    Phase.GREETING: "greeting",
    Phase.TLS: "tls",
    Phase.AUTH: "auth",
    Phase.CONTENT: "data",
    Phase.DOT: "dot",
}


class Step:
    """See :meth:`Conversation.step`; written out because a generator takes three times as long."""

    __slots__ = ("_phase", "_talk")

    def __init__(self, talk: Conversation, phase: Phase) -> None:
        self._talk = talk
        self._phase = phase

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End, with an error of the phase in place of what was raised."""
        if error is not None and (meaning := self._talk.failed(self._phase, error)) is not None:
            raise meaning from error


class Conversation:
    """One side of an SMTP session.

    Args:
        link: The connection, or what is to become one.
        server: ``host:port``, for messages.
        timeouts: The time limits.
        concealment: What must not be shown of the server's replies.
        section: The settings in which the time limits can be changed.
    """

    def __init__(
        self,
        link: Link,
        server: str,
        timeouts: TimeLimits,
        concealment: Concealment | None = None,
        section: str = "smtp.timeouts",
    ) -> None:
        self.link = link
        self.server = server
        self.concealment = concealment or Concealment()
        self.unanswered = 1  # the greeting is owed
        self.mail_begun = False  # MAIL went out, and neither the reply to the dot nor RSET ended it
        self._seconds = {phase: _limit(timeouts, phase) for phase in Phase}
        self._section = section

    def seconds(self, phase: Phase) -> float:
        """The time limit of a phase, in seconds."""
        return self._seconds[phase]

    def step(self, phase: Phase) -> Step:
        """Do one step of a phase, which must raise ``TimeoutError`` at its limit (:meth:`seconds`).

        Raises:
            TransportError: ``CONNECTION_TIMEOUT``, ``CONNECTION_FAILED`` or ``DNS_FAILED``.
        """
        return Step(self, phase)

    def failed(self, phase: Phase, error: BaseException) -> TransportError | None:
        """End the conversation: what ended a step, as the error that it means for a mail, if it means one."""
        self.link.abort()
        if isinstance(error, TimeoutError):
            setting = f"{self._section}.{_SETTING.get(phase, 'command')}"
            return failures.timed_out(phase, self.server, setting, self.seconds(phase))
        if isinstance(error, OSError | UnicodeError | MalformedReplyError):
            return failures.broken(phase, self.server, error)
        return None

    def send(self, phase: Phase, *commands: str) -> None:
        """Write commands in one go; each is owed a reply.

        Raises:
            TransportError: The connection is broken.
            ValueError: A command holds a control character. Addresses were checked long before; this is
                the last line of defence against a second command inside one (RFC 5321 section 4.1.2).
        """
        if _CONTROL.search("".join(commands)):
            raise ValueError("an SMTP command must not hold a control character")
        try:
            self.link.write(("\r\n".join(commands) + "\r\n").encode())
        except OSError as error:
            raise failures.broken(phase, self.server, error) from error
        self.unanswered += len(commands)

    async def receive(self, phase: Phase) -> Reply:
        """The next reply.

        Raises:
            TransportError: None came.
        """
        reply = self.link.next_reply()
        if reply is None:
            with self.step(phase):
                reply = await self.link.reply(self.seconds(phase))
        self.unanswered -= 1
        return reply

    async def push(self, data: bytes | memoryview) -> None:
        """Write a piece of content and wait until it has left this process.

        Raises:
            TransportError: It has not, or the server has replied before it was its turn: it refuses what it
                has seen so far, or its replies are out of step and the next would be taken for the dot's.
        """
        await self._write(data)
        with self.step(Phase.CONTENT):
            if self.link.held:
                await self.link.flushed(self.seconds(Phase.CONTENT))
            await asyncio.sleep(0)  # let the loop read: after a send that fails it reads no more

    async def release(self, dot: bytes) -> Reply:
        """Write the last octets of a message and wait for the server's verdict on it.

        Raises:
            TransportError: As :meth:`push` while the octets are still here; once they are out and no reply
                says what became of the message, ``DELIVERY_UNCERTAIN``, also when this task is cancelled.
        """
        await self._write(dot)
        self.unanswered += 1
        try:
            if self.link.held:
                with self.step(Phase.CONTENT):
                    await self.link.flushed(self.seconds(Phase.CONTENT))
            if self.link.held:
                await self._refuse_early_reply()
            return await self.receive(Phase.CONTENT if self.link.held else Phase.DOT)
        except (TransportError, asyncio.CancelledError) as error:
            if self.link.held:  # thrown away with the link: it never left
                raise
            raise failures.uncertain(
                self.server, str(error).rstrip(".") or "this worker stopped waiting"
            ) from error

    async def _write(self, data: bytes | memoryview) -> None:
        if not self.link.replied:
            with self.step(Phase.CONTENT):
                self.link.write(data)
        if self.link.replied:
            await self._refuse_early_reply()

    async def _refuse_early_reply(self) -> None:
        if self.link.replied:
            reply = await self.receive(Phase.CONTENT)
            self.link.abort()
            raise self.refusal(Phase.CONTENT, reply)

    async def ask(self, phase: Phase, command: str) -> Reply:
        """Send one command and wait for its reply."""
        self.send(phase, command)
        return await self.receive(phase)

    def refusal(self, phase: Phase, reply: Reply, recipient: str = "") -> TransportError:
        """The error that the reply to a command means; for RCPT with the recipient."""
        return failures.refused(phase, self.server, reply, self.concealment.shown(reply), recipient)


def _limit(timeouts: TimeLimits, phase: Phase) -> float:
    limit: float = getattr(timeouts, _SETTING.get(phase, "command"))
    return limit
