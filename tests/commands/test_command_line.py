"""The command line itself: its version, and what it says of a wrong option."""

from __future__ import annotations

import os
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from connector.cli.main import app
from connector.model import VERSION


def test_the_version_needs_no_command() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output.strip()) == (0, f"smtp-connector {VERSION}")


@pytest.mark.parametrize(
    "command", ["send", "authorize", "engine", "check", "mail-templates preview", "keys show"]
)
def test_help_is_wrapped_at_the_terminal_only(command: str) -> None:
    wide = 80
    result = CliRunner().invoke(
        app, [*command.split(), "--help"], env={"NO_COLOR": "1", "COLUMNS": str(wide)}
    )
    before_options = result.output.partition("╭")[0].strip().split("\n")
    for line, following in pairwise(text.strip() for text in before_options):
        if line and following:
            assert len(f"{line} {following.split()[0]}") > wide - 3, line


def test_settings_at_their_defaults_are_told_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("SMTP_CONNECTOR_", "ZEEBE_", "CAMUNDA_"))]:
        monkeypatch.delenv(name)
    assert CliRunner().invoke(app, ["settings", "--changed"]).output == "Every setting is at its default.\n"


def test_settings_are_shown_as_they_are_written() -> None:
    rows = [line.split() for line in CliRunner().invoke(app, ["settings"]).output.splitlines()]
    assert {value for _, value, *_ in rows if value.lower() in {"true", "false"}} == {"true", "false"}


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
