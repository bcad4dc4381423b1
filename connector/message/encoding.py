"""The encodings of mail: character sets, encoded-words, parameter values, quoted-printable, base64.

Unicode text or octets enter, 7-bit text or octets leave that any reader turns back into exactly the same.
They stand apart because none of them knows what it encodes.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Iterator
from functools import lru_cache
from struct import Struct
from time import sleep
from typing import AnyStr

MAX_WORD = 75  # RFC 2047 section 2
_MAX_LINE = 76  # RFC 2045 section 6.7 (5)
_WORD_FRAME = len("=?utf-8?q??=")
# RFC 2047 section 5 (3), the only characters a Q word may hold in a display name; enough for a subject too.
_Q_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")

# RFC 2231 section 7, attribute-char, less the rarely seen ones.
_ATTRIBUTE_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~!#$&+^")
_TOKEN = re.compile(r"[A-Za-z0-9!#$&+.^_`{|}~-]+")
_QUOTABLE = re.compile(r"[ !#-\[\]-~]*")  # printable ASCII without " and \, which readers unquote differently
_MAX_PARAMETER = 60  # with the longest name, its number and the semicolon still a line of 76
_CHARSET = "utf-8''"

_LINES = 256  # base64 lines cut at a time: 14 KB of input, which stays in the first cache
_BLOCK = _LINES * 57
_BLOCKS_AT_ONCE = 16
_CUT_LINES = Struct("76s" * _LINES)

# b2a_qp lets an encoded blank at the end of a line stand in columns 75 to 77.
_OVERLONG = re.compile(rb"^([^\r\n]{74})(?==..(?:\r|\Z))", re.MULTILINE)
_FROM = re.compile(rb"^From ([^\r\n]*)", re.MULTILINE)
_DOT = re.compile(rb"^\.(?=\r|\Z)", re.MULTILINE)
# Names of the HTML Standard's and IANA's registries that Python knows too; all take linear time.
_KNOWN = re.compile(
    r"utf-?8|utf-16(?:be|le)?|(?:us-)?ascii|latin-?1|iso-8859-(?:[1-9]|1[013456])|windows-125[0-8]"
    r"|koi8-[ru]|shift_jis|euc-(?:jp|kr)|iso-2022-jp|gb2312|gbk|gb18030|big5",
    re.ASCII | re.IGNORECASE,
)


def encode_words(text: str, room: int = MAX_WORD) -> list[str]:
    """Encode text as encoded-words (RFC 2047) in UTF-8, split between characters only.

    Readers drop the blanks between adjacent encoded-words, so the words join to exactly the text.

    Args:
        text: Any text without lone surrogates.
        room: Characters that the first word may have, so that it fits behind a header's name; at least 24.

    Returns:
        The words, 75 characters at most each; Q where two thirds of the text stay readable in it, else B.
    """
    first, rest = room - _WORD_FRAME, MAX_WORD - _WORD_FRAME
    quoted = [_quote_character(character) for character in text]
    if sum(len(piece) > 1 for piece in quoted) * 3 <= len(text):
        return [f"=?utf-8?q?{run}?=" for run in _runs(quoted, first, rest)]
    octets = [character.encode() for character in text]
    runs = _runs(octets, first // 4 * 3, rest // 4 * 3)  # four characters of base64 hold three octets
    return [f"=?utf-8?b?{binascii.b2a_base64(run, newline=False).decode('ascii')}?=" for run in runs]


def encode_parameter(name: str, value: str) -> list[str]:
    """Write a parameter of a MIME header, such as ``filename``, by RFC 2045 and RFC 2231.

    Args:
        name: The parameter's name, a token.
        value: Its value, decoded, without control characters.

    Returns:
        ``name=value``, or the continuations ``name*0*=…`` of a long value, each short enough for a line.
    """
    if value.isascii() and len(value) <= _MAX_PARAMETER:
        if _TOKEN.fullmatch(value):
            return [f"{name}={value}"]
        if _QUOTABLE.fullmatch(value) and "=?" not in value:  # readers decode encoded-words even in here
            return [f'{name}="{value}"']
    encoded = [_percent_character(character) for character in value]
    runs = list(_runs(encoded, _MAX_PARAMETER - len(_CHARSET), _MAX_PARAMETER))
    if len(runs) == 1:
        return [f"{name}*={_CHARSET}{runs[0]}"]
    return [f"{name}*{at}*={'' if at else _CHARSET}{run}" for at, run in enumerate(runs)]


def quoted_printable(data: bytes) -> bytes:
    """Encode text in quoted-printable (RFC 2045 section 6.7).

    Beyond what the RFC wants, no line begins with ``From `` (mailbox files put a ``>`` before it) and none is
    a lone dot.

    Args:
        data: Text in any charset that contains ASCII, its lines ended by CRLF.

    Returns:
        Lines of 76 octets at most, ended by CRLF where the text's lines are.
    """
    encoded = binascii.b2a_qp(data, istext=True)
    # The C code ends soft line breaks like the first line break it saw, or with a bare LF when it saw none.
    if b"\r\n" not in data:
        encoded = encoded.replace(b"=\n", b"=\r\n")
    lines = encoded.split(b"\r\n")
    if max(map(len, lines)) > _MAX_LINE:
        encoded = _OVERLONG.sub(rb"\1=\r\n", encoded)
    if b"From " in encoded:
        encoded = _FROM.sub(_protect_from, encoded)
    return _DOT.sub(b"=2E", encoded) if b"." in lines else encoded


def base64(data: bytes) -> Iterator[bytes]:
    """Encode octets in base64 (RFC 2045 section 6.8), block by block, so that they are never there twice.

    In a thread it lets go of Python's lock every 0.3 ms, or the event loop would wait for it for up to five.

    Args:
        data: Any octets.

    Yields:
        Blocks of lines of 76 characters, ended by CRLF; the last line lacks it.
    """
    whole = len(data) - len(data) % _BLOCK
    view = memoryview(data)
    for number, start in enumerate(range(0, whole, _BLOCK), 1):
        encoded = binascii.b2a_base64(view[start : start + _BLOCK], newline=False)
        yield b"\r\n".join(_CUT_LINES.unpack(encoded)) + b"\r\n"
        if number % _BLOCKS_AT_ONCE == 0:
            sleep(0)
    ends = range(whole, len(data), 57)
    yield b"\r\n".join([binascii.b2a_base64(view[at : at + 57], newline=False) for at in ends])


def base64_size(data: bytes) -> int:
    """How many octets :func:`base64` makes of these; two more where they fill the last line."""
    return (len(data) + 2) // 3 * 4 + len(data) // 57 * 2


def _protect_from(line: re.Match[bytes]) -> bytes:
    rest = line[1]
    if len(rest) <= 69:  # with the seven octets of "=46rom " still 76
        return b"=46rom " + rest if rest else b"=46rom=20"
    return b"=46rom=20=\r\n" + _FROM.sub(_protect_from, rest)


@lru_cache(maxsize=1024)
def _quote_character(character: str) -> str:
    if character in _Q_SAFE:
        return character
    return "_" if character == " " else "".join(f"={octet:02X}" for octet in character.encode())


@lru_cache(maxsize=1024)
def _percent_character(character: str) -> str:
    if character in _ATTRIBUTE_SAFE:
        return character
    return "".join(f"%{octet:02X}" for octet in character.encode())


def _runs(pieces: list[AnyStr], first: int, rest: int) -> Iterator[AnyStr]:
    """Join pieces to runs of at most ``first``, then ``rest`` characters, never cutting one."""
    run, room = pieces[0], first - len(pieces[0])
    for piece in pieces[1:]:
        if len(piece) > room:
            yield run
            run, room = piece, rest - len(piece)
        else:
            run += piece
            room -= len(piece)
    yield run


def is_known_charset(name: str) -> bool:
    """Whether text may be encoded and decoded in a character set.

    Args:
        name: As declared, such as ``iso-8859-1``, in any case; a known one is also a codec's name in Python.
    """
    return _KNOWN.fullmatch(name) is not None
