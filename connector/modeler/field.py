"""What an entry of an element template is.

A definition (:mod:`connector.tasks.definitions`) has the names, the allowed words and what is required. An
entry adds the rest: labels, the place in the panel, and when it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Group(StrEnum):
    """The sections of the panel, in their order."""

    SERVER = "server"
    RECIPIENTS = "recipients"
    CONTENT = "content"
    ATTACHMENTS = "attachments"
    IMPORTANCE = "importance"
    REPLIES = "replies"
    DELIVERY = "delivery"
    OPERATION = "operation"
    PAGE = "page"
    OUTPUT = "output"
    ERRORS = "errors"
    RETRIES = "retries"


class Target(StrEnum):
    """Where an entry's value goes in the diagram, as a template's binding names it."""

    INPUT = "zeebe:input"
    HEADER = "zeebe:taskHeader"
    TASK_DEFINITION = "zeebe:taskDefinition"
    # Stays in the diagram; neither the engine nor the worker reads it.
    PROPERTY = "zeebe:property"


@dataclass(frozen=True, slots=True)
class When:
    """The condition that the entry with this id has this value, or one of these.

    An entry that came with a later version has no value in an older diagram. While the modeler updates such a
    diagram, a condition on that value does not hold, and what was filled in under it is lost. Entries that an
    earlier version had therefore show when the entry of the other choice does not (``equals`` is None).

    Attributes:
        equals: The value, or the values; None: the entry itself does not show.
        also: Another condition that must hold as well; an entry that is hidden still counts with its value.
    """

    id: str
    equals: str | tuple[str, ...] | None
    also: When | None = None


@dataclass(frozen=True, slots=True)
class Pattern:
    """What a value must look like, for the modeler to mark a wrong one; FEEL and an empty value always may.

    Attributes:
        value: A regular expression of JavaScript for the whole of a value that is neither. Not for a number
            that may be left out: the modeler tries the pattern on ``undefined`` then.
        message: What it must be; the panel shows it after the label.
    """

    value: str
    message: str


ADDRESSES = Pattern(r"[^@]*@[\s\S]*|role:[\s\S]+", "must be an address, several with commas, or FEEL.")
ADDRESS = Pattern(r"[^@]*@[^@]+", "must be one address, or FEEL.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One entry.

    Attributes:
        id: The name that conditions use; unique among the entries that can show at the same time.
        name: The input variable with dots into contexts, the header's key, or the property's name.
        group: Its section; None for a hidden entry.
        label: The label, in sentence case.
        description: A line below the label.
        tooltip: More text, shown on hovering over the label.
        placeholder: An example, shown while the entry is empty.
        value: Its value when the template is applied; a hidden entry always has it.
        choices: The values to choose from, each with its label.
        lines: It may have several lines.
        expression: It is a FEEL expression only.
        pattern: What it must look like.
        needed: It must be filled in although its definition is optional, because of another entry's choice.
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
    pattern: Pattern | None = None
    needed: bool = False
    when: When | None = None


# What the entry of a dropdown that leaves the choice to the settings writes. An optional dropdown would write
# nothing, but it shows an entry without a word; and the engine refuses an input mapping without a source.
NOT_GIVEN = "=null"
