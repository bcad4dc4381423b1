"""The mailboxes that the contract of :class:`connector.mailbox.port.Mailbox` is tried on."""

from __future__ import annotations

import imaplib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4

from pydantic import SecretStr

from connector.mailbox.connection import Limits
from connector.mailbox.graph.graph_mailbox import GraphMailbox
from connector.mailbox.imap.mailbox import open_imap
from connector.mailbox.pop3 import open_pop3
from connector.mailbox.port import Mailbox
from connector.mailbox.threaded import OpenSession, ThreadedMailbox, WaitingSession
from connector.model.incoming import Incoming, MailProtocol
from connector.model.server import Security, Server
from connector.testing.imap import ImapServer
from tests.servers.dovecot import PASSWORD, Dovecot
from tests.servers.graph import graph_server
from tests.servers.graph_state import Mailbox as GraphBox
from tests.servers.graph_state import stamp
from tests.servers.graph_world import Graph
from tests.wire.graph_submission import graph_mailboxes, route

LIMITS = Limits(connect=10, tls=10, command=20, operation=60)


class Post(Protocol):
    """A mailbox of a test's own, seen from outside and through the adapter."""

    @property
    def has_folders(self) -> bool:
        """Whether it has other folders than the inbox."""
        ...

    @property
    def tells_sizes(self) -> bool:
        """Whether lists show the octets of mails."""
        ...

    def deliver(self, octets: bytes, folder: str = "INBOX", received: datetime | None = None) -> None:
        """Put a mail into a folder, which is created where it is missing; / stands between its parts."""
        ...

    def found(self, folder: str = "INBOX") -> list[bytes]:
        """The mails in a folder, in the order of their arrival."""
        ...

    def opened(self) -> AbstractAsyncContextManager[Mailbox]:
        """The mailbox through the adapter."""
        ...


def mail(number: int = 1, *, subject: str | None = None, body: str = "", headers: str = "") -> bytes:
    """A plain mail with the Message-ID ``<mail-N@example.test>``."""
    return (
        f"From: Ann Example <ann@example.test>\r\nTo: bob@example.test\r\n"
        f"Subject: {subject or f'Number {number}'}\r\nDate: Fri, 20 Nov 2026 20:50:33 +0100\r\n"
        f"Message-ID: <mail-{number}@example.test>\r\n{headers}\r\n{body or f'This is number {number}.'}\r\n"
    ).encode()


def day(number: int) -> datetime:
    """A moment on a day of January."""
    return datetime(2026, 1, number, 12, tzinfo=UTC)


@dataclass
class DovecotPost:
    """A user of Dovecot, whom no other test has."""

    server: Dovecot
    protocol: MailProtocol
    disabled: frozenset[str] = frozenset()
    tells_sizes: bool = True

    def __post_init__(self) -> None:
        self.user = f"user-{uuid4().hex[:12]}"

    @property
    def has_folders(self) -> bool:
        return self.protocol is MailProtocol.IMAP

    def deliver(self, octets: bytes, folder: str = "INBOX", received: datetime | None = None) -> None:
        name = _spelled(folder)
        date = imaplib.Time2Internaldate(received) if received else None
        with self._imap() as imap:
            imap.create(name)
            status, told = imap.append(name, "", date, octets)
        assert status == "OK", told

    def found(self, folder: str = "INBOX") -> list[bytes]:
        with self._imap() as imap:
            status, _ = imap.select(_spelled(folder), readonly=True)
            if status != "OK" or imap.response("EXISTS")[1] == [b"0"]:
                return []
            fetched = imap.fetch("1:*", "(BODY.PEEK[])")[1]
        return [piece[1] for piece in fetched if isinstance(piece, tuple)]

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Mailbox]:
        opening: OpenSession[WaitingSession] = open_imap if self.has_folders else open_pop3
        mailbox = ThreadedMailbox(self.incoming(), LIMITS, opening)
        await mailbox.open(ssl.create_default_context(cafile=str(self.server.ca_file)))
        try:
            yield mailbox
        finally:
            await mailbox.aclose()

    def incoming(self) -> Incoming:
        """Where it is."""
        port = self.server.ports["imaps" if self.has_folders else "pop3s"]
        server = Server("localhost", port, Security.TLS, self.user, SecretStr(PASSWORD))
        return Incoming(self.protocol, server, disabled=self.disabled)

    def _imap(self) -> imaplib.IMAP4:
        imap = imaplib.IMAP4("127.0.0.1", self.server.ports["imap"])
        imap.authenticate("PLAIN", lambda _: f"\0{self.user}\0{PASSWORD}".encode())
        return imap


