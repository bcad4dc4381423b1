"""Warn of keys that expire soon or cannot be used, in log and metrics: at the start, then once a day."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime

import structlog

from connector.accounts.accounts import Account, Accounts
from connector.accounts.secret_values import with_key_passwords
from connector.errors import ConnectorError
from connector.observe.metrics import Metrics
from connector.secrets.resolve import SecretResolver
from connector.signing.keys import Keys
from connector.signing.state import KeyState, account_states, expiring

_log = structlog.get_logger(__name__)

_DAY = 86_400.0  # seconds


class ExpiryWatch:
    """Looks at the keys of all accounts.

    Args:
        accounts: All of them.
        secrets: Where the passwords of keys are looked up.
        metrics: Told when the keys expire.
        clock: Gives the present with its zone.
    """

    def __init__(
        self, accounts: Accounts, secrets: SecretResolver, metrics: Metrics, clock: Callable[[], datetime]
    ) -> None:
        self._accounts = [account for account in accounts.all if account.signing.keys or account.signing.dkim]
        self._secrets = secrets
        self._metrics = metrics
        self._clock = clock
        self._keys = Keys()

    async def run(self) -> None:
        """Look now and once a day, until cancelled."""
        while True:
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - mails go on, and the next look may succeed
                _log.exception("keys not looked at")
            await asyncio.sleep(_DAY)

    async def look(self) -> None:
        """Look once, and warn."""
        moments: dict[tuple[str, str], float] = {}
        for account in self._accounts:
            now = self._clock()
            states = await self._states(account, now)
            _warn(account, states, now)
            for state in states:
                if state.certificate is not None:
                    ends = state.certificate.not_valid_after_utc.timestamp()
                    moments[account.name, str(state.file)] = ends
        self._metrics.keys_expire(moments)

    async def _states(self, account: Account, now: datetime) -> list[KeyState]:
        try:
            policy = await with_key_passwords(account.signing, account.route, self._secrets)
        except ConnectorError as error:
            _log.warning("keys not looked at", account=account.name, code=error.code.value, reason=str(error))
            return []
        # Tasks may name other senders than the account's, so whose the keys are does not matter here.
        return await asyncio.to_thread(account_states, self._keys, policy, None, now)


def _warn(account: Account, states: Sequence[KeyState], now: datetime) -> None:
    soon = expiring(states, now)
    for state in states:
        log = _log.bind(account=account.name, file=str(state.file))
        if state in soon:
            log.warning("signing key expires", days_left=state.days_left(now))
        elif state.fault is not None and state.timely(now):
            log.warning("signing key unusable", reason=state.fault)
