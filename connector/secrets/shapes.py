"""The shapes in which a secret turns up.

A secret enters; the texts that give it away leave: as it is; escaped as in ``repr`` or JSON; percent-encoded;
and in base64 wherever it starts within what was encoded, so that it is found in SASL PLAIN (RFC 4616) and in
``Authorization: Basic`` next to a user name that nobody told us. Apart from the redaction, which need not
know why it looks for a text.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

import idna

# A shorter value is in every other word: to mask it there would shred the logs and tell where it is not.
SHORTEST = 4
_LONGEST_DOMAIN = 253  # RFC 1035 section 2.3.4
_URL_SAFE = str.maketrans("+/", "-_")


@dataclass(frozen=True, slots=True)
class Shape:
    """A text that gives a secret away.

    Attributes:
        text: What is looked for; not empty.
        before: Characters ahead of it that hold some of its bits.
        after: The same behind it.
    """

    text: str
    before: int = 0
    after: int = 0


def shapes_of(value: str) -> Iterator[Shape]:
    """Give what to look for where a value must not be seen; nothing for one of fewer than 4 characters."""
    if len(value) < SHORTEST:
        return
    octets = value.encode("utf-8", "surrogatepass")
    yield from map(Shape, {value, *_normalised(value), *_escaped(value, octets)})
    for offset in range(3):
        yield from _base64_shapes(octets, offset)
    stripped = value.strip()
    if stripped != value:  # as a parser or a line-wise log may show it
        yield from shapes_of(stripped)


def login_shapes(login: str) -> Iterator[Shape]:
    """Give what AUTH PLAIN and HTTP Basic send for a user name and a password with a NUL between them."""
    for credentials in (f"\0{login}", login.replace("\0", ":", 1)):  # RFC 4616, RFC 7617
        yield Shape(base64.b64encode(credentials.encode("utf-8", "surrogatepass")).decode("ascii"))


def _normalised(value: str) -> Iterator[str]:
    """Give the forms in which a host name or an address goes out: domain in lower case, or punycode."""
    local, at, domain = value.rpartition("@")
    yield f"{local}{at}{domain.lower()}"
    if len(domain) > _LONGEST_DOMAIN:
        return
    with suppress(idna.IDNAError):
        yield f"{local}{at}{idna.encode(domain, uts46=True).decode('ascii')}"


def _escaped(value: str, octets: bytes) -> Iterator[str]:
    yield repr(value)[1:-1]
    yield repr(octets)[2:-1]
    yield json.dumps(value)[1:-1]
    yield json.dumps(value, ensure_ascii=False)[1:-1]
    yield quote(octets, safe="")
    yield quote(octets)
    yield quote_plus(octets)


def _base64_shapes(octets: bytes, offset: int) -> Iterator[Shape]:
    """What is sure to appear when the octets are encoded behind others, ``offset`` of them modulo 3.

    The characters at either end that hold bits of the neighbours as well are not known; they are masked as
    part of the surroundings.
    """
    encoded = base64.b64encode(bytes(offset) + octets).decode("ascii").rstrip("=")
    shared_before = 1 if offset else 0
    shared_after = 1 if (offset + len(octets)) % 3 else 0
    certain = encoded[(offset * 8 + 5) // 6 : len(encoded) - shared_after]
    if len(certain) >= SHORTEST:
        for text in {certain, certain.translate(_URL_SAFE)}:
            yield Shape(text, shared_before, shared_after)
