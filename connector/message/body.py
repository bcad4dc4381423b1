"""Text parts: a text or HTML body in the transfer encoding that suits it.

Unicode text enters, a MIME part leaves. The encoding is 7bit where the text
permits it, so that a simple mail is readable as it is; otherwise the shorter of quoted-printable and base64.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from connector.errors import InputError
from connector.message.encoding import base64, base64_size, quoted_printable

_MAX_LINE = 78  # RFC 5322 section 2.1.1 asks for no longer ones
_PLAIN = bytes((9, 10, 13, *range(32, 127)))
_ASCII = bytes(range(128))


@dataclass(frozen=True, slots=True)
class Part:
    """One body part (RFC 2046 section 5.1), ready to be put into a multipart or to be the message.

    Attributes:
        header: Its Content-* fields, each with its CRLF.
        blocks: Its encoded octets, to be taken once; the last line need not be ended.
        size: How many octets the blocks have at most.
        encoded: In quoted-printable or base64, in which no boundary with ``=_`` can occur.
    """

    header: str
    blocks: Iterable[bytes]
    size: int
    encoded: bool


def text_part(text: str, subtype: str, field: str) -> Part:
    """Write a part of text (RFC 2046 section 4.1).

    Args:
        text: Any text; CR, LF and CRLF each end a line. U+2028 and NUL are kept as characters.
        subtype: ``plain`` or ``html``.
        field: The variable to name in the error.

    Returns:
        The part; its last line ends as the text does.

    Raises:
        InputError: A lone surrogate, which has no UTF-8 form.
    """
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    try:
        data = text.replace("\n", "\r\n").encode()
    except UnicodeEncodeError as error:
        raise InputError(field, f"holds half a surrogate pair at character {error.start + 1}") from error
    encoding, blocks, size = _encode(data)
    header = f"Content-Type: text/{subtype}; charset=utf-8\r\nContent-Transfer-Encoding: {encoding}\r\n"
    return Part(header, blocks, size, encoded=encoding != "7bit")


def _encode(data: bytes) -> tuple[str, Iterable[bytes], int]:
    if _goes_plain(data):
        return "7bit", [data], len(data)
    # Each octet that is not ASCII takes three in quoted-printable; base64 takes four for every three.
    if len(data.translate(None, _ASCII)) * 6 <= len(data):
        encoded = quoted_printable(data)
        return "quoted-printable", [encoded], len(encoded)
    return "base64", base64(data), base64_size(data)


def _goes_plain(data: bytes) -> bool:
    """Whether no server or mailbox on the way has a reason to touch a line."""
    if data.translate(None, _PLAIN):
        return False
    if b" \r" in data or b"\t\r" in data or data.endswith((b" ", b"\t")):
        return False  # blanks at the end of a line get lost
    if data.startswith(b"From ") or b"\nFrom " in data:
        return False  # mailbox files put a ">" before it
    lines = data.split(b"\r\n")
    return max(map(len, lines)) <= _MAX_LINE and b"." not in lines
