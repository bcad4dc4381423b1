"""What remote providers answered, kept for a while: one request for many jobs, and mail while Vault is away.

Apart from the providers, so that each of them is only its protocol, and from the look-up, so that the
environment and files, which cost nothing, are always read anew.

- A value is used for ``secrets.ttl``; then it is asked for again, so that a rotated one is found.
- "No such secret" is kept for 5 seconds only: with two providers, every job that finds its secret in the
  second would ask the first one too; and a person who adds what was missing wants to go on at once.
- Jobs that ask for one secret at the same time share one request. It goes on when one of them is cancelled.
- While the provider is away, a value may be used for ``secrets.stale`` longer: an outage of Vault does not
  stop the mail, and a password that was revoked meanwhile is refused by its server anyway. A provider that
  says no (the secret is gone, or access to it was withdrawn) is not away: then the old value is dropped.
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
_RETRY = 5.0  # seconds between two attempts at a provider that is away, for each secret
_MOST_NAMES = 1000  # names come from process data, and may be any number


@dataclass(frozen=True, slots=True)
class _Entry:
    """An answer.

    Attributes:
        value: None where there was no such secret.
        asked: When the provider was asked for it.
        fresh_until: Until then nobody asks.
        usable_until: Until then it serves while the provider is away.
    """

    value: str | None
    asked: float
    fresh_until: float
    usable_until: float


class CachedSecrets:
    """A provider whose answers are kept; a :class:`~connector.secrets.port.SecretProvider` itself.

    Args:
        provider: Who is asked.
        settings: ``ttl``, ``stale`` and ``timeout``.
        clock: Gives seconds that never go back; a test may move it.
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
        """Where the provider looks."""
        return self._provider.place

    async def get(self, name: str) -> str | None:
        """Return what is kept, or ask; who is cancelled here leaves the request to the others.

        Raises:
            UnusableSecretError: As the provider says.
            ProviderUnavailableError: It is away, or too slow, and nothing usable is kept.
        """
        entry = self._entries.get(name)
        if entry is not None and self._clock() < entry.fresh_until:
            return entry.value
        try:
            return await asyncio.shield(self._request(name))
        except (UnusableSecretError, ProviderUnavailableError) as error:
            # Many wait for one request: each gets an error of its own, for its own traceback.
            raise type(error)(str(error)) from None

    def forget(self, name: str, since: float) -> None:
        """Ask anew next time, unless that was done since: of many jobs with one wrong password one asks.

        Args:
            name: The secret.
            since: When the value that is no good was looked up, on the clock of this cache.
        """
        if (entry := self._entries.get(name)) is not None and entry.asked <= since:
            del self._entries[name]
        if name in self._requests and self._asked[name] <= since:  # it may bring the old value
            del self._requests[name], self._asked[name]

    async def aclose(self) -> None:
        """End what is under way."""
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
            request.exception()  # looked at, so that asyncio does not report it when nobody waits any more

    async def _fetch(self, name: str) -> str | None:
        try:
            value = await self._in_time(name)
        except ProviderUnavailableError as error:
            return self._kept(name, error)
        except UnusableSecretError:
            self._entries.pop(name, None)
            raise
        if self._requests.get(name) is asyncio.current_task():  # nobody has forgotten it meanwhile
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
        _log.warning("secret provider is away, an older value is used", place=self.place, reason=str(error))
        return entry.value
