"""The settings as people and programs read them: a table, JSON, and a JSON Schema of the settings file.

Secrets are masked by their type; a reference to one is shown.
The schema (2020-12) is made from the tree that reads the file, so that an
editor can complete and check it. It describes what the file alone can show: names, types, ranges and forms,
with descriptions and defaults. The loader may still refuse what the schema accepts, because a file is missing
or two settings contradict each other. The loader is also more lenient, for example with numbers in text. No
setting is required by the schema, because it may come from the environment.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from pydantic import SecretStr
from pydantic.json_schema import GenerateJsonSchema

from connector.settings.accounts import NAME_PATTERN
from connector.settings.environment import environment_names
from connector.settings.model import Settings
from connector.settings.sources import Loaded, leaves

_DEFAULT = "default"
_ATTRIBUTES = {"copy": "copies"}  # BaseModel has a method of that name
_REFERENCE = re.compile(r"\s*(secrets\.[\w./-]+|\{\{\s*secrets\.[\w./-]+\s*\}\})\s*", re.ASCII)


def as_json(loaded: Loaded, *, changed: bool = False) -> str:
    """Give ``{path: {value, source, environment}}`` as JSON text.

    Args:
        loaded: The settings.
        changed: Leave out what is at its default.
    """
    described = {
        path: {"value": value, "source": source, "environment": list(environment_names(path))}
        for path, value, source in _rows(loaded, changed=changed)
    }
    return json.dumps(described, indent=2, ensure_ascii=False)


def as_table(loaded: Loaded, *, changed: bool = False) -> str:
    """Give a line for each setting: its path, its value, and where that comes from.

    Args:
        loaded: The settings.
        changed: Leave out what is at its default.
    """
    rows = [(path, _text(value), source) for path, value, source in _rows(loaded, changed=changed)]
    if not rows:
        return "Every setting is at its default."
    rows.insert(0, ("setting", "value", "source"))
    wide, wider = (max(len(row[column]) for row in rows) for column in (0, 1))
    return "\n".join(f"{path:{wide}}  {value:{wider}}  {source}" for path, value, source in rows)


def _rows(loaded: Loaded, *, changed: bool) -> Iterator[tuple[str, Any, str]]:
    tree = loaded.settings.model_dump(mode="json", by_alias=True)
    presets: dict[str, str] = {}
    for name, account in loaded.settings.accounts.items():
        tree["accounts"][name] |= account.effective
        if account.preset != "custom":
            presets |= {f"accounts.{name}.{key}": f"preset {account.preset}" for key in account.effective}
    settings = loaded.settings
    # Twenty lines for each account that logs in otherwise would hide the rest.
    idle = tuple(
        f"accounts.{name}.oauth." for name, account in settings.accounts.items() if not account.oauth.given
    )
    for path, _ in leaves(accounts=settings.accounts, credentials=settings.credentials):
        if path.startswith(idle):
            continue
        value = tree
        for part in path.split("."):
            value = value[part]
        source = loaded.sources.get(path) or presets.get(path, _DEFAULT)
        if not changed or source != _DEFAULT:
            yield path, _reference(loaded.settings, path) or value, source


def _reference(settings: Settings, path: str) -> str | None:
    """Give a secret's value where it is a mere reference, which is no secret."""
    value: Any = settings
    for part in path.split("."):
        value = value[part] if isinstance(value, dict) else getattr(value, _ATTRIBUTES.get(part, part))
    text = value.get_secret_value() if isinstance(value, SecretStr) else ""
    return text if _REFERENCE.fullmatch(text) else None


def _text(value: Any) -> str:
    if value is None or value in ([], {}):
        return "-"
    if isinstance(value, bool):
        return str(value).lower()  # as it is written in the settings
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NULL = {"type": "null"}


def schema_text() -> str:
    """Give the schema as JSON text, the same for the same version."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def json_schema() -> dict[str, Any]:
    """Give the schema."""
    schema = Settings.model_json_schema(schema_generator=_Generator)
    sections = schema["$defs"]
    for section in (schema, *sections.values()):
        if "properties" in section:
            section["properties"] = {name: _optional(value) for name, value in section["properties"].items()}
    # The loader refuses an account without a single key, which would be lost.
    for name, section in (("accounts", "AccountSettings"), ("credentials", "CredentialSettings")):
        sections[section]["minProperties"] = 1
        schema["properties"][name]["propertyNames"] = {"pattern": f"^{NAME_PATTERN}$"}
    kinds = {"enum": ["none", "sent-folder"]}
    for section, key, text in (
        (sections["AccountSettings"], "oauth", {"type": "string"}),
        (sections["AccountSettings"], "copy", kinds),
        (schema, "copy", kinds),
    ):
        section["properties"][key]["anyOf"].append(text)
    return {"$schema": _DIALECT, **schema, "title": "Settings of smtp-connector"}


class _Generator(GenerateJsonSchema):
    """Leaves out the titles of keys, which only repeat their names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


def _optional(value: dict[str, Any]) -> dict[str, Any]:
    """Allow a key without a value, which the loader takes for its default."""
    told = {key: value[key] for key in ("description", "default") if value.get(key) is not None}
    kind = {key: item for key, item in value.items() if key not in {"description", "default"}}
    choices = [choice for choice in kind.get("anyOf", [kind]) if choice != _NULL]
    if "$ref" in choices[0] and isinstance(told.get("default"), dict):
        del told["default"]  # a section's: each of its keys has its own
    if choices[0].get("type") == "array" and not choices[0]["items"].get("$ref", "").endswith("Settings"):
        choices.append({"type": "string"})  # one item, or several with commas
    if len(choices) == 1 and isinstance(choices[0].get("type"), str) and "enum" not in choices[0]:
        return {**told, **choices[0], "type": [choices[0]["type"], "null"]}
    return {**told, "anyOf": [*choices, _NULL]}
