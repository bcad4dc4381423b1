"""The settings in force, for a person or a program to read; secrets are masked by their type."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from connector.settings.sources import Loaded, environment_names, leaves

_DEFAULT = "default"


def as_json(loaded: Loaded) -> str:
    """Give ``{path: {value, source, environment}}`` as JSON text."""
    described = {
        path: {"value": value, "source": source, "environment": list(environment_names(path))}
        for path, value, source in _rows(loaded)
    }
    return json.dumps(described, indent=2, ensure_ascii=False)


def as_table(loaded: Loaded) -> str:
    """Give a line for each setting: its path, its value, and where that comes from."""
    rows = [(path, _text(value), source) for path, value, source in _rows(loaded)]
    rows.insert(0, ("setting", "value", "source"))
    wide, wider = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{path:{wide}}  {value:{wider}}  {source}" for path, value, source in rows)


def _rows(loaded: Loaded) -> Iterator[tuple[str, Any, str]]:
    tree = loaded.settings.model_dump(mode="json")
    presets: dict[str, str] = {}
    for name, account in loaded.settings.accounts.items():
        tree["accounts"][name] |= account.effective
        if account.preset != "custom":
            presets |= {f"accounts.{name}.{key}": f"preset {account.preset}" for key in account.effective}
    for path, _ in leaves(accounts=loaded.settings.accounts):
        value = tree
        for part in path.split("."):
            value = value[part]
        yield path, value, loaded.sources.get(path) or presets.get(path, _DEFAULT)


def _text(value: Any) -> str:
    if value is None or value in ([], {}):
        return "-"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
