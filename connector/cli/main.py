"""The command line: what an operator types.

Arguments enter, an exit code leaves: 0 it worked, 1 it did not, 2 wrong usage. Everything heavy is imported
inside the command that needs it, so that ``--help`` answers at once.
"""

from __future__ import annotations

import os
import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from connector.cli import check as check_command
from connector.cli.options import Address, Assignments, Config, load_settings, overrides, wrong_usage
from connector.model import VERSION

app = typer.Typer(
    name="smtp-connector",
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


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True)
    ] = False,
) -> None:
    if version:
        typer.echo(f"smtp-connector {VERSION}")
        raise typer.Exit


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
        from connector.worker.worker import run_worker

        code = run_worker(loaded, read, link=link)
    raise typer.Exit(code)


@app.command(
    epilog="Examples:\n\n  smtp-connector send mail.json --header resultVariable=result\n\n"
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

    Prints the outcome as JSON. Exit code 0 when the task would be completed, 1 when not.
    """
    loaded = load_settings(config, assignments)
    from connector.cli import send
    from connector.cli.json_file import UsageError

    try:
        order = send.Order.read(file, task_type, tuple(headers or ()), key, dry_run)
        code = send.send(order, loaded.settings)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)


@app.command(
    epilog="Examples:\n\n  smtp-connector feel '{id: response.messageId}' --context response.json\n\n"
    '  echo \'{"error": {"code": "AUTH_FAILED"}}\' | '
    "smtp-connector feel 'bpmnError(error.code)' --context -\n\n"
    "  smtp-connector feel -- '-2 ** 2'"
)
def feel(
    expression: Annotated[
        str,
        typer.Argument(help="The expression; behind -- when it begins with a minus.", metavar="EXPRESSION"),
    ],
    context: Annotated[
        str | None,
        typer.Option(
            "--context", help="Its variables as a JSON object; - for standard input.", metavar="FILE|-"
        ),
    ] = None,
) -> None:
    """Try a FEEL expression, such as a task's resultExpression or errorExpression.

    Prints the value as JSON, with bpmnError, jobError and ignoreError at hand. Exit code 1 when it fails.
    """
    from connector.cli.feel import try_expression
    from connector.cli.json_file import UsageError

    try:
        code = try_expression(expression, context)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)


settings_app = typer.Typer(rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]})
app.add_typer(settings_app, name="settings")


@settings_app.callback(
    invoke_without_command=True,
    epilog="Examples:\n\n  smtp-connector settings\n\n  smtp-connector settings --config worker.yaml --json"
    "\n\n  smtp-connector settings schema > settings.schema.json",
)
def settings(
    context: typer.Context,
    config: Config = None,
    assignments: Assignments = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON in place of a table.")] = False,
) -> None:
    """Show the settings in force and where each comes from; secrets are masked."""
    if context.invoked_subcommand is not None:
        return
    loaded = load_settings(config, assignments)
    from connector.settings import show

    typer.echo(show.as_json(loaded) if as_json else show.as_table(loaded))


@settings_app.command("schema", epilog="Example:\n\n  smtp-connector settings schema > settings.schema.json")
def settings_schema() -> None:
    """Print a JSON Schema of the settings file, with which an editor completes and checks it."""
    from connector.settings.show import schema_text

    typer.echo(schema_text(), nl=False)


app.command(epilog=check_command.EXAMPLES)(check_command.check)

ledger_app = typer.Typer(
    no_args_is_help=True, rich_markup_mode="rich", context_settings={"help_option_names": ["-h", "--help"]}
)
app.add_typer(ledger_app, name="ledger", help="What the worker remembers of the mails it has sent.")


@ledger_app.command(
    "show",
    epilog="Examples:\n\n  smtp-connector ledger show --state uncertain\n\n"
    "  smtp-connector ledger show '<default>/instance:2251799813685301' --json",
)
def ledger_show(  # noqa: PLR0913, PLR0917 - each parameter is an option of the command
    key: Annotated[
        str | None,
        typer.Argument(help="The key of one mail, as logs and this command show it.", metavar="[KEY]"),
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            help="Only mails in this state: attempting, released, committing, sent, uncertain, acknowledged.",
            metavar="STATE",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the latest first.")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with each recorded response.")] = False,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Show what is remembered of one mail, or of the latest ones. Exit code 1 when there is no such mail."""
    loaded = load_settings(config, assignments)
    from connector.cli import ledger
    from connector.cli.json_file import UsageError

    try:
        code = ledger.show(loaded.settings.ledger, key, state, limit, as_json=as_json)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)


@ledger_app.command(
    "prune",
    epilog="Examples:\n\n  smtp-connector ledger prune\n\n  smtp-connector ledger prune --older-than P7D",
)
def ledger_prune(
    older_than: Annotated[
        str | None,
        typer.Option(
            help="Forget what has not changed for so long, in seconds or as P7D. Default: ledger.retention.",
            metavar="DURATION",
        ),
    ] = None,
    doubtful: Annotated[
        bool,
        typer.Option(
            "--doubtful",
            help="Also mails of which nobody knows whether they were sent: they may go again.",
        ),
    ] = False,
    config: Config = None,
    assignments: Assignments = None,
) -> None:
    """Forget mails of long ago; a running worker does so every hour by itself."""
    loaded = load_settings(config, assignments)
    from connector.cli import ledger
    from connector.cli.json_file import UsageError

    try:
        age = ledger.duration(older_than, loaded.settings.ledger.retention)
        code = ledger.prune(loaded.settings.ledger, age, doubtful=doubtful)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)


@app.command(
    epilog="Examples:\n\n  smtp-connector templates --output .camunda/element-templates\n\n"
    "  smtp-connector templates --check"
)
def templates(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Where to; a modeler's directory for templates.", metavar="DIR"),
    ] = Path("element-templates"),
    documentation: Annotated[
        str | None,
        typer.Option("--documentation", help="Page that the templates link to.", metavar="URL"),
    ] = None,
    only_check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 when a file is not up to date.")
    ] = False,
) -> None:
    """Write the element templates, which let a modeler fill in a send task."""
    from connector.cli import modeler
    from connector.cli.json_file import UsageError

    try:
        code = (modeler.check if only_check else modeler.write)(output, documentation)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)


@app.command(epilog="Example:\n\n  smtp-connector engine")
def engine() -> None:
    """Run a real Zeebe engine for development, without Docker, until Ctrl-C."""
    from connector.devengine.local import run_engine

    raise typer.Exit(run_engine())


@app.command(
    epilog="Examples:\n\n  smtp-connector demo\n\n  smtp-connector demo --list\n\n"
    "  smtp-connector demo --example escalation --once"
)
def demo(
    example: Annotated[
        str, typer.Option("--example", help="Which example to play; --list names them.", metavar="NAME")
    ] = "notify",
    once: Annotated[
        bool,
        typer.Option(
            "--once",
            help="Exit when it has been played; the default when standard output is no terminal.",
        ),
    ] = False,
    only_list: Annotated[bool, typer.Option("--list", help="Name the examples and exit.")] = False,
) -> None:
    """Show mails from a real process: starts an engine, an inbox with a web page, and the worker."""
    from connector.demo import examples

    if only_list:
        typer.echo(examples.listing())
        return
    try:
        found = examples.find(example)
    except examples.UnknownExampleError as error:
        wrong_usage(str(error))
    from connector.demo.run import demo as run_demo

    raise typer.Exit(run_demo(found, once=once or not sys.stdout.isatty()))
