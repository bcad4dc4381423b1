"""Read the text of a setting, which is the same in the environment, on the command line and in the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from enum import EnumType
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo


def read_text(text: str, field: FieldInfo) -> Any:
    """Read text as what the setting holds.

    A list is split at its commas, or is JSON, as a list of sections always is. A choice may have any case.
    No file is meant where its name is empty.
    """
    kinds = set(_kinds(field.annotation))
    if get_origin(field.annotation) is tuple:
        return text if any(map(_is_section, kinds)) else _items(text)
    if Path in kinds and not text.strip():
        return field.get_default(call_default_factory=True)
    choices = {str(getattr(kind, "value", kind)) for kind in kinds if isinstance(kind, str)}
    return text.lower() if text.lower() in choices else text


def _items(text: str) -> Any:
    if text.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):
            return json.loads(text)
    return [item.strip() for item in text.split(",") if item.strip()]


def _kinds(annotation: object) -> Iterator[object]:
    """Yield the types and the choices of a setting."""
    if isinstance(annotation, EnumType):
        yield from annotation
    elif get_args(annotation):
        for part in get_args(annotation):
            yield from _kinds(part)
    else:
        yield annotation


def _is_section(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
