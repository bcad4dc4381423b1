"""What the commands share: the options that name settings, and how a command ends when they are wrong.

Options enter, settings leave. Apart from ``cli``, whose commands may stand in files of their own.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

if TYPE_CHECKING:
    from connector.settings.sources import Loaded

WRONG_USAGE = 2

Config = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="Settings file (YAML). Default: SMTP_CONNECTOR_CONFIG.", metavar="FILE"
    ),
]
Assignments = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="One setting, before all other sources, as worker.max_jobs=64.", metavar="KEY=VALUE"
    ),
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="The engine's gRPC address. Default: ZEEBE_ADDRESS.", metavar="HOST:PORT"),
]


def load_settings(config: Path | None, assignments: list[str] | None) -> Loaded:
    """Read the settings, or end the command as wrong usage with what is wrong with them."""
    from connector.settings.sources import SettingsError, load

    try:
        return load(os.environ, config=config, overrides=overrides(assignments))
    except SettingsError as error:
        wrong_usage(str(error))


def overrides(assignments: list[str] | None, address: str | None = None) -> dict[str, str | None]:
    """What the command line sets, by dotted path."""
    given: dict[str, str | None] = {"engine.address": address}
    for assignment in assignments or []:
        name, found, value = assignment.partition("=")
        if not found:
            # Not quoted: what was meant to stand behind the = may be a secret.
            wrong_usage("--set: expected KEY=VALUE, as worker.max_jobs=64")
        given[name.strip()] = value.strip()
    return given


def wrong_usage(message: str) -> NoReturn:
    """End the command with this message."""
    typer.echo(f"smtp-connector: {message}", err=True)
    raise typer.Exit(WRONG_USAGE)
