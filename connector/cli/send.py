"""``smtp-connector send``: one mail without an engine, to try a task or the settings."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from connector.cli.options import (
    Assignments,
    Config,
    UsageError,
    load_settings,
    parse_object,
    read_text,
    wrong_usage,
)

if TYPE_CHECKING:
    from connector.model.job import Job, Outcome
    from connector.settings.model import Settings

EXAMPLES = (
    "Examples:\n\n  smtp-connector send mail.json --header resultVariable=result\n\n"
    "  echo '{…}' | smtp-connector send - --dry-run -\n\n"
    "  smtp-connector send - < mails.jsonl"
)


def send(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    file: Annotated[
        str,
        typer.Argument(
            help="The job's variables as a JSON object; - for standard input, which may have several, one a "
            "line.",
            metavar="FILE|-",
        ),
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
            "--dry-run",
            help="Write the message to this file, or to standard output (-), and send nothing.",
            metavar="FILE.eml|-",
        ),
    ] = None,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Send a mail, or one for each line of standard input, as the worker would, without an engine.

    Prints the outcome as JSON, the response in the variable of --header resultVariable=NAME (response by
    default, where there is no resultExpression). With lines, prints one outcome a line; a line's key names
    its mail, otherwise its content and position do. Exit code 0 when every task would be completed,
    otherwise 1.
    """
    settings = load_settings(config, assignments).settings
    try:
        task = _Task(task_type, _read_headers(tuple(headers or ())), key)
        code = _send(_mails(file), task, settings, dry_run)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class _Task:
    """What the command line says of every job."""

    type: str
    headers: Mapping[str, str]
    key: str | None

    def job(self, variables: Mapping[str, Any], key: str | None = None) -> Job:
        """Make a job of these variables."""
        from connector.send.direct import job_of

        return job_of(variables, task_type=self.type, headers=self.headers, key=key or self.key)


@dataclass(frozen=True, slots=True)
class _Mails:
    """The variables of each job, and the key of its mail.

    Attributes:
        lines: Whether they came as JSON lines.
    """

    given: tuple[tuple[dict[str, Any], str | None], ...]
    lines: bool


def _mails(file: str) -> _Mails:
    """Read one JSON object, or one a line from standard input.

    Raises:
        UsageError: It is neither; then nothing is sent.
    """
    text = read_text(file)
    name, holds = "standard input" if file == "-" else file, "the job's variables"
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if file != "-" or len(lines) < 2 or not _is_whole(lines[0][1]):
        return _Mails(((parse_object(text, name, holds), None),), lines=False)
    return _Mails(tuple(_line(number, line, f"{name}, line {number}") for number, line in lines), lines=True)


def _is_whole(line: str) -> bool:
    """Whether it is a whole value by itself, and not the beginning of one on several lines."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _line(number: int, line: str, name: str) -> tuple[dict[str, Any], str]:
    variables = parse_object(line, name, "the job's variables")
    key = variables.pop("key", None)
    if key is not None and (not isinstance(key, str) or not key.strip()):
        raise UsageError(f"{name}: key: expected text that names the mail")
    content = json.dumps([number, variables], sort_keys=True)
    return variables, key or hashlib.sha256(content.encode()).hexdigest()


def _read_headers(assignments: tuple[str, ...]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for assignment in assignments:
        name, found, value = assignment.partition("=")
        if not found or not name.strip():
            raise UsageError(f"--header {assignment}: expected KEY=VALUE, as resultVariable=result")
        headers[name.strip()] = value
    if "resultExpression" not in headers:  # what it gives is what there is to see
        headers.setdefault("resultVariable", "response")
    return headers


def _send(mails: _Mails, task: _Task, settings: Settings, dry_run: Path | None) -> int:
    """Handle the jobs and print their outcomes; 0 when every task would be completed.

    Raises:
        UsageError: Options contradict each other, or the file of the dry run cannot be written.
    """
    from connector.tasks import TASK_TYPES

    if task.type not in TASK_TYPES:
        raise UsageError(f"--type {task.type}: expected one of {', '.join(TASK_TYPES)}")
    if mails.lines and (task.key is not None or dry_run is not None):
        raise UsageError("--key and --dry-run are for one mail; a line names its mail by its own key")
    try:
        return asyncio.run(_handled(mails, task, settings, dry_run))
    except OSError as error:
        if dry_run is None:
            raise
        raise UsageError(f"--dry-run {dry_run}: {error.strerror}") from None


async def _handled(mails: _Mails, task: _Task, settings: Settings, dry_run: Path | None) -> int:
    from connector.observe.logs import configure_logging
    from connector.secrets.masker import Masker
    from connector.send.assembly import open_pipeline
    from connector.send.direct import EmlFile
    from connector.settings.ledger import LedgerSettings

    masker = Masker()
    configure_logging(settings.log, masker)
    for credential in settings.confidential:
        masker.remember(credential)
    transport = None
    if dry_run is not None:  # nothing is sent, so nothing is recorded
        transport = EmlFile(None if str(dry_run) == "-" else dry_run)
        settings = settings.model_copy(update={"ledger": LedgerSettings(kind="memory")})
    # The message and the outcome must not be mixed.
    output = sys.stderr if str(dry_run) == "-" else sys.stdout
    code = 0
    async with open_pipeline(settings, masker, os.environ, transport) as pipeline:
        for variables, key in mails.given:
            described = _described(await pipeline.handle(task.job(variables, key)))
            _print(described, output, indent=None if mails.lines else 2)
            code = code if described["outcome"] == "complete" else 1
    return code


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


def _print(described: Mapping[str, Any], output: TextIO | None, indent: int | None) -> None:
    """Write the outcome. A closed or full standard output must not make a sent mail look unsent."""
    try:
        print(json.dumps(described, indent=indent), file=output, flush=True)
    except (OSError, ValueError) as error:
        # Python would complain again, and exit with 120, when it flushes what could not be written.
        sys.stdout = None
        with suppress(OSError, ValueError):
            print(f"smtp-connector: the outcome could not be printed: {error}", file=sys.stderr)  # noqa: T201
