"""The operations of a mailbox over one IMAP connection."""

from __future__ import annotations

import ssl

from pydantic import SecretStr

from connector.mailbox.connection import Door, Limits, Watch
from connector.mailbox.imap import listing as lists
from connector.mailbox.imap import operations
from connector.mailbox.imap.opening import open_client
from connector.mailbox.imap.session import ImapSession
from connector.mailbox.port import Change, FiledMail, Folder, Letter, Listing, Page, Place, Reference
from connector.model.incoming import Incoming


def open_imap(
    incoming: Incoming, context: ssl.SSLContext, limits: Limits, door: Door, token: SecretStr | None
) -> ImapOperations:
    """Connect and log in.

    Raises:
        MailboxError: It failed.
    """
    client, watch = open_client(incoming, context, limits, door, token)
    return ImapOperations(ImapSession(client, watch, incoming.namespace))


class ImapOperations:
    """What a task may want of a mailbox; for the thread of its connection."""

    def __init__(self, session: ImapSession) -> None:
        self.session = session

    @property
    def watch(self) -> Watch:
        """Whether the connection can still be used."""
        return self.session.watch

    def folders(self) -> tuple[Folder, ...]:
        """Every folder, with the numbers of its mails."""
        return self.session.folders(counted=True)

    def find(self, listing: Listing) -> Page:
        """A page of mails."""
        return lists.find(self.session, listing)

    def read(self, reference: Reference, largest: int, *, mark: bool) -> Letter:
        """A mail with its texts and attachments."""
        return operations.read(self.session, reference, largest, mark=mark)

    def change(self, reference: Reference, change: Change) -> str | None:
        """Mark, move, copy or delete a mail."""
        return operations.change(self.session, reference, change)

    def file(self, mail: FiledMail) -> Place:
        """Put a mail into the folder of sent mails."""
        name = operations.file(self.session, mail)
        return Place(name.folder, str(name))

    def leave(self) -> None:
        """Log out."""
        with self.watch.step("logout"):
            self.session.client.say_farewell()

    def close(self) -> None:
        """Close the connection without a word."""
        self.session.client.close()
