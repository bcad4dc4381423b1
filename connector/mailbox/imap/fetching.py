"""What a FETCH response says (RFC 9051 section 7.5.2)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import TypeAlias, TypeGuard

from connector.mailbox.imap.client import Fetched
from connector.mailbox.reading.dates import read_internal_date

# The order in which we ask is the order in which nearly every server answers. Strangers write nothing before
# BODYSTRUCTURE, and the header is a literal.
_USUAL = re.compile(
    rb"(\d+) \(UID (\d+) FLAGS \(([^()]*)\) INTERNALDATE \"([^\"]*)\" RFC822\.SIZE (\d+)"
    rb"(?: BODYSTRUCTURE (\(.*\)))?(?: BODY\[(?:HEADER\.FIELDS \([^()]*\))?\](?:<\d+>)? \{\d+\})?\)?",
    re.DOTALL,
)
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+"|[()]|[^\s()"]+')
_LITERAL = re.compile(rb"\{\d+\}\Z")
_ESCAPED = re.compile(rb"\\(.)")

Value: TypeAlias = "bytes | list[Value]"


@dataclass(slots=True)
class Row:
    """One mail of a FETCH.

    Attributes:
        body: The header or the piece of the mail that was asked for.
        has_files: What BODYSTRUCTURE says of attachments.
    """

    sequence: int
    uid: int = 0
    flags: frozenset[str] = frozenset()
    received_at: datetime | None = None
    size: int = 0
    body: bytes = b""
    has_files: bool = False

    @property
    def unread(self) -> bool:
        """Whether it was not read yet."""
        return "\\seen" not in self.flags

    @property
    def flagged(self) -> bool:
        """Whether it is flagged for attention."""
        return "\\flagged" in self.flags


def read_rows(responses: list[Fetched]) -> Iterator[Row]:
    """Read every response that is about a mail with its UID; servers tell of others unasked."""
    for response in responses:
        row = _usual(response) if len(response) in {1, 3} else None
        row = row or _unusual(response)
        if row is not None and row.uid:
            yield row


_FLAGS: dict[bytes, frozenset[str]] = {}


def _flags(written: bytes) -> frozenset[str]:
    found = _FLAGS.get(written)
    if found is None:
        if len(_FLAGS) > 500:
            _FLAGS.clear()
        found = _FLAGS[written] = frozenset(written.decode("latin-1").lower().split())
    return found


def _usual(response: Fetched) -> Row | None:
    match = _USUAL.fullmatch(response[0])
    if match is None or (len(response) == 3 and response[2] != b")"):
        return None
    sequence, uid, flags, received, size, structure = match.groups()
    return Row(
        int(sequence),
        int(uid),
        _flags(flags),
        read_internal_date(received),
        int(size),
        response[1] if len(response) == 3 else b"",
        structure is not None and _has_files(structure),
    )


def _unusual(response: Fetched) -> Row | None:
    values = _values(response)
    if len(values) < 2 or not isinstance(values[0], bytes) or not isinstance(values[1], list):
        return None
    if not values[0].isdigit():
        return None
    row = Row(int(values[0]))
    items = iter(values[1])
    for name in items:
        if isinstance(name, bytes):
            _take(row, name.upper(), items)
    return row


def _take(row: Row, name: bytes, items: Iterator[Value]) -> None:
    """Take the value of one item, which follows its name."""
    value = next(items, b"")
    if name.startswith(b"BODY["):
        if b"]" not in name:  # "BODY[HEADER.FIELDS", "(From …)", "]"
            while not (isinstance(value, bytes) and value.startswith(b"]")):
                value = next(items, b"]")
            value = next(items, b"")
        row.body = value if isinstance(value, bytes) else b""
    elif name == b"BODYSTRUCTURE" and isinstance(value, list):
        row.has_files = has_attachments(value)
    elif name == b"FLAGS" and isinstance(value, list):
        row.flags = _flags(b" ".join(flag for flag in value if isinstance(flag, bytes)))
    elif isinstance(value, bytes):
        _take_atom(row, name, value)


def _take_atom(row: Row, name: bytes, value: bytes) -> None:
    if name == b"UID" and value.isdigit():
        row.uid = int(value)
    elif name == b"RFC822.SIZE" and value.isdigit():
        row.size = int(value)
    elif name == b"INTERNALDATE":
        row.received_at = read_internal_date(value)


def _values(response: Fetched) -> list[Value]:
    """Read the nested lists of a response; what is nested without end is cut."""
    top: list[Value] = []
    stack = [top]
    for number, piece in enumerate(response):
        if number % 2:
            stack[-1].append(piece)
            continue
        text = _LITERAL.sub(b"", piece) if number + 1 < len(response) else piece
        for token in _TOKEN.findall(text):
            if token == b"(" and len(stack) < 100:
                inner: list[Value] = []
                stack[-1].append(inner)
                stack.append(inner)
            elif token == b")" and len(stack) > 1:
                stack.pop()
            elif token[:1] == b'"':
                stack[-1].append(_ESCAPED.sub(rb"\1", token[1:-1]))
            elif token not in {b"(", b")"}:
                stack[-1].append(token)
    return top


def has_attachments(structure: list[Value]) -> bool:
    """Whether a BODYSTRUCTURE (RFC 9051 section 7.5.2) has a part that is a file.

    What counts as one is what :func:`~connector.mailbox.reading.mail.read_mail` lists, but for an image with
    a Content-ID, which the HTML shows.
    """
    parts = list(takewhile(lambda value: isinstance(value, list), structure))
    if parts:
        return any(has_attachments(part) for part in parts if isinstance(part, list))
    disposition = next((value for value in structure[7:] if _is_disposition(value)), [])
    if _word(disposition, 0) == b"attachment":
        return True
    kind = _word(structure, 0)
    if kind == b"text" and _word(structure, 1) in {b"plain", b"html"}:
        return _names_file(structure[2:3]) or _names_file(disposition[1:2])
    return not (kind == b"image" and _word(structure, 3) not in {b"", b"nil"})


def _is_disposition(value: Value) -> TypeGuard[list[Value]]:
    """Whether a member of a part is its disposition: a word, and its parameters or NIL."""
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], bytes) and value[1] != b""


def _word(values: list[Value], place: int) -> bytes:
    value = values[place] if place < len(values) else b""
    return value.lower() if isinstance(value, bytes) else b""


def _names_file(parameters: list[Value]) -> bool:
    """Whether parameters, in a list of their own, name a file."""
    inner = parameters[0] if parameters and isinstance(parameters[0], list) else []
    names = (value.lower().partition(b"*")[0] for value in inner[::2] if isinstance(value, bytes))
    return any(name in {b"name", b"filename"} for name in names)


# No file is without one of these, so that most structures need not be read.
_SIGN_OF_FILE = re.compile(
    rb'name|"(?:application|image|audio|video|message|model|font)"|"text" "(?!plain"|html")'
)


def _has_files(structure: bytes) -> bool:
    written = structure.lower()
    if b'("attachment"' in written:  # a quote within a string has a backslash before it
        return True
    if not _SIGN_OF_FILE.search(written):
        return False
    values = _values((structure,))
    return bool(values) and isinstance(values[0], list) and has_attachments(values[0])
