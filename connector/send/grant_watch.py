"""Look after the OAuth credentials of the accounts: warn before one of them ends, and keep grants in use.

Providers end an unused grant (Microsoft after 90 days). A process that sends one mail a year would
need a person each time, so a grant that lies idle is used now and then without a mail.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import structlog

from connector.accounts.credential_status import CredentialStatus, State, days_left, status_of
from connector.accounts.credentials import ConfiguredCredential
from connector.auth.sources import TokenSources
from connector.auth.store import StoreUnavailableError
from connector.errors import ConnectorError
from connector.observe.metrics import Metrics

_log = structlog.get_logger(__name__)

_HOUR = 3_600.0  # seconds
_AGAIN = timedelta(days=1)
_IDLE = timedelta(days=7)


class GrantWatch:
    """Looks after credentials.

    Args:
        credentials: All of them.
        sources: Give their tokens.
        metrics: Told when something of them ends.
        warn: How long before an end a warning is logged.
        clock: Gives the present with its zone.
    """

    def __init__(
        self,
        credentials: Sequence[ConfiguredCredential],
        sources: TokenSources,
        metrics: Metrics,
        warn: timedelta,
        clock: Callable[[], datetime],
    ) -> None:
        self._credentials = credentials
        self._sources = sources
        self._metrics = metrics
        self._warn = warn
        self._clock = clock
        self._told: dict[tuple[str, str], datetime] = {}

    async def run(self) -> None:
        """Encrypt everything with the current key; then look now and every hour, until cancelled."""
        await self._reseal()
        while True:
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - mails go on, and the next look may succeed
                _log.exception("OAuth credentials not looked at")
            await asyncio.sleep(_HOUR)

    async def look(self) -> None:
        """Look once: warn, and use what lies idle."""
        moments: dict[tuple[str, str], float] = {}
        for configured in self._credentials:
            status = await status_of(configured, self._sources)
            if self._idle(status):
                await self._use(status)
                status = await status_of(configured, self._sources)
            self._tell(status)
            for what, moment in status.endings:
                moments[status.credential.place, what.value] = moment.timestamp()
        self._metrics.credentials_expire(moments)

    async def _reseal(self) -> None:
        try:
            if count := await self._sources.store.reseal():
                _log.info("tokens encrypted with the current key", entries=count)
        except (ConnectorError, StoreUnavailableError) as error:
            _log.warning("tokens not encrypted with the current key", reason=str(error))

    def _idle(self, status: CredentialStatus) -> bool:
        if status.state is not State.GOOD or status.refreshed is None:
            return False
        return status.credential.grant.needs_consent and self._clock() - status.refreshed > _IDLE

    async def _use(self, status: CredentialStatus) -> None:
        """Ask for a token that no mail needs now."""
        try:
            await self._sources.of(status.credential).token()
        except ConnectorError as error:
            _log.warning("idle grant not used", credential=status.credential.place, reason=error.message)

    def _tell(self, status: CredentialStatus) -> None:
        now, place = self._clock(), status.credential.place
        log = _log.bind(credential=place, accounts=list(status.configured.accounts))
        if status.state is not State.GOOD and self._due(place, "state", now):
            command = f"smtp-connector authorize {status.credential.command}"
            log.warning("account not authorized", reason=status.reason, command=command)
        if status.by_another and self._due(place, "person", now):
            mailboxes = list(status.configured.mailboxes)
            log.warning("consent by another person", person=status.person, mailboxes=mailboxes)
        for what, moment in status.endings:
            if moment - now < self._warn and self._due(place, what.value, now):
                log.warning(f"{what.value} expires", days_left=days_left(moment, now))

    def _due(self, place: str, what: str, now: datetime) -> bool:
        told = self._told.get((place, what))
        if told is not None and now - told < _AGAIN:
            return False
        self._told[place, what] = now
        return True
