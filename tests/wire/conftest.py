"""What the tests over real sockets share."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from connector.auth.source import Tokens
from connector.auth.store import TokenStore
from connector.model.credential import Credential
from tests.oauth import source
from tests.wire.token_sources import Opening


@pytest.fixture
async def opened() -> AsyncIterator[Opening]:
    """Opens sources of tokens, which are closed at the end."""
    async with AsyncExitStack() as stack:

        async def open_source(credential: Credential, store: TokenStore | None = None) -> Tokens:
            return await stack.enter_async_context(source(credential, store))

        yield open_source
