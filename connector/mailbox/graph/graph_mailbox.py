"""The operations of a mailbox over Microsoft Graph.

Ids are immutable, so that a mail is found again wherever an earlier attempt may have moved it, and each
change may be asked for twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from connector.errors import ErrorCode, InputError, MailboxError, TransportError
from connector.graph.api import GraphApi, GraphFaultError, message_id_is
from connector.graph.mailboxes import GraphMailboxes
from connector.mailbox.graph.faults import gone, mailbox_error
from connector.mailbox.graph.find import find
from connector.mailbox.graph.members import SELECTED, candidate_of
from connector.mailbox.graph.tree import Tree, create_folder, pages, read_tree
from connector.mailbox.port import (
    WHOLE,
    Change,
    Deletion,
    Folder,
    Letter,
    Listing,
    Mailbox,
    Mark,
    Page,
    Reference,
    Transfer,
)
from connector.mailbox.reading.mail import read_mail
from connector.mailbox.reading.mime import read_message
from connector.mailbox.references import FIELD, GraphName, MessageId, read_name
from connector.model.server import GraphRoute

_Result = TypeVar("_Result")
_MARKS: Mapping[Mark, Mapping[str, Any]] = {
    Mark.READ: {"isRead": True},
    Mark.UNREAD: {"isRead": False},
    Mark.FLAGGED: {"flag": {"flagStatus": "flagged"}},
    Mark.UNFLAGGED: {"flag": {"flagStatus": "notFlagged"}},
}
_PLACE = "id,parentFolderId,internetMessageId"


async def use_graph(
    mailboxes: GraphMailboxes,
    route: GraphRoute,
    operation: Callable[[Mailbox], Awaitable[_Result]],
    seconds: float,
) -> _Result:
    """Do something with a mailbox.

    Args:
        mailboxes: Gives requests to it.
        route: Which one.
        operation: What to do.
        seconds: How long it may take.

    Raises:
        MailboxError: It is not possible.
        PostponedError: The mailbox takes no requests for now.
    """
    try:
        async with asyncio.timeout(seconds):
            return await operation(GraphMailbox(await mailboxes.api(route)))
    except TimeoutError:
        text = f"Microsoft Graph did not finish within {seconds:g} s (mailbox.time_limit)."
        raise MailboxError(ErrorCode.CONNECTION_TIMEOUT, text, server=str(route)) from None
    except TransportError as error:  # of a file of certificates
        raise MailboxError(error.code, error.message, server=str(route), phase="tls") from error


class GraphMailbox:
    """A mailbox; see :class:`connector.mailbox.port.Mailbox`.

    Args:
        api: Requests to it.
    """

    def __init__(self, api: GraphApi) -> None:
        self._api = api

    async def folders(self) -> tuple[Folder, ...]:
        """Every folder that can hold mails."""
        return tuple((await self._tree()).folders.values())

    async def find(self, listing: Listing) -> Page:
        """A page of mails."""
        return await find(self._api, await self._tree(), listing)

    async def read(self, reference: Reference, largest: int, *, mark: bool) -> Letter:
        """A mail with its texts and attachments."""
        tree = await self._tree()
        message = await self._found(reference, tree, SELECTED)
        path = _path(message)
        try:
            octets = (await self._api.ask("GET", f"{path}/$value", largest=largest)).octets
        except GraphFaultError as fault:
            raise _not_read(fault, self._api.route, largest) from fault
        if mark:
            await self._asked("PATCH", path, "mark the mail", _MARKS[Mark.READ])
        folder = tree.path(str(message.get("parentFolderId", "")))
        summary = candidate_of(message, folder, preview=False).summary._replace(size=len(octets))
        return Letter(summary, await asyncio.to_thread(lambda: read_mail(read_message(octets))))

    async def change(self, reference: Reference, change: Change) -> str | None:
        """Mark, move, copy or delete a mail."""
        match change:
            case Mark():
                message = await self._found(reference, None, _PLACE)
                await self._asked("PATCH", _path(message), "mark the mail", _MARKS[change])
                return _name(message)
            case Transfer():
                return await self._transfer(reference, change)
            case Deletion():
                await self._delete(reference)
                return None

    async def _transfer(self, reference: Reference, wanted: Transfer) -> str:
        tree = await self._tree()
        target = tree.wanted(wanted.target) if wanted.create else tree.named(wanted.target)
        if target is None:
            target = await create_folder(self._api, tree, wanted.target)
        try:
            message = await self._found(reference, tree, _PLACE)
        except MailboxError as error:
            # Named by its Message-ID, and no longer where it was: an earlier attempt may have moved it.
            there = await self._there(reference.text, target) if _is_message_id(reference) else None
            if there is None or error.code is not ErrorCode.MESSAGE_NOT_FOUND:
                raise
            return there
        if message.get("parentFolderId") == target:
            return _name(message)
        if wanted.copy and (there := await self._there(str(message.get("internetMessageId", "")), target)):
            return there
        verb = "copy" if wanted.copy else "move"
        body = {"destinationId": target}
        return _name(await self._asked("POST", f"{_path(message)}/{verb}", f"{verb} the mail", body))

    async def _delete(self, reference: Reference) -> None:
        """Delete a mail for good, where the cloud cannot, into Deleted Items; a second time is the same."""
        try:
            message = await self._found(reference, None, _PLACE)
        except MailboxError as error:
            if error.code is ErrorCode.MESSAGE_NOT_FOUND and not _is_message_id(reference):
                return
            raise
        try:
            await self._api.delete(_path(message))
        except GraphFaultError as fault:
            if not fault.gone:
                raise mailbox_error(fault, self._api.route, "delete the mail") from fault

    async def _tree(self) -> Tree:
        return await read_tree(self._api)

    async def _found(self, reference: Reference, tree: Tree | None, selected: str) -> Mapping[str, Any]:
        """Find a mail.

        Raises:
            MailboxError: ``MESSAGE_NOT_FOUND``.
        """
        match read_name(reference.text):
            case GraphName(identifier):
                path = f"/messages/{quote(identifier, safe='')}?$select={selected}"
                return await self._asked("GET", path, "find the mail")
            case MessageId(text):
                tree = tree or await self._tree()
                listing = Listing(reference.folders)
                for source in tree.sources(listing):
                    if (found := await self._by_message_id(text, source, selected)) is not None:
                        return found
                raise gone(self._api.route)
        raise InputError(
            FIELD, "names a mail of another kind of mailbox (IMAP or POP3), not of this one (Graph)"
        )

    async def _by_message_id(self, text: str, source: str, selected: str) -> Mapping[str, Any] | None:
        base = "/messages" if source == WHOLE else f"/mailFolders/{source}/messages"
        condition = quote(message_id_is(text), safe="'")
        try:
            async for message in pages(self._api, f"{base}?$select={selected}&$filter={condition}"):
                return message  # type: ignore[no-any-return]
        except GraphFaultError as fault:
            raise mailbox_error(fault, self._api.route, "find the mail") from fault
        return None

    async def _there(self, message_id: str, folder: str) -> str | None:
        """What names a mail with this Message-ID in a folder; None where it has none."""
        found = await self._by_message_id(message_id, folder, _PLACE) if message_id else None
        return _name(found) if found is not None else None

    async def _asked(
        self, method: str, path: str, doing: str, body: Mapping[str, Any] | None = None
    ) -> Mapping[str, Any]:
        try:
            return (await self._api.ask(method, path, body=body)).body
        except GraphFaultError as fault:
            if fault.gone:
                raise gone(self._api.route) from fault
            raise mailbox_error(fault, self._api.route, doing) from fault


def _not_read(fault: GraphFaultError, route: GraphRoute, largest: int) -> MailboxError:
    if fault.code is ErrorCode.MESSAGE_TOO_LARGE:
        text = f"The mail has more than the {largest:,} octets that mailbox.max_message lets through."
        return MailboxError(fault.code, text, server=str(route), phase="read")
    return gone(route) if fault.gone else mailbox_error(fault, route, "give the mail")


def _is_message_id(reference: Reference) -> bool:
    return isinstance(read_name(reference.text), MessageId)


def _path(message: Mapping[str, Any]) -> str:
    return f"/messages/{quote(str(message.get('id', '')), safe='')}"


def _name(message: Mapping[str, Any]) -> str:
    return str(GraphName(str(message.get("id", ""))))
