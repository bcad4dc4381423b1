"""What ``mkdocs build`` does beside turning the pages of ``docs/`` into a site.

The pages link to files of the repository outside ``docs/``: the README, diagrams, templates. In the
repository's web view such a link opens the file. Here the file is taken into the site, below
``repository/``, and the link leads there; a page among them is treated the same, so that the site contains
every page that links reach. A link that leads nowhere is left as it is, and the strict build fails.

Names in code get places where they may break: between their words, not inside them. The bar that has to be
escaped in a table, also in code, is a bar again.

In the navigation of ``mkdocs.yml``, ``how-to/*.md`` stands for the pages there that are not named themselves.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS, OUTSIDE = "docs", "repository"
_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")
# Blocks of code have their <code> after <pre>, or after an empty <span>.
_INLINE_CODE = re.compile(r"(?<!<pre>)(?<!</span>)(<code>)([^<]*)(?=</code>)")
_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[\w\])}>…/][_.:/=?,-])(?=[\w{<])|(?<= )(?=\S)")
_OPTION = re.compile(r"(?<![\w-])--?\w+")
_FENCE = re.compile(r"^( *)(```+).*?^\1\2\s*?$", re.MULTILINE | re.DOTALL)


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Write out the patterns of the navigation."""
    named = set(_named(config.nav))
    config.nav = _written_out(config.nav, named, Path(config.docs_dir))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Take in what the navigation and the pages link to outside ``docs/``."""
    root = _root(config)
    waiting = [file.src_uri for file in files.documentation_pages()]
    wanted = [uri for uri in _named(config.nav) if uri.startswith(f"{OUTSIDE}/")]
    while wanted or waiting:
        for uri in wanted:
            source = root / _in_repository(uri)
            if files.get_file_from_path(uri) is None and source.is_file():
                files.append(File.generated(config, uri, abs_src_path=str(source)))
                waiting += [uri] if uri.endswith(".md") else []
        wanted = [_on_site(target) for target in _targets(root, waiting.pop())] if waiting else []
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turn each link that crosses the border of ``docs/`` to where its target is on the site."""
    root, uri = _root(config), page.file.src_uri

    def led(found: re.Match[str]) -> str:
        target = _target(root, uri, found[0])
        wanted = _on_site(target)
        known = files.get_file_from_path(wanted) is not None
        return posixpath.relpath(wanted, posixpath.dirname(uri) or ".") if known else found[0]

    return _outside_code(markdown, lambda text: _LINK.sub(led, text))


def on_post_page(output: str, **_: Any) -> str:
    """Let names in code break between their words, as ``smtpEmail`` and ``Subject``; ``--once`` is a word."""
    return _INLINE_CODE.sub(lambda found: found[1] + _breakable(found[2].replace(r"\|", "|")), output)


def _breakable(code: str) -> str:
    return _OPTION.sub(r'<span class="option">\g<0></span>', _WORDS.sub("<wbr>", code))


def _root(config: MkDocsConfig) -> Path:
    return Path(config.docs_dir).parent


def _targets(root: Path, uri: str) -> set[str]:
    """List what a page links to, as paths in the repository."""
    found: set[str] = set()

    def note(text: str) -> str:
        found.update(_target(root, uri, link) for link in _LINK.findall(text))
        return text

    _outside_code((root / _in_repository(uri)).read_text(encoding="utf-8"), note)
    return found


def _target(root: Path, uri: str, link: str) -> str:
    """Find the path in the repository that a link on a page means; that of a directory is its README."""
    path = posixpath.normpath(posixpath.join(posixpath.dirname(_in_repository(uri)), link))
    return f"{path}/README.md" if (root / path).is_dir() else path


def _in_repository(uri: str) -> str:
    outside = uri.removeprefix(f"{OUTSIDE}/")
    return outside if outside != uri else f"{DOCS}/{uri}"


def _on_site(target: str) -> str:
    inside = target.removeprefix(f"{DOCS}/")
    return inside if inside != target else f"{OUTSIDE}/{target}"


def _outside_code(markdown: str, change: Any) -> str:
    """Apply a change to the text around fenced code, which only looks as if it had links."""
    parts, end = [], 0
    for fence in _FENCE.finditer(markdown):
        parts += [change(markdown[end : fence.start()]), fence[0]]
        end = fence.end()
    return "".join([*parts, change(markdown[end:])])


def _named(entry: Any) -> Iterator[str]:
    match entry:
        case str():
            yield entry
        case list():
            for item in entry:
                yield from _named(item)
        case dict():
            yield from _named(list(entry.values()))


def _written_out(entry: Any, named: set[str], docs: Path) -> Any:
    match entry:
        case list():
            parts = [
                _matching(item, named, docs)
                if isinstance(item, str) and "*" in item
                else [_written_out(item, named, docs)]
                for item in entry
            ]
            return [item for part in parts for item in part if item not in ([], {})]
        case dict():
            written = {title: _written_out(item, named, docs) for title, item in entry.items()}
            return {title: item for title, item in written.items() if item}
    return entry


def _matching(pattern: str, named: set[str], docs: Path) -> list[str]:
    found = sorted(path.relative_to(docs).as_posix() for path in docs.glob(pattern))
    return [path.replace(os.sep, "/") for path in found if path not in named]
