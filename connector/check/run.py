"""Run the checks of accounts, engine and ledger at the same time.

Accounts are prepared as for a mail: secrets are looked up where the worker would look, and everything that
leaves is masked.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from connector.accounts.accounts import Account, Accounts
from connector.accounts.credentials import configured_credentials
from connector.accounts.secret_values import with_key_passwords, with_secrets
from connector.auth.sources import TokenSources, open_sources
from connector.check.credential import check_credential
from connector.check.findings import CheckStep, Finding, Report, Status
from connector.check.mail_server import Trial, examine
from connector.check.passwords import check_passwords
from connector.engine.connect import gateway_address
from connector.engine.grpc import GrpcEngine
from connector.engine.port import EngineDeniedError, EngineRefusedError, EngineUnavailableError
from connector.errors import ConnectorError, ErrorCode
from connector.ledger import LedgerUnavailableError, open_ledger
from connector.model.addresses import Mailbox
from connector.model.server import AcsRoute, GraphRoute, Server, smtp_server
from connector.net.outbound import outbound
from connector.secrets.masker import Masker
from connector.secrets.port import UnusableSecretError
from connector.secrets.providers import open_secrets
from connector.secrets.resolve import SecretResolver
from connector.settings.ledger import LedgerSettings
from connector.settings.model import EngineSettings, Settings
from connector.transport.smtp.transport import SmtpTransport

_SECRET_REMEDIES = {
    ErrorCode.SECRET_NOT_FOUND: "Store the secret in one of these places, or correct its name in the "
    "setting.",
    ErrorCode.SECRET_NOT_ALLOWED: "Add this host and port to the secret's hosts in secrets.bind.",
    ErrorCode.SECRETS_UNAVAILABLE: "Check whether the secret provider answers, or try a longer --timeout.",
}


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to check.

    Attributes:
        accounts: The names of accounts.
        server: A server given on the command line.
        secret: The name of the secret that is the server's password; None where it has one, or needs none.
        sender: The sender to try in place of the accounts' own addresses.
        recipient: The recipient of a test mail.
        seconds: The longest duration of a step.
        domain: Whether to look up what the DNS says about the domains of addresses; None for accounts that
            sign for theirs.
        nameserver: Address and port of the name server to ask about them; None for this machine's.
        diagrams: BPMN files, by name.
        configured: Whether the settings are a worker's, with which diagrams can be compared.
    """

    accounts: tuple[str, ...]
    server: Server | None
    secret: str | None
    engine: bool
    ledger: bool
    sender: Mailbox | None
    recipient: Mailbox | None
    seconds: float
    domain: bool | None = None
    nameserver: tuple[str, int] | None = None
    diagrams: tuple[tuple[str, bytes], ...] = ()
    configured: bool = False


async def reports(
    request: CheckRequest, settings: Settings, masker: Masker, environ: Mapping[str, str]
) -> AsyncGenerator[Report, None]:
    """Run all requested checks at the same time, and yield each report as soon as it is complete."""
    async with AsyncExitStack() as stack:
        secrets = await stack.enter_async_context(
            open_secrets(settings.secrets, environ, masker.remember, outbound(settings.http))
        )
        sources = await stack.enter_async_context(open_sources(settings, secrets, masker.remember))
        transport = SmtpTransport(settings.smtp, tokens=sources.of)
        stack.push_async_callback(transport.aclose)
        checks = _Checks(request, settings, _Means(masker, secrets, sources, transport))
        tasks = [asyncio.create_task(check) for check in checks.all()]
        stack.push_async_callback(_end, tasks)
        for done in asyncio.as_completed(tasks):
            yield (await done).masked(masker.mask)


