"""What is known of the final dot: held in this process, or out, when something goes wrong.

A socket cannot be made to hold back just the last three octets, so here the transport below is a double
that tells the conversation when it holds and when it lets go, as asyncio's does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from connector.errors import ErrorCode, Phase, TransportError
from connector.model.server import TimeLimits
from connector.transport.smtp.conversation import Conversation

DOT = b".\r\n"


class HoldingTransport(asyncio.Transport):
    """Holds what is written until told to let go; what is held when it is aborted is gone."""

    def __init__(self, talk: Conversation, *, holds: bool = True) -> None:
        super().__init__()
        self._talk = talk
        self._holds = holds
        self._held = b""
        self._closing = False
        self.fails = False
        self.sent = b""
        self.written = asyncio.Event()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high == 0

    def is_closing(self) -> bool:
        return self._closing

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.set()
        if self.fails:
            self._closing = True
        elif self._holds:
            self._held += bytes(data)
            self._talk.pause_writing()
        else:
            self.sent += bytes(data)

    def let_go(self) -> None:
        self.sent, self._held = self.sent + self._held, b""
        self._talk.resume_writing()

    def abort(self) -> None:
        self._closing, self._held = True, b""


class Scene:
    """A conversation that has come to its dot."""

    def __init__(self, *, holds: bool) -> None:
        self.talk = Conversation("mail.example:25", TimeLimits(10, 10, 10, 10, 10, data=0.1, dot=0.1))
        self.transport = HoldingTransport(self.talk, holds=holds)
        self.talk.connection_made(self.transport)

    async def after(self, *events: Callable[[Scene], object]) -> TransportError:
        """Release the dot, let these things happen, and give the error."""
        releasing = asyncio.create_task(self.talk.release(DOT))
        await self.transport.written.wait()
        for event in events:
            event(self)
        with pytest.raises(TransportError) as caught:
            await releasing
        self.transport.let_go()  # too late, if the conversation did what it must
        return caught.value


def breaks(scene: Scene) -> None:
    scene.talk.connection_lost(ConnectionResetError(104, "Connection reset by peer"))


def ends(scene: Scene) -> None:
    scene.talk.eof_received()


def says_garbage(scene: Scene) -> None:
    scene.talk.data_received(b"What?\r\n")


def hangs(scene: Scene) -> None:
    """Nothing happens until the time is up."""


def lets_go(scene: Scene) -> None:
    scene.transport.let_go()


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (breaks, ErrorCode.CONNECTION_FAILED),
        (ends, ErrorCode.CONNECTION_FAILED),
        (says_garbage, ErrorCode.CONNECTION_FAILED),
        (hangs, ErrorCode.CONNECTION_TIMEOUT),
    ],
)
async def test_a_held_dot_was_never_sent(event: Callable[[Scene], None], code: ErrorCode) -> None:
    scene = Scene(holds=True)
    error = await scene.after(event)
    assert (error.code, error.phase) == (code, Phase.CONTENT)
    assert scene.transport.sent == b""


@pytest.mark.parametrize("event", [breaks, ends, says_garbage, hangs])
@pytest.mark.parametrize("holds", [True, False])
async def test_a_dot_that_is_out_leaves_the_outcome_open(holds: bool, event: Callable[[Scene], None]) -> None:
    scene = Scene(holds=holds)
    error = await scene.after(lets_go, event)
    assert (error.code, error.phase) == (ErrorCode.DELIVERY_UNCERTAIN, Phase.DOT)
    assert scene.transport.sent == DOT


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"451 4.3.0 Disk full\r\n", ErrorCode.TEMPORARILY_REJECTED),
        (b"250 2.0.0 Ok\r\n", ErrorCode.CONNECTION_FAILED),
    ],
)
async def test_a_reply_while_the_dot_is_held_is_not_about_it(reply: bytes, code: ErrorCode) -> None:
    scene = Scene(holds=True)
    error = await scene.after(lambda here: here.talk.data_received(reply))
    assert (error.code, error.phase) == (code, Phase.CONTENT)
    assert scene.transport.sent == b""


async def test_a_dot_that_could_not_be_written_was_never_sent() -> None:
    scene = Scene(holds=False)
    scene.transport.fails = True
    error = await scene.after()
    assert (error.code, error.phase) == (ErrorCode.CONNECTION_FAILED, Phase.CONTENT)


@pytest.mark.parametrize("out", [True, False])
async def test_cancelled_at_the_dot(out: bool) -> None:
    scene = Scene(holds=True)
    releasing = asyncio.create_task(scene.talk.release(DOT))
    await scene.transport.written.wait()
    if out:
        scene.transport.let_go()
    releasing.cancel()
    with pytest.raises(TransportError if out else asyncio.CancelledError):
        await releasing
    scene.transport.let_go()
    assert scene.transport.sent == (DOT if out else b"")


async def test_a_verdict_that_came_with_the_end_is_heard() -> None:
    scene = Scene(holds=False)
    releasing = asyncio.create_task(scene.talk.release(DOT))
    await scene.transport.written.wait()
    scene.talk.data_received(b"250 2.0.0 Ok\r\n")
    ends(scene)
    assert (await releasing).code == 250
