"""What one entry of an element template is: how a person is asked for one thing.

Only what a definition does not know stands here: words for people, the place in the panel, when it shows.
Names, allowed words and what is required come from :mod:`connector.tasks.definitions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Group(StrEnum):
    """The sections of the panel, in the order in which a person thinks."""

    SERVER = "server"
    RECIPIENTS = "recipients"
    CONTENT = "content"
    ATTACHMENTS = "attachments"
    OPTIONS = "options"
    OUTPUT = "output"
    ERRORS = "errors"
    RETRIES = "retries"


class Target(StrEnum):
    """Where an entry's value goes in the diagram, as a template's binding names it."""

    INPUT = "zeebe:input"
    HEADER = "zeebe:taskHeader"
    TASK_DEFINITION = "zeebe:taskDefinition"
    # Stays in the diagram: neither the engine nor the worker reads it.
    PROPERTY = "zeebe:property"


@dataclass(frozen=True, slots=True)
class When:
    """An entry shows only while the entry with this id has this value."""

    id: str
    equals: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One entry.

    Attributes:
        id: By which conditions name it; unique among those that can show at the same time.
        name: The input variable with dots into contexts, the header's key, or the property's name.
        group: Its section; None for what no one sees.
        label: In sentence case.
        description: A line below it.
        tooltip: More, on hovering over the label.
        placeholder: An example, shown while it is empty.
        value: What it holds when the template is applied. What is hidden always holds it.
        choices: The words to choose from, each with what it is called here.
        lines: It may have several lines.
        expression: It is FEEL and nothing else.
        needed: Must be filled in although the definition has it optional, as another entry was chosen.
        when: The condition under which it shows.
    """

    id: str
    name: str
    target: Target = Target.INPUT
    group: Group | None = None
    label: str = ""
    description: str = ""
    tooltip: str = ""
    placeholder: str = ""
    value: str | int | bool | None = None
    choices: Mapping[str, str] | None = None
    lines: bool = False
    expression: bool = False
    needed: bool = False
    when: When | None = None
