from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import Reply
from connector.transport.smtp.replies import MalformedReplyError, ReplyParser

STREAM = (
    b"220 mail.example ESMTP\r\n"
    b"250-mail.example\r\n250-SIZE 10240000\r\n250 PIPELINING\r\n"
    b"250\r\n"
    b"550-5.1.1 <bob@example.com>: Recipient address rejected:\r\n550 5.1.1 User unknown\r\n"
    b"354 End data with <CR><LF>.<CR><LF>\n"
    b"221-\r\n221 \r\n"
)
REPLIES = [
    Reply(220, "mail.example ESMTP"),
    Reply(250, "mail.example\nSIZE 10240000\nPIPELINING"),
    Reply(250, ""),
    Reply(550, "5.1.1 <bob@example.com>: Recipient address rejected:\n5.1.1 User unknown"),
    Reply(354, "End data with <CR><LF>.<CR><LF>"),
    Reply(221, "\n"),
]


def parse(*packets: bytes) -> list[Reply]:
    parser = ReplyParser()
    return [reply for packet in packets for reply in parser.feed(packet)]


@given(st.lists(st.integers(0, len(STREAM))))
def test_however_the_stream_is_cut(cuts: list[int]) -> None:
    borders = [0, *sorted(cuts), len(STREAM)]
    packets = [STREAM[start:end] for start, end in pairwise(borders)]
    assert parse(*packets) == REPLIES


def test_octet_by_octet() -> None:
    assert parse(*(STREAM[index : index + 1] for index in range(len(STREAM)))) == REPLIES


def test_a_code_that_changes_counts_as_the_last() -> None:
    assert parse(b"250-fine\r\n550 not fine\r\n") == [Reply(550, "fine\nnot fine")]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"25",
        b"25x no",
        b"150 no",
        b"650 no",
        b"250_no",
        b"2500",
        b"+25 no",
        b" 250 no",
        b"HTTP/1.1 400 Bad",
    ],
)
def test_what_is_no_reply(line: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        parse(line + b"\r\n")


@pytest.mark.parametrize(
    "endless",
    [b"x" * 10_000, b"250 " + b"x" * 9_000 + b"\r\n", b"250-more\r\n" * 20_000],
    ids=["no line end", "long line", "many lines"],
)
def test_what_never_ends(endless: bytes) -> None:
    with pytest.raises(MalformedReplyError):
        parse(endless)


def test_the_limit_is_for_each_reply() -> None:
    assert len(parse((b"250-" + b"x" * 4_000 + b"\r\n250 y\r\n") * 30)) == 30


def test_pending_tells_a_beginning_from_nothing() -> None:
    parser = ReplyParser()
    assert not parser.pending
    assert list(parser.feed(b"250-a\r\n")) == []
    assert parser.pending
    assert list(parser.feed(b"250 b\r\n2")) == [Reply(250, "a\nb")]
    assert parser.pending


@given(st.binary())
def test_the_text_is_fit_for_a_log(text: bytes) -> None:
    for reply in parse(b"250 " + text.replace(b"\n", b"") + b"\r\n"):
        assert reply.text.isprintable()


def test_text_that_is_not_utf8_or_not_printable() -> None:
    assert parse(b"550 caf\xe9 \x1b[31m\tr\xe2\x80\xae\xe2\x80\xa8ed\r\n") == [
        Reply(550, "caf\ufffd \ufffd[31m r\ufffd\ufffded")
    ]
