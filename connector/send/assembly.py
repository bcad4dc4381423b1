"""Puts a pipeline together as the settings say, and closes what it opened.

:class:`~connector.settings.model.Settings` enter and a :class:`~connector.send.pipeline.Pipeline` leaves.
It stands apart from the pipeline, which knows its stages and not where they come from. What loads a library
that not every worker needs is made when it is first asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import structlog

from connector.accounts.accounts import Accounts
from connector.accounts.credentials import configured_credentials
from connector.auth.sources import TokenSources, open_sources
from connector.ledger import Ledger, Upkeep, open_upkeep
from connector.message.content.reader import ContentReader
from connector.model.server import AcsRoute, GraphRoute, Server
from connector.net.outbound import Outbound, outbound
from connector.observe.metrics import Metrics
from connector.secrets.masker import Masker
from connector.secrets.providers import open_secrets
from connector.secrets.resolve import SecretResolver
from connector.send.copies import with_copy
from connector.send.once import Once
from connector.send.pipeline import Pipeline
from connector.send.submission import Stages
from connector.settings.model import Settings
from connector.transport.pacing import Pacing
from connector.transport.port import Transport
from connector.transport.smtp.transport import SmtpTransport
from connector.webapi.allowance import Allowances

if TYPE_CHECKING:
    from connector.graph.mailboxes import GraphMailboxes
    from connector.mailbox.pool import Mailboxes
    from connector.mailtemplates.render import Templates
    from connector.send.mailbox_jobs import MailboxJobs
    from connector.signing.protection import Protector

_log = structlog.get_logger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Shared:
    """What a pipeline has in common with the next one, when settings change.

    Attributes:
        upkeep: Where mails are remembered.
        metrics: Where they are counted.
        pacing: The turns of accounts with a rate, which new settings do not begin anew.
        allowances: The same for the limits of services with an HTTP API.
        smtp: Kept connections and refused logins; None for a pipeline that stands alone.
        clock: Gives the present with its zone, for what the mails say.
    """

    upkeep: Upkeep
    metrics: Metrics = field(default_factory=Metrics)
    pacing: Pacing = field(default_factory=Pacing)
    allowances: Allowances = field(default_factory=Allowances)
    smtp: SmtpTransport | None = None
    clock: Callable[[], datetime] = _now


@asynccontextmanager
async def open_pipeline(
    settings: Settings,
    masker: Masker,
    environ: Mapping[str, str],
    transport: Transport | None = None,
    shared: Shared | None = None,
) -> AsyncIterator[Pipeline]:
    """Put the stages together as the settings say, and close them at the end.

    Args:
        settings: What the operator wants.
        masker: Learns every credential, and masks them in the logs.
        environ: Where secrets from the environment are looked up.
        transport: Carries every mail, in place of the transports that the routes name.
        shared: What outlives it; a ledger of its own, as the settings describe it, by default.

    Raises:
        LedgerUnavailableError: The settings describe a ledger that this worker cannot have.
    """
    async with AsyncExitStack() as stack:
        lasting = shared is not None
        if shared is None:
            opening = open_upkeep(settings.ledger, settings.worker.lease)
            shared = Shared(await stack.enter_async_context(opening))
        way = outbound(settings.http)
        content = ContentReader(settings.attachments, way=way)
        stack.push_async_callback(content.aclose)
        masks = Masker()
        remember = _remembering(masker, masks)
        for password in way.passwords:
            remember(password)
        secrets = await stack.enter_async_context(open_secrets(settings.secrets, environ, remember, way))
        tokens = await stack.enter_async_context(
            open_sources(settings, secrets, remember, masker.remember, shared.metrics.token_requested)
        )
        accounts = Accounts(settings)
        transports = _instead(transport)
        if transport is None:
            smtp = shared.smtp
            if smtp is None:
                smtp = await stack.enter_async_context(open_smtp(settings, shared.metrics))
            smtp.use(settings.smtp, tokens.of)
            transports = {Server.transport: smtp}
        graph = await stack.enter_async_context(_graph_mailboxes(tokens, way, shared.allowances))
        if GraphRoute.transport not in transports and any(
            isinstance(account.route, GraphRoute) for account in accounts.all
        ):
            transports[GraphRoute.transport] = _graph_transport(graph())
        if transport is None and any(isinstance(account.route, AcsRoute) for account in accounts.all):
            opening_acs = _acs_transport(tokens, way, shared.allowances)
            transports[AcsRoute.transport] = await stack.enter_async_context(opening_acs)
        if lasting:
            await stack.enter_async_context(_beside(_watch_grants(settings, tokens, shared.metrics)))
        drafted = [account.route for account in accounts.all if isinstance(account.route, GraphRoute)]
        if lasting and transport is None and drafted:
            sweep = _sweep_drafts(settings, drafted, graph(), shared.upkeep.ledger)
            await stack.enter_async_context(_beside(sweep))
        if any(account.signing.keys or account.signing.dkim for account in accounts.all):
            await stack.enter_async_context(_beside(_watch_keys(accounts, secrets, shared.metrics)))
        stages = Stages(
            settings,
            accounts,
            secrets,
            content,
            _protector(),
            _templates(settings),
            shared.pacing,
            transports,
            tokens.of,
            graph,
            masker,
            masks,
            shared.metrics,
            shared.clock,
            await stack.enter_async_context(_open_mailboxes(settings, shared.metrics)),
        )
        once = Once(shared.upkeep, settings.ledger, partial(with_copy, stages=stages))
        yield Pipeline(stages, once, _mailbox_jobs(stages))


def _mailbox_jobs(stages: Stages) -> Callable[[], MailboxJobs]:
    @cache
    def made() -> MailboxJobs:
        from connector.send.mailbox_jobs import MailboxJobs  # noqa: PLC0415 - loads libraries

        return MailboxJobs(stages)

    return made


@asynccontextmanager
async def _open_mailboxes(settings: Settings, metrics: Metrics) -> AsyncIterator[Callable[[], Mailboxes]]:
    async with AsyncExitStack() as stack:

        @cache
        def made() -> Mailboxes:
            from connector.mailbox.pool import Mailboxes  # noqa: PLC0415 - loads libraries

            limits, authorities = settings.smtp.timeouts.limits, settings.smtp.ca_file
            mailboxes = Mailboxes(settings.mailbox, limits, authorities)
            stack.push_async_callback(mailboxes.aclose)
            stack.enter_context(metrics.mailbox_pool(lambda: mailboxes.connections))
            return mailboxes

        yield made


@asynccontextmanager
async def open_smtp(settings: Settings, metrics: Metrics) -> AsyncIterator[SmtpTransport]:
    """Open the SMTP transport of a worker, and close its connections at the end."""
    smtp = SmtpTransport(settings.smtp, settings.worker.max_jobs)
    try:
        with metrics.pool(smtp.connections):
            yield smtp
    finally:
        await smtp.aclose()


def _instead(transport: Transport | None) -> dict[str, Transport]:
    """Take one transport for all that a route may name."""
    names = Server.transport, GraphRoute.transport, AcsRoute.transport
    return {} if transport is None else dict.fromkeys(names, transport)


@asynccontextmanager
async def _graph_mailboxes(
    tokens: TokenSources, way: Outbound, allowances: Allowances
) -> AsyncIterator[Callable[[], GraphMailboxes]]:
    async with AsyncExitStack() as stack:

        @cache
        def made() -> GraphMailboxes:
            from connector.graph.mailboxes import GraphMailboxes  # noqa: PLC0415 - loads a library

            mailboxes = GraphMailboxes(tokens.of, way, allowances)
            stack.push_async_callback(mailboxes.aclose)
            return mailboxes

        yield made


def _graph_transport(mailboxes: GraphMailboxes) -> Transport:
    from connector.transport.graph.graph_transport import GraphTransport  # noqa: PLC0415 - loads a library

    return GraphTransport(mailboxes)


@asynccontextmanager
async def _acs_transport(
    tokens: TokenSources, way: Outbound, allowances: Allowances
) -> AsyncIterator[Transport]:
    from connector.acs.resources import AcsResources  # noqa: PLC0415 - loads a library
    from connector.transport.acs.acs_transport import AcsTransport  # noqa: PLC0415 - the same

    resources = AcsResources(tokens.of, way, allowances)
    try:
        yield AcsTransport(resources)
    finally:
        await resources.aclose()


@asynccontextmanager
async def _beside(duty: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run a duty while the block lasts."""
    task = asyncio.create_task(duty)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})


