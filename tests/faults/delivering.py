"""A worker's pipeline for one mail of several deliveries, made to die at one marked point.

``python -m tests.faults.delivering`` forks a worker for each line on its standard input, a JSON list: ledger,
port, key, policy, number of recipients and, if it is to die, point and number of times. The worker sends one
mail and gives the outcome; with a point it dies by SIGKILL when it comes there for that time. A fork costs a
tenth of a new interpreter, so that hundreds of kills are a matter of minutes.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from connector.ledger.ledger import Ledger
from connector.ledger.port import Sent
from connector.ledger.progress import Delivered
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.settings.sources import load
from tests.jobs import job

# The points between two operations of the ledger; the wire is the server's to hold up.
POINTS: dict[str, tuple[str, bool, Callable[..., bool]]] = {
    "before the commit": ("committing", True, lambda *_: True),
    "after the commit": ("committing", False, lambda *_: True),
    "before the reply is recorded": ("settle", True, lambda _, what: isinstance(what, Delivered | Sent)),
    "after the reply is recorded": ("settle", False, lambda _, what: isinstance(what, Delivered | Sent)),
}


def die_at(point: str, number: int) -> None:
    """Have the process die when the ledger comes to a point for this time."""
    name, before, here = POINTS[point]
    method: Callable[..., Awaitable[Any]] = getattr(Ledger, name)
    times = 0

    async def trapped(self: Ledger, *args: Any) -> Any:
        nonlocal times
        times += here(*args)
        fatal = here(*args) and times == number
        if fatal and before:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await method(self, *args)
        if fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    @functools.wraps(method)
    def begun(self: Ledger, *args: Any) -> Awaitable[Any]:
        return asyncio.ensure_future(trapped(self, *args))  # not each caller waits

    setattr(Ledger, name, begun)


async def main(place: str, port: int, key: str, policy: str, recipients: int) -> None:
    """Send the mail."""
    where = {"ledger.url": place, "ledger.kind": "postgres"} if "://" in place else {"ledger.path": place}
    given = {**where, "ledger.uncertain": policy, "worker.lease": "0.2", "ledger.max_crashes": "1000"}
    variables = {
        "authentication": {"hostname": "127.0.0.1", "port": port},
        "smtpEmailMailBoxName": "a@x.example",
        "smtpEmailToRecipients": [f"r{number}-{key}@x.example" for number in range(recipients)],
        "smtpEmailSubject": key,
        "smtpEmailContent": "Hello.",
        "smtpEmailIdempotencyKey": key,
    }
    async with open_pipeline(load({}, overrides=given).settings, Masker(), {}) as pipeline:
        outcome = await pipeline.handle(job(variables, retries=3))
    print(json.dumps([type(outcome).__name__, dict(outcome.variables), getattr(outcome, "message", "")]))  # noqa: T201


def deliver(place: str, port: int, key: str, policy: str, recipients: int, *trap: Any) -> None:
    """Be the worker."""
    if trap:
        die_at(*trap)
    asyncio.run(main(place, port, key, policy, recipients))
    sys.stdout.flush()


def serve() -> None:
    """Fork the workers one by one: tell each process id, then its exit code and what it printed."""
    for line in sys.stdin:
        reading, writing = os.pipe()
        worker = os.fork()
        if worker == 0:
            os.dup2(writing, sys.stdout.fileno())
            os.close(writing)
            os.close(reading)
            code = 1
            try:
                deliver(*json.loads(line))
                code = 0
            finally:
                os._exit(code)
        os.close(writing)
        print(worker, flush=True)  # noqa: T201
        with os.fdopen(reading) as output:
            printed = output.read()
        _, status = os.waitpid(worker, 0)
        print(json.dumps([os.waitstatus_to_exitcode(status), printed]), flush=True)  # noqa: T201


if __name__ == "__main__":
    serve()
