"""Which character sets a task or a file may name."""

from __future__ import annotations

import codecs

import pytest

from connector.message.charsets import is_known_charset

KNOWN = (
    *("utf-8", "UTF8", "utf-16", "utf-16be", "utf-16le", "us-ascii", "ascii", "latin1", "latin-1"),
    *(f"iso-8859-{part}" for part in range(1, 17) if part != 12),
    *(f"windows-125{page}" for page in range(9)),
    *("koi8-r", "koi8-u", "Shift_JIS", "euc-jp", "euc-kr", "iso-2022-jp", "gb2312", "gbk", "gb18030", "big5"),
)


@pytest.mark.parametrize("name", KNOWN)
def test_the_charsets_of_mails_and_pages_are_known_and_python_has_them(name: str) -> None:
    assert is_known_charset(name)
    assert "\N{LATIN SMALL LETTER A}".encode(codecs.lookup(name).name)


@pytest.mark.parametrize(
    "name",
    [
        *("punycode", "idna", "zlib", "hex", "base64", "rot13", "utf-7", "unicode_escape", "utf-8-sig"),
        *("iso-8859-0", "iso-8859-12", "iso-8859-17", "windows-1259", "klingon", "", "utf-8\n", "utf-\u0668"),
    ],
)
def test_every_other_name_is_not(name: str) -> None:
    assert not is_known_charset(name)
