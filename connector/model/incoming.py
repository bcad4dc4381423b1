"""Where a mailbox is, and how to log in to it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connector.model.server import GraphRoute, Server


class MailProtocol(StrEnum):
    """What a mailbox is reached by."""

    IMAP = "imap"
    POP3 = "pop3"
    GRAPH = "graph"


@dataclass(frozen=True, slots=True)
class Incoming:
    """A server that keeps a mailbox; two that are equal may share a connection.

    Attributes:
        server: Host, port, protection, user name and password.
        mechanisms: Ways to log in that are allowed, in order of preference; empty for all.
        disabled: Extensions of IMAP that are not used although the server offers them.
        namespace: The prefix of the user's own folders, where the server does not say it or says it wrong.
    """

    protocol: MailProtocol
    server: Server
    mechanisms: tuple[str, ...] = ()
    disabled: frozenset[str] = frozenset()
    namespace: str | None = None


ReadFrom = Incoming | GraphRoute
"""Where mails are read: a server that keeps a mailbox, or a mailbox behind Microsoft Graph."""


def route_to(mailbox: ReadFrom) -> Server | GraphRoute:
    """The way to a mailbox, for what all ways have in common: its host, its login, its name in messages."""
    return mailbox.server if isinstance(mailbox, Incoming) else mailbox
