"""The documentation's search, on a page that is opened as a file: as from an archive, without a server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.person import Person

SETTINGS = Path(__file__).parents[2] / "mkdocs.yml"


@pytest.fixture
def site(tmp_path: Path) -> Path:
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-f", str(SETTINGS), "-d", str(tmp_path)]
    subprocess.run(command, check=True, timeout=300, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    return tmp_path


@pytest.mark.timeout(600)
async def test_the_search_finds_a_page_without_a_server(person: Person, site: Path) -> None:
    await person.open((site / "how-to/errors.html").as_uri())
    assert "Error codes" in await person.search("greylisting")
