"""One side of an SMTP session: commands out, replies in, each within its phase's time limit.

What the :class:`~connector.transport.smtp.wire.Wire` reports, a time-out or a broken connection, becomes a
:class:`~connector.errors.TransportError` of its phase. A conversation that lost its place, by a failure or by
cancellation, is over: its connection is aborted.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import Callable

from connector.errors import Phase, Reply, TransportError
from connector.model.server import Server, TimeLimits
from connector.tls.faults import ClearTextBeforeTlsError
from connector.tls.trust import host_to_verify
from connector.transport.smtp import failures
from connector.transport.smtp.replies import Concealment, MalformedReplyError
from connector.transport.smtp.wire import Wire

# RFC 8305 section 5: how long one address may take before the next is tried beside it.
_NEXT_ADDRESS_SECONDS = 0.25

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_LIMITS = {
    Phase.CONNECT: "connect",
    Phase.GREETING: "greeting",
    Phase.TLS: "tls",
    Phase.AUTH: "auth",
    Phase.CONTENT: "data",
    Phase.DOT: "dot",
}


def unheard() -> None:
    """Where no other mail waits for an answer of this server."""


class Conversation(Wire):
    """A connection on which SMTP is spoken; used by one task at a time.

    Args:
        server: ``host:port``, for messages.
        timeouts: The time limits.
        concealment: What must not be shown of the server's replies.
        section: The settings in which the time limits can be changed.

    Attributes:
        unanswered: How many replies are owed, the greeting first.
        mail_begun: MAIL went out, and neither the reply to the dot nor RSET ended it.
        recording: The final dot waits for this worker's ledger.
        heard: Called at each reply that was waited for.
    """

    def __init__(
        self,
        server: str,
        timeouts: TimeLimits,
        concealment: Concealment | None = None,
        section: str = "smtp.timeouts",
    ) -> None:
        super().__init__()
        self.server = server
        self.concealment = concealment or Concealment()
        self.unanswered = 1
        self.mail_begun = False
        self.recording = False
        self.heard: Callable[[], None] = unheard
        self._timeouts = timeouts
        self._section = section

    # --- its beginning and its end ------------------------------------------------------------------

    async def connect(self, server: Server) -> None:
        """Connect to the first of the host's addresses that answers.

        Raises:
            TransportError: ``CONNECTION_TIMEOUT``, ``CONNECTION_FAILED`` or ``DNS_FAILED``.
        """
        source = server.switches.source_address
        try:
            connecting = asyncio.get_running_loop().create_connection(
                lambda: self,
                host_to_verify(server.hostname),
                server.port,
                local_addr=(source, 0) if source else None,
                happy_eyeballs_delay=_NEXT_ADDRESS_SECONDS,
            )
            # asyncio forgets to close the winner's socket when this race is cancelled at its end. So it is
            # left to end by itself, and its connection, aborted by then, is closed as soon as it is made.
            async with asyncio.timeout(self._seconds(Phase.CONNECT)):
                await asyncio.shield(connecting)
            self.keep_alive(server.switches.keepalive)
        except BaseException as error:
            try:
                self._end(Phase.CONNECT, error)
            except TransportError as told:
                if source:
                    told.add(f"It starts from {source} (advanced.source_address).")
                raise
            raise

    async def encrypt(self, context: ssl.SSLContext, hostname: str) -> None:
        """Do the TLS handshake, and verify the server's certificate for a host name or IP address.

        Raises:
            ClearTextBeforeTlsError: Octets came that belong before the handshake (RFC 3207 section 6).
            ssl.SSLError: The handshake failed.
            ConnectionResetError: The server ended it.
            TransportError: ``CONNECTION_TIMEOUT`` or ``CONNECTION_FAILED``.
        """
        limit = self._seconds(Phase.TLS)
        try:
            async with asyncio.timeout(limit):
                await self.start_tls(context, host_to_verify(hostname), limit + 1)
        except BaseException as error:
            if isinstance(error, ssl.SSLError) or _ended_in_order(error):
                self.abort()
            else:
                self._end(Phase.TLS, error)
            raise

    # --- commands and replies -----------------------------------------------------------------------

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
            self.write(("\r\n".join(commands) + "\r\n").encode())
        except OSError as error:
            raise failures.broken(phase, self.server, error) from error
        self.unanswered += len(commands)

    async def receive(self, phase: Phase) -> Reply:
        """The next reply; one that came before the connection broke is still given.

        Raises:
            TransportError: None came.
        """
        if not self._replies:
            try:
                await self.replied(self._seconds(phase))
            except BaseException as error:
                self._end(phase, error)
                raise
            self.heard()
        self.unanswered -= 1
        return self._replies.popleft()

    async def ask(self, phase: Phase, command: str) -> Reply:
        """Send one command and wait for its reply."""
        self.send(phase, command)
        return await self.receive(phase)

    def refusal(self, phase: Phase, reply: Reply, recipient: str = "") -> TransportError:
        """The error that the reply to a command means; for RCPT with the recipient."""
        return failures.refused(phase, self.server, reply, self.concealment.shown(reply), recipient)

    # --- content ------------------------------------------------------------------------------------

    async def push(self, data: bytes | memoryview) -> None:
        """Write a piece of content and wait until it has left this process.

        Raises:
            TransportError: It has not, or the server has replied before it was its turn: it refuses what it
                has seen so far, or its replies are out of step and the next would be taken for the dot's.
        """
        await self._write_content(data)
        try:
            if self.held:
                await self.flushed(self._seconds(Phase.CONTENT))
            await asyncio.sleep(0)  # let the loop read: after a send that fails it reads no more
        except BaseException as error:
            self._end(Phase.CONTENT, error)
            raise

    async def release(self, dot: bytes) -> Reply:
        """Write the last octets of a message and wait for the server's verdict on it.

        Raises:
            TransportError: As :meth:`push` while the octets are still here; once they are out and no reply
                says what became of the message, ``DELIVERY_UNCERTAIN``, also when this task is cancelled.
        """
        await self._write_content(dot)
        self.unanswered += 1
        try:
            if self.held:
                await self._let_go()
            return await self.receive(Phase.CONTENT if self.held else Phase.DOT)
        except (TransportError, asyncio.CancelledError) as error:
            if self.held:  # thrown away with the connection: it never left
                raise
            why = str(error).rstrip(".") or "this worker stopped waiting"
            raise failures.uncertain(self.server, why) from error

    async def other_word(self, refusal: Reply) -> Reply | None:
        """Look for a second reply to a message that was refused, and end the conversation.

        A server may refuse the content before it has read the dot, and take the message at the dot all the
        same: the first reply is then not the dot's. The reply to QUIT comes behind it.

        Args:
            refusal: The first reply.

        Returns:
            The other one, where it is no refusal.
        """
        reply = None
        try:
            if refusal.code != 421:
                reply = await self.ask(Phase.MAIL, "QUIT")
            elif self._replies:  # after 421 nothing more may be said (RFC 5321 section 3.8)
                reply = self._replies.popleft()
        except (TransportError, asyncio.CancelledError):  # the refusal is all that the server says
            pass
        finally:
            self.abort()
        return reply if reply and reply.code < 400 and reply.code != 221 else None

    async def _write_content(self, data: bytes | memoryview) -> None:
        if not self._replies:
            try:
                self.write(data)
            except OSError as error:
                self._end(Phase.CONTENT, error)
        if self._replies:
            await self._refuse_early_reply()

    async def _let_go(self) -> None:
        """Wait until what is held has left, or a reply shows that it must not."""
        try:
            await self.flushed(self._seconds(Phase.CONTENT))
        except BaseException as error:
            self._end(Phase.CONTENT, error)
            raise
        if self.held and self._replies:
            await self._refuse_early_reply()

    async def _refuse_early_reply(self) -> None:
        reply = await self.receive(Phase.CONTENT)
        self.abort()
        raise self.refusal(Phase.CONTENT, reply)

    def _seconds(self, phase: Phase) -> float:
        seconds: float = getattr(self._timeouts, _LIMITS.get(phase, "command"))
        return seconds

    def _end(self, phase: Phase, error: BaseException) -> None:
        """End the conversation, with the error that a failure means for a mail if it means one."""
        self.abort()
        if isinstance(error, TimeoutError):
            setting = f"{self._section}.{_LIMITS.get(phase, 'command')}"
            raise failures.timed_out(phase, self.server, setting, self._seconds(phase)) from error
        if isinstance(error, OSError | UnicodeError | MalformedReplyError):
            raise failures.broken(phase, self.server, error) from error


def _ended_in_order(error: BaseException) -> bool:
    """Whether the server, not the network, broke the handshake; asyncio reports that without an errno."""
    if isinstance(error, ConnectionResetError):
        return error.errno is None
    return isinstance(error, ClearTextBeforeTlsError)
