"""Two workers hold the same job: one sends its mail, the other gives it back and spends no retry."""

from __future__ import annotations

import asyncio
import random
import signal

import pytest

from connector.testing.behaviour import Delay, Hold, Verb
from tests.faults.site import END, RESULT_VARIABLE, UNCERTAIN, Site
from tests.faults.verdicts import Table
from tests.servers.postgres import Postgres

JOBS = [100, pytest.param(1000, marks=[pytest.mark.long, pytest.mark.timeout(900)])]


@pytest.fixture(params=["sqlite", "postgres"])
def shared_ledger(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "sqlite":
        return {}
    postgres: Postgres = request.getfixturevalue("postgres")
    return {"ledger.kind": "postgres", "ledger.url": postgres.create_database()}


@pytest.mark.parametrize("jobs", JOBS)
async def test_leases_end_while_mails_are_sent(
    site: Site, table: Table, shared_ledger: dict[str, str], jobs: int
) -> None:
    """The engine gives jobs to one worker that the other still works on."""
    # The engine looks for ended leases once a second.
    site.smtp.behaviour.on(Verb.DOT, Delay(1)).on(Verb.RCPT, Delay(0.6))
    # Long, so that the worker's own extensions do not undo what the test does to its leases.
    settings = {**shared_ledger, "worker.lease": "10", "smtp.pool.max_connections": "100"}
    subjects = [f"job {number}" for number in range(jobs)]
    with table.row(f"two workers, leases cut short ({shared_ledger.get('ledger.kind', 'sqlite')})") as row:
        process = await site.deploy()
        async with site.worker(settings) as one, site.worker(settings) as other:
            for worker in (one, other):
                await worker.logged("worker ready")
            shortening = asyncio.create_task(end_leases(site, jobs))
            try:
                await site.start(process, subjects)
                await site.all_over(120 + jobs / 5)
            finally:
                shortening.cancel()
        site.judge_completed(row)
        assert site.retries_spent() == []
        assert sum(site.instance(subject).leases_ended for subject in subjects) > jobs // 10


async def end_leases(site: Site, jobs: int) -> None:
    """Have the engine take jobs from whoever works on them, in an order that is the same at every run."""
    chance = random.Random(jobs)
    while True:
        at_work = [s for s in list(site.jobs) if not site.instance(s).over and site.instance(s).job_key]
        for subject in chance.sample(at_work, min(10, len(at_work))):
            job_key = site.instance(subject).job_key
            if job_key is not None and site.instance(subject).leases_ended < 3:
                await site.end_lease(job_key)
        await asyncio.sleep(0.1)


async def test_a_worker_is_stopped_after_the_dot_beyond_its_lease(site: Site, table: Table) -> None:
    """The other one cannot know; when the first wakes up and records the reply, the retry finds it."""
    hold = Hold()
    site.smtp.behaviour.on(Verb.DOT, hold, times=1, keep=True)
    with table.row("a worker stopped beyond its lease, after the dot") as row:
        process = await site.deploy()
        async with site.worker() as stopped:
            await site.start(process, ["one"])
            async with asyncio.timeout(20):
                await hold.reached.wait()
            stopped.process.send_signal(signal.SIGSTOP)
            try:
                async with site.worker():
                    await site.all_over()
                assert site.instance("one").incidents == [UNCERTAIN]
                hold.until.set()
            finally:
                stopped.process.send_signal(signal.SIGCONT)
            # The engine takes no completion while the incident stands.
            await stopped.logged("outcome not taken")
            await site.retry("one")
            await site.all_over()
            job = site.instance("one")
            assert (job.end, job.variables[RESULT_VARIABLE]["duplicate"]) == (END, True)
        site.asked_for.clear()  # the reply was recorded before the person decided
        site.judge_completed(row)
