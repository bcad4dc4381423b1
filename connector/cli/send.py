"""One mail without an engine: a job made of a JSON file, through the same pipeline as the worker's.

For a modeler who wants to see what a task would send, and for an operator who tries settings.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.cli.json_file import UsageError, read_object
from connector.errors import Reply
from connector.model.envelope import Message
from connector.model.job import Complete, Fail, Job, Outcome, Throw
from connector.model.receipt import Delivery, Receipt
from connector.model.server import Route
from connector.observe.logs import configure_logging
from connector.secrets.masker import Masker
from connector.send.pipeline import open_pipeline
from connector.settings.ledger import LedgerSettings
from connector.settings.model import Settings
from connector.tasks import TASK_TYPES
from connector.transport.port import Committing

_RETRIES = 3  # what a task has that sets none
_LEASE = 3600.0


@dataclass(frozen=True, slots=True)
class Order:
    """What the command line asks for: a job, and where its message goes."""

    job: Job
    dry_run: Path | None

    @classmethod
    def read(
        cls, file: str, task_type: str, headers: tuple[str, ...], key: str | None, dry_run: Path | None
    ) -> Order:
        """Make a job of the command line.

        Raises:
            UsageError: The file is missing or no JSON object, or an option is malformed.
        """
        if task_type not in TASK_TYPES:
            raise UsageError(f"--type {task_type}: expected one of {', '.join(TASK_TYPES)}")
        return cls(
            _job(task_type, _read_headers(headers), read_object(file, "the job's variables"), key), dry_run
        )


class EmlFile:
    """A transport that writes the message to a file, for ``--dry-run``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def submit(self, message: Message, route: Route, committing: Committing) -> Receipt:
        """Write the message as it would be sent along ``route``; an existing file is replaced."""
        await committing(Delivery(message.envelope.recipients))
        try:
            await asyncio.to_thread(self._path.write_bytes, message.data)
        except OSError as error:
            raise UsageError(f"--dry-run {self._path}: {error.strerror}") from None
        reply = Reply(250, f"written to {self._path}, not sent to {route}")
        return Receipt(reply, message.envelope.recipients, transport="file")


def send(order: Order, settings: Settings, environ: Mapping[str, str] = os.environ) -> int:
    """Handle the job and print its outcome as JSON; 0 when the task would be completed.

    Raises:
        UsageError: The file for the dry run cannot be written.
    """
    masker = Masker()
    configure_logging(settings.log, masker)
    for credential in settings.credentials:
        masker.remember(credential)
    outcome = asyncio.run(_handle(order, settings, masker, environ))
    _print(_described(outcome))
    return 0 if isinstance(outcome, Complete) else 1


def _print(described: Mapping[str, Any]) -> None:
    """Write the outcome. A closed or full standard output must not make a mail that was sent look unsent."""
    try:
        print(json.dumps(described, indent=2), flush=True)  # noqa: T201 - the command's output
    except (OSError, ValueError) as error:
        # Python would complain again, and exit with 120, when it flushes what could not be written.
        sys.stdout = None
        with suppress(OSError, ValueError):
            print(f"smtp-connector: the outcome could not be printed: {error}", file=sys.stderr)  # noqa: T201


async def _handle(order: Order, settings: Settings, masker: Masker, environ: Mapping[str, str]) -> Outcome:
    transport = None
    if order.dry_run:  # nothing is sent, so nothing is remembered
        transport = EmlFile(order.dry_run)
        settings = settings.model_copy(update={"ledger": LedgerSettings(kind="memory")})
    async with open_pipeline(settings, masker, environ, transport) as pipeline:
        return await pipeline.handle(order.job)


def _described(outcome: Outcome) -> dict[str, Any]:
    """Give every outcome the same keys, so that a script need not ask which are there."""
    keys = ("variables", "code", "message", "retries", "retryBackoff", "error")
    described: dict[str, Any] = dict.fromkeys(keys) | {"variables": {}}
    match outcome:
        case Complete(variables):
            return {"outcome": "complete", **described, "variables": variables}
        case Throw(code, message, variables):
            thrown = {"variables": variables, "code": code, "message": message}
            return {"outcome": "bpmnError", **described, **thrown}
        case Fail(message, retries, backoff, variables, error):
            failure = {
                "variables": variables,
                "code": error and error["code"],
                "message": message,
                "error": error,
            }
            return {"outcome": "fail", **described, **failure, "retries": retries, "retryBackoff": backoff}


def _job(task_type: str, headers: Mapping[str, str], variables: Mapping[str, Any], key: str | None) -> Job:
    number = secrets.randbits(62)
    return Job(
        key=number,
        type=task_type,
        process_instance_key=number,
        bpmn_process_id="smtp-connector-send",
        process_definition_version=1,
        element_id="send",
        element_instance_key=number,
        headers=headers,
        retries=_RETRIES,
        deadline=time.time() + _LEASE,
        variables=variables if key is None else {**variables, "smtpEmailIdempotencyKey": key},
        tenant_id="<default>",
    )


def _read_headers(assignments: tuple[str, ...]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for assignment in assignments:
        name, found, value = assignment.partition("=")
        if not found or not name.strip():
            raise UsageError(f"--header {assignment}: expected KEY=VALUE, as resultVariable=result")
        headers[name.strip()] = value
    return headers
