"""The engine goes away: between the server's 250 and the completion, or with many jobs in flight."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable

import pytest

from connector.devengine.local import LocalEngine
from connector.testing.behaviour import Drop, Hold, Say, Verb
from connector.testing.smtp import ReceivedMail
from tests.faults.site import Site
from tests.faults.verdicts import Table
from tests.servers.proxy import Proxy

LONG = [pytest.mark.long, pytest.mark.timeout(400)]
# What the issue of this suite allows until work goes on, in seconds.
BACK_TO_WORK = 30


@pytest.mark.parametrize("seconds", [5, pytest.param(60, marks=LONG)])
@pytest.mark.parametrize("how", [Proxy.cut, Proxy.hold, Proxy.reset], ids=["cut", "silent", "reset"])
async def test_the_engine_is_unreachable_right_after_250(
    site: Site, table: Table, how: Callable[[Proxy], None], seconds: float
) -> None:
    """For longer than the job's lease, so that the engine offers the job again."""
    async with Proxy(site.address) as proxy:
        sent = asyncio.Event()

        def strike(_: ReceivedMail) -> None:
            how(proxy)
            if how is Proxy.reset:
                proxy.hold()  # a reset alone is over at once
            sent.set()

        with table.row("engine unreachable right after 250") as row:
            site.smtp._on_received = strike
            process = await site.deploy()
            async with site.worker(address=proxy.address):
                await site.start(process, ["one"])
                async with asyncio.timeout(20):
                    await sent.wait()
                await asyncio.sleep(seconds)  # the fault itself
                assert site.instance("one").leases_ended > 0
                proxy.mend()
                await site.all_over(BACK_TO_WORK)
            site.judge_completed(row)


@pytest.mark.parametrize("jobs", [60, pytest.param(200, marks=LONG)])
async def test_the_engine_is_killed_with_jobs_in_flight(
    site: Site, table: Table, struck_engine: LocalEngine, jobs: int
) -> None:
    hold = Hold()
    site.smtp.behaviour.on(Verb.DOT, hold)
    with table.row("engine killed and started again, jobs in flight") as row:
        process = await site.deploy()
        async with site.worker({"worker.max_jobs": str(jobs), "smtp.pool.max_connections": str(jobs)}):
            await site.start(process, [f"job {number}" for number in range(jobs)])
            await site.outcomes.until(lambda: len(site.smtp.connections) == jobs, 30)
            await kill_and_restart(struck_engine)
            hold.until.set()
            await site.deploy()  # it takes commands again
            await site.all_over(BACK_TO_WORK)
        site.judge_completed(row)


@pytest.mark.parametrize("errors", [200, pytest.param(1000, marks=LONG)])
async def test_many_transient_errors_in_a_row(site: Site, table: Table, errors: int) -> None:
    for action in (Say(451, "4.3.0 Not now"), Drop()):
        site.smtp.behaviour.on(Verb.MAIL, action, times=errors // 2)
    with table.row("transient errors in a row") as row:
        process = await site.deploy(retries=errors)
        async with site.worker({"worker.retry_backoff": "0.05", "worker.rejection_backoff": "0.05"}):
            await site.start(process, [f"job {number}" for number in range(20)])
            behaviour = site.smtp.behaviour
            await site.outcomes.until(lambda: behaviour.rules[-1].times == 0, 300)
            await site.all_over(BACK_TO_WORK)
        site.judge_completed(row)


async def kill_and_restart(engine: LocalEngine) -> None:
    """Kill the engine (SIGKILL) and start it again, on its journal and its ports; wait until it is ready."""
    os.kill(engine.pid, signal.SIGKILL)
    await engine.start()
