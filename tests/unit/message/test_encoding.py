"""Encodings: each is turned back into exactly what went in, by the standard library's readers."""

from __future__ import annotations

import binascii
import codecs
import quopri
import random

import pytest

from connector.message.encoding import (
    base64,
    base64_size,
    encode_parameter,
    encode_words,
    is_known_charset,
    quoted_printable,
)


@pytest.mark.parametrize("size", [0, 1, 2, 56, 57, 58, 114, 57 * 256 - 1, 57 * 256, 57 * 256 + 1, 100_000])
def test_base64_has_full_lines_and_gives_the_octets_back(size: int) -> None:
    data = random.Random(size).randbytes(size)
    encoded = b"".join(base64(data))
    assert binascii.a2b_base64(encoded) == data
    assert base64_size(data) - 2 <= len(encoded) <= base64_size(data)
    lines = encoded.removesuffix(b"\r\n").split(b"\r\n")
    assert all(len(line) == 76 for line in lines[:-1])
    assert len(lines[-1]) <= 76
    assert b"\n" not in encoded.replace(b"\r\n", b"")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"plain",
        b"plain\r\n",
        b".",
        b".\r\n..\r\n.",
        b"From the start\r\nFrom here\r\nfrom there\r\n",
        b"From \r\n",
        b"From " * 40,
        b"x" * 75 + b".",
        b"x" * 76 + b".\r\ny",
        b"x" * 74 + b" \r\n",
        b"x" * 73 + b" \r\n",
        b"x" * 75 + b"\t",
        b"tail \r\ntab\t\r\n",
        b"a=b" * 60,
        b"\0\x0b\x1b",
        "äöü".encode() * 100,
        b"x" * 5000,
        b"\r\n" * 5,
    ],
)
def test_quoted_printable_keeps_the_text_and_the_limits(data: bytes) -> None:
    encoded = quoted_printable(data)
    assert quopri.decodestring(encoded) == data
    assert encoded.isascii()
    assert b"\r" not in encoded.replace(b"\r\n", b"")
    assert b"\n" not in encoded.replace(b"\r\n", b"")
    for line in encoded.split(b"\r\n"):
        assert len(line) <= 76
        assert line != b"."
        assert not line.startswith(b"From ")
        assert not line.endswith((b" ", b"\t"))


def test_quoted_printable_holds_for_random_mixtures_of_what_is_difficult() -> None:
    draw = random.Random(7)
    pieces = ["a", "From ", ".", "=", "\r\n", " ", "\t", "é", "\0", "...", "x" * 70, "y" * 75]
    for _ in range(3000):
        test_quoted_printable_keeps_the_text_and_the_limits(
            "".join(draw.choices(pieces, k=draw.randint(0, 14))).encode()
        )


def test_the_readable_kind_of_encoded_word_is_taken_where_there_is_one() -> None:
    assert encode_words("Grüß Gott") == ["=?utf-8?q?Gr=C3=BC=C3=9F_Gott?="]
    assert encode_words("漢字") == ["=?utf-8?b?5ryi5a2X?="]


@pytest.mark.parametrize("text", ["ü" * 200, "漢" * 200, "😀" * 100, "a" * 200])
def test_encoded_words_keep_to_their_room(text: str) -> None:
    words = encode_words(text, 24)
    assert len(words[0]) <= 24
    assert max(map(len, words)) <= 75


@pytest.mark.parametrize(
    ("value", "written"),
    [
        ("a.pdf", ["name=a.pdf"]),
        ("a b.pdf", ['name="a b.pdf"']),
        ("", ['name=""']),
        ("ä.pdf", ["name*=utf-8''%C3%A4.pdf"]),
        ('a"b\\c', ["name*=utf-8''a%22b%5Cc"]),
        ("=?utf-8?q?x?=", ["name*=utf-8''%3D%3Futf-8%3Fq%3Fx%3F%3D"]),
    ],
)
def test_a_parameter_is_quoted_or_encoded_as_it_needs(value: str, written: list[str]) -> None:
    assert encode_parameter("name", value) == written


def test_a_long_parameter_is_continued() -> None:
    written = encode_parameter("filename", "ü" * 30)
    assert [piece.partition("=")[0] for piece in written] == [f"filename*{at}*" for at in range(4)]
    assert max(map(len, written)) <= 76


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
