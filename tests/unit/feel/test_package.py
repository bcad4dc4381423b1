"""The package stands by itself."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from connector import feel

_FOLDER = Path(feel.__file__).parent


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def test_it_imports_the_standard_library_regex_and_itself() -> None:
    files = list(_FOLDER.rglob("*.py"))
    names = {name for path in files for name in _imported(path) if not name.startswith("connector.feel")}
    assert len(files) > 20
    assert {name.partition(".")[0] for name in names} - sys.stdlib_module_names == {"regex"}


def test_the_example_of_its_docstring_holds() -> None:
    response = {"status": "sent", "messageId": "<1@mail>"}
    text = 'if response.status = "sent" then {id: response.messageId} else null'
    assert feel.evaluate(text, {"response": response}) == {"id": "<1@mail>"}
    assert text in (feel.__doc__ or "")
