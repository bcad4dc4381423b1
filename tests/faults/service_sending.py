"""Workers that send mails through a service with an API, each in a process of its own that may be killed.

``python -m tests.faults.service_sending LEDGER ACCOUNT DONE``, the account as JSON, loads all that a worker
needs, and then forks one for each line of keys that it reads: its process id is printed, and that it has
ended. A worker sends the mails of those keys until each is complete; the file DONE gets the keys of those.

What is printed begins a line of its own, since a worker may be killed within one.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from connector.acs import resources  # noqa: F401 - loaded once, before the forks
from connector.graph import mailboxes
from connector.mailbox.graph import graph_mailbox  # noqa: F401 - as above
from connector.model.job import Complete
from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.send.pipeline import Pipeline
from connector.settings.model import Settings
from connector.transport.acs import acs_transport  # noqa: F401 - as above
from connector.transport.graph import graph_transport  # noqa: F401 - as above
from connector.webapi.api import Limits
from tests.jobs import job

_AT_A_TIME = 4
_PAUSE = 0.05


def settings(ledger: str, account: str) -> Settings:
    """Of a worker that soon takes over what another one has left."""
    values = json.loads(account)
    return Settings.model_validate(
        {
            "accounts": {"default": values},
            "ledger": {"path": ledger, "max_crashes": 100_000},
            "worker": {"lease": 0.3},
        }
    )


async def main(configured: Settings, keys: list[str], done: Path) -> None:
    """Send the mails."""
    turns = asyncio.Semaphore(_AT_A_TIME)
    async with open_pipeline(configured, Masker(), {}) as pipeline:

        async def one(key: str) -> None:
            async with turns:
                await until_complete(pipeline, key)
                with done.open("a") as file:
                    file.write(f"{key}\n")

        await asyncio.gather(*map(one, keys))


async def until_complete(pipeline: Pipeline, key: str) -> None:
    """Hand the job out again and again, as an engine does."""
    variables: dict[str, Any] = {
        "smtpEmailToRecipients": ["ada@example.com"],
        "smtpEmailSubject": key,
        "smtpEmailContent": "Hello.",
        "smtpEmailIdempotencyKey": key,
    }
    while not isinstance(outcome := await pipeline.handle(job(variables, retries=3)), Complete):
        print("again:", getattr(outcome, "message", ""), flush=True)  # noqa: T201
        await asyncio.sleep(_PAUSE)  # the lease of a worker that was killed has to end


if __name__ == "__main__":
    place, account, done = sys.argv[1:]
    # A mail that a killed worker has sent is there at once; one that it has not never comes.
    mailboxes.Limits = lambda: Limits(look=0, interval=0)  # type: ignore[attr-defined, misc, assignment]
    configured = settings(place, account)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            asyncio.run(main(configured, line.split(), Path(done)))
            os._exit(0)
        print("\nforked", child, flush=True)  # noqa: T201
        _, status = os.waitpid(child, 0)
        print("\nended", "killed" if os.WIFSIGNALED(status) else status, flush=True)  # noqa: T201
