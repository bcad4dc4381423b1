"""A JSON Schema (2020-12) of the settings file, made from the tree that reads it, for editors.

It says what the file alone can show: names, types, ranges and forms, with descriptions and defaults. What it
accepts the loader may still refuse, because a file is not there or two settings contradict each other; and
the loader is more lenient, as with numbers in text. Whether a setting is missing is not said, since it may
come from the environment.
"""

from __future__ import annotations

import json
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from connector.settings.accounts import NAME_PATTERN
from connector.settings.model import Settings

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_NULL = {"type": "null"}


def as_text() -> str:
    """Give the schema as JSON text, the same for the same version."""
    return json.dumps(json_schema(), indent=2, ensure_ascii=False) + "\n"


def json_schema() -> dict[str, Any]:
    """Give the schema."""
    schema = Settings.model_json_schema(schema_generator=_Generator)
    sections = schema["$defs"]
    for section in (schema, *sections.values()):
        if "properties" in section:
            section["properties"] = {
                name: _or_nothing(value) for name, value in section["properties"].items()
            }
    # An account without a single key would be forgotten: the loader refuses it.
    sections["AccountSettings"]["minProperties"] = 1
    schema["properties"]["accounts"]["propertyNames"] = {"pattern": f"^{NAME_PATTERN}$"}
    return {"$schema": _DIALECT, **schema, "title": "Settings of smtp-connector"}


class _Generator(GenerateJsonSchema):
    """Leaves out the titles of keys, which only repeat their names."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        del schema
        return False


def _or_nothing(value: dict[str, Any]) -> dict[str, Any]:
    """Let a key stand without a value, as the loader does: it then has its default."""
    told = {key: value[key] for key in ("description", "default") if value.get(key) is not None}
    kind = {key: item for key, item in value.items() if key not in {"description", "default"}}
    choices = [choice for choice in kind.get("anyOf", [kind]) if choice != _NULL]
    if "$ref" in choices[0] and isinstance(told.get("default"), dict):
        del told["default"]  # a section's: each of its keys has its own
    if len(choices) == 1 and isinstance(choices[0].get("type"), str) and "enum" not in choices[0]:
        return {**told, **choices[0], "type": [choices[0]["type"], "null"]}
    return {**told, "anyOf": [*choices, _NULL]}