async def _end(tasks: list[asyncio.Task[Report]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class _Means:
    """What every check of accounts uses."""

    masker: Masker
    secrets: SecretResolver
    sources: TokenSources
    transport: SmtpTransport


class _Checks:
    def __init__(self, request: CheckRequest, settings: Settings, means: _Means) -> None:
        self._request = request
        self._settings = settings
        self._means = means
        self._accounts = Accounts(settings)
        self._credentials = {
            name: configured
            for configured in configured_credentials(settings)
            for name in configured.accounts
        }

    def all(self) -> list[Coroutine[None, None, Report]]:
        found = [self._account(self._accounts.configured(name)) for name in self._request.accounts]
        if self._request.server is not None:
            found.append(self._server("server", "server", self._request.server, self._request.sender))
        if self._request.engine:
            found.append(check_engine(self._settings, self._request.seconds))
        if self._request.ledger:
            found.append(check_ledger(self._settings.ledger, self._request.seconds))
        return [*found, *map(self._diagram, self._request.diagrams)]

    async def _diagram(self, file: tuple[str, bytes]) -> Report:
        from connector.check.diagrams import check_diagram  # noqa: PLC0415 - loads the readers of diagrams

        return await check_diagram(*file, self._settings, configured=self._request.configured)

    async def _account(self, account: Account) -> Report:
        if not self._settings.accounts[account.name].enabled:
            note = Finding(CheckStep.SETTINGS, Status.SKIPPED, "disabled (enabled: false): not checked")
            return Report("account", account.name, str(account.route), (note,))
        report, more, passwords = await asyncio.gather(
            self._route(account), self._signing(account), self._passwords(account.name)
        )
        first = () if passwords is None else (passwords,)
        copies = (_copies(account),) if account.copies.to == "sent-folder" else ()
        return replace(report, findings=(*first, *report.findings, *copies, *more))

    async def _passwords(self, name: str) -> Finding | None:
        configured = self._credentials.get(name)
        credential = None if configured is None else configured.credential
        account, secrets = self._settings.accounts[name], self._means.secrets
        return await check_passwords(name, account, credential, secrets, self._request.seconds)

    async def _route(self, account: Account) -> Report:
        """Check the mail server, and before that the credential that the account logs in with."""
        server, sender = account.route, self._request.sender or account.sender
        configured = self._credentials.get(account.name)
        if isinstance(server, AcsRoute) and configured is None:
            found = await self._service(server, sender, reached=True)
            return Report("account", account.name, str(server), found)
        if configured is None:
            return await self._server("account", account.name, smtp_server(server), sender)
        warn, seconds = self._settings.tokens.warn, self._request.seconds
        findings = await check_credential(configured, self._means.sources, warn, seconds)
        if not isinstance(server, Server):
            reached = findings[-1].status is not Status.FAILED
            more = await self._service(server, sender, reached=reached)
            return Report("account", account.name, str(server), (*findings, *more))
        if all(finding.status in {Status.OK, Status.WARNING} for finding in findings):
            report = await self._server("account", account.name, server, sender)
        else:
            report = await self._without_login(account.name, server)
        return replace(report, findings=(*findings, *report.findings))

    async def _service(
        self, route: GraphRoute | AcsRoute, sender: Mailbox | None, *, reached: bool
    ) -> tuple[Finding, ...]:
        """Check what is behind an HTTP API, if there is a login for it."""
        try:
            async with asyncio.timeout(self._request.seconds):
                ready, _ = await with_secrets(route, self._means.secrets)
        except (ConnectorError, TimeoutError) as error:
            return (_unresolved(error, self._request.seconds),)
        if ready.password is not None:
            self._means.masker.remember_login("", ready.password.get_secret_value())
        trial, sources, way = self._trial(sender), self._means.sources, outbound(self._settings.http)
        if isinstance(ready, GraphRoute):
            from connector.check.graph_mailbox import check_graph  # noqa: PLC0415 - loads a library

            return await check_graph(ready, trial, sources, way, reached=reached)
        from connector.check.acs_resource import check_acs  # noqa: PLC0415 - the same

        return await check_acs(ready, trial, sources, way, reached=reached)

    def _trial(self, sender: Mailbox | None) -> Trial:
        request = self._request
        return Trial(sender, request.recipient, request.seconds, self._settings.message)

    async def _without_login(self, name: str, server: Server) -> Report:
        """Check whether the server is there; no further, since there is nothing to log in with."""
        anonymous = replace(server, username=None, credential=None)
        report = await self._server("account", name, anonymous, None)
        beyond = {CheckStep.AUTH, CheckStep.SENDER, CheckStep.MAIL}
        findings = (
            Finding.not_reached(found.step) if found.step in beyond else found for found in report.findings
        )
        return replace(report, findings=tuple(findings))

    async def _signing(self, account: Account) -> list[Finding]:
        """Check keys and certificates, and the records of the account's domain."""
        policy, findings = account.signing, []
        domain = account.sender.domain if account.sender is not None else ""
        with_domain = bool(policy.dkim) if self._request.domain is None else self._request.domain
        try:
            policy = await with_key_passwords(policy, account.route, self._means.secrets)
        except ConnectorError as error:
            return [_unresolved(error, self._request.seconds)]
        if policy.keys or policy.dkim or policy.certificates is not None:
            from connector.check.keys import check_keys  # noqa: PLC0415 - loads a library

            findings.append(await check_keys(account, policy))
        if with_domain and domain and not domain.startswith("["):
            from connector.check.domain import TextRecords, check_domain  # noqa: PLC0415 - loads a library

            records = TextRecords(self._request.nameserver, self._request.seconds)
            findings += await check_domain(domain, policy, records)
        return findings

    async def _server(self, kind: str, name: str, server: Server, sender: Mailbox | None) -> Report:
        request, trial = self._request, self._trial(sender)
        try:
            async with asyncio.timeout(request.seconds):
                ready = await self._with_secrets(server)
        except (ConnectorError, TimeoutError) as error:
            return Report(kind, name, str(server), (_unresolved(error, request.seconds),))
        if ready.password is not None:
            self._means.masker.remember_login(ready.username or "", ready.password.get_secret_value())
        return Report(kind, name, str(server), await examine(ready, trial, self._means.transport))

    async def _with_secrets(self, server: Server) -> Server:
        if server.account is None and self._request.secret is not None:
            found = await self._means.secrets.resolve_text(
                f"secrets.{self._request.secret}", "--password-secret", server.hostname, server.port
            )
            return replace(server, password=SecretStr(found.value))
        ready, _ = await with_secrets(server, self._means.secrets)
        return ready


def _provider(account: Account) -> str:
    return "Microsoft Graph" if account.route.transport == "graph" else account.preset


def _copies(account: Account) -> Finding:
    """Say where copies of the account's mails go; a mailbox is not opened here."""
    if account.sent_folder is None:
        message = f"{_provider(account)} puts what it sends into the folder of sent mails by itself"
        return Finding(CheckStep.COPY, Status.SKIPPED, message)
    server = account.sent_folder.incoming.server
    message = f"copies go to the folder of sent mails at {server}; not tried"
    return Finding(CheckStep.COPY, Status.SKIPPED, message, facts={"folder": "sent"})


def _unresolved(error: ConnectorError | TimeoutError, seconds: float) -> Finding:
    if isinstance(error, ConnectorError):
        fix = _SECRET_REMEDIES.get(error.code, _SECRET_REMEDIES[ErrorCode.SECRET_NOT_FOUND])
        if isinstance(error.__cause__, UnusableSecretError):
            fix = "Correct this secret where it is stored; no other place is searched while it is there."
        return Finding(CheckStep.SETTINGS, Status.FAILED, error.message, fix, error.code)
    message = f"The secrets of the account could not be looked up within {seconds:g} s."
    code = ErrorCode.SECRETS_UNAVAILABLE
    return Finding(CheckStep.SETTINGS, Status.FAILED, message, _SECRET_REMEDIES[code], code)


async def check_engine(settings: Settings, seconds: float) -> Report:
    """Ask the gateway for its version, which needs a connection, and TLS and credentials where set."""
    target = gateway_address(settings.engine)
    credentials = settings.engine.client_id is not None
    facts: dict[str, Any] = {"credentials": credentials, "tls": _encrypted(settings.engine)}
    try:
        async with (
            asyncio.timeout(seconds),
            GrpcEngine(settings.engine, settings.worker, outbound(settings.http)) as engine,
        ):
            version = await engine.version()
    except TimeoutError:
        message = f"{target} did not answer within {seconds:g} s."
        finding = Finding(
            CheckStep.ENGINE, Status.FAILED, message, _engine_away(settings.engine), facts=facts
        )
    except EngineDeniedError as error:
        fix = (
            "Correct engine.client_id, client_secret, oauth_url and audience, or grant the client "
            "permissions."
        )
        finding = Finding(CheckStep.ENGINE, Status.FAILED, str(error), fix, facts=facts)
    except (EngineUnavailableError, EngineRefusedError, OSError) as error:
        finding = Finding(
            CheckStep.ENGINE, Status.FAILED, str(error), _engine_away(settings.engine), facts=facts
        )
    else:
        let_in = ", which accepts the credentials" if credentials else ""
        facts["version"] = version
        finding = Finding(CheckStep.ENGINE, Status.OK, f"Zeebe gateway {version}{let_in}", facts=facts)
    return Report("engine", "engine", target, (finding,))


def _encrypted(settings: EngineSettings) -> bool:
    return bool(settings.tls) or settings.client_id is not None


def _engine_away(settings: EngineSettings) -> str:
    if settings.address is None and settings.cluster_id is None:
        return "Set engine.address (ZEEBE_ADDRESS): it is not set, and no engine is running on this machine."
    tls = "on" if _encrypted(settings) else "off"
    return (
        "Check engine.address (the gateway's gRPC port, 26500 by default), that the gateway is running, "
        f"that no firewall blocks the connection, and that engine.tls, which is {tls}, matches the gateway."
    )


async def check_ledger(settings: LedgerSettings, seconds: float) -> Report:
    """Write a meaningless entry into the ledger.

    A missing file is not created: it would belong to the user who checks, and perhaps not to the worker's.
    """
    facts: dict[str, Any] = {"kind": settings.kind}
    target = str(settings.path) if settings.kind == "sqlite" else settings.kind
    try:
        message = _missing(settings)
        if message is None:
            async with asyncio.timeout(seconds), open_ledger(settings) as ledger:
                await ledger.check()
            message = "it can be written"
    except (LedgerUnavailableError, TimeoutError) as error:
        reason = str(error) or f"The ledger did not answer within {seconds:g} s."
        code, fix = ErrorCode.LEDGER_UNAVAILABLE, _ledger_fix(settings)
        finding = Finding(CheckStep.LEDGER, Status.FAILED, reason, fix, code, facts=facts)
    else:
        finding = _writable(settings, message, facts)
    return Report("ledger", "ledger", target, (finding,))


def _writable(settings: LedgerSettings, message: str, facts: dict[str, Any]) -> Finding:
    if settings.kind != "memory":
        return Finding(CheckStep.LEDGER, Status.OK, message, facts=facts)
    warning = "it forgets everything when the worker stops; a mail may then be sent twice"
    fix = "Set ledger.kind to sqlite or postgres."
    return Finding(CheckStep.LEDGER, Status.WARNING, warning, fix, facts=facts)


def _missing(settings: LedgerSettings) -> str | None:
    """Return a note that the worker will create the file; None when it exists, or none is used.

    Raises:
        LedgerUnavailableError: This user cannot create it.
    """
    if settings.kind != "sqlite":
        return None
    try:
        path = settings.path.expanduser()
    except RuntimeError:  # no home directory; opening the ledger reports it
        return None
    if path.exists():
        return None
    directory = next(parent for parent in path.absolute().parents if parent.exists())
    if not _may_make(directory):
        raise LedgerUnavailableError(
            f"The ledger {path} does not exist and cannot be created in {directory}."
        )
    return "it does not exist yet; the worker creates it when it starts"


def _may_make(directory: Path) -> bool:
    return directory.is_dir() and os.access(directory, os.W_OK | os.X_OK)


def _ledger_fix(settings: LedgerSettings) -> str:
    if settings.kind == "postgres":
        return "Check ledger.url (host, port, database, user and password), and that the server is running."
    return "Set ledger.path to a file on a local disk that the worker's user may create and write."
