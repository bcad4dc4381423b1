"""Cache the answers of remote secret stores: one request for many jobs, and mail during an outage of Vault.

The cache is separate from the providers, which only implement their protocols, and from the look-up, so
that the environment and files are always read again.

- A value is used for ``secrets.ttl``; then the provider is asked again, so that a rotated value is found.
- "No such secret" is cached for only 5 seconds. Without it, with two providers, every job whose secret is in
  the second would ask the first; and a person who has added a missing secret does not want to wait.
- Jobs that need one secret at the same time share a request, which continues if one of them is cancelled.
- While the provider is unavailable, a value may be used for ``secrets.stale`` longer: an outage of Vault does
  not stop the mail, and a mail server refuses a password that was revoked meanwhile. If the provider answers
  that the secret is gone or access is denied, the old value is dropped.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from connector.secrets.port import ProviderUnavailableError, SecretProvider, UnusableSecretError
from connector.settings.secrets import SecretSettings

_log = structlog.get_logger(__name__)

_ABSENCE = 5.0  # seconds
_RETRY = 5.0  # seconds between two requests to an unavailable provider, for each secret
_MOST_NAMES = 1000  # names come from process data, so their number must be limited


@dataclass(frozen=True, slots=True)
class _Entry:
    """A cached answer.

    Attributes:
        value: The value, or None if there was no such secret.
        asked: When the provider was asked.
        fresh_until: Until then the answer is used without asking again.
        usable_until: Until then the answer is used while the provider is unavailable.
    """

    value: str | None
    asked: float
    fresh_until: float
    usable_until: float


class CachedSecrets:
    """Caches the answers of a provider; a :class:`~connector.secrets.port.SecretProvider` itself.

    Args:
        provider: The provider to ask.
        settings: ``ttl``, ``stale`` and ``timeout``.
        clock: A monotonic clock in seconds; a test may move it.
    """

    def __init__(
        self,
        provider: SecretProvider,
        settings: SecretSettings,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._provider = provider
        self._ttl = settings.ttl.total_seconds()
        self._stale = settings.stale.total_seconds()
        self._timeout = settings.timeout.total_seconds()
        self._clock = clock
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._requests: dict[str, asyncio.Task[str | None]] = {}
        self._asked: dict[str, float] = {}
        self._running: set[asyncio.Task[str | None]] = set()

    @property
    def place(self) -> str:
        """Describe the provider."""
        return self._provider.place

    async def get(self, name: str) -> str | None:
        """Return the cached answer, or ask; a cancelled caller leaves the request to the others.

        Raises:
            UnusableSecretError: The provider raises it.
            ProviderUnavailableError: It is unavailable or too slow, and no usable answer is cached.
        """
        entry = self._entries.get(name)
        if entry is not None and self._clock() < entry.fresh_until:
            return entry.value
        try:
            return await asyncio.shield(self._request(name))
        except (UnusableSecretError, ProviderUnavailableError) as error:
            # Several callers wait for one request: each gets its own error, for its own traceback.
            raise type(error)(str(error)) from None

    def forget(self, name: str, since: float) -> None:
        """Ask again next time, unless another job has asked since then.

        Of many jobs with the same wrong password only one asks.

        Args:
            name: The secret.
            since: When the rejected value was looked up, on the clock of this cache.
        """
        if (entry := self._entries.get(name)) is not None and entry.asked <= since:
            del self._entries[name]
        if name in self._requests and self._asked[name] <= since:  # it may return the old value
            del self._requests[name], self._asked[name]

    async def aclose(self) -> None:
        """Cancel the requests in progress."""
        running = tuple(self._running)
        for request in running:
            request.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    def _request(self, name: str) -> asyncio.Task[str | None]:
        request = self._requests.get(name)
        if request is None:
            self._asked[name] = self._clock()
            request = self._requests[name] = asyncio.create_task(self._fetch(name))
            self._running.add(request)
            request.add_done_callback(lambda done: self._ended(name, done))
        return request

    def _ended(self, name: str, request: asyncio.Task[str | None]) -> None:
        self._running.discard(request)
        if self._requests.get(name) is request:
            del self._requests[name], self._asked[name]
        if not request.cancelled():
            request.exception()  # read, so that asyncio does not report it if all callers were cancelled

    async def _fetch(self, name: str) -> str | None:
        try:
            value = await self._in_time(name)
        except ProviderUnavailableError as error:
            return self._kept(name, error)
        except UnusableSecretError:
            self._entries.pop(name, None)
            raise
        if self._requests.get(name) is asyncio.current_task():  # it was not forgotten meanwhile
            self._keep(name, value)
        return value

    async def _in_time(self, name: str) -> str | None:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._provider.get(name)
        except TimeoutError:
            reason = f"no answer within {self._timeout:g} s (secrets.timeout)"
            raise ProviderUnavailableError(reason) from None

    def _keep(self, name: str, value: str | None) -> None:
        fresh_until = self._clock() + (self._ttl if value is not None else min(self._ttl, _ABSENCE))
        self._entries[name] = _Entry(value, self._asked[name], fresh_until, fresh_until + self._stale)
        self._entries.move_to_end(name)
        if len(self._entries) > _MOST_NAMES:
            self._entries.popitem(last=False)

    def _kept(self, name: str, error: ProviderUnavailableError) -> str:
        entry, now = self._entries.get(name), self._clock()
        if entry is None or entry.value is None or now >= entry.usable_until:
            raise error
        self._entries[name] = replace(entry, fresh_until=min(now + _RETRY, entry.usable_until))
        _log.warning("secret provider unavailable, using an older value", place=self.place, reason=str(error))
        return entry.value
