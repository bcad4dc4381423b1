"""What clients of HTTP services read of any answer: its octets, and when they may ask again.

An answer enters as it arrives. Apart from the clients, since what a service means by an answer is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import httpx2

_LONGEST_PAUSE = timedelta(hours=1)


class TooLongError(Exception):
    """An answer has more octets than are taken."""

    def __init__(self, most: int) -> None:
        super().__init__(f"it answered more than {most} bytes")


async def octets_of(answer: httpx2.Response, most: int) -> bytes:
    """Read a body and decompress it in pieces, so that its size stays limited.

    Raises:
        TooLongError: It has more than ``most`` octets.
    """
    body = bytearray()
    async for piece in answer.aiter_bytes():
        body += piece
        if len(body) > most:
            raise TooLongError(most)
    return bytes(body)


def pause_of(headers: Mapping[str, str]) -> timedelta | None:
    """Read Retry-After (RFC 9110 section 10.2.3), seconds or a date, as an hour at most; None without one."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), _LONGEST_PAUSE)
    moment = moment_of(text)
    return None if moment is None else min(max(moment - datetime.now(UTC), timedelta(0)), _LONGEST_PAUSE)


def moment_of(text: str) -> datetime | None:
    """Read a date as HTTP writes it; None for what is none."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
