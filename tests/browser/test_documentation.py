"""The documentation as a site, on pages opened as files: as from an archive, without a server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.person import Person

SETTINGS = Path(__file__).parents[2] / "mkdocs.yml"
# Those with the widest tables, the longest names and the longest lines.
WIDEST = (
    "reference/settings.html",
    "reference/inputs.html",
    "reference/metrics.html",
    "reference/logs.html",
    "explanation/mail-programs.html",
    "how-to/deploy.html",
)
PHONE, DESKTOP = 390, 1400  # pixels


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "-q", "-f", str(SETTINGS), "-d", str(to)]
    subprocess.run(command, check=True, timeout=300, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"})
    return to


@pytest.mark.timeout(600)
async def test_the_search_finds_a_page_without_a_server(person: Person, site: Path) -> None:
    await person.open((site / "how-to/errors.html").as_uri())
    assert "Error codes" in await person.search("greylisting")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
async def test_nothing_is_cut_off_and_no_name_breaks_inside_a_word(
    person: Person, site: Path, width: int
) -> None:
    await person.resize(width)
    for page in WIDEST:
        await person.open((site / page).as_uri())
        assert (page, await person.sees_cut_off(), await person.sees_broken()) == (page, [], [])


@pytest.mark.timeout(600)
async def test_no_table_has_to_be_scrolled_on_a_desktop(person: Person, site: Path) -> None:
    await person.resize(DESKTOP)
    for page in _pages(site):
        await person.open(page.as_uri())
        assert (page.name, await person.sees_scrolled()) == (page.name, [])


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("width", [PHONE, DESKTOP])
async def test_no_page_is_cut_off(person: Person, site: Path, width: int) -> None:
    await person.resize(width)
    for page in _pages(site):
        await person.open(page.as_uri())
        assert (page.name, await person.sees_cut_off(), await person.sees_broken()) == (page.name, [], [])


def _pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))
