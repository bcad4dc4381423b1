"""Connections to the servers of mailboxes: opened, encrypted and watched, from threads.

A server enters, a socket leaves, or one error that says at which step it broke and what to change. What a
library of a protocol raises is put into words here too, by :class:`Watch`.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from connector.auth.bearer import TokenRefusal
from connector.errors import ErrorCode, MailboxError, Phase
from connector.model.server import Server, Switches
from connector.net.sockets import family_of, keep_alive
from connector.tls.faults import explain
from connector.tls.trust import host_to_verify


@dataclass(frozen=True, slots=True)
class Limits:
    """Time limits in seconds.

    Attributes:
        connect: For each address of the server.
        tls: For the handshake.
        command: For each piece that the server sends.
        operation: For all of one operation.
    """

    connect: float = 15.0
    tls: float = 15.0
    command: float = 60.0
    operation: float = 300.0


class RefusedError(Exception):
    """The server says no; the text is its own. The connection can still be used."""


class EndedError(Exception):
    """The server ends the session; the text is its own."""


class Watch:
    """Tells what breaks on one connection, and whether it can still be used.

    Args:
        server: ``host:port``.
    """

    def __init__(self, server: str) -> None:
        self.server = server
        self.broken = False

    @contextmanager
    def step(self, phase: str) -> Iterator[None]:
        """Name the step during which something may break.

        Raises:
            MailboxError: In place of what the socket, OpenSSL or the protocol raise.
        """
        try:
            yield
        except RefusedError as error:
            raise self.refused(str(error), phase) from error
        except (EndedError, OSError, ValueError, IndexError, AttributeError) as error:
            # The last three are what libraries raise on answers that make no sense.
            self.broken = True
            raise self._broken(error, phase) from error

    def refused(self, words: str, phase: str) -> MailboxError:
        """The error for a refusal; a protocol tells more of them apart."""
        return self.error(ErrorCode.MAILBOX_ERROR, "The mail server refuses this.", phase, words)

    def _broken(self, error: Exception, phase: str) -> MailboxError:
        if isinstance(error, TimeoutError):
            return self.error(ErrorCode.CONNECTION_TIMEOUT, "The mail server stopped answering.", phase)
        if isinstance(error, socket.gaierror):
            text = "The mail server's name cannot be resolved; check the host."
            return self.error(ErrorCode.DNS_FAILED, text, phase)
        if isinstance(error, EndedError):
            text = "The mail server ended the session."
            return self.error(ErrorCode.MAILBOX_ERROR, text, phase, str(error))
        if isinstance(error, OSError):
            return self.error(ErrorCode.CONNECTION_FAILED, _lost(error), phase)
        return self.error(ErrorCode.MAILBOX_ERROR, "The mail server's answer makes no sense.", phase)

    def error(self, code: ErrorCode, message: str, phase: str, reply: str = "") -> MailboxError:
        """An error of this server."""
        return MailboxError(code, message, server=self.server, phase=phase, reply=reply)

    def token_refused(self, refusal: TokenRefusal, words: str) -> MailboxError:
        """The error for an access token that the server does not take."""
        said = f" It says: {refusal}." if str(refusal) else ""
        text = (
            f"The mail server refuses the access token; check its scopes and whose mailbox it is for.{said}"
        )
        return self.error(ErrorCode.AUTH_FAILED, text, "auth", words)

    def impossible(self, message: str) -> MailboxError:
        """The error for a login that is not even tried."""
        return self.error(ErrorCode.AUTH_FAILED, f"{message} No credentials were sent.", "auth")

    def too_large(self, size: int, largest: int) -> MailboxError:
        """The error for a mail that is larger than what may be read."""
        text = f"The mail has {size:,} octets or more; mailbox.max_message lets {largest:,} through."
        return self.error(ErrorCode.MESSAGE_TOO_LARGE, text, "read")


def _lost(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "The mail server does not take connections; check host and port."
    if isinstance(error, ssl.SSLError) or error.strerror is None:
        return "The connection to the mail server broke."
    return f"The connection to the mail server broke: {error.strerror}."


class Door:
    """A connection that another thread may cut, from before it is open."""

    def __init__(self) -> None:
        self.connection: socket.socket | None = None
        self.closed = False

    def open(self, server: Server, limits: Limits, watch: Watch) -> socket.socket:
        """Connect to the first of the server's addresses that answers.

        Raises:
            MailboxError: None does.
        """
        with watch.step("connect"):
            host = server.hostname.removeprefix("[").removesuffix("]")
            failure: OSError = ConnectionRefusedError()
            source = server.switches.source_address
            for family, kind, protocol, _, address in socket.getaddrinfo(
                host, server.port, family_of(source) if source else 0, socket.SOCK_STREAM
            ):
                connection = socket.socket(family, kind, protocol)
                try:
                    return self._connected(connection, address, limits, server.switches)
                except OSError as error:
                    connection.close()
                    failure = error
            raise failure

    def _connected(
        self, connection: socket.socket, address: Any, limits: Limits, switches: Switches
    ) -> socket.socket:
        self.connection = connection
        if self.closed:
            raise ConnectionAbortedError
        connection.settimeout(limits.connect)
        if switches.source_address:
            connection.bind((switches.source_address, 0))
        connection.connect(address)
        keep_alive(connection, switches.keepalive)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(limits.command)
        return connection

    def encrypt(self, context: ssl.SSLContext, server: Server, limits: Limits, phase: Phase) -> socket.socket:
        """Shake hands on the connection.

        Args:
            context: Whom to trust.
            server: Whose certificate it has to be.
            limits: The time limits.
            phase: ``TLS`` from the first octet, or ``STARTTLS``.

        Raises:
            MailboxError: ``TLS_FAILED``, or the connection broke.
        """
        assert self.connection is not None  # noqa: S101 - open() comes first
        with self.handshake(server, limits, phase):
            self.connection = context.wrap_socket(
                self.connection, server_hostname=host_to_verify(server.hostname)
            )
        return self.connection

    @contextmanager
    def handshake(self, server: Server, limits: Limits, phase: Phase) -> Iterator[None]:
        """Give a handshake its time limit, and what goes wrong in it its error.

        Raises:
            MailboxError: ``TLS_FAILED``, or the connection broke.
        """
        assert self.connection is not None  # noqa: S101 - open() comes first
        self.connection.settimeout(limits.tls)
        with Watch(str(server)).step(phase.value):
            try:
                yield
            except (ssl.SSLError, ConnectionResetError) as error:
                raise _tls_failed(error, server, phase) from error
        self.connection.settimeout(limits.command)

    def cut(self) -> None:
        """End the connection at once; a name look-up ends later, and nothing follows it."""
        self.closed = True
        connection = self.connection
        if connection is None:
            return
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """End the connection, which no thread uses any more."""
        self.cut()
        if self.connection is not None:
            self.connection.close()


def _tls_failed(error: Exception, server: Server, phase: Phase) -> MailboxError:
    fault = explain(error, phase, server, incoming=True)
    message = f"TLS with {server} failed: {fault} No credentials were sent."
    return MailboxError(ErrorCode.TLS_FAILED, message, server=str(server), phase=phase.value)
