"""Address fields as strangers write them (RFC 5322 section 3.4, and what is none of it).

The text of a field enters, names and addresses leave; nothing raises and nothing is refused. The time grows
with the length alone: a field may name thousands of recipients.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache

from connector.mailbox.reading.fields import decode_words


@dataclass(frozen=True, slots=True)
class Address:
    """One address of a field; either part may be empty where the mail leaves it out."""

    name: str
    address: str


# The forms of nearly every mailbox; the scanner below reads the others.
_BARE = re.compile(r"[^\s,;:<>()\"\\@]+@[^\s,;:<>()\"\\@]+")
_NAMED = re.compile(r'(?:"([^"\\]*)"|([^,;:<>()"\\@\[\]]*?))\s*<([^\s,;:<>()"\\@]+@[^\s,;:<>()"\\@]+)>')
_USUAL_LENGTH = 300
_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*+)"?|<([^>]*)>?|([,;:])|(\()|([^"<,;:(]+)', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\(.)", re.DOTALL)
_BLANKS = re.compile(r"\s+")


def read_addresses(text: str | None) -> tuple[Address, ...]:
    """Read the mailboxes of a field; the names of groups are left out, their members are not."""
    if not text:
        return ()
    return _short(text) if len(text) <= _USUAL_LENGTH else tuple(_scanned(text))


@lru_cache(maxsize=2_048)  # a mailbox has few correspondents for its mails
def _short(text: str) -> tuple[Address, ...]:
    text = text.rstrip()
    if match := _NAMED.fullmatch(text):
        return (Address(decode_words(match[1] or match[2] or "").strip(), match[3]),)
    if _BARE.fullmatch(text):
        return (Address("", text),)
    return tuple(_scanned(text))


def _scanned(text: str) -> list[Address]:
    found: list[Address] = []
    entry = _Entry()
    position, whole_quotes = 0, True
    while token := _TOKEN.match(text, position):
        position = token.end()
        quoted, angled, mark, comment, plain = token.groups()
        if whole_quotes and quoted is not None and token[0] != f'"{quoted}"':
            # It does not end, and would swallow all addresses. Once only: each look is as long as the field.
            position, whole_quotes = token.start() + 1, False
        elif comment:
            words, position = _comment(text, position)
            entry.comment = entry.comment or words
        elif mark is None:
            entry.take(quoted, angled, plain)
        elif mark == ":" and not entry.has_address:
            entry = _Entry()  # what came before is the name of a group
        elif mark == "," and not entry.has_address:
            entry.words.append(",")  # `Doe, John <jd@example.org>` without its quotes
        else:
            found.extend(entry.address())
            entry = _Entry()
    found.extend(entry.address())
    return found


def _comment(text: str, position: int) -> tuple[str, int]:
    """Read to the end of a comment, which may hold others."""
    start, depth = position, 1
    while position < len(text) and depth:
        character = text[position]
        if character == "\\":
            position += 1
        depth += (character == "(") - (character == ")")
        position += 1
    return text[start : position - (depth == 0)].strip(), position


@dataclass(slots=True)
class _Entry:
    """What has been read of one mailbox."""

    words: list[str] = field(default_factory=list)
    angled: str | None = None
    comment: str = ""
    quoted: bool = False
    has_address: bool = False

    def take(self, quoted: str | None, angled: str | None, plain: str) -> None:
        if angled is not None:
            self.angled, self.has_address = angled, True
            return
        self.quoted = self.quoted or quoted is not None
        words = plain if quoted is None else _QUOTED_PAIR.sub(r"\1", quoted)
        self.has_address = self.has_address or "@" in words
        self.words.append(words)

    def address(self) -> list[Address]:
        words = " ".join(filter(None, (word.strip() for word in self.words))).replace(" ,", ",").strip(" ,")
        comment = decode_words(self.comment)
        if self.angled is not None:
            address = decode_words(_BLANKS.sub("", self.angled))
            if address.startswith("@"):  # a source route (RFC 5322 section 4.4)
                address = address.rpartition(":")[2]
            name = decode_words(words) or comment
            return [Address(name, address)] if name or address else []
        if "@" not in words:
            return [Address(decode_words(words), "")] if words else []
        if self.quoted and words.count("@") == 1:  # "local part"@example.org
            return [Address(comment, words.replace(" @", "@"))]
        parts = words.split()
        address = next(part for part in parts if "@" in part)
        parts.remove(address)
        return [Address(decode_words(" ".join(parts).strip(" ,")) or comment, decode_words(address))]
