"""Check a mailbox behind Microsoft Graph: what the token allows, whether the mailbox is there, a test mail.

The steps before, grant and token, are those of every account with OAuth. A token is read, never verified:
what it names is for people, and the service decides.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from connector.auth.client import claims_of
from connector.auth.port import TokenSource
from connector.auth.sources import TokenSources
from connector.check.findings import CheckStep, Finding, Status
from connector.check.mail_server import Trial, send_test_mail
from connector.check.service_steps import take_steps
from connector.errors import ConnectorError, ErrorCode, Phase
from connector.graph.api import GraphFaultError
from connector.graph.mailboxes import GraphMailboxes
from connector.graph.verdict import refusal
from connector.model.server import GraphRoute
from connector.net.outbound import Outbound
from connector.transport.graph.graph_transport import GraphTransport

_STEPS = (CheckStep.PERMISSIONS, CheckStep.MAILBOX, CheckStep.MAIL)
# What each operation needs at least, and what includes it.
_OPERATIONS: Mapping[str, tuple[str, ...]] = {
    "send": ("Mail.Send",),
    "drafts": ("Mail.ReadWrite",),
    "read": ("Mail.Read", "Mail.ReadWrite"),
    "change": ("Mail.ReadWrite",),
}
_EVERY_MAILBOX = frozenset({"Mail.Send", "Mail.ReadWrite", "Mail.Read"})


async def check_graph(
    route: GraphRoute, trial: Trial, sources: TokenSources, way: Outbound, *, reached: bool
) -> tuple[Finding, ...]:
    """Take the steps in order until one fails; a finding for each, also for those not reached.

    Args:
        route: The mailbox.
        trial: What to try.
        sources: Give tokens.
        way: Which proxy requests go through.
        reached: There is a token.
    """
    if not reached:
        return tuple(map(Finding.not_reached, _STEPS))
    mailboxes = GraphMailboxes(sources.of, way)
    try:
        return await _examined(route, trial, mailboxes, sources.of(route.credential))
    finally:
        await mailboxes.aclose()


async def _examined(
    route: GraphRoute, trial: Trial, mailboxes: GraphMailboxes, tokens: TokenSource
) -> tuple[Finding, ...]:
    try:
        async with asyncio.timeout(trial.seconds):
            claims = claims_of((await tokens.token()).get_secret_value())
    except (ConnectorError, TimeoutError):
        claims = {}
    return await take_steps(
        _STEPS,
        route,
        trial.seconds,
        lambda step: _taken(step, route, trial, mailboxes, claims),
        lambda step, error: _failed(step, error, route),
    )


async def _taken(
    step: CheckStep,
    route: GraphRoute,
    trial: Trial,
    mailboxes: GraphMailboxes,
    claims: Mapping[str, Any],
) -> Finding:
    if step is CheckStep.PERMISSIONS:
        return _permissions(route, claims)
    if step is CheckStep.MAILBOX:
        return await _mailbox(route, mailboxes)
    return await _mail(route, trial, mailboxes)


def _permissions(route: GraphRoute, claims: Mapping[str, Any]) -> Finding:
    """Say what the token allows: a person's in ``scp``, an application's in ``roles``."""
    application = "scp" not in claims
    named = _names(claims.get("roles") if application else claims.get("scp"))
    held = {name.removesuffix(".Shared") for name in named}
    allowed = [operation for operation, names in _OPERATIONS.items() if held & set(names)]
    facts = {"application": application if claims else None, "permissions": named, "operations": allowed}
    if not claims:
        return Finding(CheckStep.PERMISSIONS, Status.SKIPPED, "the token cannot be read", facts=facts)
    missing = [name for name in _wanted(route) if name not in held]
    told = f"{'application' if application else 'delegated'}: {', '.join(named) or 'none for mail'}"
    if application and missing:
        message = f"{told}; where Exchange grants them (RBAC for Applications), the next steps show it"
        return Finding(CheckStep.PERMISSIONS, Status.OK, message, facts=facts)
    if missing:
        fix = f"Add {' and '.join(missing)} to accounts.{route.account}.oauth.scopes, and consent again."
        message = f"{told}; missing: {', '.join(missing)}"
        code = ErrorCode.AUTH_FAILED
        return Finding(CheckStep.PERMISSIONS, Status.FAILED, message, fix, code, facts=facts)
    if application and held & _EVERY_MAILBOX:
        fix = (
            "Limit it with RBAC for Applications (docs/how-to/microsoft-graph.md), and remove the "
            "permissions in Entra; or see to it that the application has no other use."
        )
        message = f"{told}; unless limited, it may send as every mailbox of the tenant"
        return Finding(CheckStep.PERMISSIONS, Status.WARNING, message, fix, facts=facts)
    return Finding(CheckStep.PERMISSIONS, Status.OK, told, facts=facts)


def _wanted(route: GraphRoute) -> tuple[str, ...]:
    return ("Mail.Send", "Mail.ReadWrite") if route.exact else ("Mail.Send",)


async def _mailbox(route: GraphRoute, mailboxes: GraphMailboxes) -> Finding:
    facts = {"mailbox": route.user}
    try:
        await (await mailboxes.api(route)).ask("GET", "/mailFolders/drafts?$select=id")
    except GraphFaultError as fault:
        if fault.status == 403 and not route.exact:
            text = "cannot be seen with Mail.Send alone; --send-to ADDRESS shows whether it sends"
            return Finding(CheckStep.MAILBOX, Status.SKIPPED, text, facts=facts)
        raise refusal(fault, Phase.MAIL, route, "open the mailbox") from fault
    whose = route.user or "that of the person who consented"
    return Finding(CheckStep.MAILBOX, Status.OK, f"{whose} is there", facts=facts)


async def _mail(route: GraphRoute, trial: Trial, mailboxes: GraphMailboxes) -> Finding:
    transport = GraphTransport(mailboxes)
    return await send_test_mail(route, trial, lambda mail: transport.submit(mail, route))


def _failed(step: CheckStep, error: ConnectorError, route: GraphRoute) -> Finding:
    fix = {
        ErrorCode.AUTH_FAILED: "Grant the permissions that docs/how-to/microsoft-graph.md names, and wait: "
        "changes take up to two hours.",
        ErrorCode.SENDER_REJECTED: f"Correct accounts.{route.account}.graph.user or address, or give the "
        "mailbox a licence.",
    }.get(error.code, "Follow the message, then check again.")
    return Finding(step, Status.FAILED, error.message, fix, error.code)


def _names(value: object) -> list[str]:
    """Read ``scp``, a text with blanks, or ``roles``, a list."""
    items = value.split() if isinstance(value, str) else value
    return [item for item in items if isinstance(item, str)] if isinstance(items, list) else []
