"""Delete drafts of mails through Microsoft Graph that no entry of the ledger refers to, after a day.

A worker that dies between making a draft and sending it leaves the draft behind, and where its task is never
tried again no later attempt clears it. Accounts and the ledger enter; nothing leaves but such drafts, to
Deleted Items.

A draft is deleted only on evidence: its Message-ID is made from the key of an entry that *this* ledger has
and can read, and that entry says that the mail is not under way, not in doubt, and has not been for a day.
What another ledger's worker made, what an entry that is damaged or forgotten stands for, and what a person
wrote or changed is without that evidence, and stays.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

import structlog

from connector.errors import ConnectorError
from connector.graph.api import GraphApi, GraphFaultError
from connector.graph.mailboxes import GraphMailboxes
from connector.ledger import Ledger, LedgerUnavailableError
from connector.ledger.port import Entry, State
from connector.message.build import name_of
from connector.model.server import GraphRoute
from connector.transport.graph.left_drafts import DAY, LeftDraft, delete_left, left_drafts

_log = structlog.get_logger(__name__)

_HOUR = 3_600.0  # seconds
# Entries in these states refer to no draft. Of the others, a person may still look at it, or the worker.
_OVER = frozenset({State.ATTEMPTING, State.RELEASED, State.SENT})
# Drafts deleted in one go; jobs use the same mailbox.
_MOST = 100
# Keys read at a time: their names take about two milliseconds, for which the loop stands still.
_PORTION = 500


class DraftSweep:
    """Looks through the drafts of mailboxes.

    Args:
        routes: The mailboxes; several accounts may have the same.
        mailboxes: Gives requests to them.
        ledger: Remembers the mails.
        clock: Gives the present with its zone.
    """

    def __init__(
        self,
        routes: Iterable[GraphRoute],
        mailboxes: GraphMailboxes,
        ledger: Ledger,
        clock: Callable[[], datetime],
    ) -> None:
        # In the order of the settings, the first account of each mailbox.
        self._routes = {
            (route.base_url, route.user or route.credential.place): route for route in reversed([*routes])
        }
        self._mailboxes = mailboxes
        self._ledger = ledger
        self._clock = clock
        self._keys: dict[str, str | None] = {}

    async def run(self) -> None:
        """Look every hour, more or less, until cancelled; the first time within a quarter of one."""
        pause = random.uniform(0.02, 0.25)  # noqa: S311 - so that workers do not ask at the same time
        while True:
            await asyncio.sleep(pause * _HOUR)
            try:
                await self.sweep()
            except Exception:  # noqa: BLE001 - mails go on, and the next look may succeed
                _log.exception("drafts not looked through")
            pause = random.uniform(0.75, 1.25)  # noqa: S311 - as above

    async def sweep(self) -> None:
        """Look once."""
        seen: set[str] = set()
        try:
            await self._ledger.check()  # that it is still the same one
            for route in self._routes.values():
                seen |= await self._swept(route)
        except LedgerUnavailableError as error:
            _log.debug("drafts not looked through", reason=str(error))
        self._keys = {name: key for name, key in self._keys.items() if name in seen}

    async def _swept(self, route: GraphRoute) -> set[str]:
        """Look through one mailbox; the names of what looks like ours."""
        # Without patience: jobs go first, and what is asked for a pause waits for the next hour.
        route = replace(route, quota=replace(route.quota, max_wait=0.0))
        drafts: list[LeftDraft] = []
        try:
            api = await self._mailboxes.api(route)
            drafts = await left_drafts(api, self._clock())
            await self._delete(api, await self._unneeded(drafts))
        except (GraphFaultError, ConnectorError) as error:
            _log.debug("drafts not looked through", account=route.account, reason=str(error))
        return {draft.name for draft in drafts}

    async def _delete(self, api: GraphApi, drafts: Iterable[LeftDraft]) -> None:
        for draft in drafts:
            if await delete_left(api, draft, self._clock()):
                made = draft.made.isoformat(timespec="seconds")
                _log.info(
                    "left-over draft deleted",
                    account=api.route.account,
                    key=self._keys[draft.name],
                    made=made,
                )

    async def _unneeded(self, drafts: list[LeftDraft]) -> list[LeftDraft]:
        """Those that an entry of the ledger shows to be ours, and of no use."""
        await self._find({draft.name for draft in drafts}, drafts)
        unneeded = [draft for draft in drafts if await self._is_over(self._keys[draft.name])]
        return unneeded[:_MOST]

    async def _is_over(self, key: str | None) -> bool:
        if key is None:
            return False
        entries = await self._ledger.entries(key=key)  # none where it is damaged
        return any(_is_over(entry, self._clock().timestamp()) for entry in entries)

    async def _find(self, names: set[str], drafts: list[LeftDraft]) -> None:
        """Find the keys from which Message-IDs are made; one that is not among ours is looked for once."""
        wanted = names - self._keys.keys()
        if not wanted:
            return
        # An attempt enters the ledger before it makes its draft, and hardly a day before.
        since = (min(draft.made for draft in drafts if draft.name in wanted) - DAY).timestamp()
        found: dict[str, str] = {}
        after = ""
        while keys := await self._ledger.keys(after=after, since=since, limit=_PORTION):
            found |= {name: key for key in keys if (name := name_of(key)) in wanted}
            after = keys[-1]
        self._keys |= {name: found.get(name) for name in wanted}


def _is_over(entry: Entry, now: float) -> bool:
    """Whether a mail is neither under way nor in doubt, and has not been for a day."""
    return entry.state in _OVER and max(entry.held_until, entry.changed + DAY.total_seconds()) <= now
