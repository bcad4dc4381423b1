"""A mail server for tests that keeps every mail, records every octet, and misbehaves on demand.

It speaks real SMTP on a real socket, in the caller's event loop. ``received`` has the mails and
``connections`` every octet, so that a test can prove what was not sent. It uses only the standard library and
no code of the package, because it must not share faults with the code that it tests. ::

    async with SmtpServer() as server:
        ...  # send to server.hostname, server.port
        await server.wait_for(1)
        assert server.received[0].recipients == ("a@example.com",)
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType

from connector.testing.behaviour import Behaviour, Offer
from connector.testing.smtp_dialogue import Dialogue, ReceivedMail, Service
from connector.testing.smtp_wire import Connection, RecordingReader

__all__ = ["Connection", "Offer", "ReceivedMail", "SmtpServer"]


class SmtpServer:
    """An SMTP server for tests and demonstrations, in the running event loop.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        behaviour: Rules for misbehaving; by default the server behaves well.
        tls_context: Server-side context; with it the server offers STARTTLS.
        implicit_tls: Use TLS from the first octet (port 465) instead of STARTTLS.
        users: Passwords, or access tokens, by user name. AUTH is then offered, and required before MAIL.
        offer: The announced extensions and mechanisms; all by default.
        on_received: Called with every accepted mail, before the reply is sent.
    """

    def __init__(  # noqa: PLR0913 - a test server is its configuration, always given by name
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        behaviour: Behaviour | None = None,
        tls_context: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        users: Mapping[str, str] | None = None,
        offer: Offer | None = None,
        on_received: Callable[[ReceivedMail], None] | None = None,
    ) -> None:
        if implicit_tls and tls_context is None:
            raise ValueError("implicit_tls needs a tls_context")
        self.hostname = host
        self.port = port
        self.behaviour = behaviour if behaviour is not None else Behaviour()
        self.received: list[ReceivedMail] = []
        self.connections: list[Connection] = []
        self._implicit_tls = tls_context if implicit_tls else None
        self._service = Service(self.behaviour, self._keep, offer or Offer(), tls_context, users)
        self._on_received = on_received
        self._arrival = asyncio.Condition()
        self._dialogues: dict[Dialogue, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> SmtpServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Listen; ``port`` is then the real one.

        Raises:
            OSError: The address cannot be listened on.
        """
        self._server = await asyncio.get_running_loop().create_server(
            self._protocol, self.hostname, self.port, ssl=self._implicit_tls
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Stop listening and end every connection, even the silent ones."""
        if self._server is None:
            return
        self._server.close()
        dialogues, self._dialogues = self._dialogues, {}
        for dialogue, task in dialogues.items():
            task.cancel()
            dialogue.abort()
        await asyncio.gather(*dialogues.values(), return_exceptions=True)
        with contextlib.suppress(TimeoutError):  # Python 3.12 waits for transports that clients keep open
            await asyncio.wait_for(self._server.wait_closed(), 1)
        self._server = None

    async def wait_for(self, count: int, *, timeout: float = 10) -> list[ReceivedMail]:  # noqa: ASYNC109 - as asyncio.wait_for
        """Wait until this number of mails was received since the start.

        Args:
            count: The number of mails.
            timeout: Seconds to wait at most.

        Raises:
            TimeoutError: There were fewer by then.
        """
        async with asyncio.timeout(timeout), self._arrival:
            await self._arrival.wait_for(lambda: len(self.received) >= count)
        return list(self.received)

    async def wait_until_idle(self, *, timeout: float = 10) -> None:  # noqa: ASYNC109 - as asyncio.wait_for
        """Wait until every connection so far has ended, so that its record is complete.

        Raises:
            TimeoutError: One was still open after ``timeout`` seconds.
        """
        await asyncio.wait_for(asyncio.gather(*self._dialogues.values()), timeout)

    async def _keep(self, mail: ReceivedMail) -> None:
        self.received.append(mail)
        if self._on_received is not None:
            self._on_received(mail)
        async with self._arrival:
            self._arrival.notify_all()

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        connection = Connection(opened=datetime.now(UTC), tls=self._implicit_tls is not None)
        reader = RecordingReader(connection)

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.connections.append(connection)
            dialogue = Dialogue(self._service, connection, reader, writer)
            self._dialogues[dialogue] = asyncio.create_task(dialogue.run())

        return asyncio.StreamReaderProtocol(reader, connected)
