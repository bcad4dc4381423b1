"""The command line.

Exit code 0 means success, 1 failure, 2 wrong usage. Each command imports what it needs when it runs, so that
``--help`` answers at once.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import threading
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, BinaryIO

import typer

from connector.cli import authorize, check, engine, keys, ledger, mail_templates, modeler, send
from connector.cli.options import (
    Address,
    Assignments,
    Commands,
    Config,
    UsageError,
    load_settings,
    overrides,
    read_object,
    wrong_usage,
)
from connector.model import VERSION

if TYPE_CHECKING:
    from connector.demo.scene import Example


class _Commands(Commands):
    """The commands; what is wrong with an option's value is told in the words of the settings."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except typer.BadParameter as error:
            if isinstance(error.__cause__, ValueError) and hasattr(error.__cause__, "errors"):
                from connector.settings.wording import wording

                error.message = wording(error.__cause__.errors()[0])
            raise


app = typer.Typer(
    name="smtp-connector",
    cls=_Commands,
    help="Send mail from BPMN processes on Camunda 8 / Zeebe.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main() -> None:
    """Run the command line (the console script)."""
    app()


def _print_version(version: bool) -> None:
    if version:
        typer.echo(f"smtp-connector {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version),
    ] = False,
) -> None:
    """Read the options before a command."""


@app.command(
    epilog="Examples:\n\n  ZEEBE_ADDRESS=localhost:26500 smtp-connector run\n\n"
    "  smtp-connector run --config worker.yaml --set log.level=debug"
)
def run(
    config: Config = None,
    assignments: Assignments = None,
    address: Address = None,
    processes: Annotated[
        int | None,
        typer.Option(
            "--processes", min=1, help="Worker processes. Default: worker.processes, 1.", metavar="N"
        ),
    ] = None,
    link: Annotated[int | None, typer.Option("--link", hidden=True)] = None,
) -> None:
    """Run the worker: take jobs, send mails, report outcomes, until SIGTERM or Ctrl-C."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until the worker listens to it
    given = overrides(assignments, address)
    if processes is not None:
        given["worker.processes"] = str(processes)
    from connector.settings.sources import SettingsError, load

    read = partial(load, os.environ, config=config, overrides=given)
    try:
        loaded = read()
    except SettingsError as error:
        wrong_usage(str(error))
    if link is None and loaded.settings.worker.processes > 1:
        from connector.worker.processes.supervisor import supervise, worker_command

        code = supervise(loaded.settings, worker_command(config, assignments or (), address))
    else:
        from connector.worker.worker import leave, run_worker

        code = run_worker(loaded, read, link=link)
        if any(not thread.daemon for thread in threading.enumerate()[1:]):
            leave(code)
    raise typer.Exit(code)


app.command(epilog=send.EXAMPLES)(send.send)


@app.command(
    epilog="Examples:\n\n  smtp-connector feel '{id: response.messageId}' --context response.json\n\n"
    '  echo \'{"error": {"code": "AUTH_FAILED"}}\' | '
    "smtp-connector feel 'bpmnError(error.code)' --context -\n\n"
    "  smtp-connector feel -- '-2 ** 2'"
)
def feel(
    expression: Annotated[
        str,
        typer.Argument(help="The expression; after -- if it starts with a minus.", metavar="EXPRESSION"),
    ],
    context: Annotated[
        str | None,
        typer.Option(
            "--context", help="Its variables as a JSON object; - for standard input.", metavar="FILE|-"
        ),
    ] = None,
) -> None:
    """Try a FEEL expression, such as a task's resultExpression or errorExpression.

    Prints the value as JSON; bpmnError, jobError and ignoreError are defined. Exit code 1 when it fails.
    """
    from connector.feel import CONNECTOR_FUNCTIONS, FeelError
    from connector.feel import compile as compile_feel

    try:
        variables = read_object(context, "the variables of the expression") if context is not None else {}
        evaluation = compile_feel(expression).evaluate(variables, functions=CONNECTOR_FUNCTIONS)
    except UsageError as error:
        wrong_usage(str(error))
    except FeelError as error:
        _print(sys.stderr.buffer, f"{error}\n{error.caret()}")
        raise typer.Exit(1) from None
    for warning in evaluation.warnings:
        _print(sys.stderr.buffer, f"warning: {warning}")
    _print(sys.stdout.buffer, json.dumps(evaluation.value, indent=2, ensure_ascii=False))


def _print(stream: BinaryIO, text: str) -> None:
    """Write a line in UTF-8; half of a surrogate pair, which FEEL can cut off, as JSON escapes it."""
    stream.write(f"{text}\n".encode(errors="backslashreplace"))
    stream.flush()


app.command(epilog=authorize.EXAMPLES)(authorize.authorize)
app.command(epilog=check.EXAMPLES)(check.check)
app.command(epilog=modeler.EXAMPLES)(modeler.templates)
app.add_typer(keys.app, name="keys", help="The keys with which mails are signed.")
app.add_typer(mail_templates.app, name="mail-templates", help="Mail templates: see and check them.")
app.add_typer(ledger.app, name="ledger", help="The ledger: the worker's record of the mails it has sent.")

settings_app = typer.Typer(rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(settings_app, name="settings")


@settings_app.callback(
    invoke_without_command=True,
    epilog="Examples:\n\n  smtp-connector settings --changed\n\n"
    "  smtp-connector settings --config worker.yaml --json\n\n"
    "  smtp-connector settings schema > settings.schema.json",
)
def settings(
    context: typer.Context,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    changed: Annotated[
        bool, typer.Option("--changed", help="Leave out the settings that are at their defaults.")
    ] = False,
) -> None:
    """Show the settings in force and the source of each; secrets are masked."""
    if context.invoked_subcommand is not None:
        return
    loaded = load_settings(config, assignments)
    from connector.settings import show

    given = show.as_json if as_json else show.as_table
    typer.echo(given(loaded, changed=changed))


@settings_app.command("schema", epilog="Example:\n\n  smtp-connector settings schema > settings.schema.json")
def settings_schema() -> None:
    """Print a JSON Schema of the settings file, for editors that complete and check it."""
    from connector.settings.show import schema_text

    typer.echo(schema_text(), nl=False)


app.command(epilog=engine.EXAMPLES)(engine.engine)


@app.command(
    epilog="Examples:\n\n  smtp-connector demo\n\n  smtp-connector demo --list\n\n"
    "  smtp-connector demo --example escalation --once"
)
def demo(
    example: Annotated[
        str, typer.Option("--example", help="Example to play; --list names them.", metavar="NAME")
    ] = "notify",
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help="Exit after playing it; the default if standard output is not a terminal.",
        ),
    ] = False,
    only_list: Annotated[bool, typer.Option("--list", help="List the examples and exit.")] = False,
) -> None:
    """Play an example process with an engine, an inbox with a web page, and the worker."""
    from connector.demo import examples

    if only_list:
        typer.echo(examples.listing())
        return
    try:
        found = examples.find(example)
    except examples.UnknownExampleError as error:
        wrong_usage(str(error))
    raise typer.Exit(asyncio.run(_play(found, once=once or not sys.stdout.isatty())))


async def _play(example: Example, *, once: bool) -> int:
    from connector.cli.interrupt import until_interrupted
    from connector.demo.run import demo as run_demo

    played = asyncio.Event()
    await until_interrupted(run_demo(example, played, once=once))
    return 0 if played.is_set() else 1
