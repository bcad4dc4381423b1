"""Drafts that dead attempts have left in a mailbox: what may be one, and its way to Deleted Items.

A mailbox and a moment enter, drafts that look like ours leave; whether one really is, the ledger knows. A
draft looks like ours by its Message-ID, and by nothing having changed it since it was made: one that a person
has taken over is that person's. Apart from the transport, which clears the drafts of one mail while it sends.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from connector.graph.api import GraphApi, GraphFaultError
from connector.net.answers import moment_of
from connector.webapi.api import Answer

DAY = timedelta(days=1)
# What the Message-IDs of all our mails begin with: see connector.message.build.
_OURS = re.compile(r"<([a-z2-7]{32})@[^<>@\s]+>")
# The uploads of a large mail change its draft for a while.
_MADE_WITHIN = timedelta(minutes=5)
_SELECTED = "id,internetMessageId,isDraft,createdDateTime,lastModifiedDateTime"
_PAGE, _MOST_PAGES = 100, 10


@dataclass(frozen=True, slots=True)
class LeftDraft:
    """A draft that looks like one of ours, unchanged for a day.

    Attributes:
        id: Its immutable id.
        name: What its Message-ID begins with, which is made from the key of the mail in the ledger.
        made: When.
    """

    id: str
    name: str
    made: datetime


async def left_drafts(api: GraphApi, now: datetime) -> list[LeftDraft]:
    """List the drafts of a mailbox that are a day old and look like ours, the latest of a thousand at most.

    Raises:
        GraphFaultError: They cannot be listed.
        ConnectorError: There is no token, or the mailbox is busy.
    """
    condition = quote(f"createdDateTime lt {now - DAY:%Y-%m-%dT%H:%M:%SZ}")
    page = (
        f"/mailFolders/drafts/messages?$select={_SELECTED}&$filter={condition}"
        f"&$orderby=createdDateTime%20desc&$top={_PAGE}"
    )
    found: list[LeftDraft] = []
    for _ in range(_MOST_PAGES):
        answer = await api.ask("GET", page)
        found += _left(answer, now)
        following = answer.body.get("@odata.nextLink")
        if not isinstance(following, str):
            break
        page = following
    return found


async def delete_left(api: GraphApi, draft: LeftDraft, now: datetime) -> bool:
    """Move a draft to Deleted Items if it still is what it was when it was listed; whether it was moved.

    Raises:
        GraphFaultError: It is still there.
        ConnectorError: There is no token, or the mailbox is busy.
    """
    try:
        told = await api.ask("GET", f"/messages/{draft.id}?$select={_SELECTED},parentFolderId")
        folder = await api.ask("GET", "/mailFolders/drafts?$select=id")
        if (
            told.body.get("parentFolderId") != folder.body.get("id")
            or _one(told.body, _present(told, now)) != draft
        ):
            return False
        # Not DELETE: of a draft that another worker has just moved there, it would take the last trace.
        await api.ask("POST", f"/messages/{draft.id}/move", body={"destinationId": "deleteditems"})
    except GraphFaultError as fault:
        if fault.gone:
            return False
        raise
    return True


def _left(answer: Answer, now: datetime) -> Iterator[LeftDraft]:
    listed, present = answer.body.get("value"), _present(answer, now)
    for mail in listed if isinstance(listed, list) else []:
        if isinstance(mail, dict) and (draft := _one(mail, present)) is not None:
            yield draft


def _one(mail: Mapping[str, Any], now: datetime) -> LeftDraft | None:
    """Read a draft; None for one that is not ours, or not old enough, or that a person has changed."""
    identifier, name = mail.get("id"), _OURS.fullmatch(str(mail.get("internetMessageId")))
    made, changed = _moment(mail.get("createdDateTime")), _moment(mail.get("lastModifiedDateTime"))
    if name is None or made is None or changed is None or mail.get("isDraft") is not True:
        return None
    if not isinstance(identifier, str) or not identifier:
        return None
    if changed - made > _MADE_WITHIN or max(made, changed) > now - DAY:
        return None
    return LeftDraft(identifier, name[1], made)


def _present(answer: Answer, now: datetime) -> datetime:
    """The present by the service's clock, which drafts are dated by, where ours is ahead of it."""
    served = moment_of(answer.headers.get("date", ""))
    return now if served is None else min(now, served)


def _moment(text: object) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo is not None else None
