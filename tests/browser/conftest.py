"""A browser, and a provider whose tokens Dovecot takes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.browser.person import Person, browsing
from tests.servers import authorization
from tests.servers.authorization import AuthorizationServer
from tests.servers.dovecot import Dovecot


@pytest.fixture
async def person() -> AsyncIterator[Person]:
    """A person at a browser of their own."""
    async with browsing() as opened:
        yield opened


@pytest.fixture
def issuer(dovecot: Dovecot) -> Iterator[AuthorizationServer]:
    """An authorization server whose tokens Dovecot verifies, and Postfix by it."""
    with authorization.running(small=True) as server:
        dovecot.trust(server.key_id, server.public_key, server.state.algorithm)
        yield server
