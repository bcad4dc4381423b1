"""The parts of a message (RFC 2045, RFC 2046), however it is put together.

Octets enter, a tree of parts leaves; nothing raises. A missing boundary, a missing end, nesting without end
and a thousand parts are all met in mailboxes: what cannot be told apart stays one part. The octets of a part
are copied only when they are decoded, in pieces, so that a large one holds the interpreter only briefly.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from connector.mailbox.reading.fields import LONGEST_HEADER, Fields, decode_base64, read_fields
from connector.mailbox.reading.parameters import Parameterized, read_disposition, read_media_type
from connector.mailbox.reading.text import charset_of_html, decode_text

DEEPEST = 30
MOST_PARTS = 10_000
_PIECE = 192 * 1024  # a multiple of four: base64 is decoded piece by piece
_END_OF_HEADER = re.compile(rb"\n(?:\r?\n|\Z)")
_FIRST_DELIMITER = re.compile(rb"^(--[^\s-][^\r\n]{0,69}?)[ \t]*\r?$", re.MULTILINE)
_BASE64_NOISE = re.compile(rb"[^A-Za-z0-9+/=]+")
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} [^\r\n]*\r?\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of the message's octets, not copied."""

    whole: bytes
    start: int
    end: int

    def __len__(self) -> int:
        return self.end - self.start

    def octets(self) -> bytes:
        """A copy of them."""
        return self.whole[self.start : self.end]

    def pieces(self) -> Iterator[bytes]:
        """Copies of one piece after the other."""
        for start in range(self.start, self.end, _PIECE):
            yield self.whole[start : min(start + _PIECE, self.end)]


@dataclass(frozen=True)
class Part:
    """One part of a message.

    Attributes:
        header: Its header, as it is.
        fields: The same, field by field.
        body: Its octets, still encoded for transfer.
        type: Content-Type and its parameters.
        parts: The parts inside, of a multipart.
    """

    header: bytes
    fields: Fields
    body: Span
    type: Parameterized
    parts: tuple[Part, ...] = ()

    @property
    def media_type(self) -> str:
        """As ``text/plain``, in lower case."""
        return self.type.value

    @cached_property
    def disposition(self) -> Parameterized:
        """``attachment``, ``inline`` or another word; empty where there is none (RFC 2183)."""
        return read_disposition(self.fields.first("content-disposition"))

    @property
    def name(self) -> str:
        """The file name, decoded; empty where there is none. It may hold a path."""
        return self.disposition.parameters.get("filename") or self.type.parameters.get("name") or ""

    @property
    def content_id(self) -> str | None:
        """Its Content-ID without the angle brackets."""
        return self.fields.text("content-id").strip("<> \t") or None

    def pieces(self) -> Iterator[bytes]:
        """The decoded body, piece by piece."""
        encoding = self.fields.text("content-transfer-encoding").lower().strip('"; ')
        if encoding == "base64":
            return _base64_pieces(self.body)
        if encoding == "quoted-printable":
            return _quoted_printable_pieces(self.body)
        if encoding in {"x-uuencode", "uuencode", "x-uue", "uue"}:
            return iter((_uudecoded(self.body.octets()),))
        return self.body.pieces()

    def decoded(self) -> bytes:
        """The decoded body."""
        return b"".join(self.pieces())

    def text(self) -> str:
        """The decoded body as text."""
        octets, charset = self.decoded(), self.type.parameters.get("charset")
        if charset is None and self.media_type == "text/html":
            charset = charset_of_html(octets)
        return decode_text(octets, charset)


def read_message(octets: bytes) -> Part:
    """Read a whole message."""
    if b"\n" not in octets:  # as Macs once ended lines
        octets = octets.replace(b"\r", b"\n")
    return _Reader().part(Span(octets, 0, len(octets)), DEEPEST, "text/plain")


class _Reader:
    """Reads one message, and counts its parts."""

    def __init__(self) -> None:
        self._left = MOST_PARTS

    def part(self, span: Span, depth: int, usual: str) -> Part:
        self._left -= 1
        header, body = _divided(span)
        fields = read_fields(header)
        if header and not fields.items:  # text whose empty line before it is missing
            header, body = b"", span
        kind = read_media_type(fields.first("content-type"), usual)
        parts: tuple[Part, ...] = ()
        if kind.value.startswith("multipart/") and depth > 0:
            inner = "message/rfc822" if kind.value == "multipart/digest" else "text/plain"
            if delimiter := _delimiter(body, kind.parameters.get("boundary")):
                sections = _sections(body, delimiter)
                parts = tuple(self.part(section, depth - 1, inner) for section in sections if self._left > 0)
                if not parts and self._left > 0:
                    kind, body = Parameterized("text/plain", {}), _preamble(body, delimiter)
            else:  # what is there is read as text
                kind = Parameterized("text/plain", {})
        return Part(header, fields, body, kind, parts)


