"""The element templates as JSON: the table of entries joined with the definitions of the inputs.

Everything that the engine, the modeler or the official schema demands is settled here, once for all entries.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from urllib.parse import quote

from connector.modeler.field import Field, Group, Target, When
from connector.modeler.fields import FIELDS, GROUPS
from connector.settings.model import SEND_TASK_TYPE
from connector.tasks.definitions import Definition, Kind
from connector.tasks.send_inputs import NATIVE

# A published template is never edited: a change gets the next number.
VERSION = 2

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]
Object = dict[str, Json]

_SCHEMA = "https://unpkg.com/@camunda/zeebe-element-templates-json-schema/resources/schema.json"
_KEYWORDS = ("mail", "email", "e-mail", "smtp", "send", "notify", "message", "attachment", "reminder")
# A group with a required entry is open; otherwise its red dot would be hidden.
_OPEN = frozenset({Group.SERVER, Group.RECIPIENTS, Group.CONTENT})
_BINDING_KEY = MappingProxyType(
    {Target.INPUT: "name", Target.PROPERTY: "name", Target.HEADER: "key", Target.TASK_DEFINITION: "property"}
)

# Contexts with one entry for all of their keys.
_WHOLE = frozenset(field.name for field in FIELDS)


@dataclass(frozen=True, slots=True)
class Element:
    """A kind of BPMN element that can send a mail.

    Attributes:
        file: The template's file name.
        id: The template's id; it never changes.
        name: The name in the modeler's list.
        description: The line below the name.
        applies_to: The element that a person has drawn.
        becomes: The element that the template makes of it. A plain task or event has no job.
    """

    file: str
    id: str
    name: str
    description: str
    applies_to: str
    becomes: Mapping[str, str]


_MESSAGE = "bpmn:MessageEventDefinition"
ELEMENTS = (
    Element(
        "smtp-connector-send.json",
        "io.smtp-connector.send",
        "Send mail (SMTP)",
        "Send a mail through an SMTP server.",
        "bpmn:Task",
        {"value": "bpmn:ServiceTask"},
    ),
    Element(
        "smtp-connector-send-task.json",
        "io.smtp-connector.send-task",
        "Send mail (SMTP), send task",
        "Send a mail through an SMTP server, drawn as a send task.",
        "bpmn:Task",
        {"value": "bpmn:SendTask"},
    ),
    Element(
        "smtp-connector-throw-event.json",
        "io.smtp-connector.throw-event",
        "Send mail (SMTP), throw event",
        "Send a mail through an SMTP server and go on.",
        "bpmn:IntermediateThrowEvent",
        {"value": "bpmn:IntermediateThrowEvent", "eventDefinition": _MESSAGE},
    ),
    Element(
        "smtp-connector-end-event.json",
        "io.smtp-connector.end-event",
        "Send mail (SMTP), end event",
        "Send a mail through an SMTP server and end.",
        "bpmn:EndEvent",
        {"value": "bpmn:EndEvent", "eventDefinition": _MESSAGE},
    ),
)


def template(element: Element, documentation: str | None = None) -> Object:
    """Return the template for one kind of element.

    Args:
        element: The kind.
        documentation: The http(s) URL that the book icon leads to; without one there is no icon.
    """
    return {
        "$schema": _SCHEMA,
        "name": element.name,
        "id": element.id,
        "version": VERSION,
        "description": element.description,
        **({"documentationRef": documentation} if documentation else {}),
        "keywords": list(_KEYWORDS),
        "engines": {"camunda": "^8.6"},
        "category": {"id": "smtp-connector", "name": "Mail"},
        "appliesTo": [element.applies_to],
        "elementType": dict(element.becomes),
        "icon": {"contents": _icon()},
        "groups": [
            {"id": group, "label": label, "openByDefault": group in _OPEN} for group, label in GROUPS.items()
        ],
        "properties": [_task_type(), *map(_property, FIELDS), *_provenance(element)],
    }


def pages(documentation: str | None = None) -> dict[str, str]:
    """Return the text of every template, by file name.

    Args:
        documentation: As for :func:`template`.
    """
    return {
        element.file: json.dumps(template(element, documentation), indent=2, ensure_ascii=False) + "\n"
        for element in ELEMENTS
    }


def inputs() -> dict[str, Definition]:
    """Return every input that a template could ask for: contexts by their keys, lists as one."""
    return dict(_flat(NATIVE, ""))


def _flat(definitions: tuple[Definition, ...], prefix: str) -> Iterator[tuple[str, Definition]]:
    for definition in definitions:
        whole = prefix + definition.name in _WHOLE
        if definition.kind is Kind.CONTEXT and definition.members and not whole:
            yield from _flat(definition.members, f"{prefix}{definition.name}.")
        else:
            yield prefix + definition.name, definition


def _icon() -> str:
    svg = files("connector.modeler").joinpath("icon.svg").read_text(encoding="utf-8").strip()
    return "data:image/svg+xml," + quote(svg, safe="=:/")


def _task_type() -> Object:
    return _hidden(SEND_TASK_TYPE, _binding(Target.TASK_DEFINITION, "type"))


def _provenance(element: Element) -> list[Json]:
    """Return the headers that name the template of a task in its jobs."""
    said = {"elementTemplateId": element.id, "elementTemplateVersion": str(VERSION)}
    return [_hidden(value, _binding(Target.HEADER, key)) for key, value in said.items()]


def _hidden(value: str, binding: Object) -> Object:
    return {"type": "Hidden", "value": value, "binding": binding}


def _binding(target: Target, name: str) -> Object:
    return {"type": target.value, _BINDING_KEY[target]: name}


def _property(field: Field) -> Object:
    definition = inputs()[field.name] if field.target is Target.INPUT else None
    shape = _shape(field, definition)
    words = {
        "label": field.label,
        "description": field.description,
        "tooltip": field.tooltip,
        "placeholder": field.placeholder,
    }
    return {
        "id": field.id,
        **{key: text for key, text in words.items() if text},
        "binding": _binding(field.target, field.name),
        **({"group": field.group} if field.group else {}),
        **shape,
        **({"value": field.value} if field.value is not None else {}),
        **_filling(field, definition, str(shape["type"])),
        **({"condition": _condition(field.when)} if field.when else {}),
    }


def _condition(when: When) -> Object:
    conditions: list[Json] = []
    condition: When | None = when
    while condition is not None:
        conditions.insert(0, {"property": condition.id, "equals": condition.equals})
        condition = condition.also
    first = conditions[0]
    return first if len(conditions) == 1 and isinstance(first, dict) else {"allMatch": conditions}


def _shape(field: Field, definition: Definition | None) -> Object:
    """Choose the widget, and whether FEEL is possible, required, or neither."""
    kind = definition.kind if definition else Kind.TEXT
    nested = kind is Kind.CONTEXT or bool(kind is Kind.LIST and definition and definition.members)
    if field.group is None:
        return {"type": "Hidden"}
    if field.choices:
        choices: list[Json] = [{"name": label, "value": word} for word, label in field.choices.items()]
        return {"type": "Dropdown", "choices": choices}
    if field.expression or nested:
        return {"type": "Text", "feel": "required"}
    if kind is Kind.BOOLEAN:
        # Static: a plain checkbox, whose value arrives as a boolean and not as text.
        return {"type": "Boolean", "feel": "static"}
    if field.target is Target.HEADER:
        return {"type": "String"}  # the engine evaluates no header
    return {
        "type": "Number" if kind is Kind.NUMBER else "Text" if field.lines else "String",
        "feel": "optional",
    }


def _filling(field: Field, definition: Definition | None, type_: str) -> Object:
    """Mark the entries that may stay empty: the engine refuses an input mapping without a source."""
    if type_ == "Hidden":
        return {}
    if definition and (definition.required or field.needed):
        # A condition decides whether an input that a context requires is asked for at all.
        return {"constraints": {"notEmpty": True, **_pattern(field)}}
    # Beside `optional`, the modeler drops a template whose constraints do not say that it may be empty.
    constraints: Object = {"constraints": {"notEmpty": False, **_pattern(field)}} if field.pattern else {}
    always_set = field.value is not None and type_ in {"Boolean", "Dropdown"}
    return constraints if always_set or definition is None else {"optional": True, **constraints}


def _pattern(field: Field) -> Object:
    """Give the pattern of a field; it is tried on an empty value too."""
    if field.pattern is None:
        return {}
    value = rf"^(\s*|\s*=[\s\S]*|\s*(?:{field.pattern.value})\s*)$"
    return {"pattern": {"value": value, "message": field.pattern.message}}
