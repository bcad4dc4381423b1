"""A bare mail worker in Python: pyzeebe takes the jobs, aiosmtplib sends the mails, sixteen kept connections.

``python -m benchmarks.peers.bare ADDRESS TASK_TYPE JOBS`` prints one line of JSON when so many jobs are
completed: rate and CPU for each. It keeps no ledger and checks nothing, as its peers.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from time import perf_counter, process_time
from typing import Any

import aiosmtplib
from pyzeebe import ZeebeWorker, create_insecure_channel

_AT_A_TIME, _CONNECTIONS = 32, 16


async def main(address: str, task_type: str, jobs: int) -> None:
    logging.disable(logging.WARNING)  # it tells of every moment in which it is full
    channel = create_insecure_channel(grpc_address=address)
    worker = ZeebeWorker(channel, poll_retry_delay=0)
    over, completed = asyncio.Event(), 0
    clients: asyncio.LifoQueue[aiosmtplib.SMTP | None] = asyncio.LifoQueue()
    for _ in range(_CONNECTIONS):
        clients.put_nowait(None)

    @worker.task(  # type: ignore[arg-type]
        task_type=task_type,
        max_running_jobs=_AT_A_TIME,
        max_jobs_to_activate=_AT_A_TIME,
        timeout_ms=60_000,
    )
    async def send(**variables: Any) -> dict[str, Any]:
        client = await clients.get() or await _connected(variables["authentication"])
        await client.send_message(_message(variables))
        clients.put_nowait(client)
        return {"mail": "sent"}

    report: Callable[..., Awaitable[object]] = worker.zeebe_adapter.complete_job

    async def counted(*given: object, **named: object) -> object:
        nonlocal completed
        answer = await report(*given, **named)
        completed += 1
        if completed == jobs:
            over.set()
        return answer

    worker.zeebe_adapter.complete_job = counted  # type: ignore[method-assign, assignment]
    begun, spent = perf_counter(), process_time()
    working = asyncio.create_task(worker.work())
    await over.wait()
    seconds, spent = perf_counter() - begun, process_time() - spent
    print(json.dumps({"jobs_per_second": jobs / seconds, "cpu_ms": spent / jobs * 1000}), flush=True)
    working.cancel()
    await asyncio.wait({working})
    await channel.close(None)


async def _connected(server: dict[str, Any]) -> aiosmtplib.SMTP:
    client = aiosmtplib.SMTP(hostname=server["hostname"], port=int(server["port"]), start_tls=False)
    await client.connect()
    return client


def _message(variables: dict[str, Any]) -> EmailMessage:
    message = EmailMessage()
    message["From"] = variables["smtpEmailMailBoxName"]
    message["To"] = variables["smtpEmailToRecipients"]
    message["Subject"] = variables["smtpEmailSubject"]
    message.set_content(variables["smtpEmailContent"])
    return message


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
