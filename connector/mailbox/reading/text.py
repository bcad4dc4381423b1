"""Octets into text, by the charset that a mail declares or by a better guess.

Nothing here raises. What cannot be decoded becomes U+FFFD, and no result holds NUL or a lone surrogate, which
neither JSON nor the engine's exporters can carry.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

# Python has codecs that are no charsets of text in mails, or that take quadratic time.
_NO_CHARSETS = frozenset(
    ("idna", "punycode", "unicode-escape", "raw-unicode-escape", "undefined", "mbcs", "oem", "palmos")
)
# What programs write, and what they mean. Browsers and mail programs read ISO-8859-1 as Windows-1252 and
# GB2312 as its superset (WHATWG Encoding Standard, section 4.2), since that is what the octets are.
_ALIASES = {
    "iso-8859-1": "cp1252",
    "latin-1": "cp1252",
    "latin1": "cp1252",
    "l1": "cp1252",
    "iso8859-1": "cp1252",
    "iso-8859-1-windows-3.1-latin-1": "cp1252",
    "iso-8859-9": "cp1254",
    "tis-620": "cp874",
    "gb2312": "gb18030",
    "gbk": "gb18030",
    "x-gbk": "gb18030",
    "cp936": "gb18030",
    "ks-c-5601-1987": "cp949",
    "euc-kr": "cp949",
    "shift-jis": "cp932",
    "sjis": "cp932",
    "x-sjis": "cp932",
    "big5": "big5hkscs",
    "iso-2022-jp": "iso2022_jp_ext",
    "iso-8859-8-i": "iso8859_8",
    "iso-8859-8-e": "iso8859_8",
    "iso-8859-6-i": "iso8859_6",
    "unicode-1-1-utf-7": "utf_7",
    "x-mac-roman": "mac_roman",
    "macintosh": "mac_roman",
    "utf8mb4": "utf-8",
    "utf-8n": "utf-8",
    "unicode": "utf-16",
    "us-ascii": "ascii",
    "ansi-x3.4-1968": "ascii",
    "ansi": "cp1252",
}
# Charsets under which UTF-8 is sent in error so often that text which is valid UTF-8 is taken for it.
_DOUBTFUL = frozenset(("cp1252", "cp1254", "iso8859-15", "cp1250", "cp1251", "mac-roman"))
_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_NUMBERED = re.compile(r"(?:x-)?(?:cp|ibm|ms|win|windows)-?(\d+)")
_META = re.compile(rb"<meta[^>]{1,200}?charset\s*=\s*[\"']?([A-Za-z0-9_.:-]{2,40})", re.IGNORECASE)
_META_WITHIN = 2_048
_UNFIT = re.compile("[\0\ud800-\udfff]")


def decode_text(octets: bytes, charset: str | None = None) -> str:
    """Decode text whose charset may be missing, unknown or wrong.

    Args:
        octets: The text.
        charset: What the mail says that it is.
    """
    if octets.isascii() and (charset is None or _is_ascii_compatible(charset)):
        return scrub(octets.decode("ascii"))
    for mark, marked in _MARKS:
        if octets.startswith(mark):
            return scrub(octets.decode(marked, "replace"))
    codec = _codec(charset) if charset else None
    if codec in {None, "ascii", "utf-8"}:
        return scrub(octets.decode("utf-8", _OCTET_BY_OCTET))
    if codec in _DOUBTFUL:
        try:
            return scrub(octets.decode("utf-8"))
        except UnicodeDecodeError:
            pass
    try:
        return scrub(octets.decode(codec or "", "replace"))
    except (UnicodeError, ValueError, LookupError):  # some codecs of Python know no "replace" for some input
        return scrub(octets.decode("cp1252", "replace"))


def charset_of_html(octets: bytes) -> str | None:
    """What the first lines of HTML say of its charset."""
    found = _META.search(octets[:_META_WITHIN])
    return found[1].decode("ascii") if found else None


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """Read what is no UTF-8 as Windows-1252, and go on with UTF-8 after it."""
    assert isinstance(error, UnicodeDecodeError)  # noqa: S101 - what decode() raises
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


_OCTET_BY_OCTET = "connector.mailbox.windows"
codecs.register_error(_OCTET_BY_OCTET, _as_windows)


def scrub(text: str) -> str:
    """Put U+FFFD in the place of NUL and of lone surrogates."""
    if text.isascii() and "\0" not in text:
        return text
    return _UNFIT.sub("\ufffd", text)


def _is_ascii_compatible(charset: str) -> bool:
    codec = _codec(charset)
    return codec is None or not codec.startswith(
        ("utf-7", "utf-16", "utf-32", "iso2022", "hz", "cp037", "cp500")
    )


@lru_cache(maxsize=256)
def _codec(charset: str) -> str | None:
    """The codec's own name, or None."""
    name = charset.strip().strip("\"'").lower().replace("_", "-").replace(" ", "-")
    if numbered := _NUMBERED.fullmatch(name):
        name = f"cp{numbered[1]}"
    try:
        codec = codecs.lookup(_ALIASES.get(name, name))
    except (LookupError, ValueError, UnicodeError):
        return None
    found = codec.name.replace("_", "-")
    # The attribute is how the standard library itself tells codecs of text from zlib, base64 and rot13.
    if found in _NO_CHARSETS or not codec._is_text_encoding:  # noqa: SLF001
        return None
    return found
