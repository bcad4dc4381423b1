"""The worker is told to stop, is killed again and again by one job, or meets the same mail twice."""

from __future__ import annotations

import asyncio
import signal

import pytest

from connector.testing.behaviour import Delay, Verb
from tests.engine.processes import Static
from tests.faults.site import END, RESULT_VARIABLE, Site
from tests.faults.verdicts import Table

DEATHS = 3
JOBS = [50, pytest.param(500, marks=[pytest.mark.long, pytest.mark.timeout(600)])]


@pytest.mark.parametrize("jobs", JOBS)
async def test_sigterm_under_load(site: Site, table: Table, jobs: int) -> None:
    site.smtp.behaviour.on(Verb.DOT, Delay(0.4))
    with table.row("SIGTERM under load") as row:
        process = await site.deploy()
        async with site.worker({"worker.max_jobs": "16", "worker.lease": "30"}) as worker:
            await site.start(process, [f"job {number}" for number in range(jobs)])
            await site.smtp.wait_for(jobs // 5, timeout=60)
            worker.process.send_signal(signal.SIGTERM)
            assert await worker.ended() == 0
            assert len(site.smtp.received) < jobs
        async with site.worker():
            await site.all_over(30 + jobs / 5)  # far sooner than the leases would have ended
        site.judge_completed(row)
        assert site.retries_spent() == []


async def test_a_job_that_kills_its_workers(site: Site, table: Table) -> None:
    settings = {"worker.lease": "1", "ledger.max_crashes": str(DEATHS)}
    others = [f"job {number}" for number in range(10)]
    # So that the others are always in hand when the worker dies.
    site.smtp.behaviour.on(Verb.RCPT, Delay(0.3))
    with table.row("a job that kills its worker every time") as row:
        process = await site.deploy()
        await site.start(process, ["poison", *others])
        deaths = 0
        over = asyncio.create_task(site.all_over(90))
        while not over.done():
            async with site.worker(settings, die_at="poison") as worker:
                died = asyncio.create_task(worker.process.wait())
                await asyncio.wait({over, died}, return_when=asyncio.FIRST_COMPLETED)
                deaths += died.done()
                died.cancel()
        await over
        site.judge(row)
        assert (deaths, site.instance("poison").incidents) == (DEATHS, ["WORKER_CRASHED"])
        assert [site.instance(subject).end for subject in others] == [END] * len(others)
        assert site.copies() == dict.fromkeys(others, 1)


async def test_the_same_key_twice(site: Site, table: Table) -> None:
    with table.row("the same idempotency key twice") as row:
        process = await site.deploy({"smtpEmailIdempotencyKey": "order-4711", "smtpEmailSubject": "Order"})
        async with site.worker():
            for name, content in (("first", "Thanks."), ("again", "Thanks."), ("other", "Other.")):
                await site.start(process, [name], content=content)
                await site.all_over()
        first, again, other = (site.instance(name) for name in ("first", "again", "other"))
        copies = len(site.smtp.received)
        row.runs += 3
        row.twice += copies > 1
        assert (first.end, again.end, copies) == (END, END, 1)
        response = first.variables[RESULT_VARIABLE]
        assert response["duplicate"] is False
        assert again.variables[RESULT_VARIABLE] == {**response, "duplicate": True}
        assert other.incident is not None
        assert other.incident.message.startswith(
            "INVALID_INPUT: smtpEmailIdempotencyKey: another mail was sent"
        )


async def test_the_same_key_at_the_same_time(site: Site, table: Table) -> None:
    """Many jobs for one mail, in two workers: one sends, the others wait for it without spending a retry."""
    site.smtp.behaviour.on(Verb.DOT, Delay(0.3))
    key = {"smtpEmailIdempotencyKey": Static("=content"), "smtpEmailSubject": "Order"}
    with table.row("the same idempotency key at the same time") as row:
        process = await site.deploy(key)
        async with site.worker(), site.worker():
            await site.start(process, [f"job {number}" for number in range(10)])
            await site.all_over()
        responses = [site.instance(name).variables[RESULT_VARIABLE] for name in site.jobs]
        row.runs += len(site.jobs)
        row.twice += len(site.smtp.received) > 1
        assert len(site.smtp.received) == 1
        assert sorted(response["duplicate"] for response in responses) == [False] + [True] * 9
        assert site.retries_spent() == []
