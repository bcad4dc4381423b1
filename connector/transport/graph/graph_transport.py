"""The Graph transport: a message and a mailbox in, a receipt out.

In exact mode a mail is a draft first, whose immutable id goes to the ledger before the draft is sent. When
the answer to that is lost, the mail is looked for: what is no draft any more was sent. Fast mode is one
request, whose lost answer leaves doubt. A mail above the limit of a request always goes by a draft.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any
from urllib.parse import quote

from connector.errors import ConnectorError, Phase, Reply, TransportError
from connector.graph.api import GraphApi, GraphFaultError, message_id_is
from connector.graph.mailboxes import GraphMailboxes
from connector.graph.verdict import refusal, uncertain
from connector.model.envelope import Message
from connector.model.receipt import Delivery, Receipt
from connector.model.server import GraphRoute, Route
from connector.transport.fields import File
from connector.transport.graph.blind_copies import (
    encoded,
    refuse_protected,
    with_blind_copies,
)
from connector.transport.graph.json_draft import json_draft
from connector.transport.graph.uploads import Uploads, octets_of
from connector.transport.port import UNRECORDED, Deliveries
from connector.transport.unsupported import Service, refuse_unsupported
from connector.webapi.api import Answer

_REFERENCE = "graph:"
_SERVICE = Service("Microsoft Graph", "Exchange")
_SENT = Reply(202, "Accepted")
_FOUND = Reply(202, "Accepted, and found in Sent Items after the answer was lost")
# A shutdown waits no longer than this for one last look.
_LAST_LOOK_SECONDS = 3.0
_LONGEST_INTERVAL = 10.0


@dataclass(frozen=True, slots=True)
class _Mailing:
    """One message on its way through one mailbox."""

    message: Message
    route: GraphRoute
    api: GraphApi
    deliveries: Deliveries

    @property
    def recipients(self) -> tuple[str, ...]:
        return self.message.envelope.recipients


class GraphTransport:
    """Sends mails through Microsoft Graph.

    Args:
        mailboxes: Gives requests to them.
    """

    def __init__(self, mailboxes: GraphMailboxes) -> None:
        self._mailboxes = mailboxes
        self._limits = mailboxes.limits

    async def submit(self, message: Message, route: Route, deliveries: Deliveries = UNRECORDED) -> Receipt:
        """See :meth:`connector.transport.port.Transport.submit`; there is one delivery, to all recipients."""
        mailbox = _graph(route)
        mailing = _Mailing(message, mailbox, await self._mailboxes.api(mailbox), deliveries)
        refuse_unsupported(message, mailing.route, _SERVICE)
        mime = encoded(await asyncio.to_thread(with_blind_copies, message))
        if mime is None:
            refuse_protected(message, mailing.route)
        if mailing.route.exact or mime is None:
            return await self._by_draft(mailing, mime)
        return await self._at_once(mailing, mime)

    async def find(self, reference: str, route: Route) -> Reply | None:
        """See :meth:`connector.transport.port.Finder.find`."""
        if not reference.startswith(_REFERENCE) or not isinstance(route, GraphRoute):
            return None
        try:
            return await self._look(await self._mailboxes.api(route), reference.removeprefix(_REFERENCE))
        except ConnectorError:
            return None

    # By a draft

    async def _by_draft(self, mailing: _Mailing, mime: bytes | None) -> Receipt:
        if mailing.deliveries.repeated:
            await self._clear(mailing)
        draft, warnings = await self._drafted(mailing, mime)
        try:
            await mailing.deliveries.committing(Delivery(mailing.recipients, f"{_REFERENCE}{draft}"))
        except BaseException:
            await self._discard(mailing.api, draft)
            raise
        reply = await self._sent(mailing, draft)
        return Receipt(reply, mailing.recipients, warnings=warnings, transport=mailing.route.transport)

    async def _drafted(self, mailing: _Mailing, mime: bytes | None) -> tuple[str, tuple[str, ...]]:
        """Make the draft; its id, and what the modeler should know of it."""
        if mime is not None:
            return await self._made(mailing, mime), ()
        written = await asyncio.to_thread(json_draft, mailing.message, mailing.route)
        async with mailing.api.booking(octets_of(written.files)):
            identifier = await self._made(mailing, written.fields)
            await self._fill(mailing, identifier, written.files)
        return identifier, written.warnings

    async def _fill(self, mailing: _Mailing, draft: str, files: tuple[File, ...]) -> None:
        """Put the attachments on a draft."""
        try:
            await Uploads(mailing.api, draft).add(files)
        except GraphFaultError as fault:
            await self._discard(mailing.api, draft)
            raise refusal(fault, Phase.CONTENT, mailing.route, "take an attachment") from fault
        except BaseException:
            await self._discard(mailing.api, draft)
            raise

    async def _made(self, mailing: _Mailing, body: dict[str, Any] | bytes) -> str:
        try:
            return _identifier(await mailing.api.ask("POST", "/messages", body=body))
        except GraphFaultError as fault:
            raise refusal(fault, Phase.CONTENT, mailing.route, "make the draft") from fault

    async def _sent(self, mailing: _Mailing, draft: str) -> Reply:
        """Send the draft; after this is told, only a look can say what became of it."""
        try:
            await mailing.api.ask("POST", f"/messages/{draft}/send")
        except GraphFaultError as fault:
            if not fault.served:
                await self._discard(mailing.api, draft)
                raise refusal(fault, Phase.DOT, mailing.route, "send the mail") from fault
            return await self._reconciled(mailing, draft, fault.reason)
        except asyncio.CancelledError:
            return await self._reconciled(mailing, draft, "the worker stops", stopping=True)
        except BaseException:  # before the request went out: no token, or no room
            await self._discard(mailing.api, draft)
            raise
        return _SENT

    async def _reconciled(self, mailing: _Mailing, draft: str, lost: str, *, stopping: bool = False) -> Reply:
        """Look for a mail whose answer was lost.

        Raises:
            TransportError: ``DELIVERY_UNCERTAIN``: it was not found.
        """
        found = None
        with suppress(asyncio.CancelledError, TimeoutError):
            async with asyncio.timeout(_LAST_LOOK_SECONDS if stopping else None):
                found = await self._look(mailing.api, draft)
        if found is None:
            seconds = min(_LAST_LOOK_SECONDS, self._limits.look) if stopping else self._limits.look
            looked = f"In {seconds:g} s it did not appear in Sent Items: it may or may not have been sent."
            raise uncertain(lost, mailing.route, looked)
        return found

    async def _look(self, api: GraphApi, draft: str) -> Reply | None:
        """Look for a mail until it is sent; None where that is not seen in time.

        A look is never cut off by the end of that time, and there is one at least: a slow service must not
        look like one that has not sent the mail.
        """
        interval, until = self._limits.interval, monotonic() + self._limits.look
        while not await _is_sent(api, draft):
            if monotonic() >= until:
                return None
            await asyncio.sleep(interval)
            interval = min(interval * 2, _LONGEST_INTERVAL)
        return _FOUND

    async def _clear(self, mailing: _Mailing) -> None:
        """Move drafts of earlier attempts to Deleted Items, which a worker that died has left behind.

        They have the Message-ID that is made from what names the mail in the ledger, so no other mail's draft
        is touched. None of them is to be sent any more: the ledger has granted the mail to this attempt.
        """
        condition = quote(message_id_is(mailing.message.message_id), safe="'")
        path = f"/mailFolders/drafts/messages?$select=id&$filter={condition}"
        with suppress(GraphFaultError, ConnectorError):  # one that stays does no harm
            for draft in _listed(await mailing.api.ask("GET", path)):
                await mailing.api.ask("DELETE", f"/messages/{draft}")

    async def _discard(self, api: GraphApi, draft: str) -> None:
        """Delete a draft that will not be sent. It may stay, in Drafts, where this fails too."""
        with suppress(GraphFaultError, ConnectorError, TimeoutError):
            async with asyncio.timeout(_LAST_LOOK_SECONDS):
                await api.delete(f"/messages/{draft}")

    # At once

    async def _at_once(self, mailing: _Mailing, mime: bytes) -> Receipt:
        body: dict[str, Any] | bytes = mime
        warnings: tuple[str, ...] = ()
        if not mailing.route.save_to_sent_items:
            refuse_protected(mailing.message, mailing.route)
            written = await asyncio.to_thread(json_draft, mailing.message, mailing.route)
            body = {"message": written.whole(), "saveToSentItems": False}
            warnings = written.warnings
        await mailing.deliveries.committing(Delivery(mailing.recipients))
        try:
            await mailing.api.ask("POST", "/sendMail", body=body)
        except GraphFaultError as fault:
            if not fault.served:
                raise refusal(fault, Phase.DOT, mailing.route, "send the mail") from fault
            raise _in_doubt(mailing, fault.reason) from fault
        except asyncio.CancelledError:
            raise _in_doubt(mailing, "the worker stops") from None
        return Receipt(_SENT, mailing.recipients, warnings=warnings, transport=mailing.route.transport)


async def _is_sent(api: GraphApi, draft: str) -> bool:
    """Whether a draft was sent: it is no draft any more, and has left the outbox."""
    try:
        told = (await api.ask("GET", f"/messages/{draft}?$select=isDraft,parentFolderId")).body
        if told.get("isDraft") is not False:
            return False
        outbox = (await api.ask("GET", "/mailFolders/outbox?$select=id")).body
    except (GraphFaultError, ConnectorError):
        return False
    return told.get("parentFolderId") != outbox.get("id")


def _in_doubt(mailing: _Mailing, lost: str) -> TransportError:
    looked = "It may or may not have been sent. In exact mode the worker could look for it."
    return uncertain(lost, mailing.route, looked)


def _graph(route: Route) -> GraphRoute:
    if not isinstance(route, GraphRoute):
        raise TypeError(f"{type(route).__name__} does not lead to Microsoft Graph")
    return route


def _identifier(made: Answer) -> str:
    identifier = made.body.get("id")
    if not isinstance(identifier, str) or not identifier:
        raise GraphFaultError("it made a draft without an id")
    return identifier


def _listed(answer: Answer) -> list[str]:
    """The ids of listed mails; what is no id is left out."""
    listed = answer.body.get("value")
    mails = listed if isinstance(listed, list) else []
    found = (mail.get("id") for mail in mails if isinstance(mail, dict))
    return [identifier for identifier in found if isinstance(identifier, str) and identifier]
