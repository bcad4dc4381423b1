"""The sources of tokens of a worker: one for each credential, made when it is first needed.

Those of the settings share the token store. Those that tasks name keep theirs in memory: their client secrets
come from process data, and the least recently used ones are let go.
"""

from __future__ import annotations

import ssl
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from connector.auth.client import OAuthClient
from connector.auth.endpoint import EndpointClient
from connector.auth.memory_store import MemoryStore
from connector.auth.sealing import Seal, UnusableKeyError
from connector.auth.source import Observe, Tokens, observe_nothing
from connector.auth.store import StoreUnavailableError, TokenStore
from connector.errors import ErrorCode, TokenError
from connector.model.credential import Credential
from connector.net.outbound import DIRECT, Outbound, outbound
from connector.secrets.resolve import SecretResolver
from connector.settings.model import Settings

_MOST_OF_TASKS = 500


class TokenSources:
    """Gives the source of a credential.

    Args:
        store: Keeps the tokens of the settings' credentials.
        secrets: Resolves their client secrets.
        remember: Told every token and secret of theirs, so that logs and results mask it.
        remember_of_tasks: The same for those of tasks.
        observe: Counts the requests.
        way: Which proxy is for which token endpoint.
    """

    def __init__(  # noqa: PLR0913 - what every source of tokens shares
        self,
        store: TokenStore,
        secrets: SecretResolver | None,
        remember: Callable[[str], None],
        remember_of_tasks: Callable[[str], None] | None = None,
        observe: Observe = observe_nothing,
        *,
        way: Outbound = DIRECT,
    ) -> None:
        self.store = store
        self._way = way
        self._secrets = secrets
        self._remember = remember
        self._remember_of_tasks = remember_of_tasks or remember
        self._observe = observe
        self._configured: dict[Credential, Tokens] = {}
        self._of_tasks: OrderedDict[Credential, Tokens] = OrderedDict()
        self._endpoints: dict[Path | None, EndpointClient] = {}

    def of(self, credential: Credential) -> Tokens:
        """The source of a credential; the same for equal ones."""
        if credential.command is not None:
            if credential not in self._configured:
                self._configured[credential] = Tokens(self.client(credential), self.store, self._observe)
            return self._configured[credential]
        if credential not in self._of_tasks:
            self._of_tasks[credential] = Tokens(self.client(credential), MemoryStore(), self._observe)
            if len(self._of_tasks) > _MOST_OF_TASKS:
                self._of_tasks.popitem(last=False)
        self._of_tasks.move_to_end(credential)
        return self._of_tasks[credential]

    def client(self, credential: Credential) -> OAuthClient:
        """A client of the provider, on behalf of a credential."""
        asking = self._asking(credential)
        if credential.command is not None:
            return OAuthClient(credential, asking, self._secrets, self._remember)
        # A task's secrets were resolved before it was read, and are never taken for references again.
        return OAuthClient(credential, asking, None, self._remember_of_tasks)

    async def aclose(self) -> None:
        """Wait for the requests under way, whose answers must not be lost, and close."""
        for tokens in (*self._configured.values(), *self._of_tasks.values()):
            await tokens.aclose()
        for endpoints in self._endpoints.values():
            await endpoints.aclose()
        await self.store.aclose()

    def _asking(self, credential: Credential) -> EndpointClient:
        file = credential.ca_file
        if file not in self._endpoints:
            try:
                trust = ssl.create_default_context(cafile=file)
            except (OSError, ssl.SSLError) as error:
                setting = credential.setting("ca_file")
                reason = f"{setting} {file} cannot be used: {error.strerror or error}."
                raise TokenError(ErrorCode.AUTH_FAILED, reason, credential=credential.place) from None
            self._endpoints[file] = EndpointClient(trust, self._way)
        return self._endpoints[file]


@asynccontextmanager
async def open_sources(
    settings: Settings,
    secrets: SecretResolver,
    remember: Callable[[str], None],
    remember_of_tasks: Callable[[str], None] | None = None,
    observe: Observe = observe_nothing,
) -> AsyncIterator[TokenSources]:
    """Give the sources that the settings describe, and close them afterwards.

    Nothing is opened yet: a store that is down makes the first token fail, and later ones succeed once it is
    back.
    """
    store = _store(settings, _sealing(settings, secrets))
    sources = TokenSources(store, secrets, remember, remember_of_tasks, observe, way=outbound(settings.http))
    try:
        yield sources
    finally:
        await sources.aclose()


def _sealing(settings: Settings, secrets: SecretResolver) -> Callable[[], Awaitable[Seal]]:
    async def seal() -> Seal:
        key = settings.tokens.key
        assert key is not None  # noqa: S101 - a store that encrypts is made with a key only
        found = await secrets.resolve_here(key.get_secret_value(), "tokens.key")
        try:
            return Seal(found)
        except UnusableKeyError as error:
            raise StoreUnavailableError(f"tokens.key cannot be used: {error}.") from None

    return seal


def _store(settings: Settings, seal: Callable[[], Awaitable[Seal]]) -> TokenStore:
    if settings.tokens.key is None:
        return MemoryStore()
    if settings.tokens.kind == "postgres" and settings.ledger.url is not None:
        from connector.auth.postgres_store import PostgresStore  # noqa: PLC0415 - asyncpg is an extra

        return PostgresStore(settings.ledger.url.get_secret_value(), seal)
    from connector.auth.file_store import FileStore  # noqa: PLC0415 - loads a library

    return FileStore(settings.tokens.path.expanduser(), seal)
