r"""A mailbox for tests and demonstrations that speaks IMAP, and keeps all of its mails in memory.

It speaks on a real socket, in the caller's event loop. Like the mail server beside it, it uses only the
standard library and no code of the package, because it must not share faults with the code that it tests. ::

    async with ImapServer() as server:
        server.deliver(b"Subject: A question\r\n\r\nWhich tea?\r\n")
        ...  # read from server.hostname, server.port
        assert [mail.subject for mail in server.mails("Answered")] == ["A question"]
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP
from types import TracebackType
from typing import Self

from connector.testing.imap_dialogue import ImapDialogue
from connector.testing.imap_mail import StoredMail
from connector.testing.imap_state import State

__all__ = ["ImapServer", "StoredMail"]

# Of a line of a command; what is longer is a literal.
_LONGEST_LINE = 1024 * 1024


class ImapServer:
    """A mailbox behind IMAP, in the running event loop; without TLS, with all usual folders.

    Args:
        host: Address to listen on.
        port: Port to listen on; 0 takes a free one.
        users: Passwords by user name, all for the same mailbox; without them any login is good.
    """

    def __init__(
        self, *, host: str = "127.0.0.1", port: int = 0, users: Mapping[str, str] | None = None
    ) -> None:
        self.hostname = host
        self.port = port
        self._state = State(users)
        self._dialogues: dict[ImapDialogue, asyncio.Task[None]] = {}
        self._server: asyncio.Server | None = None

    @property
    def folders(self) -> list[str]:
        """Return the names of all folders, with ``/`` between those within each other."""
        return list(self._state.folders)

    def mails(self, folder: str = "INBOX") -> list[StoredMail]:
        """Return the mails of a folder, as they came; none where there is no such folder."""
        found = self._state.find(folder)
        return list(found.mails) if found is not None else []

    def deliver(
        self,
        mail: bytes | EmailMessage,
        folder: str = "INBOX",
        *,
        received_at: datetime | None = None,
        flags: tuple[str, ...] = (),
    ) -> StoredMail:
        r"""Put a mail into the mailbox.

        Args:
            mail: Its octets, with CRLF at the ends of lines, or a message, which is written so.
            folder: Where; a folder that is missing is made.
            received_at: When it came, with a time zone; now by default.
            flags: As ``\Seen``; a mail without that one is unread.
        """
        octets = mail if isinstance(mail, bytes) else mail.as_bytes(policy=SMTP)
        return self._state.folder(folder).add(octets, flags, received_at or datetime.now(UTC))

    async def __aenter__(self) -> Self:
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
        self._server = await asyncio.start_server(self._serve, self.hostname, self.port, limit=_LONGEST_LINE)
        self.port = self._server.sockets[0].getsockname()[1]

    async def aclose(self) -> None:
        """Stop listening and end every connection."""
        if self._server is None:
            return
        self._server.close()
        for dialogue, task in list(self._dialogues.items()):
            task.cancel()
            dialogue.abort()
        await asyncio.gather(*self._dialogues.values(), return_exceptions=True)
        self._dialogues.clear()
        with contextlib.suppress(TimeoutError):  # Python 3.12 waits for transports that clients keep open
            await asyncio.wait_for(self._server.wait_closed(), 1)
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        dialogue = ImapDialogue(self._state, reader, writer)
        running = asyncio.ensure_future(dialogue.run())
        self._dialogues[dialogue] = running
        await asyncio.wait({running})
        self._dialogues.pop(dialogue, None)
