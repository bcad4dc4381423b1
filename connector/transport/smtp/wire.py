"""One connection to a server: replies in, octets out, and the truth about what has left this process.

It stands where aiosmtplib's ``SMTPProtocol`` would: that one drops replies that no task waits for (so no
pipelining, RFC 2920) and discards what arrives between STARTTLS and the handshake instead of reporting the
attack. It knows nothing of commands and phases, and of time limits only how long it is to wait.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import cast

from connector.errors import Reply
from connector.net.sockets import keep_alive
from connector.tls.faults import ClearTextBeforeTlsError
from connector.transport.smtp.replies import MalformedReplyError, ReplyParser

# Several times what is ever owed (transaction.GROUP_SIZE): a server that floods is cut off. Octets as well,
# since nothing reads what a server says on an idle connection, and a reply may have 64 KB.
_MOST_UNREAD_REPLIES = 1_000
_MOST_UNREAD_OCTETS = 1_000_000


class Wire(asyncio.Protocol):
    """A connection, plain or TLS; used by one task at a time.

    Attributes:
        encrypted: TLS stands.
        held: Octets that were written are still in this process, and so cannot have arrived.
    """

    def __init__(self) -> None:
        self.encrypted = False
        self.held = False
        self._parser = ReplyParser()
        self._transport: asyncio.Transport | None = None
        self._replies: deque[Reply] = deque()
        self._unread_octets = 0  # since there was last nothing to read
        self._failure: Exception | None = None
        self._change: asyncio.Future[None] | None = None
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the connection; ``held`` must be true while even one octet is still in this process."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=0)
        if self._failure is not None:  # no task waits for it any more
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Put replies together, and give up on a server that does not speak SMTP."""
        self._unread_octets = len(data) + (self._unread_octets if self._replies else 0)
        try:
            self._replies.extend(self._parser.feed(data))
            if len(self._replies) > _MOST_UNREAD_REPLIES or self._unread_octets > _MOST_UNREAD_OCTETS:
                self._fail(MalformedReplyError("more replies than commands"))
        except MalformedReplyError as error:
            self._fail(error)
        self._changed()

    def eof_received(self) -> None:
        """Treat a half-closed connection as closed, at once: what is still held must never go out later."""
        self._fail(ConnectionResetError("the server closed the connection"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember why, for the task that reads or writes next."""
        self._fail(exc or ConnectionResetError("the connection is closed"))

    def pause_writing(self) -> None:
        """Octets wait in this process."""
        self.held = True

    def resume_writing(self) -> None:
        """Every octet was handed to the kernel."""
        self.held = False
        self._changed()

    def _fail(self, reason: Exception) -> None:
        self._failure = self._failure or reason
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        self._changed()

    def _changed(self) -> None:
        if self._change is not None and not self._change.done():
            self._change.set_result(None)

    async def _wait(self, deadline: float) -> None:
        """Wait for any change; the connection fails with ``TimeoutError`` when time is up."""
        self._deadline = deadline
        # One timer that is left to run serves many waits: setting one up for each costs as much as the
        # whole reading of a reply.
        if self._timer is None or self._timer.when() > deadline:
            self._watch()
        self._change = asyncio.get_running_loop().create_future()
        try:
            await self._change
        finally:
            self._change = None

    def _watch(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(self._deadline, self._look_at_the_clock)

    def _look_at_the_clock(self) -> None:
        self._timer = None
        if self._change is None:
            return
        if asyncio.get_running_loop().time() < self._deadline:
            self._watch()
        else:
            self._fail(TimeoutError("the server did nothing in time"))

    @property
    def broken(self) -> bool:
        """Whether nothing more can be said on it."""
        return self._failure is not None

    @property
    def quiet(self) -> bool:
        """Whether it is whole and every octet that came has been read."""
        return self._failure is None and not self._replies and not self._parser.pending

    def keep_alive(self, seconds: int | None) -> None:
        """Have TCP ask for a sign of life after so long without traffic; None for never."""
        if self._transport is not None:
            keep_alive(self._transport.get_extra_info("socket"), seconds)

    def address(self, end: str) -> str:
        """The IP address of one end: ``peername`` or ``sockname``."""
        socket_address = self._transport.get_extra_info(end) if self._transport is not None else None
        return str(socket_address[0]) if socket_address else ""

    @property
    def tls(self) -> ssl.SSLObject | None:
        """The TLS connection, to read its version, cipher and certificates; None in clear."""
        found = self._transport.get_extra_info("ssl_object") if self._transport is not None else None
        return cast("ssl.SSLObject | None", found)

    async def replied(self, seconds: float) -> None:
        """Wait for a reply; one that came before the connection broke still counts.

        Args:
            seconds: How long to wait for it; then the connection is broken.

        Raises:
            TimeoutError: It did not come in time.
            OSError: The connection is broken.
            MalformedReplyError: The server does not speak SMTP.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while not self._replies:
            if self._failure is not None:
                raise self._failure
            await self._wait(deadline)

    def write(self, data: bytes | memoryview) -> None:
        """Hand octets over.

        Raises:
            OSError: They have not left this process, and never will.
        """
        if self._failure is not None or self._transport is None:
            raise ConnectionResetError(str(self._failure or "not connected"))
        self._transport.write(data)
        if self._transport.is_closing():  # send(2) itself failed
            raise ConnectionResetError("the server closed the connection")

    async def flushed(self, seconds: float) -> None:
        """Wait until nothing is held any more, or a reply comes, or the connection breaks.

        Args:
            seconds: How long to wait; then the connection is broken.

        Raises:
            TimeoutError: Nothing changed in time.
        """
        deadline = asyncio.get_running_loop().time() + seconds
        while self.held and not self._replies and self._failure is None:
            await self._wait(deadline)
        if self.held and isinstance(self._failure, TimeoutError):
            raise self._failure

    async def start_tls(self, context: ssl.SSLContext, hostname: str, seconds: float) -> None:
        """Encrypt, and verify the server's certificate for ``hostname``, which may be an IP address.

        Raises:
            ClearTextBeforeTlsError: Octets came that belong before the handshake (RFC 3207 section 6).
            ssl.SSLError: The handshake failed.
            OSError: The connection broke.
        """
        if self._replies or self._parser.pending or isinstance(self._failure, MalformedReplyError):
            raise ClearTextBeforeTlsError
        if self._failure is not None or self._transport is None:
            raise ConnectionResetError(str(self._failure or "not connected"))
        transport = await asyncio.get_running_loop().start_tls(
            self._transport, self, context, server_hostname=hostname, ssl_handshake_timeout=seconds
        )
        if transport is None:
            raise ConnectionResetError("the server closed the connection")
        self._transport = transport
        self.encrypted = True
        # asyncio's TLS layer compares with >=, so that 0 would hold back what is not there.
        transport.set_write_buffer_limits(high=1, low=0)

    def abort(self, reason: Exception | None = None) -> None:
        """Close now; what is held is thrown away and never arrives, and a task that waits gets the reason."""
        self._fail(reason or ConnectionAbortedError("closed by this side"))

    def farewell(self) -> None:
        """Say QUIT without waiting for the answer, if anything can still be said, and close."""
        if self._transport is not None and self._failure is None:
            self._transport.write(b"QUIT\r\n")
        self.abort()

    async def close(self, seconds: float) -> None:
        """Close in good order and wait so long for the other side."""
        if self._transport is not None and self._failure is None:
            self._transport.close()
            deadline = asyncio.get_running_loop().time() + seconds
            while self._failure is None:
                await self._wait(deadline)
