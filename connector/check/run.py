"""All that is to be checked, at the same time: reports leave in the order in which they are done.

The settings and what was asked for on the command line enter. Accounts are prepared as for a mail: secrets
are looked up where the worker would look, and everything that leaves is masked.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace

from pydantic import SecretStr

from connector.accounts.accounts import Account, Accounts, with_secrets
from connector.check.findings import Finding, Report, Status, Step
from connector.check.mail_server import Trial, examine
from connector.check.surroundings import check_engine, check_ledger
from connector.errors import ConnectorError, ErrorCode
from connector.model.addresses import Mailbox
from connector.model.server import Server
from connector.secrets.masker import Masker
from connector.secrets.providers import open_secrets
from connector.secrets.resolve import SecretResolver
from connector.settings.model import Settings
from connector.transport.smtp.transport import SmtpTransport

_SECRET_REMEDIES = {
    ErrorCode.SECRET_NOT_FOUND: "Make it known at one of these places, or correct its name in the setting.",
    ErrorCode.SECRET_NOT_ALLOWED: "Add this host and port to the secret's hosts in secrets.bind.",
    ErrorCode.SECRETS_UNAVAILABLE: "See whether the provider of secrets answers, or try a longer --timeout.",
}


@dataclass(frozen=True, slots=True)
class Order:
    """What to check.

    Attributes:
        accounts: Names of accounts.
        server: A server given on the command line.
        secret: The name of the secret that is its password; None where it has one, or needs none.
        sender: In place of the accounts' own addresses.
        recipient: Whom to send a test mail.
        seconds: How long each step may take.
    """

    accounts: tuple[str, ...]
    server: Server | None
    secret: str | None
    engine: bool
    ledger: bool
    sender: Mailbox | None
    recipient: Mailbox | None
    seconds: float


async def reports(
    order: Order, settings: Settings, masker: Masker, environ: Mapping[str, str]
) -> AsyncGenerator[Report, None]:
    """Check everything that was asked for, and give each report as soon as it is there."""
    async with AsyncExitStack() as stack:
        transport = SmtpTransport(settings.smtp)
        stack.push_async_callback(transport.aclose)
        secrets = await stack.enter_async_context(open_secrets(settings.secrets, environ, masker.remember))
        checks = _Checks(order, settings, masker, secrets, transport)
        tasks = [asyncio.create_task(check) for check in checks.all()]
        stack.push_async_callback(_end, tasks)
        for done in asyncio.as_completed(tasks):
            yield (await done).masked(masker.mask)


async def _end(tasks: list[asyncio.Task[Report]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


class _Checks:
    def __init__(
        self,
        order: Order,
        settings: Settings,
        masker: Masker,
        secrets: SecretResolver,
        transport: SmtpTransport,
    ) -> None:
        self._order = order
        self._settings = settings
        self._masker = masker
        self._secrets = secrets
        self._transport = transport
        self._accounts = Accounts(settings)

    def all(self) -> list[Coroutine[None, None, Report]]:
        found = [self._account(self._accounts.configured(name)) for name in self._order.accounts]
        if self._order.server is not None:
            found.append(self._server("server", "server", self._order.server, self._order.sender))
        if self._order.engine:
            found.append(check_engine(self._settings, self._order.seconds))
        if self._order.ledger:
            found.append(check_ledger(self._settings.ledger, self._order.seconds))
        return found

    async def _account(self, account: Account) -> Report:
        sender = self._order.sender or account.sender
        return await self._server("account", account.name, account.route, sender)

    async def _server(self, kind: str, name: str, server: Server, sender: Mailbox | None) -> Report:
        order = self._order
        trial = Trial(sender, order.recipient, order.seconds, self._settings.message)
        try:
            async with asyncio.timeout(order.seconds):
                ready = await self._with_secrets(server)
        except (ConnectorError, TimeoutError) as error:
            return Report(kind, name, str(server), (_unresolved(error, order.seconds),))
        if ready.password is not None:
            self._masker.remember_login(ready.username or "", ready.password.get_secret_value())
        return Report(kind, name, str(server), await examine(ready, trial, self._transport))

    async def _with_secrets(self, server: Server) -> Server:
        if server.account is None and self._order.secret is not None:
            found = await self._secrets.resolve_text(
                f"secrets.{self._order.secret}", "--password-secret", server.hostname, server.port
            )
            return replace(server, password=SecretStr(found.value))
        ready, _ = await with_secrets(server, self._secrets)
        return ready


def _unresolved(error: ConnectorError | TimeoutError, seconds: float) -> Finding:
    if isinstance(error, ConnectorError):
        fix = _SECRET_REMEDIES.get(error.code, _SECRET_REMEDIES[ErrorCode.SECRET_NOT_FOUND])
        return Finding(Step.SETTINGS, Status.FAILED, error.message, fix, error.code)
    message = f"The secrets of the account could not be looked up in {seconds:g} s."
    code = ErrorCode.SECRETS_UNAVAILABLE
    return Finding(Step.SETTINGS, Status.FAILED, message, _SECRET_REMEDIES[code], code)
