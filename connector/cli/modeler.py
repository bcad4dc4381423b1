"""``smtp-connector templates``: write the element templates where a modeler finds them, or compare them.

A directory enters; files, or an exit code that says whether they are up to date, leave.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

from connector.cli.json_file import UsageError
from connector.modeler.generate import pages


def write(directory: Path, documentation: str | None) -> int:
    """Write the templates and print their paths; 0.

    Args:
        directory: Where to; made if it is not there.
        documentation: The URL that their book icon leads to.

    Raises:
        UsageError: No such directory can be made or written to, or the URL is none.
    """
    texts = _pages(documentation)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (directory / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--output: {directory}: {error.strerror}") from None
    _tell(directory, texts, "")
    return 0


def check(directory: Path, documentation: str | None) -> int:
    """Print the files that are not what :func:`write` would write; 0 when there is none, otherwise 1.

    Raises:
        UsageError: The URL is none.
    """
    texts = _pages(documentation)
    stale = [name for name, text in texts.items() if _text(directory / name) != text]
    _tell(directory, stale, " is not up to date")
    return 1 if stale else 0


def _pages(documentation: str | None) -> dict[str, str]:
    # The official schema's rule; a modeler drops a template that breaks it.
    if documentation is not None and not re.match(r"https?://.", documentation):
        raise UsageError("--documentation: expected a URL, as https://docs.example.com/mail")
    return pages(documentation)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError):
        return None


def _tell(directory: Path, names: dict[str, str] | list[str], what: str) -> None:
    sys.stdout.writelines(f"{directory / name}{what}\n" for name in names)
