"""The engine is busy, has no leader, ends streams, is late, hands a job out twice, or sends rubbish.

A cluster does all of this by itself, now and then; the development engine does it when a test orders it.
"""

from __future__ import annotations

import asyncio

import pytest

from connector.testing.behaviour import Delay, Hold, Verb
from connector.testing.smtp import ReceivedMail
from tests.faults.site import Site
from tests.faults.verdicts import Table

LONG = [pytest.mark.long, pytest.mark.timeout(600)]


@pytest.mark.parametrize("refusals", [8, pytest.param(100, marks=LONG)])
async def test_back_pressure(site: Site, table: Table, refusals: int) -> None:
    """It refuses polls, streams, extensions and thrown errors, and lets Complete and Fail through."""
    site.smtp.behaviour.on(Verb.DOT, Delay(0.1))
    with table.row("engine pushes back") as row:
        process = await site.deploy()
        await site.start(process, [f"job {number}" for number in range(50)])
        await site.order("back-pressure", refusals)
        async with site.worker():
            await site.all_over(30 + refusals * 5)
        site.judge_completed(row)
        assert site.retries_spent() == []


@pytest.mark.parametrize("seconds", [4, pytest.param(60, marks=LONG)])
async def test_no_leader_right_after_250(site: Site, table: Table, seconds: float) -> None:
    """For longer than the leases, with streams still open: an election, or a gateway that closes."""
    hold = Hold()
    site.smtp.behaviour.on(Verb.DOT, hold)
    with table.row("no partition leader right after 250") as row:
        process = await site.deploy()
        subjects = [f"job {number}" for number in range(10)]
        async with site.worker():
            await site.start(process, subjects)
            await site.outcomes.until(lambda: len(site.smtp.connections) == len(subjects), 30)
            await site.order("no-leader", seconds)
            hold.until.set()
            await site.all_over(seconds + 30)
        site.judge_completed(row)
        assert sum(site.instance(subject).leases_ended for subject in subjects) > 0


async def test_streams_are_ended_again_and_again(site: Site, table: Table) -> None:
    with table.row("job streams ended again and again") as row:
        process = await site.deploy()

        async def end_streams() -> None:
            while True:
                await site.order("drop-streams")
                await asyncio.sleep(0.05)

        async with site.worker():
            ending = asyncio.create_task(end_streams())
            try:
                for number in range(0, 60, 10):
                    await site.start(process, [f"job {number + offset}" for offset in range(10)])
                await site.all_over()
            finally:
                ending.cancel()
        site.judge_completed(row)
        assert site.retries_spent() == []


async def test_leases_end_late(site: Site, table: Table) -> None:
    """A worker is killed; the engine notices seconds after the end of its leases that they are over."""
    hold = Hold()
    site.smtp.behaviour.on(Verb.DATA, hold, times=5)
    with table.row("time-outs noticed late") as row:
        await site.order("late-time-outs", 2)
        try:
            process = await site.deploy()
            subjects = [f"job {number}" for number in range(5)]
            async with site.worker({"worker.lease": "1"}) as worker:
                await site.start(process, subjects)
                async with asyncio.timeout(20):
                    await hold.reached.wait()
                worker.process.kill()
                await worker.ended()
            hold.until.set()
            async with site.worker():
                await site.all_over()
        finally:
            await site.order("late-time-outs", 0)
        site.judge_completed(row)
        assert sum(site.instance(subject).leases_ended for subject in subjects) == len(subjects)


@pytest.mark.parametrize("stream", ["true", "false"], ids=["stream", "poll"])
async def test_the_same_job_is_handed_out_twice(site: Site, table: Table, stream: str) -> None:
    site.smtp.behaviour.on(Verb.DOT, Delay(0.5))
    with table.row("the same job handed out twice") as row:
        process = await site.deploy()
        settings = {"worker.stream": stream, "worker.lease": "30"}
        async with site.worker(settings) as one, site.worker(settings) as other:
            for worker in (one, other):
                await worker.logged("worker ready")
            await site.order("double-activation", 10)
            await site.start(process, [f"job {number}" for number in range(20)])
            await site.all_over()
        site.judge_completed(row)
        assert site.retries_spent() == []


@pytest.mark.parametrize("stream", ["true", "false"], ids=["stream", "poll"])
async def test_a_message_that_cannot_be_decoded(site: Site, table: Table, stream: str) -> None:
    """Its jobs come again when their leases end; the others do not wait for that."""
    with table.row("a message that cannot be decoded") as row:
        process = await site.deploy()
        async with site.worker({"worker.stream": stream}) as worker:
            await worker.logged("worker ready")
            await site.order("undecodable", 2)
            await site.start(process, [f"job {number}" for number in range(10)])
            await site.all_over()
        site.judge_completed(row)
        assert site.retries_spent() == []


async def test_every_mail_once_while_the_engine_stumbles(site: Site, table: Table) -> None:
    """All of it, one fault for each mail that arrives."""
    faults = [("back-pressure", 5.0), ("drop-streams", 1.0), ("double-activation", 2.0), ("no-leader", 0.5)]
    arrived: list[ReceivedMail] = []
    news = asyncio.Event()

    def on_received(mail: ReceivedMail) -> None:
        arrived.append(mail)
        news.set()

    async def stumble() -> None:
        for number in range(20):
            news.clear()
            await news.wait()
            await site.order(*faults[number % len(faults)])

    site.smtp._on_received = on_received
    with table.row("the engine stumbles at each mail") as row:
        process = await site.deploy()
        async with site.worker(), site.worker():
            stumbling = asyncio.create_task(stumble())
            try:
                await site.start(process, [f"job {number}" for number in range(10)])
                await site.order("no-leader", 0)
                await site.all_over(60)
            finally:
                stumbling.cancel()
        site.judge_completed(row)
