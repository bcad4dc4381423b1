"""``smtp-connector send``: one mail without an engine, to try a task or the settings."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connector.cli.options import Assignments, Config, UsageError, load_settings, read_object, wrong_usage

if TYPE_CHECKING:
    from connector.model.job import Job, Outcome
    from connector.settings.model import Settings

EXAMPLES = (
    "Examples:\n\n  smtp-connector send mail.json --header resultVariable=result\n\n"
    "  echo '{…}' | smtp-connector send - --dry-run mail.eml"
)


def send(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    file: Annotated[
        str,
        typer.Argument(help="The job's variables as a JSON object; - for standard input.", metavar="FILE|-"),
    ],
    task_type: Annotated[
        str, typer.Option("--type", help="Task type to send as.", metavar="TASK_TYPE")
    ] = "smtp-connector:send:1",
    headers: Annotated[
        list[str] | None,
        typer.Option("--header", help="A task header, as resultVariable=result.", metavar="KEY=VALUE"),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            "--key", help="Names the mail: the same key gives the same Message-ID. Default: random."
        ),
    ] = None,
    dry_run: Annotated[
        Path | None,
        typer.Option(
            "--dry-run", help="Write the message to this file and send nothing.", metavar="FILE.eml"
        ),
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Send one mail through the same pipeline as the worker, without an engine.

    Prints the outcome as JSON. Exit code 0 when the task would be completed, otherwise 1.
    """
    settings = load_settings(config, assignments).settings
    try:
        job = _job(file, task_type, tuple(headers or ()), key)
        code = _send(job, settings, dry_run)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)


def _job(file: str, task_type: str, headers: tuple[str, ...], key: str | None) -> Job:
    from connector.send.direct import job_of
    from connector.tasks import TASK_TYPES

    if task_type not in TASK_TYPES:
        raise UsageError(f"--type {task_type}: expected one of {', '.join(TASK_TYPES)}")
    variables = read_object(file, "the job's variables")
    return job_of(variables, task_type=task_type, headers=_read_headers(headers), key=key)


def _read_headers(assignments: tuple[str, ...]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for assignment in assignments:
        name, found, value = assignment.partition("=")
        if not found or not name.strip():
            raise UsageError(f"--header {assignment}: expected KEY=VALUE, as resultVariable=result")
        headers[name.strip()] = value
    return headers


def _send(job: Job, settings: Settings, dry_run: Path | None) -> int:
    """Handle the job and print its outcome; 0 when the task would be completed.

    Raises:
        UsageError: The file of the dry run cannot be written.
    """
    try:
        outcome = asyncio.run(_handled(job, settings, dry_run))
    except OSError as error:
        if dry_run is None:
            raise
        raise UsageError(f"--dry-run {dry_run}: {error.strerror}") from None
    described = _described(outcome)
    _print(described)
    return 0 if described["outcome"] == "complete" else 1


async def _handled(job: Job, settings: Settings, dry_run: Path | None) -> Outcome:
    from connector.observe.logs import configure_logging
    from connector.secrets.masker import Masker
    from connector.send.direct import EmlFile
    from connector.send.pipeline import open_pipeline
    from connector.settings.ledger import LedgerSettings

    masker = Masker()
    configure_logging(settings.log, masker)
    for credential in settings.credentials:
        masker.remember(credential)
    transport = None
    if dry_run is not None:  # nothing is sent, so nothing is recorded
        transport = EmlFile(dry_run)
        settings = settings.model_copy(update={"ledger": LedgerSettings(kind="memory")})
    async with open_pipeline(settings, masker, os.environ, transport) as pipeline:
        return await pipeline.handle(job)


def _described(outcome: Outcome) -> dict[str, Any]:
    """Give every outcome the same keys, so that a script need not ask which are there."""
    from connector.model.job import Complete, Fail, Throw

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


def _print(described: Mapping[str, Any]) -> None:
    """Write the outcome. A closed or full standard output must not make a sent mail look unsent."""
    try:
        print(json.dumps(described, indent=2), flush=True)  # noqa: T201 - the command's output
    except (OSError, ValueError) as error:
        # Python would complain again, and exit with 120, when it flushes what could not be written.
        sys.stdout = None
        with suppress(OSError, ValueError):
            print(f"smtp-connector: the outcome could not be printed: {error}", file=sys.stderr)  # noqa: T201
