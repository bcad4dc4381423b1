"""Where a list goes on: a text that a process keeps between two tasks, and may not make up."""

from __future__ import annotations

import json
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256
from typing import Any

from connector.errors import InputError
from connector.mailbox.port import Listing

FIELD = "mailboxPage"
_LONGEST = 200_000
_MOST_OCTETS = 1_000_000


def write_page(listing: Listing, places: dict[str, Any]) -> str:
    """Write down where each folder goes on.

    Args:
        listing: What the page was asked for.
        places: By folder; JSON values.
    """
    octets = json.dumps([_digest(listing), places], separators=(",", ":"), ensure_ascii=False).encode()
    return urlsafe_b64encode(zlib.compress(octets)).decode().rstrip("=")


def read_page(listing: Listing) -> dict[str, Any]:
    """Read where each folder goes on; empty for the first page.

    Raises:
        InputError: It is no page, or one of other folders.
    """
    if listing.page is None:
        return {}
    try:
        digest, places = _unpacked(listing.page.strip())
    except (ValueError, TypeError, zlib.error, RecursionError):
        text = "is not the nextPage of an earlier result; leave it out for the first page"
        raise InputError(FIELD, text) from None
    if digest != _digest(listing):
        text = "belongs to a list of other folders or of another order; give it with the same inputs"
        raise InputError(FIELD, text)
    return places


def _unpacked(text: str) -> tuple[object, dict[str, Any]]:
    if len(text) > _LONGEST:
        raise ValueError
    octets = zlib.decompressobj().decompress(urlsafe_b64decode(text + "=" * (-len(text) % 4)), _MOST_OCTETS)
    digest, places = json.loads(octets)
    if not isinstance(places, dict):
        raise TypeError
    return digest, places


def _digest(listing: Listing) -> str:
    # Not the search: its moments may be relative, and a place in a folder is one for any search.
    asked = (listing.folders, sorted(listing.included), listing.newest_first)
    return sha256(repr(asked).encode()).hexdigest()[:12]
