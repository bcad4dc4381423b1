"""Content-Type and Content-Disposition with their parameters (RFC 2045, RFC 2183, RFC 2231)."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from connector.mailbox.reading.fields import decode_words, unfolded
from connector.mailbox.reading.text import decode_text

_TYPE = re.compile(r"\s*([^\s/;()<>@,:\\\"=?\[\]]+)\s*/\s*([^\s/;()<>@,:\\\"=?\[\]]+)")
_WORD = re.compile(r"\s*\"?([^\s;=\"]+)")
_PARAMETER = re.compile(r';\s*([^\s=;"]+)\s*=\s*(?:"((?:[^"\\]|\\.)*+)"?|([^;]*))', re.DOTALL)
_QUOTED_PAIR = re.compile(r"\\([\"\\])")
_MOST_PARAMETERS = 200


@dataclass(frozen=True, slots=True)
class Parameterized:
    """A field's value in lower case, and its parameters by their names in lower case."""

    value: str
    parameters: dict[str, str]


def read_media_type(raw: bytes | None, usual: str = "text/plain") -> Parameterized:
    """Read a Content-Type; what is none counts as text, as RFC 2045 section 5.2 has it."""
    if raw is None:
        return Parameterized(usual, {})
    text = unfolded(raw)
    if match := _TYPE.match(text):
        return Parameterized(f"{match[1]}/{match[2]}".lower(), _parameters(text))
    # "Content-Type: text" is what old programs wrote for plain text.
    unknown = (
        "text/plain" if text.lower().startswith(("text", ";")) or not text else "application/octet-stream"
    )
    return Parameterized(unknown, _parameters(text))


def read_disposition(raw: bytes | None) -> Parameterized:
    """Read a Content-Disposition; empty where there is none."""
    if raw is None:
        return Parameterized("", {})
    text = unfolded(raw)
    match = _WORD.match(text)
    return Parameterized(match[1].lower() if match else "", _parameters(text))


def _parameters(text: str) -> dict[str, str]:
    if ";" not in text:
        return {}
    plain: dict[str, str] = {}
    pieces: defaultdict[str, list[tuple[int, bool, str]]] = defaultdict(list)
    for name, value in _written(text):
        base, star, number = name.partition("*")
        if not star:
            # Encoded words in a parameter are against RFC 2047 section 5, and what most programs write.
            plain.setdefault(name, decode_words(value))
        else:
            digits, encoded = number.rstrip("*"), number.endswith("*") or not number
            if digits.isascii() and (digits.isdigit() or not digits) and len(digits) < 4:
                pieces[base].append((int(digits or 0), encoded, value))
    return plain | {name: _joined(sorted(values)) for name, values in pieces.items()}


def _written(text: str) -> Iterator[tuple[str, str]]:
    for number, match in enumerate(_PARAMETER.finditer(text)):
        if number == _MOST_PARAMETERS:
            return
        name, quoted, plain = match.groups()
        value = _QUOTED_PAIR.sub(r"\1", quoted) if quoted is not None else plain.strip()
        yield name.lower(), value


def _joined(pieces: list[tuple[int, bool, str]]) -> str:
    """Join the pieces of a parameter, the first of which names the charset (RFC 2231 section 4.1)."""
    charset: str | None = None
    first = pieces[0]
    if first[1] and first[2].count("'") >= 2:
        charset, _, value = first[2].split("'", 2)
        pieces = [(0, True, value), *pieces[1:]]
    octets = b"".join(
        unquote_to_bytes(value) if encoded else value.encode("utf-8", "replace")
        for _, encoded, value in pieces
    )
    return decode_text(octets, charset or None)
