"""What clients of HTTP services read of any answer: its octets, and when they may ask again.

An answer enters as it arrives. Apart from the clients, since what a service means by an answer is theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin, urlsplit

if TYPE_CHECKING:
    import httpx2

_LONGEST_PAUSE = timedelta(hours=1)
_LONGEST_PLACE = 120


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


def redirect_of(answer: httpx2.Response) -> str | None:
    """Say that an answer is a redirect and where it leads, as the end of a sentence; None for another.

    No client follows one: what it asked with would go to a place that no setting names. Where it leads shows
    who answered, often a proxy that wants a login; a query is left out, since it may hold anything.
    """
    if not answer.is_redirect:
        return None
    leads = _place(str(answer.url), answer.headers.get("Location", ""))
    return f"it answered {answer.status_code}, a redirect{leads}, which is not followed"


def _place(asked: str, location: str) -> str:
    try:
        parts = urlsplit(urljoin(asked, location))
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        return ""
    known = location and parts.hostname and place.isprintable() and len(place) <= _LONGEST_PLACE
    return f" to {place}" if known else ""


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
