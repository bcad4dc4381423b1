"""Any mail is read: no exception, valid text, and a time that grows with the length alone."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.mailbox.reading.addresses import read_addresses
from connector.mailbox.reading.dates import read_date, read_internal_date, written
from connector.mailbox.reading.fields import decode_words, read_fields, values_of
from connector.mailbox.reading.mail import read_mail
from connector.mailbox.reading.mime import read_message
from connector.mailbox.reading.parameters import read_disposition, read_media_type
from connector.mailbox.reading.text import decode_text
from tests.unit.mailbox.awkward_results import shown

PIECES = st.sampled_from(
    [
        *(
            b"\r\n",
            b"\n",
            b"\r",
            b" ",
            b"\t",
            b":",
            b";",
            b",",
            b'"',
            b"<",
            b">",
            b"(",
            b")",
            b"\\",
            b"=",
            b"*",
        ),
        *(
            b"From: ",
            b"To: ",
            b"Content-Type: ",
            b"multipart/mixed",
            b"; boundary=b",
            b"--b",
            b"--",
            b"text/",
        ),
        *(b"message/rfc822", b"Content-Transfer-Encoding: base64\r\n", b"=?utf-8?q?", b"=?utf-8?b?", b"?="),
        *(b"filename*0*=utf-8''", b"a@b", b"\xff", b"\x00", b"\xc3\xbc", b"charset=utf-7", b"x" * 50),
    ]
)
MAILS = st.one_of(st.binary(max_size=300), st.lists(PIECES, max_size=60).map(b"".join))


@given(MAILS)
def test_any_octets_are_a_mail(octets: bytes) -> None:
    json.dumps(shown(octets), ensure_ascii=False).encode()  # no lone surrogate, no NUL
    assert "\0" not in read_mail(read_message(octets)).text


@given(st.binary(max_size=200), st.one_of(st.none(), st.text(max_size=20), st.sampled_from(["utf-7", "hz"])))
def test_any_octets_are_text_in_any_charset(octets: bytes, charset: str | None) -> None:
    text = decode_text(octets, charset)
    text.encode()
    assert "\0" not in text


@given(st.text(max_size=300))
def test_any_text_is_a_field(text: str) -> None:
    read_addresses(text)
    decode_words(text)
    written(read_date(text))
    read_internal_date(text.encode("utf-8", "replace"))
    read_media_type(text.encode("utf-8", "replace"))
    read_disposition(text.encode("utf-8", "replace"))


LONG = 400_000
HOSTILE: dict[str, tuple[Callable[[bytes], object], bytes]] = {
    "addresses without an end": (lambda octets: read_addresses(octets.decode()), b'"' + b"a " * (LONG // 2)),
    "an address of one word": (lambda octets: read_addresses(octets.decode()), b"a" * LONG + b" b@c"),
    "nested comments": (lambda octets: read_addresses(octets.decode()), b"(" * LONG),
    "open brackets": (lambda octets: read_addresses(octets.decode()), b"<" * LONG),
    "encoded words without an end": (
        lambda octets: decode_words(octets.decode()),
        b"=?utf-8?q?" * (LONG // 10),
    ),
    "encoded words": (lambda octets: decode_words(octets.decode()), b"=?utf-8?q?a?= " * (LONG // 14)),
    "a line without a colon": (read_fields, b"a" * LONG),
    "a field of blank lines": (read_fields, b"a:" + b"\r\n " * (LONG // 3)),
    "folded lines": (values_of, b"a:" + b"\n\t" * (LONG // 2)),
    "parameters": (read_media_type, b"a/b" + b";a=" * (LONG // 3)),
    "a quote without an end": (read_media_type, b'a/b; a="' + b"\\" * LONG),
    "delimiters": (
        read_message,
        b"Content-Type: multipart/mixed; boundary=b\n\n" + b"--b\n" * (LONG // 4),
    ),
    "almost delimiters": (
        read_message,
        b"Content-Type: multipart/mixed; boundary=b\n\n--b\n" + b"--bb" * (LONG // 4),
    ),
    "no delimiter": (read_message, b"Content-Type: multipart/mixed\n\n" + b"-" * LONG),
    "HTML of tags": (
        lambda octets: read_mail(read_message(octets)),
        b"Content-Type: text/html\n\n" + b'<a "' * (LONG // 4),
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_time_grows_with_the_length_alone(name: str) -> None:
    read, octets = HOSTILE[name]
    short = octets[: len(octets) // 8]

    def seconds(octets: bytes) -> float:
        started = time.process_time()
        read(octets)
        return time.process_time() - started

    # Eight times the length: 64 times the time where each octet costs a look at all others.
    assert seconds(octets) < 24 * max(min(seconds(short) for _ in range(3)), 0.004)
