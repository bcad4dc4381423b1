"""A server that says more than it was asked for is cut off before it fills the memory."""

import asyncio
from unittest.mock import Mock

import pytest

from connector.transport.smtp.transaction import GROUP_SIZE
from connector.transport.smtp.wire import Wire

LARGE = (b"250-" + b"x" * 4_000 + b"\r\n") * 15 + b"250 Ok\r\n"


@pytest.mark.parametrize(("replies", "broken"), [(2 * GROUP_SIZE, False), (100 * GROUP_SIZE, True)])
def test_a_flood_is_told_from_the_replies_to_a_group(replies: int, broken: bool) -> None:
    wire, transport = Wire(), Mock(spec=asyncio.Transport)
    wire.connection_made(transport)
    wire.data_received(b"250 2.1.5 Ok\r\n" * replies)
    assert wire.broken == broken
    assert transport.abort.called == broken


@pytest.mark.parametrize(("replies", "broken"), [(10, False), (20, True)])
def test_a_flood_of_few_large_replies_is_one_too(replies: int, broken: bool) -> None:
    """As on an idle connection, of which there may be hundreds, and which nothing reads."""
    wire, transport = Wire(), Mock(spec=asyncio.Transport)
    wire.connection_made(transport)
    for _ in range(replies):
        wire.data_received(LARGE)
    assert wire.broken == broken
    assert transport.abort.called == broken


def test_what_was_read_does_not_count_as_flood() -> None:
    wire = Wire()
    wire.connection_made(Mock(spec=asyncio.Transport))
    for _ in range(40):
        wire.data_received(LARGE)
        assert wire._replies.popleft()
    assert not wire.broken
