"""The text of an HTML file, whatever character encoding it is kept in."""

from __future__ import annotations

import codecs
import re

from connector.errors import InputError
from connector.message.charsets import is_known_charset

# UTF-32 has no place here: its little-endian mark starts with that of UTF-16, and HTML forbids it.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16le"),
    (codecs.BOM_UTF16_BE, "utf-16be"),
)
_PRESCAN = 1024  # HTML Standard: the declaration is within the first 1024 bytes
_META_CHARSET = re.compile(rb"<meta\s[^>]*?charset\s*=\s*[\"']?\s*([a-z0-9_:.-]+)", re.IGNORECASE)


def decode_html(octets: bytes, field: str) -> str:
    """Decode an HTML file: by its byte order mark, else by ``<meta charset>``, else as UTF-8.

    Args:
        octets: The whole file.
        field: The variable that named the file.

    Raises:
        InputError: The octets are not in that encoding, or nobody knows it.
    """
    for mark, charset in _MARKS:
        if octets.startswith(mark):
            return _decode(octets[len(mark) :], charset, field)
    return _decode(octets, _declared(octets, field), field)


def _declared(octets: bytes, field: str) -> str:
    declared = _META_CHARSET.search(octets[:_PRESCAN])
    charset = declared[1].decode("ascii") if declared else "utf-8"
    if not is_known_charset(charset):
        message = f"the HTML file declares the unknown charset {charset!r}; save it as UTF-8"
        raise InputError(field, message)
    # A declaration that could be read is not in UTF-16 (HTML Standard, 13.2.3.2).
    return "utf-8" if charset.lower().startswith("utf-16") else charset


def _decode(octets: bytes, charset: str, field: str) -> str:
    try:
        return octets.decode(charset)
    except UnicodeError as error:
        at = f" (byte {error.start})" if isinstance(error, UnicodeDecodeError) else ""
        message = f"the HTML file is not {charset.upper()} text{at}; save it as UTF-8, or declare its charset"
        # The original error holds the whole file.
        raise InputError(field, message) from None
