"""A proxy before an IMAP or POP3 server that fails at a chosen verb, before the server hears it or after."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum

_SECONDS = 10.0


class Failure(StrEnum):
    """How the server fails."""

    CLOSES = "closes"
    HANGS = "hangs"
    SAYS_BYE = "says BYE"


@dataclass
class Verbs:
    """A running proxy.

    Attributes:
        target: The port of the server.
        tagged: Whether commands have a tag before them, as in IMAP.
        seen: The verbs of every command that clients said, in order.
    """

    target: int
    tagged: bool
    port: int = 0
    seen: list[str] = field(default_factory=list)
    _verb: str | None = None
    _failure: Failure = Failure.CLOSES
    _heard: bool = False
    _swallow: bool = False
    _answered: threading.Event = field(default_factory=threading.Event)
    _open: list[socket.socket] = field(default_factory=list)

    def fail(self, verb: str, failure: Failure, *, heard: bool) -> None:
        """Fail once.

        Args:
            verb: At which command.
            failure: How.
            heard: Whether the server hears the command and does what it says.
        """
        self._verb, self._failure, self._heard = verb, failure, heard

    @property
    def pending(self) -> bool:
        """Whether the failure has not come yet."""
        return self._verb is not None

    def serve(self, listener: socket.socket) -> None:
        """Take connections until the listener is closed."""
        with suppress(OSError):
            while True:
                client, _ = listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                self._open += [client, server]
                self._swallow = False
                threading.Thread(target=self._commands, args=(client, server), daemon=True).start()
                threading.Thread(target=self._answers, args=(server, client), daemon=True).start()

    def stop(self) -> None:
        """End every connection."""
        for connection in self._open:
            _end(connection)
            connection.close()

    def _commands(self, client: socket.socket, server: socket.socket) -> None:
        with client.makefile("rb") as lines, suppress(OSError):
            for line in lines:
                verb = self._verb_of(line)
                self.seen.append(verb)
                if verb == self._verb:
                    self._verb = None
                    self._fail(line, client, server)
                    return
                server.sendall(line)
        _end(server)

    def _verb_of(self, line: bytes) -> str:
        words = line.decode("latin-1").upper().split()[1 if self.tagged else 0 :]
        if words[:1] == ["UID"]:
            del words[0]
        return words[0] if words else ""

    def _fail(self, line: bytes, client: socket.socket, server: socket.socket) -> None:
        if self._heard:
            self._swallow = True
            self._answered.clear()
            server.sendall(line)
            _end(server, socket.SHUT_WR)
            assert self._answered.wait(_SECONDS)
        if self._failure is Failure.SAYS_BYE:
            client.sendall(b"* BYE down for maintenance\r\n")
        if self._failure is not Failure.HANGS:
            _end(client)
            _end(server)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with suppress(OSError):
            while octets := server.recv(65536):
                if not self._swallow:
                    client.sendall(octets)
        self._answered.set()


def _end(connection: socket.socket, how: int = socket.SHUT_RDWR) -> None:
    with suppress(OSError):
        connection.shutdown(how)


@contextmanager
def running(target: int, *, tagged: bool = True) -> Iterator[Verbs]:
    """Run a proxy before the server on a port until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = Verbs(target, tagged, listener.getsockname()[1])
        threading.Thread(target=proxy.serve, args=(listener,), daemon=True).start()
        try:
            yield proxy
        finally:
            proxy.stop()
            _end(listener)
