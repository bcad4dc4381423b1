"""``smtp-connector --version``."""

from __future__ import annotations

from typer.testing import CliRunner

from connector.cli.main import app
from connector.model import VERSION


def test_the_version_needs_no_command() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert (result.exit_code, result.output.strip()) == (0, f"smtp-connector {VERSION}")
