"""Shared by the commands: options for settings, JSON read from a file, and the end on wrong usage."""

from __future__ import annotations

import json
import os
import re
import sys
from inspect import cleandoc
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

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
        "--set", help="One setting, as worker.max_jobs=64. Wins over all other sources.", metavar="KEY=VALUE"
    ),
]
Address = Annotated[
    str | None,
    typer.Option("--address", help="The engine's gRPC address. Default: ZEEBE_ADDRESS.", metavar="HOST:PORT"),
]


class Commands(TyperGroup):
    """Commands whose help is wrapped at the width of the terminal, not also where a docstring is."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Find a command by its name."""
        command = super().get_command(ctx, cmd_name)
        if command is not None and command.help:
            command.help = re.sub(r"(?<!\n)\n(?!\n)", " ", cleandoc(command.help))
        return command


def commands() -> typer.Typer:
    """Begin a group of commands below the program's own."""
    return typer.Typer(
        cls=Commands,
        no_args_is_help=True,
        rich_markup_mode="rich",
        context_settings={"help_option_names": ["-h", "--help"]},
    )


class UsageError(Exception):
    """The command line cannot be understood."""


def load_settings(config: Path | None, assignments: list[str] | None) -> Loaded:
    """Load the settings; faulty ones end the command as wrong usage, with a line for each fault."""
    from connector.settings.sources import SettingsError, load

    try:
        return load(os.environ, config=config, overrides=overrides(assignments))
    except SettingsError as error:
        wrong_usage(str(error))


def overrides(assignments: list[str] | None, address: str | None = None) -> dict[str, str | None]:
    """Return the settings of the command line, by dotted path."""
    given: dict[str, str | None] = {"engine.address": address}
    for assignment in assignments or []:
        name, found, value = assignment.partition("=")
        if not found:
            # Not quoted: the text that should stand behind the = may be a secret.
            wrong_usage("--set: expected KEY=VALUE, as worker.max_jobs=64")
        given[name.strip()] = value.strip()
    return given


def read_object(file: str, holds: str) -> dict[str, Any]:
    """Read a JSON object in UTF-8.

    Args:
        file: The file's path; ``-`` is standard input.
        holds: The purpose of the object, for the message about another JSON value.

    Raises:
        UsageError: It cannot be read, or is no JSON object.
    """
    return parse_object(read_text(file), "standard input" if file == "-" else file, holds)


def read_text(file: str) -> str:
    """Read a file in UTF-8; ``-`` is standard input.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return read_octets(file).decode("utf-8")
    except UnicodeDecodeError:
        raise UsageError(f"{_named(file)}: not UTF-8 text") from None


def read_octets(file: str) -> bytes:
    """Read a file; ``-`` is standard input.

    Raises:
        UsageError: It cannot be read.
    """
    try:
        return sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except AttributeError:  # there is no standard input
        raise UsageError(f"{_named(file)}: it is closed") from None
    except OSError as error:
        raise UsageError(f"{_named(file)}: cannot read it: {error.strerror}") from None


def _named(file: str) -> str:
    return "standard input" if file == "-" else file


def parse_object(text: str, name: str, holds: str) -> dict[str, Any]:
    """Read a JSON object.

    Args:
        text: Its text.
        name: Where it stands.
        holds: The purpose of the object, for the message about another JSON value.

    Raises:
        UsageError: It is no JSON object.
    """
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers too long and brackets too deep to read
        raise UsageError(
            f"{name}: not valid JSON{_place(error)}; check quotes, commas and brackets"
        ) from None
    if not isinstance(read, dict):
        raise UsageError(f"{name}: expected a JSON object with {holds}")
    return read


def _place(error: Exception) -> str:
    if not isinstance(error, json.JSONDecodeError):
        return ""
    return f" at line {error.lineno}, column {error.colno}"


def wrong_usage(message: str) -> NoReturn:
    """End the command with this message."""
    typer.echo(f"smtp-connector: {message}", err=True)
    raise typer.Exit(WRONG_USAGE)
