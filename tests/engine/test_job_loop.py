"""The job loop on an engine."""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyzeebe import ZeebeClient, create_insecure_channel
from pyzeebe.errors import ZeebeBackPressureError
from structlog.testing import capture_logs

from connector.devengine.local import LocalEngine
from connector.engine.grpc import GrpcEngine
from connector.engine.port import EngineUnavailableError, LeaseLostError
from connector.model.job import Complete, Fail, Job, Outcome, Throw
from connector.settings.model import EngineSettings, WorkerSettings
from connector.worker.job_loop import JobLoop

PROCESS = """<?xml version="1.0" encoding="UTF-8"?>
<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL"
             xmlns:zeebe="http://camunda.org/schema/zeebe/1.0" id="d" targetNamespace="test">
  <process id="{id}" isExecutable="true">
    <startEvent id="start"><outgoing>f1</outgoing></startEvent>
    <sequenceFlow id="f1" sourceRef="start" targetRef="send" />
    <serviceTask id="send">
      <extensionElements>
        <zeebe:taskDefinition type="{id}" retries="3" />
        <zeebe:taskHeaders><zeebe:header key="resultVariable" value="=mail" /></zeebe:taskHeaders>
      </extensionElements>
      <incoming>f1</incoming><outgoing>f2</outgoing>
    </serviceTask>
    <boundaryEvent id="refused" attachedToRef="send">
      <extensionElements>
        <zeebe:ioMapping><zeebe:output source="=code" target="code" /></zeebe:ioMapping>
      </extensionElements>
      <outgoing>f3</outgoing><errorEventDefinition errorRef="e" />
    </boundaryEvent>
    <sequenceFlow id="f2" sourceRef="send" targetRef="end" />
    <sequenceFlow id="f3" sourceRef="refused" targetRef="end" />
    <endEvent id="end"><incoming>f2</incoming><incoming>f3</incoming></endEvent>
  </process>
  <error id="e" errorCode="MAIL_REFUSED" />
</definitions>
"""


class Bench:
    """A deployed process whose one task has a type of its own, on one engine."""

    def __init__(self, address: str, client: ZeebeClient, process_id: str) -> None:
        self.address = address
        self.client = client
        self.process_id = process_id

    async def deploy(self, directory: Path) -> None:
        path = directory / f"{self.process_id}.bpmn"
        path.write_text(PROCESS.format(id=self.process_id), encoding="utf-8")
        await self.client.deploy_resource(path)

    async def start(self, number: int = 1, **variables: Any) -> None:
        for _ in range(number):
            await self.client.run_process(self.process_id, variables)

    async def run(self, **variables: Any) -> dict[str, Any]:
        while True:
            try:
                done = await self.client.run_process_with_result(self.process_id, variables, timeout=60_000)
            except ZeebeBackPressureError:
                continue
            return dict(done.variables)

    def settings(self, **changed: Any) -> WorkerSettings:
        # Past the validation: the type is the test's own, so that tests do not take each other's jobs.
        own = {"task_types": (self.process_id,), "poll_interval": timedelta(seconds=1), **changed}
        return WorkerSettings(name="test").model_copy(update=own)

    def engine(self, **changed: Any) -> GrpcEngine:
        return GrpcEngine(EngineSettings(address=self.address), self.settings(**changed))

    async def waiting(self, number: int = 1, *, wait: float = 1.0) -> list[Job]:
        """Take jobs as another worker, until there are so many or none comes for a while."""
        taken: list[Job] = []
        async with self.engine() as engine:
            while len(taken) < number and (more := await engine.activate(self.process_id, 200, wait)):
                taken += more
        return taken

    @asynccontextmanager
    async def working(
        self, handle: Callable[[Job], Awaitable[Outcome]], **changed: Any
    ) -> AsyncIterator[asyncio.Event]:
        """Run a worker; leaving the context, or setting the event, shuts it down."""
        stop = asyncio.Event()
        async with self.engine(**changed) as engine:
            worker = JobLoop(engine, self.settings(**changed), lambda job, hold: handle(job))
            running = asyncio.create_task(worker.run(stop))
            try:
                yield stop
            finally:
                stop.set()
                await running


@pytest.fixture
async def bench(engine_address: str, zeebe: ZeebeClient, process_id: str, tmp_path: Path) -> Bench:
    bench = Bench(engine_address, zeebe, process_id)
    await bench.deploy(tmp_path)
    return bench


@pytest.mark.parametrize("stream", [True, False])
async def test_waiting_and_new_jobs_are_completed(bench: Bench, stream: bool) -> None:
    done, everything = Counter[int](), asyncio.Event()

    async def handle(job: Job) -> Outcome:
        done[job.key] += 1
        if len(done) == 60:
            everything.set()
        return Complete({"mail": {"n": job.variables["n"] + 1, "header": job.headers["resultVariable"]}})

    await bench.start(59, n=1)
    async with bench.working(handle, stream=stream):
        result = await bench.run(n=2**60, text="Grüße")
        await everything.wait()
    assert result == {"n": 2**60, "text": "Grüße", "mail": {"n": 2**60 + 1, "header": "=mail"}}
    assert set(done.values()) == {1}
    assert await bench.waiting() == []


async def test_retries_are_counted_down_with_their_backoff(bench: Bench) -> None:
    attempts = list[tuple[int, float]]()
    now = asyncio.get_running_loop().time

    async def handle(job: Job) -> Outcome:
        attempts.append((job.retries, now()))
        return Complete() if job.retries == 1 else Fail("later", retries=job.retries - 1, backoff=0.5)

    async with bench.working(handle):
        await bench.run()
    assert [retries for retries, _ in attempts] == [3, 2, 1]
    assert attempts[1][1] - attempts[0][1] >= 0.5
    assert attempts[2][1] - attempts[1][1] >= 0.5


