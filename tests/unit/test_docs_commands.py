"""What the pages tell a reader to type and to write works: command lines and Python."""

from __future__ import annotations

import ast
import importlib
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from connector.cli.main import app
from tests.unit.test_docs import PAGES, blocks

_PROGRAM = "smtp-connector"
_ENDS = {"|", "&&", ";", ">", "<", "2>"}


def _lines() -> Iterator[tuple[str, str]]:
    """Every command line of ours, in blocks and within text, where one may be no more than a name."""
    for name, block in blocks("sh"):
        for line in re.sub(r"([|\\])\n\s*", r"\1 ", block).splitlines():
            yield name, line
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for line in re.findall(rf"`([^`\n]*{_PROGRAM} [^`\n]*)`", text):
            yield page.name, line


def _arguments() -> list[tuple[str, list[str]]]:
    found = []
    for name, line in _lines():
        words = [word.strip("`") for word in shlex.split(line, comments=True)]
        for at, word in enumerate(words):
            if re.fullmatch(rf"(.*bin/)?{_PROGRAM}", word) and not any(
                "…" in later for later in words[at + 1 :]
            ):
                rest = words[at + 1 :]
                end = next((place for place, later in enumerate(rest) if later in _ENDS), len(rest))
                found.append((f"{name}: {line}", rest[:end]))
    return found


def _understand(command: Any, name: str, arguments: list[str]) -> None:
    """Read a command line as the program would, and do nothing; a mistake is a usage error."""
    members = getattr(command, "commands", {})
    if arguments and (member := members.get(arguments[0])):
        _understand(member, f"{name} {arguments[0]}", arguments[1:])
    elif arguments != ["--help"]:
        assert not members or command.invoke_without_command, f"{name} {arguments} is no command"
        if arguments or not command.params or not command.params[0].required:
            command.make_context(name, list(arguments))


def test_every_command_line_of_the_pages_is_understood() -> None:
    command = typer.main.get_command(app)
    lines = _arguments()
    assert len(lines) > 40
    for place, arguments in lines:
        try:
            _understand(command, _PROGRAM, arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the page is named
            pytest.fail(f"{place}: {getattr(error, 'message', error)}")


def test_a_line_with_an_unknown_option_or_command_is_noticed() -> None:
    command = typer.main.get_command(app)
    for wrong in (["feel", "1", "-c", "-"], ["ledger", "shown"], ["send", "--key", "a"]):
        with pytest.raises(Exception, match=r"(?i)no such|missing|no command"):
            _understand(command, _PROGRAM, wrong)


@pytest.mark.parametrize(("page", "source"), blocks("python"))
def test_python_on_a_page_uses_public_names_only(page: str, source: str) -> None:
    tree = ast.fix_missing_locations(
        compile(source, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST)
    )
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    ours = [node for node in imports if (node.module or "").startswith("connector")]
    assert {node.module for node in ours} <= {"connector", "connector.testing"}
    for node in ours:
        exported = importlib.import_module(str(node.module)).__all__
        assert {alias.name for alias in node.names} <= set(exported)
