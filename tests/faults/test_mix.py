"""Everything at once, at random from a seed: workers die and stall, engine, ledger and mail server fail.

Afterwards every job has completed, thrown its BPMN error or become an incident; none completed without a
copy of its mail, and no mail has two.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import sqlite3
from asyncio.subprocess import Process
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

from connector.testing.behaviour import Action, Delay, Drop, Reset, Rule, Say, Verb
from tests.faults.site import END, UNCERTAIN, Site
from tests.faults.verdicts import Table
from tests.servers.proxy import Proxy

BPMN_ERROR = "REFUSED"
REFUSALS = ("SENDER_REJECTED", "RECIPIENT_REJECTED")
# Faults follow each other after so many seconds; a worker is stopped for longer than its lease.
_PAUSE, _STOPPED = 0.4, 3.0
_BEFORE_THE_DOT = (Verb.CONNECT, Verb.EHLO, Verb.MAIL, Verb.RCPT, Verb.DATA, Verb.CONTENT)
_BREAKS: tuple[Action, ...] = (Drop(), Reset(), Say(451, "4.3.0 Not now"), Say(421, "4.3.2 Bye", close=True))
_SETTINGS = {"ledger.max_crashes": "50", "worker.max_jobs": "8"}


@dataclass(slots=True)
class Chaos:
    """What strikes a site, at random.

    Attributes:
        processes: The workers that run at present, by the proxy that they use.
    """

    site: Site
    proxies: list[Proxy]
    chance: random.Random
    processes: dict[Proxy, Process] = field(default_factory=dict)

    async def strike(self, times: int) -> None:
        """Let so many faults happen, one after the other."""
        faults: list[Callable[[], Awaitable[None]]] = [
            *[self._kill] * 3,
            self._stop,
            *[self._part_from_engine] * 2,
            self._lock_ledger,
            *[self._cut_leases] * 3,
            *[self._break_link] * 6,
            *[self._break_after_the_dot] * 2,
            *[self._refuse] * 2,
        ]
        for _ in range(times):
            await self.chance.choice(faults)()
            await asyncio.sleep(_PAUSE)

    def _worker(self) -> Process | None:
        return self.processes.get(self.chance.choice(self.proxies))

    async def _kill(self) -> None:
        if (worker := self._worker()) is not None and worker.returncode is None:
            worker.kill()

    async def _stop(self) -> None:
        if (worker := self._worker()) is None or worker.returncode is not None:
            return
        worker.send_signal(signal.SIGSTOP)
        await asyncio.sleep(_STOPPED)
        worker.send_signal(signal.SIGCONT)

    async def _part_from_engine(self) -> None:
        proxy = self.chance.choice(self.proxies)
        self.chance.choice((proxy.cut, proxy.hold, proxy.reset))()
        await asyncio.sleep(self.chance.uniform(0.1, _STOPPED))
        proxy.mend()

    async def _lock_ledger(self) -> None:
        with contextlib.closing(
            sqlite3.connect(self.site.directory / "ledger.db", isolation_level=None, timeout=0)
        ) as other:
            with contextlib.suppress(sqlite3.OperationalError):  # a worker was just writing
                other.execute("BEGIN IMMEDIATE")
            await asyncio.sleep(self.chance.uniform(0.1, 1))

    async def _cut_leases(self) -> None:
        site = self.site
        at_work = [
            job for name in site.jobs if not site.instance(name).over and (job := site.instance(name).job_key)
        ]
        for job_key in self.chance.sample(at_work, min(5, len(at_work))):
            await site.end_lease(job_key)

    async def _break_link(self) -> None:
        verb, action = self.chance.choice(_BEFORE_THE_DOT), self.chance.choice(_BREAKS)
        self._misbehave(Rule(verb, action, times=self.chance.randint(1, 5)))

    async def _break_after_the_dot(self) -> None:
        self._misbehave(Rule(Verb.DOT, Drop(), times=1, keep=self.chance.random() < 0.5))

    async def _refuse(self) -> None:
        verb = self.chance.choice((Verb.MAIL, Verb.RCPT, Verb.DOT))
        self._misbehave(Rule(verb, Say(554, "5.0.0 Never"), times=1))

    def _misbehave(self, rule: Rule) -> None:
        """Put a rule before those that hold all the time."""
        self.site.smtp.behaviour.rules.insert(0, rule)


@asynccontextmanager
async def supervised_workers(chaos: Chaos) -> AsyncIterator[None]:
    """Run a worker behind each proxy, and another one whenever it has died."""

    async def supervise(proxy: Proxy) -> None:
        while True:
            async with chaos.site.worker(_SETTINGS, address=proxy.address) as worker:
                chaos.processes[proxy] = worker.process
                await worker.process.wait()

    supervisors = [asyncio.create_task(supervise(proxy)) for proxy in chaos.proxies]
    try:
        yield
    finally:
        for supervisor in supervisors:
            supervisor.cancel()
        await asyncio.wait(supervisors)


@pytest.mark.parametrize(
    ("jobs", "faults"),
    [(100, 25), pytest.param(2000, 600, marks=[pytest.mark.long, pytest.mark.timeout(1800)])],
)
@pytest.mark.parametrize("seed", [4711])
async def test_everything_at_random(site: Site, table: Table, jobs: int, faults: int, seed: int) -> None:
    # So that what strikes a worker often finds a mail between its dot and the reply.
    site.smtp.behaviour.on(Verb.DOT, Delay(0.2), keep=True)
    with table.row(f"random mix, {jobs} jobs, {faults} faults, seed {seed}") as row:
        process = await site.deploy(
            headers={"errorMapping": json.dumps(dict.fromkeys(REFUSALS, BPMN_ERROR))},
            boundaries=[BPMN_ERROR],
            retries=100,
        )
        async with Proxy(site.address) as one, Proxy(site.address) as other:
            chaos = Chaos(site, [one, other], random.Random(seed))
            async with supervised_workers(chaos):
                starting = asyncio.create_task(start_slowly(site, process, jobs, faults))
                await chaos.strike(faults)
                await starting
                site.smtp.behaviour.rules.clear()
                await site.all_over(60 + jobs / 10)
        site.judge(row)
        ends = Counter(site.instance(subject).end for subject in site.jobs)
        assert ends.keys() <= {END, f"caught_{BPMN_ERROR}", None}
        assert ends[END] > jobs / 2, ends
        refused = [subject for subject in site.jobs if site.instance(subject).end not in {END, None}]
        assert [subject for subject in refused if site.copies()[subject]] == []
        incidents = Counter(code for subject in site.jobs for code in site.instance(subject).incidents)
        assert incidents.keys() <= {UNCERTAIN, "MESSAGE_REJECTED"}


async def start_slowly(site: Site, process: str, jobs: int, faults: int) -> None:
    """Spread the jobs over the time of the faults, so that each fault finds some at work."""
    step = max(jobs // faults, 1)
    for first in range(0, jobs, step):
        await site.start(process, [f"job {number}" for number in range(first, min(first + step, jobs))])
        await asyncio.sleep(_PAUSE)