def _divided(span: Span) -> tuple[bytes, Span]:
    """Divide header and body; a part may begin with the empty line and have no header."""
    head = span.whole[span.start : min(span.end, span.start + LONGEST_HEADER)]
    if head[:1] == b"\n" or head[:2] == b"\r\n":
        return b"", Span(span.whole, span.start + head.index(b"\n") + 1, span.end)
    match = _END_OF_HEADER.search(head)
    if match is None:
        return head, Span(span.whole, span.start + len(head), span.end)
    return head[: match.start() + 1], Span(span.whole, span.start + match.end(), span.end)


# --- multiparts -------------------------------------------------------------------------------------


def _sections(body: Span, delimiter: bytes) -> Iterator[Span]:
    """Cut a multipart at its delimiter lines (RFC 2046 section 5.1.1); the last one may be missing."""
    whole, end = body.whole, body.end
    begun: int | None = None
    position = whole.find(delimiter, body.start, end)
    while position >= 0:
        after = position + len(delimiter)
        if position == body.start or whole[position - 1 : position] == b"\n":
            line_end = whole.find(b"\n", after, end)
            rest = whole[after : end if line_end < 0 else line_end].strip(b" \t\r")
            if rest in {b"", b"--"}:
                if begun is not None:
                    yield Span(whole, begun, max(begun, _before_line_end(whole, position)))
                if rest or line_end < 0:
                    return
                begun = line_end + 1
        position = whole.find(delimiter, after, end)
    if begun is not None:
        yield Span(whole, begun, end)


def _delimiter(body: Span, boundary: str | None) -> bytes:
    """The delimiter that the parameter names; else the first line that looks like one; else nothing."""
    if (
        boundary
        and (wanted := b"--" + boundary.encode("utf-8", "replace"))
        and (body.whole.find(wanted, body.start, body.end) >= 0)
    ):
        return wanted
    match = _FIRST_DELIMITER.search(body.whole[body.start : min(body.end, body.start + LONGEST_HEADER)])
    return match[1] if match else b""


def _preamble(body: Span, delimiter: bytes) -> Span:
    """What stands before the first delimiter line of a multipart without parts; else all of it."""
    at = body.whole.find(delimiter, body.start, body.end)
    alone = at == body.start or body.whole[at - 1 : at] == b"\n"
    return Span(body.whole, body.start, at) if alone else body


def _before_line_end(whole: bytes, position: int) -> int:
    """The line end before a delimiter belongs to it."""
    if whole[position - 1 : position] == b"\n":
        position -= 1
    return position - 1 if whole[position - 1 : position] == b"\r" else position


# --- transfer encodings -----------------------------------------------------------------------------


def _base64_pieces(span: Span) -> Iterator[bytes]:
    """Decode base64; padding in the middle (two encodings one after the other) ends the first of them."""
    rest = b""
    for piece in span.pieces():
        clean = rest + _BASE64_NOISE.sub(b"", piece)
        whole = len(clean) - len(clean) % 4
        rest = clean[whole:]
        yield _base64(clean[:whole])
    yield _base64(rest)


def _base64(octets: bytes) -> bytes:
    padding = octets.find(b"=")
    if padding < 0 or padding >= len(octets) - 2:
        return decode_base64(octets)
    return b"".join(decode_base64(run) for run in octets.split(b"=") if run)


def _quoted_printable_pieces(span: Span) -> Iterator[bytes]:
    rest = b""
    for piece in span.pieces():
        lines = rest + piece
        cut = lines.rfind(b"\n") + 1
        rest = lines[cut:]
        yield binascii.a2b_qp(lines[:cut])
    yield binascii.a2b_qp(rest)


def _uudecoded(octets: bytes) -> bytes:
    begin = _UU_BEGIN.search(octets)
    decoded = []
    for line in octets[begin.end() if begin else 0 :].splitlines():
        if line.strip() == b"end":
            break
        decoded.append(_uudecoded_line(line))
    return b"".join(decoded)


def _uudecoded_line(line: bytes) -> bytes:
    try:
        return binascii.a2b_uu(line)
    except binascii.Error:
        if not line:
            return b""
        # Trailing garbage: only as many characters as the length octet announces.
        needed = (((line[0] - 32) & 63) * 4 + 5) // 3
        try:
            return binascii.a2b_uu(line[:needed])
        except binascii.Error:
            return b""
