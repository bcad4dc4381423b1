from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.errors import CancelledBeforeSendError
from connector.model.envelope import Envelope, Message
from connector.model.receipt import Delivery
from connector.model.server import TimeLimits
from connector.transport.port import Unrecorded
from connector.transport.smtp.conversation import Conversation
from connector.transport.smtp.replies import Capabilities
from connector.transport.smtp.transaction import (
    CHUNK_SIZE,
    Transaction,
    check_line_ends,
    path,
    stuffed_chunks,
    xtext,
)

LINES = st.lists(
    st.one_of(
        st.sampled_from([b"", b".", b"..", b".x", b"x.", b"x"]),
        st.builds(lambda n: b"y" * n, st.integers(CHUNK_SIZE - 6, CHUNK_SIZE + 6)),
    ),
    min_size=1,
    max_size=12,
)


@given(LINES)
def test_dot_stuffing_is_what_the_rfc_says_line_by_line(lines: list[bytes]) -> None:
    data = b"".join(line + b"\r\n" for line in lines)
    expected = b"".join((b"." if line.startswith(b".") else b"") + line + b"\r\n" for line in lines)
    chunks = list(stuffed_chunks(data))
    assert b"".join(chunks) == expected
    assert all(bytes(chunk).endswith(b"\r\n") for chunk in chunks)


def test_a_message_without_dots_is_not_copied() -> None:
    data = (b"x" * 70 + b"\r\n") * 10_000
    chunks = list(stuffed_chunks(data))
    assert len(chunks) > 5
    assert all(isinstance(chunk, memoryview) and chunk.obj is data for chunk in chunks)


@pytest.mark.parametrize("data", [b"", b"\r", b"\n", b"a", b"a\n", b"a\r", b"a\r\r\n", b"a\n\r\n", b"a\r\nb"])
async def test_bare_line_ends_are_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="CRLF"):
        await check_line_ends(data)


@pytest.mark.parametrize("data", [b"\r\n", b"a\r\n", b"a\r\n\r\nb\r\n"])
async def test_whole_lines_pass(data: bytes) -> None:
    await check_line_ends(data)


@pytest.mark.parametrize(
    ("text", "encoded"),
    [("abc-123@x", "abc-123@x"), ("a+b=c", "a+2Bb+3Dc"), ("ü ", "+C3+BC+20"), ("\r\n", "+0D+0A")],
)
def test_xtext(text: str, encoded: str) -> None:
    assert xtext(text) == encoded


@pytest.mark.parametrize("address", ["", "a@x", '"a b"@x', '"<>"@x', '"a\\"> b"@x', "jürgen@x"])
def test_a_path(address: str) -> None:
    assert path(address) == f"<{address}>"


@pytest.mark.parametrize("address", ["a@x> SIZE=1", "a b@x", "<a@x>", '"a"@x y', '"a" "b c"@x', 'a"b c"d>@x'])
def test_a_path_with_more_behind_it(address: str) -> None:
    with pytest.raises(ValueError, match="must not hold"):
        path(address)


async def test_checking_a_large_message_lets_others_have_their_turn() -> None:
    loop, turns = asyncio.get_running_loop(), 0

    def turn() -> None:
        nonlocal turns
        turns += 1
        loop.call_soon(turn)

    loop.call_soon(turn)
    await check_line_ends((b"x" * 70 + b"\r\n") * 20_000)
    assert turns >= 5, "one for each 250,000 octets"


class Agreeable(asyncio.Transport):
    """A server that answers every command at once, and takes content."""

    def __init__(self, talk: Conversation) -> None:
        super().__init__()
        self._talk = talk
        self.heard = b""

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Hold nothing."""

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        """Close."""

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.heard += bytes(data)
        for verb in bytes(data).split(b"\r\n"):
            if verb.startswith((b"MAIL", b"RCPT", b"DATA")):
                reply = b"354 go on\r\n" if verb == b"DATA" else b"250 ok\r\n"
                asyncio.get_running_loop().call_soon(self._talk.data_received, reply)


async def test_a_commit_that_is_refused_ends_the_conversation() -> None:
    """The server waits for content: the next command would be taken for a part of it."""

    class Refusing(Unrecorded):
        async def committing(self, delivery: Delivery) -> None:
            raise CancelledBeforeSendError

    talk = Conversation("mail.example:25", TimeLimits(10, 10, 10, 10, 10, 10, 10))
    talk.unanswered = 0  # the greeting and EHLO are over
    server = Agreeable(talk)
    talk.connection_made(server)
    message = Message(Envelope("ada@x.example", ("bob@x.example",)), b"Subject: a\r\n\r\n", "<1@x>")
    with pytest.raises(CancelledBeforeSendError):
        await Transaction(talk, Capabilities(), message, Refusing()).run()
    assert talk.broken
    assert server.heard.endswith(b"Subject: a\r\n\r\n"), "and no dot"
