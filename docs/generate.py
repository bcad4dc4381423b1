"""Writes the reference pages and the generated parts of others from the code that they describe.

``python docs/generate.py`` rewrites them; ``tests/unit/test_docs.py`` fails when they are out of date.
"""

from __future__ import annotations

import re
from pathlib import Path

from reference_pages import commands, error_codes, inputs, python_api, results, settings

from connector.settings.show import schema_text

ROOT = Path(__file__).parent.parent
REFERENCE = ROOT / "docs/reference"


def main() -> None:
    """Rewrite every generated page."""
    for path, text in pages().items():
        path.write_text(text, encoding="utf-8")


def pages() -> dict[Path, str]:
    """Give every generated file with the text that it should have."""
    return {
        REFERENCE / "inputs.md": inputs.page(),
        REFERENCE / "settings.md": settings.page(),
        REFERENCE / "settings.schema.json": schema_text(),
        REFERENCE / "worker.yaml": settings.complete_file(),
        REFERENCE / "accounts.md": settings.accounts_page(),
        REFERENCE / "error-codes.md": error_codes.page(),
        REFERENCE / "commands.md": commands.page(),
        REFERENCE / "python.md": python_api.python_page(),
        REFERENCE / "testing.md": python_api.testing_page(),
        **_with_parts(REFERENCE / "mailbox.md", inputs=inputs.mailbox()),
        **_with_parts(ROOT / "README.md", settings=settings.common(), commands=commands.overview()),
        **_with_parts(
            REFERENCE / "results-and-errors.md", headers=results.headers(), response=results.keys()
        ),
    }


def _with_parts(page: Path, **parts: str) -> dict[Path, str]:
    """Put each part between its two marks in a page that is otherwise written by hand."""
    text = page.read_text(encoding="utf-8")
    for name, part in parts.items():
        begin, end = f"<!-- begin {name} -->", f"<!-- end {name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        found = pattern.search(text)
        if not found:
            raise SystemExit(f"{page.name} has no place for {name}: {begin} … {end}")
        whole = f"{begin}\n\n{part}\n{end}"
        text = f"{text[: found.start()]}{whole}{text[found.end() :]}"
    return {page: text}


if __name__ == "__main__":
    main()
