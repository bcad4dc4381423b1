"""Check a resource of Azure Communication Services: the login, the sender, a test mail.

Nothing of the service lists the domains that are connected to a resource for those who only send through it,
so that the test mail alone shows whether the sender is one of them.
"""

from __future__ import annotations

from uuid import uuid4

from connector.acs.api import AcsFaultError
from connector.acs.resources import AcsResources
from connector.acs.verdict import refusal
from connector.auth.sources import TokenSources
from connector.check.findings import CheckStep, Finding, Status
from connector.check.mail_server import Trial, send_test_mail
from connector.check.service_steps import take_steps
from connector.errors import ConnectorError, ErrorCode
from connector.model.server import AcsRoute
from connector.net.outbound import Outbound
from connector.transport.acs.acs_transport import AcsTransport

_STEPS = (CheckStep.AUTH, CheckStep.SENDER, CheckStep.MAIL)


async def check_acs(
    route: AcsRoute, trial: Trial, sources: TokenSources, way: Outbound, *, reached: bool
) -> tuple[Finding, ...]:
    """Take the steps in order until one fails; a finding for each, also for those not reached.

    Args:
        route: The resource.
        trial: What to try.
        sources: Give tokens, where the account has no access key.
        way: Which proxy requests go through.
        reached: There is a login.
    """
    if not reached:
        return tuple(map(Finding.not_reached, _STEPS))
    resources = AcsResources(sources.of, way)

    async def take(step: CheckStep) -> Finding:
        if step is CheckStep.AUTH:
            return await _login(route, resources)
        if step is CheckStep.SENDER:
            return _sender(trial)
        transport = AcsTransport(resources)
        return await send_test_mail(route, trial, lambda mail: transport.submit(mail, route))

    try:
        return await take_steps(
            _STEPS, route, trial.seconds, take, lambda step, error: _failed(step, error, route)
        )
    finally:
        await resources.aclose()


async def _login(route: AcsRoute, resources: AcsResources) -> Finding:
    """Ask for a send that there is not: who may not ask is told so."""
    how = "access key" if route.credential is None else "token"
    try:
        await (await resources.api(route)).state(str(uuid4()))
    except AcsFaultError as fault:
        raise refusal(fault, route, "let the login in") from fault
    return Finding(CheckStep.AUTH, Status.OK, f"the {how} is accepted", facts={"mechanism": how})


def _sender(trial: Trial) -> Finding:
    address = trial.sender.address if trial.sender is not None else None
    text = "whether its domain is connected shows in a mail only; --send-to ADDRESS sends one"
    if trial.recipient is not None:
        text = "whether its domain is connected shows in the test mail"
    return Finding(CheckStep.SENDER, Status.SKIPPED, text, facts={"address": address})


def _failed(step: CheckStep, error: ConnectorError, route: AcsRoute) -> Finding:
    place = f"accounts.{route.account}"
    fix = {
        ErrorCode.AUTH_FAILED: "docs/how-to/azure-communication-services.md says where the key is, and which "
        "role an application needs.",
        ErrorCode.SENDER_REJECTED: f"Connect the domain to the resource in Azure, or set {place}.address.",
    }.get(error.code, "Follow the message, then check again.")
    return Finding(step, Status.FAILED, error.message, fix, error.code)
