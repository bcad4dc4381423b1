"""A worker's pipeline for one bulk task, to be killed while it sends.

``python -m tests.faults.bulk_job LEDGER PORT RECORDS`` sends a mail for each record and prints the outcome.
"""

from __future__ import annotations

import asyncio
import json
import sys

from connector.secrets.masker import Masker
from connector.send.assembly import open_pipeline
from connector.settings.sources import load
from tests.jobs import job


async def main(ledger: str, port: int, records: int) -> None:
    """Send the mails."""
    variables = {
        "authentication": {"hostname": "127.0.0.1", "port": port},
        "smtpEmailMailBoxName": "a@x.example",
        "smtpEmailRecipientsData": [
            {"key": f"k{number}", "to": f"r{number}@x.example"} for number in range(records)
        ],
        "smtpEmailSubject": "Hello",
        "smtpEmailContent": "Hello.",
    }
    given = {"ledger.path": ledger, "worker.lease": "1", "log.level": "error"}
    async with open_pipeline(load({}, overrides=given).settings, Masker(), {}) as pipeline:
        outcome = await pipeline.handle(job(variables))
    print(json.dumps([type(outcome).__name__, dict(outcome.variables), getattr(outcome, "message", "")]))  # noqa: T201


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
