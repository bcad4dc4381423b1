"""The command line itself: its version, and what it says of a wrong option."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from connector.cli.main import app
from connector.model import VERSION


def test_the_version_needs_no_command() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output.strip()) == (0, f"smtp-connector {VERSION}")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--processes", "x"], "'--processes': expected a whole number"),
        (["run", "--processes", "0"], "'--processes': expected 1 or more"),
        (["check", "--timeout", "x"], "'--timeout': expected a number"),
        (["engine", "--version", "7"], "'--version': '7' is not one of"),
    ],
)
def test_a_wrong_value_of_an_option_is_told_in_our_words(arguments: list[str], words: str) -> None:
    result = CliRunner().invoke(app, arguments, env={"NO_COLOR": "1", "COLUMNS": "120"})
    assert (result.exit_code, words in result.output) == (2, True)
    assert "nput should" not in result.output
