"""A server that says more than it was asked for is cut off before it fills the memory."""

import asyncio
from unittest.mock import Mock

import pytest

from connector.transport.link import Link
from connector.transport.transaction import GROUP_SIZE


@pytest.mark.parametrize(("replies", "broken"), [(2 * GROUP_SIZE, False), (100 * GROUP_SIZE, True)])
def test_a_flood_is_told_from_the_replies_to_a_group(replies: int, broken: bool) -> None:
    link, transport = Link(), Mock(spec=asyncio.Transport)
    link.connection_made(transport)
    link.data_received(b"250 2.1.5 Ok\r\n" * replies)
    assert link.broken == broken
    assert transport.abort.called == broken
