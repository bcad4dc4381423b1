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

from connector.modeler import mailbox_fields
from connector.modeler.field import Field, Group, Target, When
from connector.modeler.fields import FIELDS, GROUPS
from connector.settings.model import MAILBOX_TASK_TYPE, SEND_TASK_TYPE
from connector.tasks.definitions import Definition, Definitions, Kind
from connector.tasks.mailbox_inputs import MAILBOX
from connector.tasks.send_inputs import NATIVE

# A published template is never edited: a change gets the next number.
VERSION = 2

Json = str | int | bool | None | list["Json"] | dict[str, "Json"]
Object = dict[str, Json]

_SCHEMA = "https://unpkg.com/@camunda/zeebe-element-templates-json-schema/resources/schema.json"
_KEYWORDS = ("mail", "email", "e-mail", "smtp", "send", "notify", "message", "attachment", "reminder")
_MAILBOX_KEYWORDS = ("mail", "email", "e-mail", "imap", "pop3", "mailbox", "inbox", "folder", "attachment")
# A group with a required entry is open; otherwise its red dot would be hidden.
_OPEN = frozenset({Group.SERVER, Group.RECIPIENTS, Group.CONTENT, Group.OPERATION})
_BINDING_KEY = MappingProxyType(
    {Target.INPUT: "name", Target.PROPERTY: "name", Target.HEADER: "key", Target.TASK_DEFINITION: "property"}
)


@dataclass(frozen=True, slots=True)
class Form:
    """What a template asks for.

    Attributes:
        definitions: The inputs of the task type.
        fields: The entries of the panel, in their order.
        groups: Its sections with their titles.
    """

    task_type: str
    definitions: Definitions
    fields: tuple[Field, ...]
    groups: Mapping[Group, str]
    keywords: tuple[str, ...]


SEND = Form(SEND_TASK_TYPE, NATIVE, FIELDS, GROUPS, _KEYWORDS)


def _mailbox(fields: tuple[Field, ...], groups: Mapping[Group, str]) -> Form:
    return Form(MAILBOX_TASK_TYPE, MAILBOX, fields, groups, _MAILBOX_KEYWORDS)


@dataclass(frozen=True, slots=True)
class Element:
    """A kind of BPMN element that a template makes a mail task of.

    Attributes:
        file: The template's file name.
        id: The template's id; it never changes.
        name: The name in the modeler's list.
        description: The line below the name.
        applies_to: The element that a person has drawn.
        becomes: The element that the template makes of it. A plain task or event has no job.
        form: What its panel asks for.
        version: Of the template.
    """

    file: str
    id: str
    name: str
    description: str
    applies_to: str
    becomes: Mapping[str, str]
    form: Form = SEND
    version: int = VERSION


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


MAILBOX_ELEMENTS = (
    Element(
        "smtp-connector-find-mails.json",
        "io.smtp-connector.find-mails",
        "Find mails (IMAP, POP3, Graph)",
        "List or search the mails of a mailbox, or list its folders.",
        "bpmn:Task",
        {"value": "bpmn:ServiceTask"},
        _mailbox(mailbox_fields.FIND, mailbox_fields.FIND_GROUPS),
        version=1,
    ),
    Element(
        "smtp-connector-read-mail.json",
        "io.smtp-connector.read-mail",
        "Read a mail (IMAP, POP3, Graph)",
        "Read one mail of a mailbox, with its attachments.",
        "bpmn:Task",
        {"value": "bpmn:ServiceTask"},
        _mailbox(mailbox_fields.READ, mailbox_fields.GROUPS),
        version=1,
    ),
    Element(
        "smtp-connector-organise-mails.json",
        "io.smtp-connector.organise-mails",
        "Organise mails (IMAP, POP3, Graph)",
        "Mark, move, copy or delete a mail of a mailbox.",
        "bpmn:Task",
        {"value": "bpmn:ServiceTask"},
        _mailbox(mailbox_fields.ORGANISE, mailbox_fields.GROUPS),
        version=1,
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
        "version": element.version,
        "description": element.description,
        **({"documentationRef": documentation} if documentation else {}),
        "keywords": list(element.form.keywords),
        "engines": {"camunda": "^8.6"},
        "category": {"id": "smtp-connector", "name": "Mail"},
        "appliesTo": [element.applies_to],
        "elementType": dict(element.becomes),
        "icon": {"contents": _icon()},
        "groups": [
            {"id": group, "label": label, "openByDefault": group in _OPEN}
            for group, label in element.form.groups.items()
        ],
        "properties": [_task_type(element.form), *_properties(element.form), *_provenance(element)],
    }


def pages(documentation: str | None = None) -> dict[str, str]:
    """Return the text of every template, by file name.

    Args:
        documentation: As for :func:`template`.
    """
    return {
        element.file: json.dumps(template(element, documentation), indent=2, ensure_ascii=False) + "\n"
        for element in (*ELEMENTS, *MAILBOX_ELEMENTS)
    }


def inputs(form: Form = SEND) -> dict[str, Definition]:
    """Return every input that a template could ask for: contexts by their keys, lists as one."""
    # Contexts with one entry for all of their keys.
    whole = frozenset(field.name for field in form.fields)
    return dict(_flat(form.definitions, "", whole))


def _flat(
    definitions: tuple[Definition, ...], prefix: str, whole: frozenset[str]
) -> Iterator[tuple[str, Definition]]:
    for definition in definitions:
        apart = definition.kind is Kind.CONTEXT and prefix + definition.name not in whole
        if definition.members and apart:
            yield from _flat(definition.members, f"{prefix}{definition.name}.", whole)
        else:
            yield prefix + definition.name, definition


def _icon() -> str:
    svg = files("connector.modeler").joinpath("icon.svg").read_text(encoding="utf-8").strip()
    return "data:image/svg+xml," + quote(svg, safe="=:/")


def _task_type(form: Form) -> Object:
    return _hidden(form.task_type, _binding(Target.TASK_DEFINITION, "type"))


def _provenance(element: Element) -> list[Json]:
    """Return the headers that name the template of a task in its jobs."""
    said = {"elementTemplateId": element.id, "elementTemplateVersion": str(element.version)}
    return [_hidden(value, _binding(Target.HEADER, key)) for key, value in said.items()]


def _hidden(value: str, binding: Object) -> Object:
    return {"type": "Hidden", "value": value, "binding": binding}


def _binding(target: Target, name: str) -> Object:
    return {"type": target.value, _BINDING_KEY[target]: name}


def _properties(form: Form) -> Iterator[Object]:
    known = inputs(form)
    return (
        _property(field, known[field.name] if field.target is Target.INPUT else None) for field in form.fields
    )


def _property(field: Field, definition: Definition | None) -> Object:
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
        conditions.insert(0, {"property": condition.id, **_test(condition.equals)})
        condition = condition.also
    first = conditions[0]
    return first if len(conditions) == 1 and isinstance(first, dict) else {"allMatch": conditions}


def _test(equals: str | tuple[str, ...] | None) -> Object:
    if equals is None:
        return {"isActive": False}
    return {"equals": equals} if isinstance(equals, str) else {"oneOf": list(equals)}


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
    # What a secret holds shows only in the worker.
    secret = r"|[\s\S]*secrets\.[\s\S]*" if field.target is Target.INPUT else ""
    value = rf"^(\s*|\s*=[\s\S]*|\s*(?:{field.pattern.value})\s*{secret})$"
    return {"pattern": {"value": value, "message": field.pattern.message}}
