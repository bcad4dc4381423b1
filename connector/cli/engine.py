"""``smtp-connector engine``: the development engine in the foreground, until SIGINT or SIGTERM.

The lines on standard output, of which the first is ``ZEEBE_ADDRESS=host:port``, are environment variables for
workers and clients; what is for people goes to standard error.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from connector.devengine.process import Listen
    from connector.devengine.service import Options

EXAMPLES = (
    "Examples:\n\n  smtp-connector engine\n\n"
    "  smtp-connector engine --port 26500 --rest-port 8080 --journal engine.jsonl\n\n"
    "  smtp-connector engine --version 8.8"
)
_FOR_DEVELOPMENT = (
    "A development engine that speaks the Zeebe gateway protocol: for development and tests, not for\n"
    "production. One process in memory, without users, tenants, a cluster or a web page. DMN, forms and the\n"
    "user-task API are not part of it: a diagram that needs them is refused at deployment."
)


def engine(
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="The gRPC gateway's port; 0 takes a free one.")
    ] = 0,
    rest_port: Annotated[
        int, typer.Option("--rest-port", min=0, max=65535, help="The REST API's port; 0 takes a free one.")
    ] = 0,
    journal: Annotated[
        Path | None,
        typer.Option(
            "--journal",
            help="Keep the accepted commands in this file and replay them at the next start.",
            metavar="FILE",
        ),
    ] = None,
    version: Annotated[
        Literal["8.6", "8.8"],
        typer.Option("--version", help="The version to imitate where versions differ."),
    ] = "8.6",
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help="The address to listen on. There are no passwords: change it only inside a container.",
        ),
    ] = "127.0.0.1",
) -> None:
    """Run a development engine that speaks the Zeebe gateway protocol, until Ctrl-C.

    It is for development and tests: one process in memory, which runs BPMN processes, their jobs, messages,
    timers and incidents. It has no users, tenants, cluster, DMN, forms, user-task API or web page.
    """
    from connector.devengine.process import Listen
    from connector.devengine.service import Options

    raise typer.Exit(_run(Options(version, journal), Listen(host, port, rest_port)))


def _run(options: Options, listen: Listen) -> int:
    """Run the engine; 0 once interrupted, 1 when it cannot be started."""
    from rich.console import Console
    from rich.markup import escape

    from connector.cli.interrupt import until_interrupted
    from connector.devengine.journal import JournalError

    notes = Console(stderr=True, highlight=False, soft_wrap=True)
    try:
        asyncio.run(until_interrupted(_serve(options, listen, notes)))
    except (JournalError, OSError) as error:
        notes.print(f"[red]✗[/] {escape(str(error))}")
        return 1
    return 0


async def _serve(options: Options, listen: Listen, notes: Console) -> None:
    from connector.devengine.process import serving

    notes.print(_FOR_DEVELOPMENT)
    async with serving(options, listen) as (at, service):
        typer.echo(f"ZEEBE_ADDRESS={at.host}:{at.grpc}")
        typer.echo(f"ZEEBE_REST_ADDRESS=http://{at.host}:{at.rest}")
        # Keys count from the first again in an engine that starts anew: without a name of its own, they would
        # be in the worker's ledger from the last time.
        typer.echo(f"SMTP_CONNECTOR_ENGINE_NAME=development-{service.seed:x}")
        kept = f"{options.journal} keeps its state" if options.journal else "its data goes then"
        notes.print(
            "The engine is ready. Give these lines to a worker or client as environment variables.\n"
            f"It stops with Ctrl-C; {kept}."
        )
        await asyncio.Event().wait()
