"""A mailbox whose protocol waits: its calls run in a thread of its connection's own."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Generic, Protocol, TypeVar, runtime_checkable

from pydantic import SecretStr

from connector.auth.port import TokenSource
from connector.errors import ErrorCode, MailboxError
from connector.mailbox.connection import Door, Limits, Watch
from connector.mailbox.port import Change, FiledMail, Folder, Letter, Listing, Page, Place, Reference
from connector.mailbox.thread import ConnectionThread
from connector.model.incoming import Incoming, MailProtocol

_Result = TypeVar("_Result")
_FAREWELL_SECONDS = 2.0


class WaitingSession(Protocol):
    """A session of a protocol; every method waits and raises :class:`MailboxError`."""

    @property
    def watch(self) -> Watch:
        """Whether the connection can still be used."""
        ...

    def folders(self) -> tuple[Folder, ...]:
        """Every folder, with the numbers of its mails."""
        ...

    def find(self, listing: Listing) -> Page:
        """A page of mails."""
        ...

    def read(self, reference: Reference, largest: int, *, mark: bool) -> Letter:
        """A mail with its texts and attachments."""
        ...

    def change(self, reference: Reference, change: Change) -> str | None:
        """Mark, move, copy or delete a mail."""
        ...

    def leave(self) -> None:
        """Say goodbye."""
        ...

    def close(self) -> None:
        """Close the connection, which no thread uses any more, without a word; does not wait."""
        ...


@runtime_checkable
class FilingSession(Protocol):
    """A session of a protocol that has folders for sent mails."""

    def file(self, mail: FiledMail) -> Place:
        """Put a mail into the folder of sent mails."""
        ...


_Session = TypeVar("_Session", bound=WaitingSession)
OpenSession = Callable[[Incoming, ssl.SSLContext, Limits, Door, SecretStr | None], _Session]
"""Connects and logs in, with an access token where there is one."""


class ThreadedMailbox(Generic[_Session]):
    """A mailbox over one connection; used by one task at a time.

    Args:
        incoming: The server.
        limits: The time limits.
        open_session: Connects and logs in.
        tokens: Gives access tokens to log in with, in place of the password.
    """

    def __init__(
        self,
        incoming: Incoming,
        limits: Limits,
        open_session: OpenSession[_Session],
        tokens: TokenSource | None = None,
    ) -> None:
        self._incoming = incoming
        self._tokens = tokens
        self._limits = limits
        self._open_session = open_session
        self._door = Door()
        self._thread = ConnectionThread(f"{incoming.protocol} {incoming.server}")
        self._session: _Session | None = None

    @property
    def usable(self) -> bool:
        """Whether the connection can serve another operation."""
        return self._session is not None and not self._door.closed and not self._session.watch.broken

    @property
    def reusable(self) -> bool:
        """Whether a session may serve several operations: one of POP3 sees the mailbox as it was."""
        return self._incoming.protocol is not MailProtocol.POP3

    async def open(self, context: ssl.SSLContext) -> None:
        """Connect and log in; a token that the server refuses is renewed once.

        Raises:
            MailboxError: It failed; there is nothing to close.
            TokenError: There is no access token.
        """
        try:
            await self._log_in(context)
        except BaseException:
            self._door.close()
            self._thread.stop()
            raise

    async def _log_in(self, context: ssl.SSLContext) -> None:
        tokens = self._tokens
        token = await tokens.token() if tokens else None
        try:
            self._session = await self._connect(context, token)
        except MailboxError as error:
            if tokens is None or error.code is not ErrorCode.AUTH_FAILED:
                raise
            self._door.close()
            self._door = Door()
            self._session = await self._connect(context, await tokens.token(token))

    async def _connect(self, context: ssl.SSLContext, token: SecretStr | None) -> _Session:
        opening = partial(self._open_session, self._incoming, context, self._limits, self._door, token)
        return await self._run(opening)

    async def folders(self) -> tuple[Folder, ...]:
        """Every folder that can hold mails, with their numbers."""
        return await self._run(self.session.folders)

    async def find(self, listing: Listing) -> Page:
        """A page of mails."""
        return await self._run(partial(self.session.find, listing))

    async def read(self, reference: Reference, largest: int, *, mark: bool) -> Letter:
        """A mail with its texts and attachments."""
        return await self._run(partial(self.session.read, reference, largest, mark=mark))

    async def change(self, reference: Reference, change: Change) -> str | None:
        """Mark, move, copy or delete a mail."""
        return await self._run(partial(self.session.change, reference, change))

    async def file(self, mail: FiledMail) -> Place:
        """Put a mail into the folder of sent mails, unless it is there already; IMAP alone has one."""
        session = self.session
        if not isinstance(session, FilingSession):
            raise TypeError(f"no mail can be filed over {self._incoming.protocol}")
        return await self._run(partial(session.file, mail))

    async def aclose(self) -> None:
        """Say goodbye where that is possible, and end the connection."""
        if self.usable:
            with suppress(MailboxError, TimeoutError):  # nothing depends on a farewell
                await self._thread.run(self.session.leave, self._door.cut, _FAREWELL_SECONDS)
        self._door.cut()
        if self._session is not None:
            self._session.close()
        self._door.close()
        self._thread.stop()

    @property
    def session(self) -> _Session:
        """The session, for calls in its thread.

        Raises:
            RuntimeError: It is not open.
        """
        if self._session is None:
            raise RuntimeError("the mailbox is not open")
        return self._session

    async def _run(self, call: Callable[[], _Result]) -> _Result:
        try:
            return await self._thread.run(call, self._door.cut, self._limits.operation)
        except TimeoutError:
            text = f"The mail server did not finish within {self._limits.operation:g} s (mailbox.time_limit)."
            server = str(self._incoming.server)
            raise MailboxError(ErrorCode.CONNECTION_TIMEOUT, text, server=server) from None