def _spelled(folder: str) -> str:
    """A folder's name on a Maildir++ server, in modified UTF-7 as far as the tests need it."""
    spelled = "".join(
        letter if letter.isascii() else f"&{_base64(letter)}-" for letter in folder.replace("&", "&-")
    )
    return '"' + spelled.replace("/", ".") + '"'


def _base64(letter: str) -> str:
    import binascii

    return (
        binascii.b2a_base64(letter.encode("utf-16-be"), newline=False).decode().rstrip("=").replace("/", ",")
    )


@dataclass
class DoublePost:
    """The mailbox that users' tests have."""

    server: ImapServer = field(default_factory=ImapServer)
    has_folders: bool = True
    tells_sizes: bool = True

    def deliver(self, octets: bytes, folder: str = "INBOX", received: datetime | None = None) -> None:
        self.server.deliver(octets, folder, received_at=received)

    def found(self, folder: str = "INBOX") -> list[bytes]:
        return [one.octets for one in self.server.mails(folder)]

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Mailbox]:
        self.server.port = 0
        async with self.server as server:
            login = Server(server.hostname, server.port, Security.NONE, "bob", SecretStr(PASSWORD))
            mailbox = ThreadedMailbox(Incoming(MailProtocol.IMAP, login), LIMITS, open_imap)
            await mailbox.open(ssl.create_default_context())
            try:
                yield mailbox
            finally:
                await mailbox.aclose()


@dataclass
class GraphPost:
    """A mailbox of Graph's double, with folders called as on the other servers."""

    graph: Graph
    user: str = "flow@example.test"
    has_folders: bool = True
    tells_sizes: bool = False

    def __post_init__(self) -> None:
        names = {"inbox": "INBOX", "sentitems": "Sent", "junkemail": "Junk", "deleteditems": "Trash"}
        for folder in self.box.folders.values():
            folder.name = names.get(folder.known or "", folder.name)
        self.box.folders.pop(self.box.folder_id("archive"))

    @property
    def box(self) -> GraphBox:
        return self.graph.mailbox(self.user)

    def deliver(self, octets: bytes, folder: str = "INBOX", received: datetime | None = None) -> None:
        changes = {"receivedDateTime": stamp(received)} if received else {}
        self.box.receive(octets, self._folder(folder), **changes)

    def found(self, folder: str = "INBOX") -> list[bytes]:
        wanted = self._folder(folder)
        return [item.mime or b"" for item in self.box.items.values() if item.folder == wanted]

    def _folder(self, path: str) -> str:
        """The id of a folder, which is created where it is missing."""
        parent = "root"
        for name in path.split("/"):
            there = [one for one in self.box.folders.values() if (one.name, one.parent) == (name, parent)]
            parent = (there[0] if there else self.box.add_folder(name, parent)).id
        return parent

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Mailbox]:
        async with graph_mailboxes(self.graph) as mailboxes:
            api = await mailboxes.api(route(self.graph, user=self.user))
            api.known.update({one.known: one.id for one in self.box.folders.values() if one.known})
            yield GraphMailbox(api)


@contextmanager
def graph_post() -> Iterator[GraphPost]:
    """A mailbox behind Microsoft Graph, as its double has it."""
    with graph_server("flow@example.test") as graph:
        yield GraphPost(graph)


POSTS: dict[str, Callable[[Dovecot], Post]] = {
    "imap": lambda server: DovecotPost(server, MailProtocol.IMAP),
    "imap without extensions": lambda server: DovecotPost(
        server, MailProtocol.IMAP, frozenset({"MOVE", "UIDPLUS", "NAMESPACE", "LIST-STATUS"})
    ),
    "pop3": lambda server: DovecotPost(server, MailProtocol.POP3),
}
KINDS = [*POSTS, "graph", "imap of tests"]
WITH_FOLDERS = [name for name in KINDS if name != "pop3"]
