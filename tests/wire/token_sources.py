"""Sources of tokens that a test opens, and what it looks at in them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import pytest
from joserfc import jwt
from pydantic import SecretStr

from connector.auth.memory_store import MemoryStore
from connector.auth.source import Tokens
from connector.auth.store import TokenStore
from connector.errors import TokenError
from connector.model.credential import Credential
from tests.servers.authorization import AuthorizationServer


class Opening(Protocol):
    """Opens a source, which is closed at the end of the test."""

    async def __call__(self, credential: Credential, store: TokenStore | None = None) -> Tokens: ...


async def refusal(tokens: Tokens, refused: SecretStr | None = None) -> TokenError:
    with pytest.raises(TokenError) as caught:
        await tokens.token(refused)
    return caught.value


def claims(server: AuthorizationServer, token: SecretStr) -> dict[str, Any]:
    return jwt.decode(token.get_secret_value(), server.state.key).claims


def grow_old(tokens: Tokens, seconds: float) -> None:
    """Let time pass for a source, and for what it has kept."""
    held = tokens._held
    assert held is not None
    object.__setattr__(held, "since", held.since - seconds)
    store = tokens._store
    assert isinstance(store, MemoryStore)
    for name, entry in store._entries.items():
        assert entry.access is not None
        aged = replace(entry.access, obtained=entry.access.obtained - seconds)
        store._entries[name] = replace(entry, access=aged)