async def _watch_keys(accounts: Accounts, secrets: SecretResolver, metrics: Metrics) -> None:
    from connector.send.expiry import ExpiryWatch  # noqa: PLC0415 - loads a library

    await ExpiryWatch(accounts, secrets, metrics, _now).run()


async def _watch_grants(settings: Settings, tokens: TokenSources, metrics: Metrics) -> None:
    from connector.send.grant_watch import GrantWatch  # noqa: PLC0415 - loads libraries

    enabled = {name for name, account in settings.accounts.items() if account.enabled}
    credentials = [one for one in configured_credentials(settings) if enabled.intersection(one.accounts)]
    if credentials:
        await GrantWatch(credentials, tokens, metrics, settings.tokens.warn, _now).run()


async def _sweep_drafts(
    settings: Settings, routes: list[GraphRoute], mailboxes: GraphMailboxes, ledger: Ledger
) -> None:
    from connector.send.draft_sweep import DraftSweep  # noqa: PLC0415 - loads a library

    enabled = [route for route in routes if settings.accounts[route.account].enabled]
    await DraftSweep(enabled, mailboxes, ledger, _now).run()


def _protector() -> Callable[[], Protector]:
    @cache
    def made() -> Protector:
        from connector.signing.protection import Protector  # noqa: PLC0415 - loads a library

        return Protector(_now)

    return made


def _templates(settings: Settings) -> Callable[[], Templates]:
    @cache
    def made() -> Templates:
        from connector.mailtemplates.render import Templates  # noqa: PLC0415 - loads a library

        return Templates(settings.templates, settings.message.time_zone)

    return made


def _remembering(*maskers: Masker) -> Callable[[str], None]:
    def remember(value: str) -> None:
        for masker in maskers:
            masker.remember(value)

    return remember
