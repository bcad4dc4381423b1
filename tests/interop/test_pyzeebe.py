"""pyzeebe's own client and worker against the engine: clients that are not ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pyzeebe import Job, JobController, ZeebeClient, ZeebeWorker, create_insecure_channel
from pyzeebe.errors import ProcessDefinitionNotFoundError, ProcessInvalidError

from tests.engine.processes import send_process

_TIMEOUT = 30


@pytest.fixture
async def deployed(zeebe: ZeebeClient, process_id: str, tmp_path: Path) -> str:
    """A process whose one task has the process's id as its type; it catches REFUSED."""
    file = tmp_path / f"{process_id}.bpmn"
    file.write_bytes(send_process(process_id, process_id, {"n": 1}, {}, boundaries=["REFUSED"]))
    await zeebe.deploy_resource(file)
    return process_id


@asynccontextmanager
async def working(worker: ZeebeWorker) -> AsyncIterator[None]:
    running = asyncio.create_task(worker.work())
    try:
        yield
    finally:
        await worker.stop()
        running.cancel()
        await asyncio.wait({running})


@pytest.fixture
async def channel(engine_address: str) -> AsyncIterator[Any]:
    channel = create_insecure_channel(grpc_address=engine_address)
    yield channel
    await channel.close(None)


@pytest.mark.parametrize("stream", [False, True], ids=["poll", "stream"])
async def test_a_worker_completes_jobs(zeebe: ZeebeClient, channel: Any, deployed: str, stream: bool) -> None:
    worker = ZeebeWorker(channel, stream_enabled=stream, poll_retry_delay=0, request_timeout=1_000)

    @worker.task(task_type=deployed, timeout_ms=10_000, max_running_jobs=8)  # type: ignore[arg-type]
    async def task(n: int) -> dict[str, int]:
        return {"answer": n + 1}

    async with working(worker):
        runs = [zeebe.run_process_with_result(deployed, timeout=20_000) for _ in range(20)]
        results = await asyncio.wait_for(asyncio.gather(*runs), _TIMEOUT)
    assert [result.variables for result in results] == [{"answer": 2}] * 20


@pytest.mark.parametrize("stream", [False, True], ids=["poll", "stream"])
async def test_a_worker_fails_and_throws(
    zeebe: ZeebeClient, channel: Any, deployed: str, stream: bool
) -> None:
    attempts: list[int] = []
    worker = ZeebeWorker(channel, stream_enabled=stream, poll_retry_delay=0, request_timeout=1_000)

    async def on_error(error: Exception, job: Job, controller: JobController) -> None:
        attempts.append(job.retries)
        if job.retries > 1:
            await controller.set_failure_status(str(error), retry_back_off_ms=200)
        else:
            await controller.set_error_status("refused", "REFUSED", {"why": str(error)})

    @worker.task(task_type=deployed, exception_handler=on_error, timeout_ms=10_000)  # type: ignore[arg-type]
    async def task() -> None:
        raise ValueError("no")

    async with working(worker):
        run = zeebe.run_process_with_result(deployed, timeout=20_000)
        result = await asyncio.wait_for(run, _TIMEOUT)
    assert attempts == [3, 2, 1]
    assert result.variables == {"why": "no"}


async def test_the_clients_refusals(zeebe: ZeebeClient, deployed: str, tmp_path: Path) -> None:
    broken = tmp_path / "broken.bpmn"
    broken.write_bytes(send_process("broken", "", {}, {}))
    with pytest.raises(ProcessInvalidError):
        await zeebe.deploy_resource(broken)
    with pytest.raises(ProcessDefinitionNotFoundError):
        await zeebe.run_process(f"{deployed}-nobody")
