"""``docs/reference/commands.md`` and the README's table: every command, with its options and examples.

The pages are generated from the same definitions as ``--help``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import typer

from connector.cli.main import app
from reference_pages.markdown import code, table

_NAME = "smtp-connector"

_PAGE = """\
# Commands

Generated from the program; `--help` after any command shows the same. Unless a command says otherwise, the
exit code is 0 on success, 1 on failure, and 2 if the command line or the settings are wrong.

{commands}"""


def page() -> str:
    """Return the page of all commands."""
    return _PAGE.format(commands="\n".join(_command(path, item) for path, item in _commands()))


def overview() -> str:
    """Return the README's table: each command with its purpose, linked to its section of the page."""
    rows = (
        (f"[`{path}`]({_link(path)})", _text(item.help).partition("\n\n")[0]) for path, item in _commands()
    )
    return table(("Command", "What it does"), rows)


def _commands(command: Any = None, path: str = _NAME) -> Iterator[tuple[str, Any]]:
    """Walk the tree; a group counts as a command if it can run without a subcommand."""
    command = command or typer.main.get_command(app)
    members = getattr(command, "commands", None)
    if members is None or command.invoke_without_command:
        yield path, command
    for name, member in (members or {}).items():
        if not member.hidden:
            yield from _commands(member, f"{path} {name}")


def _command(path: str, command: Any) -> str:
    blocks = [f"## `{path}`", _text(command.help)]
    if rows := [_parameter(parameter) for parameter in command.params if not parameter.hidden]:
        blocks.append(table(("Argument or option", "Meaning", "Default"), rows).rstrip())
    if examples := [line.strip() for line in (command.epilog or "").split("\n\n")[1:]]:
        blocks.append("```sh\n" + "\n".join(examples) + "\n```")
    return "\n\n".join(blocks) + "\n"


def _text(help_text: str) -> str:
    """Return the docstring's paragraphs without the line breaks inside them."""
    return "\n\n".join(" ".join(part.split()) for part in help_text.split("\n\n"))


def _parameter(parameter: Any) -> tuple[str, str, str]:
    default = parameter.default
    plain = isinstance(default, str | int | float) and not isinstance(default, bool)
    return _spelling(parameter), parameter.help or "", code(default) if plain else ""


def _spelling(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = parameter.metavar or parameter.name.upper()
        return code((name if parameter.required else f"[{name}]") + "…" * (parameter.nargs == -1))
    names = ", ".join(code(name) for name in (*parameter.opts, *parameter.secondary_opts))
    value = "" if parameter.is_flag else parameter.metavar or parameter.name.upper()
    return f"{names} {code(value)}".rstrip() + (" (more than once)" if parameter.multiple else "")


def _link(path: str) -> str:
    """Return the link to a command's section, with the anchor that both web views use."""
    return f"docs/reference/commands.md#{path.replace(' ', '-')}"
