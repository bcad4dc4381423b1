"""Take the steps of a check of a service with an HTTP API, one after another until one fails.

Steps enter; a finding for each leaves, also for those that were not reached.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace

from connector.check.findings import CheckStep, Finding, Status
from connector.errors import ConnectorError, ErrorCode
from connector.model.server import Route


async def take_steps(
    steps: tuple[CheckStep, ...],
    route: Route,
    seconds: float,
    take: Callable[[CheckStep], Awaitable[Finding]],
    failed: Callable[[CheckStep, ConnectorError], Finding],
) -> tuple[Finding, ...]:
    """Take steps in their order.

    Args:
        steps: All of them.
        route: Named where it is silent.
        seconds: The longest duration of a step.
        take: Takes one.
        failed: Says what an error of one means.
    """
    findings: dict[CheckStep, Finding] = {}
    for step in steps:
        begun = time.monotonic()
        try:
            async with asyncio.timeout(seconds):
                found = await take(step)
        except ConnectorError as error:
            found = failed(step, error)
        except TimeoutError:
            text = f"{route} was silent for longer than --timeout ({seconds:g} s)."
            fix = "Check the network and http.proxy, or try a longer --timeout."
            found = Finding(step, Status.FAILED, text, fix, ErrorCode.CONNECTION_TIMEOUT)
        findings[step] = found
        if found.status is Status.FAILED:
            break
        if found.status is not Status.SKIPPED:
            findings[step] = replace(found, seconds=time.monotonic() - begun)
    return tuple(findings.get(step) or Finding.not_reached(step) for step in steps)
