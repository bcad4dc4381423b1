"""The documentation as a site: a broken link is an error, and it shows what the repository shows."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.unit.test_docs import PAGES, ROOT


def _build(root: Path, to: Path) -> subprocess.CompletedProcess[str]:
    """Build the site; never with `--quiet`, which hides warnings from `--strict` too."""
    settings = str(root / "mkdocs.yml")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", settings, "-d", str(to)]
    environ = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # an advertisement of the theme's
    return subprocess.run(command, capture_output=True, text=True, env=environ, timeout=100, check=False)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("site")
    built = _build(ROOT, to)
    assert built.returncode == 0, built.stderr
    return to


class _Page(HTMLParser):
    """Counts the blocks of an article, and lists what the page loads and links to."""

    _BLOCKS = frozenset({"li", "pre", "table", "tr", "h1", "h2", "h3", "img"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.blocks: Counter[str] = Counter()
        self.loaded: list[str] = []
        self._article = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "article":
            self._article = True
        if tag in ("script", "img", "iframe") and (source := attributes.get("src")):
            self.loaded.append(source)
        if tag == "link" and attributes.get("rel") in ("stylesheet", "icon", "preconnect", "preload"):
            self.loaded.append(attributes.get("href") or "")
        if self._article and tag in self._BLOCKS:
            self.blocks[tag] += 1

    def handle_endtag(self, tag: str) -> None:
        if tag == "article":
            self._article = False


def _as_the_repository_shows(page: Path) -> Counter[str]:
    return _Page(f"<article>{MarkdownIt().enable('table').render(page.read_text('utf-8'))}</article>").blocks


def _place(site: Path, file: Path) -> Path:
    """Where the site has a file of the repository."""
    inside = file.relative_to(ROOT)
    shown = inside.relative_to("docs") if inside.parts[0] == "docs" else "repository" / inside
    return site / (shown.with_suffix(".html") if shown.suffix == ".md" else shown)


def _on_site(site: Path, page: Path) -> _Page:
    path = _place(site, page)
    shown = path.with_name("index.html") if path.stem == "README" else path
    return _Page(shown.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_a_page_has_the_same_lists_tables_and_code_as_in_the_repository(site: Path, page: Path) -> None:
    # The two dialects differ: where one sees a list, the other may see a line of text.
    assert _on_site(site, page).blocks == _as_the_repository_shows(page)


def test_a_list_that_goes_on_after_a_picture_keeps_its_numbers(site: Path) -> None:
    html = _place(site, ROOT / "docs/how-to/install-templates.md").read_text(encoding="utf-8")
    (steps,) = re.findall(
        r"<ol>.*?</ol>", html.partition("Apply a template")[2].partition("</article>")[0], re.DOTALL
    )
    assert steps.count("<img") == 2
    html = _place(site, ROOT / "docs/how-to/google-workspace.md").read_text(encoding="utf-8")
    assert '<ol start="4">' in html


def test_names_in_code_break_between_their_words_only(site: Path) -> None:
    html = "".join(page.read_text(encoding="utf-8") for page in site.rglob("*.html"))
    assert "<code>smtp<wbr>Email<wbr>Subject</code>" in html
    # A bar in a table is escaped for the parser, never for the reader.
    assert "<code>FILE|-</code>" in html
    assert "\\|" not in re.sub(r"<pre>.*?</pre>", "", html, flags=re.DOTALL)
    assert '<code><span class="option">--no</span>-<wbr>engine</code>' in html
    assert "8BITMIME" in html


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    foreign = {
        source
        for html in site.rglob("*.html")
        for source in _Page(html.read_text(encoding="utf-8")).loaded
        if re.match(r"(https?:)?//", source)
    }
    styles = {
        address
        for sheet in site.rglob("*.css")
        for address in re.findall(r"url\(\s*[\"']?((?:https?:)?//[^)]+)", sheet.read_text(encoding="utf-8"))
    }
    assert foreign | styles == set()


def test_what_the_pages_link_to_outside_the_documentation_is_on_the_site(site: Path) -> None:
    linked = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in re.findall(r"\]\((?!https?:)([^)#\s]+)", page.read_text(encoding="utf-8"))
    }
    files = {path for path in linked if path.is_file() and path.suffix != ".md"}
    assert ROOT / "bpmn-examples/error-boundary.bpmn" in files
    assert [path for path in files if _place(site, path).read_bytes() != path.read_bytes()] == []


@pytest.mark.parametrize(
    "link",
    ["nowhere.md", "../nowhere.md", "index.md#no-such-heading", "../README.md#no-such-heading", "/index.md"],
)
def test_a_broken_link_fails_the_build(tmp_path: Path, link: str) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (tmp_path / "README.md").write_text("# Top\n\n[pages](docs/index.md)\n", encoding="utf-8")
    (docs / "index.md").write_text(f"# Pages\n\n[up](../README.md#top) [broken]({link})\n", encoding="utf-8")
    (docs / "site_hooks.py").write_bytes((ROOT / "docs/site_hooks.py").read_bytes())
    settings = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    without_pages = re.sub(r"^nav:\n(?:[ ]+.*\n)+", "nav: [index.md]\n", settings, flags=re.MULTILINE)
    plain = re.sub(r"^theme:\n(?:[ ]+.*\n)+", "theme: mkdocs\n", without_pages, flags=re.MULTILINE)
    (docs / "site.css").touch()
    (tmp_path / "mkdocs.yml").write_text(plain, encoding="utf-8")
    built = _build(tmp_path, tmp_path / "site")
    assert built.returncode != 0
    assert re.split("[#/]", link)[-1] in built.stderr
    (docs / "index.md").write_text("# Pages\n\n[up](../README.md#top)\n", encoding="utf-8")
    assert _build(tmp_path, tmp_path / "site").returncode == 0
