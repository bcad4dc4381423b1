"""Attachments of a draft: small ones in one request each, large ones in pieces by an upload session.

Files enter, and are on the draft when it is left. A piece whose answer was lost is not sent blindly again:
the session says what it expects next. A session that has ended before its file was complete is begun anew;
one that is given up is cancelled.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from connector.graph.api import GraphApi, GraphFaultError
from connector.transport.fields import File
from connector.transport.graph.json_draft import as_item, as_member
from connector.webapi.api import Answer

# The service's limits: one request takes less than 3 MB, a piece at most 4 MB. Pieces are multiples of 320
# KiB, which OneDrive's sessions require and those of mail do not mind.
SMALL = 3 * 1024 * 1024
PIECE = 10 * 320 * 1024
_AROUND = 400  # name and type of a small file
_MOST_SESSIONS = 3
_MOST_LOST = 5


class _SessionEndedError(Exception):
    """The upload's address is good for nothing any more: it has expired, or the file is complete."""


def octets_of(files: Iterable[File]) -> int:
    """The octets that files take on their way: small ones go in base64."""
    return sum(
        size if (size := len(file.octets)) >= SMALL else (size + 2) // 3 * 4 + _AROUND for file in files
    )


class Uploads:
    """Puts files on one draft; their octets are booked before.

    Args:
        api: The mailbox.
        draft: Its id.
    """

    def __init__(self, api: GraphApi, draft: str) -> None:
        self._api = api
        self._path = f"/messages/{draft}/attachments"
        self._there = 0

    async def add(self, files: Iterable[File]) -> None:
        """Put files on the draft, one after another.

        Raises:
            GraphFaultError: One could not be; the draft is of no use.
        """
        for file in files:
            if len(file.octets) < SMALL:
                await self._add_small(file)
            else:
                await self._add_large(file)
            self._there += 1

    async def _add_small(self, file: File) -> None:
        try:
            await self._api.post_booked(self._path, as_member(file))
        except GraphFaultError as fault:
            if not (fault.served and await self._complete()):
                raise

    async def _add_large(self, file: File) -> None:
        for _ in range(_MOST_SESSIONS):
            session = await self._api.ask(
                "POST", f"{self._path}/createUploadSession", body={"AttachmentItem": as_item(file)}
            )
            url = str(session.body.get("uploadUrl", ""))
            try:
                return await self._send(url, file.octets)
            except _SessionEndedError:
                if await self._complete():
                    return None
            except BaseException:
                await self._cancel(url)
                raise
        raise GraphFaultError(f"the upload of {file.name} ended early {_MOST_SESSIONS} times")

    async def _send(self, url: str, octets: bytes) -> None:
        at, lost = 0, 0
        while at < len(octets):
            piece = octets[at : at + PIECE]
            span = f"bytes {at}-{at + len(piece) - 1}/{len(octets)}"
            try:
                answer = await self._api.upload("PUT", url, piece, span)
                if answer.status == 201:
                    return
            except GraphFaultError as fault:
                lost += 1
                if lost > _MOST_LOST:
                    raise
                answer = await self._asked_where(url, fault)
            at = _expected(answer, len(octets))

    async def _asked_where(self, url: str, fault: GraphFaultError) -> Answer:
        """Ask what is expected next, after a piece whose answer was lost or no good one."""
        if fault.status in {404, 410}:
            raise _SessionEndedError from fault
        if fault.status is not None and fault.status < 500 and fault.status not in {408, 416, 429}:
            raise fault
        await asyncio.sleep(min(fault.retry_after or 0.0, self._api.route.quota.max_wait))
        try:
            return await self._api.upload("GET", url)
        except GraphFaultError as again:
            if again.status in {404, 410}:
                raise _SessionEndedError from again
            raise

    async def _complete(self) -> bool:
        """Whether one more file than before is on the draft."""
        listed = (await self._api.ask("GET", f"{self._path}?$select=name")).body.get("value")
        return isinstance(listed, list) and len(listed) > self._there

    async def _cancel(self, url: str) -> None:
        with suppress(GraphFaultError, TimeoutError):
            async with asyncio.timeout(3.0):
                await self._api.upload("DELETE", url)


def _expected(answer: Answer, size: int) -> int:
    """Read the first octet that is expected, from "2097152" or "2097152-"."""
    ranges: Any = answer.body.get("nextExpectedRanges")
    first = ranges[0] if isinstance(ranges, list) and ranges else ""
    match = re.match(r"\d+", first) if isinstance(first, str) else None
    if match is None or int(match[0]) > size:
        raise GraphFaultError("it does not say which octets of an upload it expects", served=False)
    return int(match[0])
