"""The octets of one connection at a test server: lines and contents in, replies and faults out.

A :class:`Connection` records everything, even octets that the server has not read yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import struct
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import SupportsIndex

from connector.testing.behaviour import Action, Delay, Drop, Hold, Reset, Silence

_LONGEST_LINE = 65_536
_CHUNK = 65_536


class Closing(Exception):  # noqa: N818 - not an error: the server's decision to end the connection
    """The server ends the connection."""


@dataclass(slots=True)
class Connection:
    """The record of one connection.

    Attributes:
        opened: When it was opened.
        received_bytes: Every octet from the client, decrypted.
        received_in_clear: The octets that arrived before TLS.
        sent_bytes: Every octet from the server.
        commands: The command lines in order, without CRLF, including AUTH's further lines.
        pipelined: Whether the client sent a command before the reply to the previous one.
        accepted: The number of mails that the server accepted.
        tls: Whether the connection is encrypted.
    """

    opened: datetime
    tls: bool = False
    received_bytes: bytearray = field(default_factory=bytearray)
    received_in_clear: bytearray = field(default_factory=bytearray)
    sent_bytes: bytearray = field(default_factory=bytearray)
    commands: list[str] = field(default_factory=list)
    pipelined: bool = False
    accepted: int = 0


class RecordingReader(asyncio.StreamReader):
    """A stream reader that records octets when they arrive."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._record = connection

    def feed_data(self, data: Iterable[SupportsIndex]) -> None:
        """Record the octets and keep them for reading."""
        octets = bytes(data)
        self._record.received_bytes += octets
        if not self._record.tls:
            self._record.received_in_clear += octets
        super().feed_data(octets)


class Wire:
    """Reads and writes for one dialogue."""

    def __init__(
        self, connection: Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._record = connection
        self._reader = reader
        self._writer = writer
        self._unread = bytearray()

    async def line(self) -> str:
        """Return the next line without its CRLF.

        Raises:
            EOFError: The client has closed, or sends no line end.
        """
        while (end := self._unread.find(b"\r\n")) < 0:
            if len(self._unread) > _LONGEST_LINE:
                raise EOFError
            await self._fill()
        line = bytes(self._unread[:end])
        del self._unread[: end + 2]
        self._record.pipelined |= bool(self._unread)
        self._record.commands.append(line.decode("utf-8", "replace"))
        return self._record.commands[-1]

    async def wait_for_content(self, octets: int) -> None:
        """Read until this number of octets of content has arrived."""
        while len(self._unread) < octets:
            await self._fill()

    async def content(self) -> bytes:
        """Read the content up to the final dot, and undo dot-stuffing (RFC 5321 section 4.5.2)."""
        self._unread[:0] = b"\r\n"
        searched = 0
        while (end := self._unread.find(b"\r\n.\r\n", searched)) < 0:
            searched = max(0, len(self._unread) - 4)
            await self._fill()
        stuffed = bytes(self._unread[: end + 2])
        del self._unread[: end + 5]
        return stuffed.replace(b"\r\n.", b"\r\n")[2:]

    async def _fill(self) -> None:
        chunk = await self._reader.read(_CHUNK)
        if not chunk:
            raise EOFError
        self._unread += chunk

    async def say(self, code: int, *lines: str, behind: bytes = b"", bytewise: bool = False) -> None:
        """Send one reply of one or more lines (RFC 5321 section 4.2.1)."""
        separators = ["-"] * (len(lines) - 1) + [" "]
        reply = "".join(f"{code}{sep}{line}\r\n" for sep, line in zip(separators, lines, strict=True))
        await self.send(reply.encode() + behind, bytewise=bytewise)

    async def send(self, data: bytes, *, bytewise: bool = False) -> None:
        """Send octets unchanged."""
        self._record.sent_bytes += data
        step = 1 if bytewise else len(data) or 1
        for start in range(0, len(data), step):
            self._writer.write(data[start : start + step])
            await self._writer.drain()
            if bytewise:
                await asyncio.sleep(0)  # let the client read each octet separately

    async def fault(self, action: Action | None) -> None:
        """Perform an action that is not a reply; return if the good reply is still to come.

        Raises:
            Closing: The connection must end without a reply.
        """
        match action:
            case Drop():
                raise Closing
            case Reset():
                self._linger_zero()
                self.abort()
                raise Closing
            case Silence():
                await asyncio.Event().wait()
            case Hold(until=until, reached=reached):
                reached.set()
                await until.wait()
            case Delay(seconds=seconds):
                await asyncio.sleep(seconds)
            case _:
                pass

    def _linger_zero(self) -> None:
        """Make the next close a reset (RST), by lingering for zero seconds."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def half_close(self) -> None:
        """Close so that the client can still read the last reply; unread octets would cause a reset.

        Raises:
            Closing: Always, when the client has closed too.
        """
        if self._writer.can_write_eof():
            self._writer.write_eof()
            while await self._reader.read(_CHUNK):
                pass
        raise Closing

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Start TLS, and discard the state from before (RFC 3207 section 4.2)."""
        self._unread.clear()
        self._record.tls = True
        try:
            await self._writer.start_tls(context)
        except BaseException:
            self._record.tls = False
            raise

    def close(self) -> None:
        """Close after the written octets have been sent."""
        with contextlib.suppress(RuntimeError):  # the loop may be closing as well
            self._writer.close()

    def abort(self) -> None:
        """Close at once."""
        with contextlib.suppress(AttributeError):  # Python 3.11.2 cannot where TLS was closed before
            self._writer.transport.abort()
