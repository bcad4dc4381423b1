"""``smtp-connector templates``: write the element templates where a modeler finds them, or compare them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.options import UsageError, wrong_usage

EXAMPLES = (
    "Examples:\n\n  smtp-connector templates --output .camunda/element-templates\n\n"
    "  smtp-connector templates --check"
)


def templates(
    output: Annotated[
        Path,
        typer.Option("--output", "-o", help="Directory to write to, such as a modeler's.", metavar="DIR"),
    ] = Path("element-templates"),
    documentation: Annotated[
        str | None,
        typer.Option("--documentation", help="Page that the templates link to.", metavar="URL"),
    ] = None,
    only_check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit code 1 when a file is not up to date.")
    ] = False,
) -> None:
    """Write the element templates, with which a modeler fills in the tasks."""
    try:
        code = (_compare if only_check else _write)(output, documentation)
    except UsageError as error:
        wrong_usage(str(error))
    raise typer.Exit(code)


def _write(directory: Path, documentation: str | None) -> int:
    texts = _pages(documentation)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (directory / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output: {directory}: {error.strerror}") from None
    _list(directory, texts, "")
    return 0


def _compare(directory: Path, documentation: str | None) -> int:
    texts = _pages(documentation)
    stale = [name for name, text in texts.items() if _text(directory / name) != text]
    _list(directory, stale, " is not up to date")
    return 1 if stale else 0


def _pages(documentation: str | None) -> dict[str, str]:
    from connector.modeler.generate import pages

    # The official schema's rule; a modeler drops a template that breaks it.
    if documentation is not None and not re.match(r"https?://.", documentation):
        raise UsageError("--documentation: expected a URL, as https://docs.example.com/mail")
    return pages(documentation)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return None


def _list(directory: Path, names: Iterable[str], remark: str) -> None:
    for name in names:
        typer.echo(f"{directory / name}{remark}")
