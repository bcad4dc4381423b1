"""A worker with its pipeline in the test's own event loop, and a process instance to give it work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from pyzeebe import ZeebeClient

from connector.engine.grpc import GrpcEngine
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.settings.sources import load
from connector.worker.job_loop import JobLoop
from tests.engine.processes import send_process

NATIVE = "smtp-connector:send:1"
INFOSYS = "com.infosys.camundaconnectors.email:smtp:1"
RESULT = {"resultVariable": "mail"}


@asynccontextmanager
async def running_worker(
    engine_address: str, environ: Mapping[str, str] | None = None, /, **overrides: str
) -> AsyncIterator[None]:
    """Run a worker until the block ends, with settings as an operator gives them.

    Args:
        environ: Environment variables, secrets among them.
        overrides: Settings as ``worker__max_jobs="1"``.
    """
    environ = dict(environ or {})
    given = {"engine.address": engine_address, "ledger.kind": "memory"}
    given |= {name.replace("__", "."): text for name, text in overrides.items()}
    settings = load(environ, overrides=given).settings
    stop = asyncio.Event()
    async with (
        GrpcEngine(settings.engine, settings.worker) as engine,
        open_pipeline(settings, Masker(), environ) as pipeline,
    ):
        worker = asyncio.create_task(JobLoop(engine, settings.worker, pipeline.handle).run(stop))
        try:
            yield
        finally:
            stop.set()
            await worker


async def start(
    zeebe: ZeebeClient,
    directory: Path,
    inputs: Mapping[str, Any],
    *,
    task_type: str = NATIVE,
    headers: Mapping[str, str] = RESULT,
    retries: int = 3,
    boundaries: Iterable[str] = (),
    subprocesses: Iterable[str] = (),
) -> int:
    """Deploy a process with one send task and start it; the process instance's key.

    The other arguments are those of :func:`tests.engine.processes.send_process`.
    """
    process_id = f"send-{uuid4().hex}"
    file = directory / f"{process_id}.bpmn"
    catching = {"boundaries": boundaries, "subprocesses": subprocesses}
    file.write_bytes(send_process(process_id, task_type, inputs, headers, retries, **catching))
    await zeebe.deploy_resource(str(file))
    return (await zeebe.run_process(process_id)).process_instance_key