async def test_without_retries_there_is_an_incident_and_no_job(bench: Bench) -> None:
    failed = asyncio.Event()

    async def handle(job: Job) -> Outcome:
        failed.set()
        return Fail("smtpEmailSubject: is missing", retries=0)

    await bench.start()
    async with bench.working(handle):
        await failed.wait()
    assert await bench.waiting() == []


async def test_a_thrown_error_is_caught_with_its_variables(bench: Bench) -> None:
    async def handle(job: Job) -> Outcome:
        return Throw("MAIL_REFUSED", "nobody wants it", {"code": 550})

    async with bench.working(handle):
        assert await bench.run() == {"code": 550}


async def test_a_job_is_kept_for_longer_than_its_lease(bench: Bench) -> None:
    began, go_on, seen = asyncio.Event(), asyncio.Event(), list[int]()

    async def handle(job: Job) -> Outcome:
        seen.append(job.key)
        began.set()
        await go_on.wait()
        return Complete()

    running = asyncio.create_task(bench.run())
    async with bench.working(handle, lease=timedelta(seconds=2)):
        await began.wait()
        assert await bench.waiting(wait=5) == []
        go_on.set()
        await running
    assert len(seen) == 1


async def test_a_lease_that_ended_is_known_to_be_lost(bench: Bench) -> None:
    await bench.start()
    async with bench.engine(lease=timedelta(seconds=0.2)) as engine:
        (job,) = await engine.activate(bench.process_id, 1, 5)
        (again,) = await engine.activate(bench.process_id, 1, 30)
        assert again.key == job.key
        await engine.report(again, Complete())
        with pytest.raises(LeaseLostError):
            await engine.extend(job, 60)
        with pytest.raises(LeaseLostError):
            await engine.report(job, Complete())


@pytest.mark.parametrize("variables", [{"text": "x" * 800}, {}], ids=["text", "tiny"])
async def test_what_was_not_begun_goes_back_at_once_with_its_retries(
    bench: Bench, variables: dict[str, Any]
) -> None:
    """Also what lies in the connection: without reading it, up to 300 jobs wait there for their lease."""
    began, two, go_on = list[int](), asyncio.Event(), asyncio.Event()

    async def handle(job: Job) -> Outcome:
        began.append(job.key)
        if len(began) == 2:
            two.set()
        await go_on.wait()
        return Complete()

    async with bench.working(handle, max_jobs=2, lease=timedelta(minutes=10)) as stop:
        await bench.start(100, **variables)
        await two.wait()
        stop.set()
        back = await bench.waiting(98, wait=10)
        go_on.set()
    assert {job.retries for job in back} == {3}
    assert len({job.key for job in back} | set(began)) == 100
    assert len(began) == 2


async def test_a_result_too_large_for_the_engine_is_an_incident(bench: Bench) -> None:
    refused = asyncio.Event()

    async def handle(job: Job) -> Outcome:
        refused.set()
        return Complete({"copy": "x" * int(job.variables["size"])})

    for size in (3_000_000, 6_000_000):
        await bench.start(size=size)
        refused.clear()
        with capture_logs() as logs:
            async with bench.working(handle):
                await refused.wait()
        assert [entry["event"] for entry in logs if entry["event"] == "engine refused the outcome"]
        assert await bench.waiting() == []


async def test_two_workers_do_each_job_once(bench: Bench) -> None:
    done, everything = Counter[int](), asyncio.Event()

    async def handle(job: Job) -> Outcome:
        done[job.key] += 1
        await asyncio.sleep(0.01)
        if len(done) == 100:
            everything.set()
        return Complete()

    async with bench.working(handle), bench.working(handle):
        await bench.start(100)
        await everything.wait()
    assert set(done.values()) == {1}


async def test_an_engine_that_is_killed_and_comes_back_is_waited_for(process_id: str, tmp_path: Path) -> None:
    done, during, go_on = Counter[int](), asyncio.Event(), asyncio.Event()

    async def handle(job: Job) -> Outcome:
        done[job.key] += 1
        during.set()
        await go_on.wait()
        return Complete({"mail": "sent"})

    async with LocalEngine(journal=tmp_path / "journal.jsonl") as local:
        channel = create_insecure_channel(grpc_address=local.grpc_address)
        bench = Bench(local.grpc_address, ZeebeClient(channel), process_id)
        try:
            await bench.deploy(tmp_path)
            # The lease ends while the engine is away: it offers the job again, to us who have it in hand.
            with capture_logs() as logs:
                async with bench.working(handle, lease=timedelta(seconds=3)):
                    await bench.start()
                    await during.wait()
                    os.kill(local.pid, signal.SIGKILL)
                    go_on.set()
                    await local.start()
                    await until_reachable(bench)
                    assert await bench.run() == {"mail": "sent"}
            assert await bench.waiting() == []
        finally:
            await channel.close(None)
    assert list(done.values()) == [1, 1]
    events = Counter(entry["event"] for entry in logs)
    assert events["engine not available, waiting for it"] == 1
    assert events["job reported"] == 2


async def until_reachable(bench: Bench) -> None:
    async with asyncio.timeout(60), bench.engine() as engine:
        while True:
            try:
                await engine.activate(bench.process_id + "-nobody", 1, 0)
            except EngineUnavailableError:
                await asyncio.sleep(0.2)
            else:
                return
